"""What has a quick way for the commonest form says the same as the plain way, for every form."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bucketry.store.s3 import claims, query, sigv4
from bucketry.store.s3.errors import S3Error
from bucketry.store.s3.headers import Headers

NEVER = re.compile(r"(?!)")
SIGNED = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "AK%2F20130524%2Fus-east-1%2Fs3%2Faws4_request",
    "X-Amz-Date": "20130524T000000Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "00ff",
}
words = st.text("aZ09-._~%2F3Dg+/= é", max_size=6)
pieces = st.builds(lambda name, middle, value: f"{name}{middle}{value}", words, st.sampled_from(["=", "=", ""]), words)
queries = st.lists(pieces, max_size=6).map("&".join)
canonical = st.lists(
    st.builds(lambda name, value: f"{name}={value}", *[st.text("aA-.0_~", max_size=3).map(lambda w: w + "%20")] * 2)
).map("&".join)


@st.composite
def signed_queries(draw: st.DrawFn) -> str:
    """A presigned query with some of it left out, given twice, encoded otherwise, in any order, among others."""
    fields = [f"{name}={value}" for name, value in SIGNED.items() if draw(st.integers(0, 9))]
    if draw(st.booleans()):
        fields += draw(st.lists(st.sampled_from([*fields, "AWSAccessKeyId=x", "AWSAccessKeyId", "a=b=c", "prefix"])))
    if draw(st.booleans()):
        fields = [field.replace(*draw(st.sampled_from([("%2F", "%2f"), ("-", "%2D"), ("Z", "+")]))) for field in fields]
    return "&".join(draw(st.permutations(fields)))


def outcome(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except S3Error as refusal:
        return type(refusal), str(refusal)


@given(queries | signed_queries())
def test_decoding_a_query(raw: str) -> None:
    def ask() -> object:
        return list(query.parse_query(raw).items())

    quick = outcome(ask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query, "_split_plain", lambda _raw, _pieces: None)
        assert outcome(ask) == quick


@given(queries | canonical | signed_queries())
@example("a-=1&a=2&a0=0&a=")
@example("b=1&a=2&X-Amz-Signature=3&X-Amz-Signature=4&X-Amz-Signatures=5")
def test_the_canonical_query(raw: str) -> None:
    quick = sigv4.canonical_query(raw, "X-Amz-Signature"), sigv4.canonical_query(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sigv4, "_CANONICAL_PIECES", NEVER)
        assert (sigv4.canonical_query(raw, "X-Amz-Signature"), sigv4.canonical_query(raw)) == quick


@given(queries | signed_queries())
def test_the_claim_of_a_query(raw: str) -> None:
    def ask() -> object:
        return claims.parse_claim("GET", "/b/k", raw, Headers([("Host", "h")]))

    quick = outcome(ask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "_plain_fields", lambda _raw: None)
        assert outcome(ask) == quick
