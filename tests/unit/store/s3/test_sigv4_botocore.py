"""What botocore signs, the server verifies: over keys, parameters and header values of every kind."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import sigv4
from bucketry.store.s3.headers import Headers

from .signing import ACCESS_KEY, EMPTY, presign, sign

BASE = "http://bucket.localhost:9000"

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
nasty_keys = st.lists(
    st.sampled_from(
        ["a", "/", "//", ".", "..", "+", " ", "%", "%20", "?", "#", "&", "=", "~", "é", "\U0001f600", "*", "\x01"]
    ),
    min_size=1,
    max_size=12,
).map("".join)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
parameter_lists = st.lists(st.tuples(words.filter(bool), words), max_size=6).filter(
    lambda pairs: not any(name.lower().startswith("x-amz-") for name, _ in pairs)
)
# what an HTTP client would send: printable, with runs of spaces inside
header_values = st.lists(st.sampled_from(["a", "b,c", "  ", " ", '"', "ü", "x=y;"]), max_size=8).map("".join)


def path_of(key: str) -> str:
    return "/" + quote(key, safe="/~")


def query_of(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)


@given(keys | nasty_keys, st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]))
def test_any_key_signed_in_header_verifies(key: str, method: str) -> None:
    wire = sign(method, BASE + path_of(key))
    assert wire.verify().payload is sigv4.PayloadMode.HASH


@given(keys | nasty_keys)
def test_any_key_presigned_verifies(key: str) -> None:
    claim = presign("GET", BASE + path_of(key)).verify()
    assert claim.is_presigned
    assert claim.expires_s == 3600
    assert claim.payload is sigv4.PayloadMode.UNSIGNED


@given(parameter_lists)
def test_any_parameters_verify(pairs: list[tuple[str, str]]) -> None:
    sign("GET", f"{BASE}/?{query_of(pairs)}").verify()
    presign("GET", f"{BASE}/key?{query_of(pairs)}").verify()


@given(header_values, header_values)
def test_header_values_verify_with_runs_of_spaces(first: str, second: str) -> None:
    wire = sign(
        "PUT", f"{BASE}/key", [("x-amz-meta-a", first), ("X-Amz-Meta-B", second), ("Content-Type", "text/plain")]
    )
    wire.verify()


@given(st.lists(header_values, min_size=2, max_size=4))
def test_repeated_headers_verify(values: list[str]) -> None:
    wire = sign("PUT", f"{BASE}/key", [("x-amz-meta-a", value) for value in values])
    assert wire.headers.get_all("x-amz-meta-a") == [value.strip() for value in values]
    wire.verify()


def test_parameter_without_value_and_parameters_out_of_order_verify() -> None:
    sign("GET", f"{BASE}/?uploads").verify()
    wire = sign("GET", f"{BASE}/?a-b=1&a=2&A=3&a=1")
    wire.query = "a=1&A=3&a=2&a-b=1"
    wire.verify()


def test_form_encoded_space_is_the_space_that_was_signed() -> None:
    wire = sign("GET", f"{BASE}/?prefix=a%20b")
    wire.query = f"prefix={quote_plus('a b')}"
    assert wire.query == "prefix=a+b"
    wire.verify()


def test_path_escaped_another_way_is_the_same_path() -> None:
    wire = sign("GET", f"{BASE}/a%20b/~c%2B")
    wire.path = "/%61 b/%7Ec+"
    wire.verify()


@pytest.mark.parametrize("path", ["/a//b", "/a/../b", "/./a", "//", "/a/"])
def test_path_is_not_normalised(path: str) -> None:
    sign("GET", BASE + path).verify()


def test_escaped_slash_in_a_path_is_signed_as_a_slash() -> None:
    wire = sign("GET", f"{BASE}/a/b")
    wire.path = "/a%2Fb"
    wire.verify()


def test_value_of_raw_utf8_bytes_verifies() -> None:
    wire = sign("PUT", f"{BASE}/key", [("x-amz-meta-a", "grün")])
    raw = [(name.encode(), value.encode()) for name, value in wire.pairs]
    assert Headers.from_raw(raw).get("x-amz-meta-a") == "grün"
    wire.pairs = [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in raw]
    wire.verify()


def test_default_port_and_user_agent_do_not_disturb() -> None:
    wire = sign("GET", f"{BASE}/key")
    wire.set("User-Agent", "changed by a proxy")
    wire.set("Connection", "keep-alive")
    wire.set("X-Amzn-Trace-Id", "Root=1")
    wire.verify()


def test_session_token_is_signed_and_told() -> None:
    claim = sign("GET", f"{BASE}/key", token="a-token").verify()
    assert claim.session_token == "a-token"
    assert "x-amz-security-token" in claim.signed_headers


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_form_post_of_iam_verifies_with_the_hash_of_its_body(service: str) -> None:
    body = b"Action=ListUsers&Version=2010-05-08"
    content_type = ("Content-Type", "application/x-www-form-urlencoded")
    wire = sign("POST", "http://localhost:9001/", [content_type], body=body, service=service)
    claim = wire.verify(payload_sha256=hashlib.sha256(body).hexdigest())
    assert (claim.service, claim.access_key_id, claim.content_sha256) == (service, ACCESS_KEY, None)


def test_body_hash_of_put_is_the_one_signed() -> None:
    claim = sign("PUT", f"{BASE}/key", body=b"hello").verify()
    assert claim.content_sha256 == hashlib.sha256(b"hello").hexdigest() != EMPTY
