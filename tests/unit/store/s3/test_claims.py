"""What a request claims: parsing of header and query, scope, time, and the refusals with AWS's words."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import dates, sigv4
from bucketry.store.s3.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidArgument,
    InvalidRequest,
    RequestTimeTooSkewed,
    S3Error,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.sigv4 import PayloadMode

from .signing import EMPTY

NOW = 1369353600  # 2013-05-24T00:00:00Z
CREDENTIAL = "AK/20130524/us-east-1/s3/aws4_request"
AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host;x-amz-date, Signature={'a' * 64}"
QUERY = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": CREDENTIAL.replace("/", "%2F"),
    "X-Amz-Date": "20130524T000000Z",
    "X-Amz-Expires": "600",
    "X-Amz-SignedHeaders": "host%3Brange",
    "X-Amz-Signature": "b" * 64,
}


def from_header(authorization: str = AUTHORIZATION, **headers: str) -> sigv4.Claim | None:
    fields = {"host": "h", "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    fields["authorization"] = authorization
    return sigv4.parse_claim("GET", "/", "", Headers([pair for pair in fields.items() if pair[1] != "-"]))


def from_query(headers: dict[str, str] | None = None, **changes: str | None) -> sigv4.Claim | None:
    query = QUERY | {"X-Amz-" + name.replace("_", "-"): value for name, value in changes.items()}
    text = "&".join(f"{name}={value}" for name, value in query.items() if value is not None)
    return sigv4.parse_claim("GET", "/", text, Headers((headers or {"host": "h"}).items()))


def test_request_without_any_claim_is_anonymous() -> None:
    for query in ("", "prefix=X-Amz-", "list-type=2&x=X-Amz-Signature", "x-id=GetObject"):
        assert sigv4.parse_claim("GET", "/", query, Headers([("host", "h"), ("x-amz-date", "nonsense")])) is None


@pytest.mark.parametrize(
    "authorization",
    [
        AUTHORIZATION,
        AUTHORIZATION.replace(", ", ","),
        AUTHORIZATION.replace(", ", "  ,  "),
        f"AWS4-HMAC-SHA256 Signature={'a' * 64}, Credential={CREDENTIAL}, SignedHeaders=host;x-amz-date",
    ],
)
def test_header_in_its_spellings(authorization: str) -> None:
    claim = from_header(authorization)
    assert claim == sigv4.Claim(
        access_key_id="AK",
        date="20130524",
        region="us-east-1",
        service="s3",
        signed_headers=("host", "x-amz-date"),
        signature="a" * 64,
        amz_date="20130524T000000Z",
        epoch_s=NOW,
        is_presigned=False,
        expires_s=0,
        payload=PayloadMode.HASH,
        content_sha256=EMPTY,
        session_token=None,
    )


def test_query_is_decoded_once() -> None:
    claim = from_query(Security_Token="a%2Bb%2520c")
    assert claim is not None
    assert claim.signed_headers == ("host", "range")
    assert claim.session_token == "a+b%20c"
    assert (claim.is_presigned, claim.expires_s, claim.payload) == (True, 600, PayloadMode.UNSIGNED)


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (EMPTY, PayloadMode.HASH),
        ("UNSIGNED-PAYLOAD", PayloadMode.UNSIGNED),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PayloadMode.STREAMING_SIGNED),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", PayloadMode.STREAMING_SIGNED_TRAILER),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", PayloadMode.STREAMING_UNSIGNED_TRAILER),
    ],
)
def test_payload_modes(value: str, mode: PayloadMode) -> None:
    in_header, in_query = from_header(x_amz_content_sha256=value), from_query(Content_Sha256=value)
    beside_query = from_query({"host": "h", "x-amz-content-sha256": value})
    for claim in (in_header, in_query, beside_query):
        assert claim is not None
        assert claim.payload is mode
        assert claim.content_sha256 == value


@pytest.mark.parametrize(
    "value", ["", "hash", "unsigned-payload", EMPTY[:-1], "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-"]
)
def test_unknown_payload_mode_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument, match="x-amz-content-sha256 must be"):
        from_header(x_amz_content_sha256=value)
    with pytest.raises(InvalidArgument):
        sigv4.payload_mode(value)


def test_claim_in_header_and_query_at_once_is_refused() -> None:
    query = "&".join(f"{name}={value}" for name, value in QUERY.items())
    with pytest.raises(InvalidArgument, match="Only one auth mechanism allowed"):
        sigv4.parse_claim("GET", "/", query, Headers([("authorization", AUTHORIZATION)]))


@pytest.mark.parametrize(
    "authorization", ["AWS AKIA:signature=", "Bearer abc", "Basic YTpi", "", "AWS4-ECDSA-P256-SHA256 Credential=x", "x"]
)
def test_other_mechanisms_are_refused(authorization: str) -> None:
    with pytest.raises(InvalidRequest, match=r"Please use AWS4-HMAC-SHA256\."):
        from_header(authorization)


def test_signature_v2_in_query_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"Please use AWS4-HMAC-SHA256\."):
        sigv4.parse_claim("GET", "/", "AWSAccessKeyId=AK&Expires=1&Signature=x", Headers())


BAD_HEADERS = {
    "nothing": "AWS4-HMAC-SHA256 ",
    "one component missing": AUTHORIZATION.rpartition(",")[0],
    "component twice": AUTHORIZATION + ", Signature=b",
    "empty component": f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=, Signature=a",
    "unknown component": AUTHORIZATION + ", Extra=b",
    "two headers joined": AUTHORIZATION + "," + AUTHORIZATION,
    "short credential": AUTHORIZATION.replace("/s3/", "/"),
    "long credential": AUTHORIZATION.replace("AK/", "AK/x/"),
    "empty part": AUTHORIZATION.replace("20130524/us-east-1", "/us-east-1"),
    "wrong terminal": AUTHORIZATION.replace("aws4_request", "aws5_request"),
    "wrong date": AUTHORIZATION.replace("20130524/", "2013052/"),
    "letters for a date": AUTHORIZATION.replace("20130524/", "201305AB/"),
    "superscript digits": AUTHORIZATION.replace("20130524/", "2013052²/"),
    "date of another day": AUTHORIZATION.replace("20130524/", "20130525/"),
    "far too long": AUTHORIZATION.replace("host", "h" * 9000),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_malformed_header_is_refused(name: str) -> None:
    with pytest.raises(AuthorizationHeaderMalformed, match="The authorization header is malformed; "):
        from_header(BAD_HEADERS[name])


@pytest.mark.parametrize(
    "amz_date", ["", "20130524", "2013-05-24T00:00:00Z", "20131324T000000Z", "20130524T250000Z", "-"]
)
def test_time_must_be_given(amz_date: str) -> None:
    with pytest.raises(AccessDenied, match="valid Date or x-amz-date"):
        from_header(x_amz_date=amz_date)


def test_date_header_stands_in() -> None:
    claim = from_header(x_amz_date="-", date="Fri, 24 May 2013 00:00:00 GMT")
    assert claim is not None
    assert (claim.amz_date, claim.epoch_s) == ("20130524T000000Z", NOW)


@pytest.mark.parametrize("name", [name for name in QUERY if name != "X-Amz-Signature"])
def test_incomplete_query_is_no_anonymous_request(name: str) -> None:
    for value in (None, ""):
        with pytest.raises(AuthorizationQueryParametersError, match="requires the X-Amz-Algorithm"):
            from_query(**{name.removeprefix("X-Amz-").replace("-", "_"): value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Algorithm": "AWS4-HMAC-SHA1"}, "X-Amz-Algorithm only supports"),
        ({"Credential": "AK"}, "the Credential is mal-formed"),
        ({"Credential": "AK%2F20130525%2Fus-east-1%2Fs3%2Faws4_request"}, "Invalid credential date"),
        ({"Date": "20130524"}, "ISO8601 Long Format"),
        ({"Expires": "soon"}, "should be a number"),
        ({"Expires": "1e3"}, "should be a number"),
        ({"Expires": "9" * 4000}, "should be a number"),
        ({"Signature": "a" * 9000}, "too long"),
        ({"Signature": "a&X-Amz-Signature=b"}, "more than once"),
        ({"Expires": "1&X-Amz-Expires=600"}, "more than once"),
    ],
)
def test_malformed_query_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(AuthorizationQueryParametersError, match=words):
        from_query(**changes)


def test_a_request_may_be_signed_without_region() -> None:
    authorization = AUTHORIZATION.replace("us-east-1/s3", "/iam")
    claim = from_header(authorization=authorization)
    assert claim is not None
    assert (claim.region, claim.scope) == ("", "20130524//iam/aws4_request")
    sigv4.check_scope(claim, None, ("iam", "sts"))
    claim = from_header(authorization=AUTHORIZATION.replace("us-east-1", ""))
    assert claim is not None
    assert (claim.region, claim.scope) == ("", "20130524//s3/aws4_request")
    sigv4.check_scope(claim, "eu-west-1", ("s3",))


def test_wrong_region_names_the_right_one() -> None:
    for claim, error in (
        (from_header(), AuthorizationHeaderMalformed),
        (from_query(), AuthorizationQueryParametersError),
    ):
        assert claim is not None
        sigv4.check_scope(claim, "us-east-1", ("s3",))
        sigv4.check_scope(claim, None, ("s3",))
        with pytest.raises(error, match="the region 'us-east-1' is wrong; expecting 'eu-west-1'") as refusal:
            sigv4.check_scope(claim, "eu-west-1", ("s3",))
        assert refusal.value.fields == {"Region": "eu-west-1"}
        with pytest.raises(error, match='incorrect service "s3"'):
            sigv4.check_scope(claim, "us-east-1", ("iam", "sts"))


@pytest.mark.parametrize("offset_s", [-900, -1, 0, 899.5, 900])
def test_clock_may_be_off_by_a_quarter_of_an_hour(offset_s: float) -> None:
    claim = from_header()
    assert claim is not None
    sigv4.check_time(claim, NOW + offset_s)


@pytest.mark.parametrize("offset_s", [-901, 901, 86_400, -86_400])
def test_clock_further_off_is_refused(offset_s: int) -> None:
    claim = from_header()
    assert claim is not None
    with pytest.raises(RequestTimeTooSkewed) as refusal:
        sigv4.check_time(claim, NOW + offset_s)
    assert refusal.value.fields["RequestTime"] == "20130524T000000Z"
    assert refusal.value.fields["MaxAllowedSkewMilliseconds"] == "900000"
    assert refusal.value.fields["ServerTime"].endswith("Z")


@pytest.mark.parametrize(
    ("expires_s", "now_s", "error", "words"),
    [
        (600, NOW - 900, None, ""),
        (600, NOW + 599, None, ""),
        (604_800, NOW + 604_799, None, ""),
        (600, NOW - 901, AccessDenied, "Request is not yet valid"),
        (600, NOW + 600, AccessDenied, "Request has expired"),
        (604_801, NOW, AuthorizationQueryParametersError, "less than a week"),
        (0, NOW - 60, AccessDenied, "Request has expired"),
        (-1, NOW, AuthorizationQueryParametersError, "non-negative"),
    ],
)
def test_life_of_a_presigned_url(expires_s: int, now_s: int, error: type[S3Error] | None, words: str) -> None:
    claim = from_query(Expires=str(expires_s))
    assert claim is not None
    if error is None:
        sigv4.check_time(claim, now_s)
        return
    with pytest.raises(error, match=words) as refusal:
        sigv4.check_time(claim, now_s)
    assert (refusal.value.code, refusal.value.status) == (error.__name__, 403)
    if "expired" in words:
        assert dict(refusal.value.fields) == {
            "X-Amz-Expires": str(expires_s),
            "Expires": f"2013-05-24T00:{expires_s // 60:02}:00Z",
            "ServerTime": dates.iso8601_seconds(now_s * 1000),
        }


def test_claim_is_a_value() -> None:
    claim = from_header()
    assert claim is not None
    with pytest.raises(AttributeError):
        claim.region = "x"  # type: ignore[misc]  # the assignment is what is tested
