"""CORS over the wire: preflights, fields on answers and on errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.store import Store

SITE = "https://www.example.com"
RULES = [
    {
        "AllowedOrigins": [SITE, "https://*.apps.example.com"],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["Content-Type", "x-amz-*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 600,
    },
    {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
]
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


def preflight(store: Store, target: str, origin: str, method: str, headers: str = "") -> Any:
    fields = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        fields["Access-Control-Request-Headers"] = headers
    return store.request("OPTIONS", target, headers=fields)


def test_an_allowed_preflight_is_answered_without_a_key(store: Store, shared: str) -> None:
    reply = preflight(store, f"/{shared}/k", SITE, "PUT", "content-type, X-Amz-Meta-Colour")
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == SITE
    assert reply.headers["access-control-allow-methods"] == "GET, PUT"
    assert reply.headers["access-control-allow-headers"] == "content-type, x-amz-meta-colour"
    assert reply.headers["access-control-expose-headers"] == "ETag"
    assert reply.headers["access-control-max-age"] == "600"
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["vary"] == VARY


def test_a_preflight_says_nothing_of_what_exists(store: Store, shared: str) -> None:
    assert preflight(store, f"/{shared}/missing", SITE, "GET").status == 200


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://evil.example", "GET", ""),
        ("https://www.example.com.evil.example", "GET", ""),
        ("http://www.example.com", "GET", ""),
        ("https://.apps.example.com.evil", "GET", ""),
        ("null", "GET", ""),
        (SITE, "DELETE", ""),
        (SITE, "PUT", "x-other"),
        (SITE, "PUT", "bad header"),
    ],
)
def test_what_no_rule_allows_is_forbidden(store: Store, shared: str, origin: str, method: str, headers: str) -> None:
    reply = preflight(store, f"/{shared}/k", origin, method, headers)
    assert (reply.status, reply.code) == (403, "AccessForbidden")
    assert "access-control-allow-origin" not in reply.headers


def test_what_is_no_preflight_is_refused(store: Store, shared: str) -> None:
    assert store.request("OPTIONS", f"/{shared}/k").code == "BadRequest"
    assert store.request("OPTIONS", f"/{shared}/k", headers={"Origin": SITE}).code == "BadRequest"
    assert preflight(store, f"/{shared}/k", SITE, "TRACE").code == "BadRequest"


def test_without_a_configuration_no_origin_is_allowed(store: Store, bucket: str) -> None:
    assert preflight(store, f"/{bucket}/k", SITE, "GET").code == "AccessForbidden"
    assert "vary" not in store.request("GET", f"/{bucket}/k", store.one, {"Origin": SITE}).headers
    assert preflight(store, "/no-such-bucket/k", SITE, "GET").code == "NoSuchBucket"


def test_answers_to_allowed_origins_carry_the_fields(store: Store, shared: str) -> None:
    for origin in (SITE, "https://one.apps.example.com"):
        reply = store.request("GET", f"/{shared}/k", store.one, {"Origin": origin})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, origin)
        assert reply.headers["vary"] == VARY


def test_errors_carry_the_fields_too(store: Store, shared: str) -> None:
    for key, status in ((store.one, 404), (None, 403)):
        reply = store.request("GET", f"/{shared}/missing", key, {"Origin": SITE})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (status, SITE)


def test_other_origins_get_the_answer_without_the_fields(store: Store, shared: str) -> None:
    reply = store.request("GET", f"/{shared}/k", store.one, {"Origin": "https://evil.example"})
    assert (reply.status, reply.headers["vary"]) == (200, VARY)
    assert "access-control-allow-origin" not in reply.headers


def test_a_star_goes_without_credentials(store: Store, shared: str) -> None:
    reply = store.request("HEAD", f"/{shared}/k", store.one, {"Origin": "https://anyone.example"})
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers


def test_a_change_counts_from_the_next_request(store: Store, s3: Any, shared: str) -> None:
    assert preflight(store, f"/{shared}/k", SITE, "GET").status == 200
    s3.put_bucket_cors(Bucket=shared, CORSConfiguration={"CORSRules": RULES[1:]})
    assert preflight(store, f"/{shared}/k", SITE, "GET").status == 403
    s3.delete_bucket_cors(Bucket=shared)
    assert preflight(store, f"/{shared}/k", "https://anyone.example", "HEAD").status == 403


def test_no_configured_header_breaks_out_of_its_line(store: Store, bucket: str) -> None:
    for element in ("ExposeHeader", "AllowedHeader", "AllowedOrigin"):
        other = "" if element == "AllowedOrigin" else "<AllowedOrigin>*</AllowedOrigin>"
        body = (
            f"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>{other}"
            f"<{element}>a&#13;&#10;Set-Cookie: x=1</{element}></CORSRule></CORSConfiguration>"
        ).encode()
        reply = store.request("PUT", f"/{bucket}?cors", store.one, body=body)
        assert (reply.status, reply.code) == (400, "InvalidRequest")
