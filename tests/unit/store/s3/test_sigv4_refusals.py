"""Each alteration of a signed request is refused, and nothing of a refusal is secret."""

from __future__ import annotations

import hashlib

import pytest

from bucketry.store.s3 import sigv4
from bucketry.store.s3.errors import (
    AccessDenied,
    InvalidRequest,
    S3Error,
    SignatureDoesNotMatch,
    XAmzContentSHA256Mismatch,
)

from .signing import EMPTY, SECRET, Wire, presign, sign

URL = "http://localhost:9000/bucket/key?partNumber=1&uploadId=u"
HEADERS = [("Content-Type", "text/plain"), ("x-amz-meta-a", "1")]


def header_signed() -> Wire:
    return sign("PUT", URL, HEADERS, body=b"hello")


def query_signed() -> Wire:
    return presign("PUT", URL, HEADERS)


@pytest.fixture(params=[header_signed, query_signed], ids=["header", "query"])
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param()
    made.verify()
    return made


def refused(wire: Wire, error: type[S3Error] = SignatureDoesNotMatch, secret: str = SECRET) -> S3Error:
    with pytest.raises(error) as refusal:
        wire.verify(secret)
    return refusal.value


def test_other_method(wire: Wire) -> None:
    wire.method = "DELETE"
    refused(wire)


@pytest.mark.parametrize(
    "path", ["/bucket/other", "/bucket/key/", "/bucket//key", "/bucket/key%2F", "/bucket/x/../key", "/"]
)
def test_other_path(wire: Wire, path: str) -> None:
    wire.path = path
    refused(wire)


@pytest.mark.parametrize("extra", ["&versionId=1", "&acl", "&partNumber=2"])
def test_added_parameter(wire: Wire, extra: str) -> None:
    wire.query += extra
    refused(wire)


def test_changed_and_removed_parameter(wire: Wire) -> None:
    query = wire.query
    wire.query = query.replace("partNumber=1", "partNumber=2")
    refused(wire)
    wire.query = query.replace("uploadId=u", "")
    refused(wire)


def test_other_host(wire: Wire) -> None:
    wire.set("Host", "elsewhere:9000")
    refused(wire)


def test_changed_removed_and_repeated_header(wire: Wire) -> None:
    pairs = wire.pairs
    wire.set("x-amz-meta-a", "2")
    refused(wire)
    wire.remove("x-amz-meta-a")
    refused(wire)
    wire.pairs = [*pairs, ("x-amz-meta-a", "2")]
    refused(wire)


def test_other_secret(wire: Wire) -> None:
    error = refused(wire, secret="another")
    assert "another" not in str(dict(error.fields)) + error.text


def test_other_signature(wire: Wire) -> None:
    claim = wire.claim()
    assert claim is not None
    key = sigv4.signing_key(SECRET, claim.date, claim.region, claim.service)
    for signature in ("0" * 64, claim.signature.upper(), claim.signature[:-1], "", "é" * 64, claim.signature + "0"):
        forged = claim._replace(signature=signature)
        with pytest.raises(SignatureDoesNotMatch):
            sigv4.verify(forged, key, wire.method, wire.path, wire.query, wire.headers)


def test_hash_in_place_of_a_mac(wire: Wire) -> None:
    claim = wire.claim()
    assert claim is not None
    error = refused(wire, secret="another")
    plain = hashlib.sha256(error.fields["StringToSign"].encode()).hexdigest()
    key = sigv4.signing_key(SECRET, claim.date, claim.region, claim.service)
    with pytest.raises(SignatureDoesNotMatch):
        sigv4.verify(claim._replace(signature=plain), key, wire.method, wire.path, wire.query, wire.headers)


def test_key_of_another_day_region_or_service(wire: Wire) -> None:
    claim = wire.claim()
    assert claim is not None
    for date, region, service in [
        ("20130524", claim.region, claim.service),
        (claim.date, "eu-west-1", claim.service),
        (claim.date, claim.region, "iam"),
    ]:
        key = sigv4.signing_key(SECRET, date, region, service)
        with pytest.raises(SignatureDoesNotMatch):
            sigv4.verify(claim, key, wire.method, wire.path, wire.query, wire.headers)


def test_added_amz_header_must_be_signed(wire: Wire) -> None:
    wire.set("x-amz-acl", "public-read")
    wire.set("x-amz-tagging", "a=b")
    error = refused(wire, AccessDenied)
    assert error.text == "There were headers present in the request which were not signed"
    assert error.fields == {"HeadersNotSigned": "x-amz-acl, x-amz-tagging"}


def test_host_must_be_signed() -> None:
    wire = header_signed()
    wire.set("Authorization", (wire.headers.get("authorization") or "").replace("host;", ""))
    assert refused(wire, AccessDenied).fields == {"HeadersNotSigned": "host"}


def test_signed_header_that_is_empty_may_not_be_left_out() -> None:
    wire = sign("PUT", URL, [("x-amz-meta-empty", "")])
    wire.verify()
    wire.remove("x-amz-meta-empty")
    refused(wire)


def test_changed_time_of_presigned_url() -> None:
    wire = query_signed()
    wire.query = wire.query.replace("X-Amz-Expires=3600", "X-Amz-Expires=604800")
    refused(wire)


def test_changed_body_hash_or_mode() -> None:
    for value in (EMPTY, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        wire = header_signed()
        wire.set("x-amz-content-sha256", value)
        refused(wire)


def test_payload_mode_added_to_presigned_url() -> None:
    wire = query_signed()
    wire.set("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    refused(wire)


def test_missing_body_hash() -> None:
    wire = header_signed()
    wire.remove("x-amz-content-sha256")
    assert "x-amz-content-sha256" in refused(wire, InvalidRequest).text


def test_altered_form_post() -> None:
    wire = sign("POST", "http://localhost:9001/", body=b"Action=ListUsers", service="iam")
    with pytest.raises(SignatureDoesNotMatch):
        wire.verify(payload_sha256="0" * 64)


def test_whole_body_must_have_the_signed_hash() -> None:
    wire = sign("POST", URL, body=b"<Delete/>")
    with pytest.raises(XAmzContentSHA256Mismatch) as refusal:
        wire.verify(payload_sha256=EMPTY)
    assert refusal.value.fields["S3ComputedContentSHA256"] == EMPTY


def test_iam_takes_no_unsigned_body() -> None:
    wire = sign("POST", "http://localhost:9001/", [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")], service="iam")
    with pytest.raises(InvalidRequest):
        wire.verify(payload_sha256=EMPTY)


def test_presigned_iam_request_covers_its_body() -> None:
    wire = presign("GET", "http://localhost:9001/?Action=ListUsers&Version=2010-05-08", service="iam")
    assert wire.verify(payload_sha256=EMPTY).content_sha256 is None
    with pytest.raises(SignatureDoesNotMatch):
        wire.verify(payload_sha256="0" * 64)
    with pytest.raises(InvalidRequest):
        wire.verify()


def test_refusal_hides_customer_keys_in_urls() -> None:
    wire = sign("GET", f"{URL}&x-amz-server-side-encryption-customer-key=a2V5LW1hdGVyaWFs&a=b")
    error = refused(wire, secret="another")
    assert "a2V5LW1hdGVyaWFs" not in str(dict(error.fields))
    assert "a2V5LW1hdGVyaWFs" not in bytes.fromhex(error.fields["CanonicalRequestBytes"]).decode()
    assert "a=b" in error.fields["CanonicalRequest"]


def test_refusal_hides_tokens_and_customer_keys() -> None:
    header = ("x-amz-server-side-encryption-customer-key", "a2V5LW1hdGVyaWFs")
    wire = sign("GET", URL, [header, ("cookie", "session=abc")], token="the-token")
    wire.verify()
    error = refused(wire, secret="another")
    for told in (str(dict(error.fields)), bytes.fromhex(error.fields["CanonicalRequestBytes"]).decode(), str(error)):
        assert "the-token" not in told
        assert "a2V5LW1hdGVyaWFs" not in told
        assert "session=abc" not in told
