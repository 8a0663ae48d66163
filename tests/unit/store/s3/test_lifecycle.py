"""Lifecycle documents: what is taken and given back, and what is refused how."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import lifecycle
from bucketry.store.s3.errors import (
    InvalidArgument,
    InvalidRequest,
    InvalidTag,
    MalformedXML,
    NotImplemented,
    S3Error,
)
from bucketry.store.s3.lifecycle import Filter, Rule

DAYS = "<Expiration><Days>3</Days></Expiration>"
EMPTY = "<Filter/>"


def rule(inner: str, *, status: str = "Enabled", rule_id: str = "r") -> str:
    return f"<Rule><ID>{rule_id}</ID>{inner}<Status>{status}</Status></Rule>"


def document(*rules: str) -> bytes:
    return f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>".encode()


def filtered(inner: str, action: str = DAYS) -> bytes:
    return document(rule(f"<Filter>{inner}</Filter>{action}"))


def tag(key: str, value: str = "v") -> str:
    return f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"


@pytest.mark.parametrize(
    "body",
    [
        document(rule(f"<Prefix>logs/</Prefix>{DAYS}")),
        document(rule(f"<Prefix></Prefix>{DAYS}", status="Disabled")),
        document(rule(EMPTY + DAYS)),
        filtered("<Prefix></Prefix>"),
        filtered("<Prefix>a&amp;b</Prefix>"),
        filtered(tag("k")),
        filtered("<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>"),
        filtered("<ObjectSizeLessThan>5</ObjectSizeLessThan>"),
        filtered(f"<And><Prefix></Prefix>{tag('k')}</And>"),
        filtered(f"<And>{tag('k')}{tag('l')}</And>"),
        filtered(
            "<And><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And>"
        ),
        document(rule(EMPTY + "<Expiration><Date>2030-01-01</Date></Expiration>")),
        document(rule(EMPTY + "<Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>")),
        document(rule(EMPTY + "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>")),
        document(
            rule(
                EMPTY + "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
                "<NewerNoncurrentVersions>100</NewerNoncurrentVersions></NoncurrentVersionExpiration>"
            )
        ),
        document(
            rule(
                EMPTY + "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
                "</AbortIncompleteMultipartUpload>"
            ),
            rule(EMPTY + DAYS, rule_id="s"),
        ),
    ],
)
def test_rules_are_given_back_as_they_were_taken(body: bytes) -> None:
    rules = lifecycle.parse(body)
    written = lifecycle.document(rules)
    assert lifecycle.parse(written) == rules
    assert lifecycle.parse_kept(written.decode()) == rules


def test_rule_without_an_id_gets_one() -> None:
    one, other = lifecycle.parse(document(*[f"<Rule>{EMPTY}{DAYS}<Status>Enabled</Status></Rule>"] * 2))
    assert one.rule_id
    assert one.rule_id != other.rule_id


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (document(), MalformedXML),
        (b"<LifecycleConfiguration><Rules/></LifecycleConfiguration>", MalformedXML),
        (document(*[rule(EMPTY + DAYS, rule_id=f"r{number}") for number in range(1001)]), MalformedXML),
        (document(rule(DAYS)), MalformedXML),
        (document(rule(f"<Prefix/>{EMPTY}{DAYS}")), MalformedXML),
        (document(rule(EMPTY + DAYS + DAYS)), MalformedXML),
        (document(rule(EMPTY + DAYS + "<More/>")), MalformedXML),
        (document(rule(EMPTY + DAYS, status="enabled")), MalformedXML),
        (document(rule(EMPTY + DAYS, status="")), MalformedXML),
        (document(rule(EMPTY + DAYS, rule_id="i" * 256)), InvalidArgument),
        (document(rule(EMPTY + DAYS), rule(EMPTY + DAYS)), InvalidArgument),
        (document(rule(EMPTY)), InvalidRequest),
        (filtered(f"<Prefix>a</Prefix>{tag('k')}"), MalformedXML),
        (filtered("<More/>"), MalformedXML),
        (filtered(f"<And>{tag('k')}</And>"), MalformedXML),
        (filtered("<And><Prefix>a</Prefix><Prefix>b</Prefix></And>"), MalformedXML),
        (filtered(f"<And>{tag('k')}{tag('k', 'w')}</And>"), InvalidRequest),
        (filtered(tag("")), InvalidTag),
        (filtered(f"<Prefix>{'p' * 1025}</Prefix>"), InvalidRequest),
        (filtered("<ObjectSizeLessThan>0</ObjectSizeLessThan>"), InvalidArgument),
        (filtered("<ObjectSizeLessThan>big</ObjectSizeLessThan>"), MalformedXML),
        (
            filtered(
                "<And><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And>"
            ),
            InvalidRequest,
        ),
        (document(rule(EMPTY + "<Expiration/>")), MalformedXML),
        (document(rule(EMPTY + "<Expiration><Days>0</Days></Expiration>")), InvalidArgument),
        (document(rule(EMPTY + "<Expiration><Days>-1</Days></Expiration>")), InvalidArgument),
        (document(rule(EMPTY + "<Expiration><Days>soon</Days></Expiration>")), MalformedXML),
        (document(rule(EMPTY + "<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>")), MalformedXML),
        (document(rule(EMPTY + "<Expiration><Date>20300101</Date></Expiration>")), MalformedXML),
        (document(rule(EMPTY + "<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>")), InvalidArgument),
        (
            filtered(
                tag("k"), "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
            ),
            InvalidRequest,
        ),
        (
            filtered(
                tag("k"),
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>"
                "</AbortIncompleteMultipartUpload>",
            ),
            InvalidRequest,
        ),
        (document(rule(EMPTY + "<AbortIncompleteMultipartUpload/>")), MalformedXML),
        (document(rule(EMPTY + "<NoncurrentVersionExpiration/>")), MalformedXML),
        (
            document(
                rule(
                    EMPTY + "<NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays>"
                    "</NoncurrentVersionExpiration>"
                )
            ),
            InvalidArgument,
        ),
        (
            document(rule(EMPTY + "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>")),
            NotImplemented,
        ),
        (
            document(rule(EMPTY + "<Transition><Date>2030</Date><StorageClass>GLACIER</StorageClass></Transition>")),
            MalformedXML,
        ),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused(body: bytes, error: type[S3Error]) -> None:
    with pytest.raises(error):
        lifecycle.parse(body)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Filter(), True),
        (Filter("logs/"), True),
        (Filter("other/"), False),
        (Filter(tags={"a": "1"}), True),
        (Filter(tags={"a": "1", "c": "3"}), False),
        (Filter(tags={"a": "2"}), False),
        (Filter(larger_than=9), True),
        (Filter(larger_than=10), False),
        (Filter(smaller_than=11), True),
        (Filter(smaller_than=10), False),
        (Filter("logs/", {"b": "2"}, 9, 11), True),
    ],
)
def test_filter_covers_what_meets_all_of_it(asked: Filter, expected: bool) -> None:
    assert asked.covers("logs/x", {"a": "1", "b": "2"}, 10) is expected


def test_no_condition_is_lost_whatever_the_form_says() -> None:
    asked = Filter("p", {"a": "b"}, 1, 2)
    for form in ("Rule", "", "Prefix", "Tag", "And"):
        (read,) = lifecycle.parse(lifecycle.document((Rule("r", True, asked, form, days=1),)))
        assert read.filter == asked
