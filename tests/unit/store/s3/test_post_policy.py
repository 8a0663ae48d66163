"""Policies of posted forms: what they allow, what they refuse, what is none, and who signed them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import sigv4
from bucketry.store.s3.errors import (
    AccessDenied,
    EntityTooLarge,
    EntityTooSmall,
    InvalidArgument,
    S3Error,
    SignatureDoesNotMatch,
)
from bucketry.store.s3.form_errors import InvalidPolicyDocument
from bucketry.store.s3.post_policy import claim_of, parse_policy, verify_v2, verify_v4

NOW_MS = 1_767_323_045_000  # 2026-01-02T03:04:05Z
LATER = "2026-01-02T03:04:06.000Z"


def encoded(document: Any) -> str:
    return b64encode(json.dumps(document).encode()).decode()


def policy(*conditions: Any, expiration: Any = LATER) -> str:
    return encoded({"expiration": expiration, "conditions": list(conditions)})


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([{"key": "a"}], {"key": "a"}),
        ([{"KEY": "a"}], {"key": "a"}),
        ([["eq", "$Key", "a"]], {"key": "a"}),
        ([["Starts-With", "$key", "a/"]], {"key": "a/b"}),
        ([["starts-with", "$key", ""]], {"key": "anything"}),
        ([["starts-with", "$x-amz-meta-a", ""]], {}),
        ([{"acl": ""}], {}),
        ([["starts-with", "$content-type", "image/"]], {"content-type": "image/png, image/gif"}),
        ([], {"x-ignore-a": "1", "policy": "…", "x-amz-signature": "…", "awsaccesskeyid": "…", "signature": "…"}),
        ([], {"x-amz-checksum-crc32": "AAAAAA=="}),
        ([["content-length-range", 1, 2]], {}),
    ],
)
def test_allowed(conditions: list[Any], fields: dict[str, str]) -> None:
    parse_policy(policy(*conditions)).check(fields, NOW_MS)


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([{"key": "a"}], {"key": "b"}),
        ([{"key": "a"}], {}),
        ([{"key": "a"}, ["starts-with", "$key", "b"]], {"key": "a"}),
        ([["starts-with", "$key", "a/"]], {"key": "b/a/"}),
        ([["starts-with", "$key", "a,"]], {"key": "a"}),
        ([["starts-with", "$content-type", "image/"]], {"content-type": "image/png, text/html"}),
        ([["eq", "$content-type", "image/png"]], {"content-type": "image/png, image/png"}),
        ([], {"key": "a"}),
        ([], {"bucket": "b"}),
        ([], {"x-amz-meta-a": "b"}),
        ([], {"x-amz-credential": "c"}),
        ([["content-length-range", 0, 9]], {"content-length-range": "1"}),
    ],
)
def test_refused(conditions: list[Any], fields: dict[str, str]) -> None:
    with pytest.raises(AccessDenied):
        parse_policy(policy(*conditions)).check(fields, NOW_MS)


def test_expired() -> None:
    found = parse_policy(policy())
    found.check({}, NOW_MS + 999)
    with pytest.raises(AccessDenied, match="expired"):
        found.check({}, NOW_MS + 1000)


def test_sizes() -> None:
    found = parse_policy(policy(["content-length-range", 2, 10], ["content-length-range", "0", "3"]))
    found.check_size(2)
    found.check_size(3)
    found.check_least_size(1)
    with pytest.raises(EntityTooSmall):
        found.check_size(1)
    for check in (found.check_size, found.check_least_size):
        with pytest.raises(EntityTooLarge):
            check(4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64",
        b64encode(b"{").decode(),
        b64encode(b"\xff").decode(),
        b64encode(b"[" * 100_000).decode(),
        encoded([]),
        encoded({"conditions": []}),
        encoded({"expiration": LATER}),
        encoded({"EXPIRATION": LATER, "conditions": []}),
        encoded({"expiration": LATER, "Conditions": []}),
        encoded({"expiration": LATER, "conditions": {}}),
        policy(expiration="2026-01-02 03:04:06+00:00"),
        policy(expiration="2026-01-02"),
        policy(expiration=1767323046),
        policy({}),
        policy({"key": "a", "acl": "b"}),
        policy({"key": 1}),
        policy("key"),
        policy([]),
        policy([1, "$key", "a"]),
        policy(["ends-with", "$key", "a"]),
        policy(["eq", "key", "a"]),
        policy(["eq", "$", "a"]),
        policy(["eq", "$key"]),
        policy(["eq", "$key", 1]),
        policy(["content-length-range", 0]),
        policy(["content-length-range", -1, 0]),
        policy(["content-length-range", 1.5, 2]),
        policy(["content-length-range", True, 2]),
        policy(["content-length-range", 2, 1]),
        policy(["content-length-range", 0, 2**64]),
        b64encode(b'{"expiration":"2026-01-02T03:04:06Z","conditions":[],"conditions":[{"key":"a"}]}').decode(),
    ],
)
def test_no_policy(text: str) -> None:
    with pytest.raises(InvalidPolicyDocument):
        parse_policy(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=4))
def test_no_document_does_more_than_be_refused(conditions: list[Any]) -> None:
    try:
        parse_policy(policy(*conditions)).check({"key": "a"}, NOW_MS)
    except S3Error:
        return
    assert any("key" in json.dumps(condition).lower() for condition in conditions)  # never allowed without naming it


# --- signatures

V4 = {
    "policy": "eyJh",
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-credential": "AKID/20260102/us-east-1/s3/aws4_request",
    "x-amz-date": "20260102T030405Z",
    "x-amz-signature": "0" * 64,
}
V2 = {"policy": "eyJh", "awsaccesskeyid": "AKID", "signature": "c2ln"}


def test_claims() -> None:
    assert claim_of({"key": "a"}) is None
    new, old = claim_of(V4), claim_of(V2)
    assert new is not None
    assert old is not None
    assert (new.access_key_id, new.date, new.region, new.service, new.version) == (
        "AKID",
        "20260102",
        "us-east-1",
        "s3",
        4,
    )
    assert (old.access_key_id, old.signature, old.version) == ("AKID", "c2ln", 2)


@pytest.mark.parametrize(
    "fields",
    [
        *({name: value for name, value in form.items() if name != left_out} for form in (V4, V2) for left_out in form),
        {**V4, "signature": "c2ln"},
        {**V4, "x-amz-algorithm": "AWS4-ECDSA-P256-SHA256"},
        {**V4, "x-amz-date": "2026-01-02"},
        {**V4, "x-amz-date": "20260103T030405Z"},
        {**V4, "x-amz-credential": "AKID/20260102/us-east-1/s3"},
        {**V4, "x-amz-credential": "AKID/20260102/us-east-1/s3/aws3_request"},
    ],
)
def test_half_a_claim_is_never_none(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        claim_of(fields)


def test_the_documented_signature() -> None:
    """Amazon S3 API Reference, "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)"."""
    document = (
        '{ "expiration": "2015-12-30T12:00:00.000Z",\r\n  "conditions": [\r\n    {"bucket": "sigv4examplebucket"},\r\n'
        '    ["starts-with", "$key", "user/user1/"],\r\n    {"acl": "public-read"},\r\n    {"success_action_redirect": '
        '"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},\r\n    ["starts-with", "$Content-Type", '
        '"image/"],\r\n    {"x-amz-meta-uuid": "14365123651274"},\r\n    {"x-amz-server-side-encryption": "AES256"},'
        '\r\n    ["starts-with", "$x-amz-meta-tag", ""],\r\n\r\n    {"x-amz-credential": '
        '"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},\r\n    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},'
        '\r\n    {"x-amz-date": "20151229T000000Z" }\r\n  ]\r\n}'
    )
    key = sigv4.signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20151229", "us-east-1", "s3")
    fields = {
        **V4,
        "policy": b64encode(document.encode()).decode(),
        "x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        "x-amz-date": "20151229T000000Z",
        "x-amz-signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
    }
    claim = claim_of(fields)
    assert claim is not None
    verify_v4(claim, key, fields["policy"])
    with pytest.raises(SignatureDoesNotMatch):
        verify_v4(claim, key, fields["policy"].replace("e", "f", 1))


def test_v2_signs_by_the_secret_itself() -> None:
    claim = claim_of({**V2, "signature": "yjxdN8eyq8bZk5K7GAUVF853J9I="})
    assert claim is not None
    verify_v2(claim, "secret", V2["policy"])
    with pytest.raises(SignatureDoesNotMatch):
        verify_v2(claim, "other", V2["policy"])
