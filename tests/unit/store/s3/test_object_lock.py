"""Object Lock as values: its documents, how a retention may change, when it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bucketry.store.s3 import object_lock
from bucketry.store.s3.errors import MalformedXML, S3Error
from bucketry.store.s3.object_lock import Configuration, DefaultRetention, Lock, Retention
from bucketry.store.s3.object_lock_errors import InvalidRetentionPeriod

NOW = 1_700_000_000_000


def configuration(inner: str) -> bytes:
    return f"<ObjectLockConfiguration>{inner}</ObjectLockConfiguration>".encode()


def rule(inner: str) -> bytes:
    enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
    return configuration(f"{enabled}<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (configuration("<ObjectLockEnabled>Enabled</ObjectLockEnabled>"), Configuration()),
        (rule("<Mode>GOVERNANCE</Mode><Days>7</Days>"), Configuration(DefaultRetention("GOVERNANCE", 7, 0))),
        (rule("<Years>2</Years><Mode>COMPLIANCE</Mode>"), Configuration(DefaultRetention("COMPLIANCE", 0, 2))),
    ],
)
def test_configuration_is_read_written_and_kept(body: bytes, expected: Configuration) -> None:
    assert object_lock.parse_configuration(body) == expected
    assert object_lock.parse_configuration(object_lock.configuration_document(expected)) == expected
    assert object_lock.decode(object_lock.encode(expected)) == expected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<A/>", MalformedXML),
        (configuration(""), MalformedXML),
        (configuration("<ObjectLockEnabled>Disabled</ObjectLockEnabled>"), MalformedXML),
        (configuration("<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/>"), MalformedXML),
        (configuration("<ObjectLockEnabled>Enabled</ObjectLockEnabled>" * 2), MalformedXML),
        (rule("<Mode>GOVERNANCE</Mode>"), MalformedXML),
        (rule("<Days>1</Days>"), MalformedXML),
        (rule("<Mode>governance</Mode><Days>1</Days>"), MalformedXML),
        (rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), MalformedXML),
        (rule("<Mode>GOVERNANCE</Mode><Days>some</Days>"), MalformedXML),
        (rule("<Mode>GOVERNANCE</Mode><Days>0</Days>"), InvalidRetentionPeriod),
        (rule("<Mode>GOVERNANCE</Mode><Years>-1</Years>"), InvalidRetentionPeriod),
        (rule("<Mode>GOVERNANCE</Mode><Days>36501</Days>"), InvalidRetentionPeriod),
        (rule("<Mode>GOVERNANCE</Mode><Years>101</Years>"), InvalidRetentionPeriod),
    ],
)
def test_wrong_configurations_are_refused(body: bytes, error: type[S3Error]) -> None:
    with pytest.raises(error):
        object_lock.parse_configuration(body)


@pytest.mark.parametrize("text", ["", "[]", '["GOVERNANCE", 0, 0]', '["x", 1, 0]', '["GOVERNANCE", 1, 1]', "{}", "7"])
def test_kept_configuration_that_cannot_be_read_counts_for_nothing(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        object_lock.decode(text)


def test_default_ends_on_the_same_day_of_a_later_year() -> None:
    leap_day = int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp()) * 1000
    until = DefaultRetention("COMPLIANCE", 0, 1).until_ms(leap_day)
    assert datetime.fromtimestamp(until / 1000, UTC) == datetime(2025, 2, 28, 12, tzinfo=UTC)
    assert DefaultRetention("COMPLIANCE", 2, 0).until_ms(NOW) == NOW + 2 * 86_400_000


@pytest.mark.parametrize(
    ("lock", "protects", "protects_from_bypass"),
    [
        (Lock(), False, False),
        (Lock(hold="OFF"), False, False),
        (Lock(hold="ON"), True, True),
        (Lock(hold="what"), True, True),
        (Lock("GOVERNANCE", NOW + 1), True, False),
        (Lock("GOVERNANCE", NOW), False, False),
        (Lock("COMPLIANCE", NOW + 1), True, True),
        (Lock("what", NOW + 1), True, True),
        (Lock("GOVERNANCE", NOW - 1, "ON"), True, True),
    ],
)
def test_what_a_lock_protects(lock: Lock, protects: bool, protects_from_bypass: bool) -> None:
    assert lock.protects(NOW, bypasses=False) is protects
    assert lock.protects(NOW, bypasses=True) is protects_from_bypass


@pytest.mark.parametrize(
    ("lock", "asked", "may", "may_by_bypass"),
    [
        (Lock(), Retention("GOVERNANCE", 5), True, True),
        (Lock("GOVERNANCE", NOW + 5), Retention("GOVERNANCE", NOW + 5), True, True),
        (Lock("GOVERNANCE", NOW + 5), Retention("GOVERNANCE", NOW + 4), False, True),
        (Lock("GOVERNANCE", NOW + 5), Retention("COMPLIANCE", NOW + 9), False, True),
        (Lock("GOVERNANCE", NOW + 5), Retention("", 0), False, True),
        (Lock("COMPLIANCE", NOW + 5), Retention("COMPLIANCE", NOW + 6), True, True),
        (Lock("COMPLIANCE", NOW + 5), Retention("COMPLIANCE", NOW + 4), False, False),
        (Lock("COMPLIANCE", NOW + 5), Retention("GOVERNANCE", NOW + 9), False, False),
        (Lock("COMPLIANCE", NOW + 5), Retention("", 0), False, False),
        (Lock("COMPLIANCE", NOW), Retention("", 0), True, True),
    ],
)
def test_how_a_retention_may_change(lock: Lock, asked: Retention, may: bool, may_by_bypass: bool) -> None:
    assert lock.may_become(*asked, NOW, bypasses=False) is may
    assert lock.may_become(*asked, NOW, bypasses=True) is may_by_bypass


@pytest.mark.parametrize(
    "body",
    [
        b"<Retention><Mode>GOVERNANCE</Mode></Retention>",
        b"<Retention><RetainUntilDate>2150-01-01T00:00:00Z</RetainUntilDate></Retention>",
        b"<Retention><Mode>abc</Mode><RetainUntilDate>2150-01-01T00:00:00Z</RetainUntilDate></Retention>",
        b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate></Retention>",
        b"<Retention><More/></Retention>",
    ],
)
def test_wrong_retentions_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        object_lock.parse_retention(body)


def test_retention_and_hold_are_read_as_written() -> None:
    lock = Lock("COMPLIANCE", NOW, "ON")
    assert object_lock.parse_retention(object_lock.retention_document(lock)) == ("COMPLIANCE", NOW)
    assert object_lock.parse_hold(object_lock.hold_document(lock)) == "ON"
    assert object_lock.parse_retention(b"<Retention/>") == ("", 0)
    with pytest.raises(MalformedXML):
        object_lock.parse_hold(b"<LegalHold><Status>on</Status></LegalHold>")
