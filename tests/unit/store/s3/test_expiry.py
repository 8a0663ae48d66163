"""When versions expire: of current, noncurrent ones and delete markers, by days of the calendar and by short ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from bucketry.store.s3 import expiry
from bucketry.store.s3.expiry import DAY_MS, Kind, Walk, Walked
from bucketry.store.s3.lifecycle import Filter, Rule

MIDNIGHT = 20_000 * DAY_MS
NOON = MIDNIGHT + DAY_MS // 2


@dataclass(frozen=True)
class Seen:
    key: str = "k"
    modified_ms: int = NOON
    size: int = 10
    tags: Mapping[str, str] = field(default_factory=dict)
    is_delete_marker: bool = False


RULE = Rule("r", True, Filter(), "")
MARKER = Seen(is_delete_marker=True)


@pytest.mark.parametrize(
    ("from_ms", "days", "day_ms", "expected"),
    [
        (NOON, 1, DAY_MS, MIDNIGHT + 2 * DAY_MS),
        (MIDNIGHT, 1, DAY_MS, MIDNIGHT + DAY_MS),
        (MIDNIGHT + 1, 1, DAY_MS, MIDNIGHT + 2 * DAY_MS),
        (NOON, 30, DAY_MS, MIDNIGHT + 31 * DAY_MS),
        (NOON, 3, 10_000, NOON + 30_000),
    ],
)
def test_days_end_at_the_next_midnight(from_ms: int, days: int, day_ms: int, expected: int) -> None:
    assert expiry.ends_at(from_ms, days, day_ms) == expected


def latest(version: Seen, *, is_alone: bool = True) -> Walked[Seen]:
    return Walked(version, None, 0, is_alone)


def older(version: Seen, since_ms: int, newer: int) -> Walked[Seen]:
    return Walked(version, since_ms, newer, False)


@pytest.mark.parametrize(
    ("rule", "walked", "at", "expected"),
    [
        (replace(RULE, days=1), latest(Seen()), MIDNIGHT + 2 * DAY_MS, Kind.CURRENT),
        (replace(RULE, days=1), latest(Seen()), MIDNIGHT + 2 * DAY_MS - 1, None),
        (replace(RULE, days=1, is_enabled=False), latest(Seen()), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, days=1, filter=Filter("a")), latest(Seen()), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, days=1), older(Seen(), NOON, 0), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, date_ms=MIDNIGHT), latest(Seen()), MIDNIGHT, Kind.CURRENT),
        (replace(RULE, date_ms=MIDNIGHT), latest(Seen()), MIDNIGHT - 1, None),
        (replace(RULE, noncurrent_days=2), older(Seen(), NOON, 0), MIDNIGHT + 3 * DAY_MS, Kind.NONCURRENT),
        (replace(RULE, noncurrent_days=2), older(Seen(), NOON, 0), MIDNIGHT + 3 * DAY_MS - 1, None),
        (replace(RULE, noncurrent_days=2), latest(Seen()), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, noncurrent_days=1, newer_versions=2), older(Seen(), NOON, 1), MIDNIGHT + 9 * DAY_MS, None),
        (
            replace(RULE, noncurrent_days=1, newer_versions=2),
            older(Seen(), NOON, 2),
            MIDNIGHT + 9 * DAY_MS,
            Kind.NONCURRENT,
        ),
        (replace(RULE, noncurrent_days=1), older(MARKER, NOON, 0), MIDNIGHT + 9 * DAY_MS, Kind.NONCURRENT),
        (replace(RULE, expires_markers=True), latest(MARKER), NOON, Kind.MARKER),
        (replace(RULE, expires_markers=False), latest(MARKER), NOON, None),
        (replace(RULE, expires_markers=True), latest(MARKER, is_alone=False), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, expires_markers=True), latest(Seen()), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, days=1), latest(MARKER), MIDNIGHT + 2 * DAY_MS, Kind.MARKER),
        (replace(RULE, days=1), latest(MARKER), MIDNIGHT + 2 * DAY_MS - 1, None),
        (replace(RULE, days=1), latest(MARKER, is_alone=False), MIDNIGHT + 9 * DAY_MS, None),
        (replace(RULE, days=1, filter=Filter(smaller_than=5)), latest(MARKER), MIDNIGHT + 9 * DAY_MS, None),
    ],
)
def test_what_a_rule_does(rule: Rule, walked: Walked[Seen], at: int, expected: Kind | None) -> None:
    assert expiry.due([rule], walked, at, DAY_MS) is expected


def test_walk_tells_what_is_newer_and_what_is_alone() -> None:
    seen = [Seen("a", 1), Seen("b", 30), Seen("b", 20), Seen("b", 10), Seen("c", 5)]
    walk = Walk[Seen]()
    walked = [found for version in seen if (found := walk.step(version)) is not None]
    last = walk.end()
    assert last is not None
    assert [found[1:] for found in [*walked, last]] == [
        (None, 0, True),
        (None, 0, False),
        (30, 0, False),
        (20, 1, False),
        (None, 0, True),
    ]
    assert walk.end() is None


def test_field_tells_the_earliest_expiration() -> None:
    rules = [replace(RULE, days=9), replace(RULE, rule_id="first rule;", days=1), replace(RULE, noncurrent_days=1)]
    assert expiry.expiration_field(rules, Seen()) == (
        'expiry-date="Sun, 06 Oct 2024 00:00:00 GMT", rule-id="first rule%3B"'
    )
    assert expiry.expiration_field([replace(RULE, days=1, filter=Filter("x"))], Seen()) is None


def test_uploads_are_given_up_by_prefix_and_age() -> None:
    rules = [replace(RULE, abort_days=1, filter=Filter("a/"))]
    assert expiry.is_upload_due(rules, "a/x", NOON, MIDNIGHT + 2 * DAY_MS, DAY_MS)
    assert not expiry.is_upload_due(rules, "a/x", NOON, MIDNIGHT + 2 * DAY_MS - 1, DAY_MS)
    assert not expiry.is_upload_due(rules, "b/x", NOON, MIDNIGHT + 9 * DAY_MS, DAY_MS)
