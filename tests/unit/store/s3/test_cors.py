"""CORS configurations: read, refused, written, matched."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import cors
from bucketry.store.s3.cors import CorsRule
from bucketry.store.s3.errors import InvalidRequest, MalformedXML, S3Error


def document(*rules: str) -> bytes:
    inside = "".join(f"<CORSRule>{rule}</CORSRule>" for rule in rules)
    return f'<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</CORSConfiguration>'.encode()


MINIMAL = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
FULL = CorsRule(
    allowed_origins=("https://a.example", "https://*.b.example"),
    allowed_methods=("GET", "PUT"),
    allowed_headers=("*",),
    expose_headers=("ETag", "x-amz-meta-a"),
    max_age_s=3000,
    rule_id="a & b",
)


def test_what_is_written_reads_as_before() -> None:
    rules = (FULL, CorsRule(("*",), ("HEAD",)))
    assert cors.parse(cors.serialise(rules)) == rules


REFUSED: list[tuple[bytes, type[S3Error]]] = [
    (b"", MalformedXML),
    (b"<CORSConfiguration/>", MalformedXML),
    (b"<Other/>", MalformedXML),
    (document("<AllowedOrigin>*</AllowedOrigin>"), MalformedXML),
    (document("<AllowedMethod>GET</AllowedMethod>"), MalformedXML),
    (document(MINIMAL + "<Unknown/>"), MalformedXML),
    (document(MINIMAL + "<MaxAgeSeconds>-1</MaxAgeSeconds>"), MalformedXML),
    (document(MINIMAL + "<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>2</MaxAgeSeconds>"), MalformedXML),
    (document(MINIMAL + f"<ID>{'x' * 256}</ID>"), MalformedXML),
    (document(MINIMAL.replace("GET", "PATCH")), InvalidRequest),
    (document(MINIMAL.replace("GET", "get")), InvalidRequest),
    (document(MINIMAL.replace(">*<", ">http://*.*.com<")), InvalidRequest),
    (document(MINIMAL.replace(">*<", ">a b<")), InvalidRequest),
    (document(MINIMAL.replace(">*<", "><")), InvalidRequest),
    (document(MINIMAL + "<AllowedHeader>x-*-*</AllowedHeader>"), InvalidRequest),
    (document(MINIMAL + "<AllowedHeader>a:b</AllowedHeader>"), InvalidRequest),
    (document(MINIMAL + "<ExposeHeader>x-*</ExposeHeader>"), InvalidRequest),
    (document(MINIMAL + "<ExposeHeader>a&#13;&#10;b</ExposeHeader>"), InvalidRequest),
    (document(*[MINIMAL] * 101), InvalidRequest),
    (document(MINIMAL) + b" " * cors.MAX_DOCUMENT_BYTES, MalformedXML),
]


@pytest.mark.parametrize(("body", "refusal"), REFUSED)
def test_what_cannot_be_set(body: bytes, refusal: type[S3Error]) -> None:
    with pytest.raises(refusal):
        cors.parse(body)


def test_a_hundred_rules_can_be_set() -> None:
    assert len(cors.parse(document(*[MINIMAL] * 100))) == 100


@pytest.mark.parametrize(
    ("origin", "method", "headers", "is_allowed"),
    [
        ("https://a.example", "GET", (), True),
        ("https://a.example", "PUT", ("Content-Type", "X-Anything"), True),
        ("https://x.b.example", "GET", (), True),
        ("https://.b.example", "GET", (), True),
        ("https://b.example", "GET", (), False),
        ("https://a.example", "DELETE", (), False),
        ("https://a.example:8080", "GET", (), False),
        ("http://a.example", "GET", (), False),
        ("https://x.b.example.evil", "GET", (), False),
    ],
)
def test_matching(origin: str, method: str, headers: tuple[str, ...], is_allowed: bool) -> None:
    assert (cors.match([FULL], origin, method, headers) is not None) == is_allowed


def test_the_first_rule_that_fits_answers() -> None:
    rules = [CorsRule(("https://a",), ("PUT",)), CorsRule(("*",), ("GET",)), CorsRule(("https://a",), ("GET",))]
    granted = cors.match(rules, "https://a", "GET")
    assert granted is not None
    assert granted.rule is rules[1]
    assert granted.origin == "*"


def test_headers_compare_without_case_and_by_one_star() -> None:
    rules = [CorsRule(("*",), ("GET",), allowed_headers=("X-Amz-*", "content-type"))]
    assert cors.match(rules, "https://a", "GET", ["x-amz-date", "Content-Type"])
    assert not cors.match(rules, "https://a", "GET", ["x-amz-date", "authorization"])
    assert not cors.match([CorsRule(("*",), ("GET",))], "https://a", "GET", ["x"])


def test_credentials_never_go_with_a_star() -> None:
    for rule in (CorsRule(("*",), ("GET",)), CorsRule(("https://a",), ("GET",))):
        granted = cors.match([rule], "https://a", "GET")
        assert granted is not None
        fields = dict(granted.headers())
        assert ("Access-Control-Allow-Credentials" in fields) == (fields["Access-Control-Allow-Origin"] != "*")


def test_names_in_a_preflight() -> None:
    assert cors.split_header_names(None) == []
    assert cors.split_header_names(" a , b,,") == ["a", "b"]
    assert cors.split_header_names("a, b c") is None
    assert cors.split_header_names("a,\r\nb") == ["a", "b"]  # white space around a name; no line can hold it anyway
    assert cors.split_header_names("a\r\nb") is None
