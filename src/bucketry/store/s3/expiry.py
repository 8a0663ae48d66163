"""What lifecycle rules mean for a version: when it expires, and what is to be done of a walk over a bucket's versions.

Amazon S3 User Guide, "Lifecycle configuration elements" and "Expiring objects". Days are counted from when an object
was made, or a version became noncurrent, and end at the next midnight UTC; where a day is set shorter, for trials, they
end when they end. Of several rules each does its part, so that the earliest expiration counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from bucketry.store.s3.dates import http_date
from bucketry.store.s3.lifecycle import Rule

DAY_MS = 86_400_000


class Kind(Enum):
    """What is to be done of a version."""

    CURRENT = "current"  # the current object expires: it is hidden, or removed where no versions are kept
    NONCURRENT = "noncurrent"  # an older version is removed for good
    MARKER = "marker"  # a delete marker that hides nothing any more is removed


class VersionLike(Protocol):
    """What of a version the rules look at."""

    @property
    def key(self) -> str: ...
    @property
    def modified_ms(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def is_delete_marker(self) -> bool: ...


Seen = TypeVar("Seen", bound=VersionLike)


class Walked(NamedTuple, Generic[Seen]):
    """A version as a walk comes by: all of a key one after the other, the newest first."""

    version: Seen
    newer_ms: int | None  # when the next newer version of its key was made; None: it is the latest
    newer_noncurrent: int  # how many noncurrent versions of its key are newer
    is_alone: bool  # its key has no other version


class Walk(Generic[Seen]):
    """Turns versions as they come, key by key and the newest of each first, into what the rules look at. Each comes out
    when the next one comes in, since a version tells only then whether it is alone."""

    def __init__(self) -> None:
        self._pending: Walked[Seen] | None = None

    def step(self, version: Seen) -> Walked[Seen] | None:
        """The version before this one."""
        before = self._pending
        if before is None or before.version.key != version.key:
            self._pending = Walked(version, None, 0, True)
            return before
        newer = 0 if before.newer_ms is None else before.newer_noncurrent + 1
        self._pending = Walked(version, before.version.modified_ms, newer, False)
        return before._replace(is_alone=False)

    def end(self) -> Walked[Seen] | None:
        """The last one."""
        before, self._pending = self._pending, None
        return before


def ends_at(from_ms: int, days: int, day_ms: int) -> int:
    """When `days` that begin at `from_ms` are over."""
    end = from_ms + days * day_ms
    return -(-end // DAY_MS) * DAY_MS if day_ms == DAY_MS else end


def due(rules: Sequence[Rule], walked: Walked[Seen], now_ms: int, day_ms: int) -> Kind | None:
    """What any of the rules does of a version now."""
    for rule in rules:
        if rule.is_enabled and (found := _due(rule, walked, now_ms, day_ms)) is not None:
            return found
    return None


def is_upload_due(rules: Sequence[Rule], key: str, initiated_ms: int, now_ms: int, day_ms: int) -> bool:
    """Whether an unfinished upload is to be given up."""
    return any(
        rule.is_enabled
        and rule.abort_days > 0
        and key.startswith(rule.filter.prefix)
        and now_ms >= ends_at(initiated_ms, rule.abort_days, day_ms)
        for rule in rules
    )


def _due(rule: Rule, walked: Walked[Seen], now_ms: int, day_ms: int) -> Kind | None:
    version = walked.version
    if version.is_delete_marker:
        if rule.filter.looks_inside or not version.key.startswith(rule.filter.prefix):
            return None
        if walked.newer_ms is None:
            is_over = rule.expires_markers or _is_over(rule, version.modified_ms, now_ms, day_ms)
            return Kind.MARKER if walked.is_alone and is_over else None
    elif not rule.filter.covers(version.key, version.tags, version.size):
        return None
    if walked.newer_ms is None:
        return Kind.CURRENT if _is_over(rule, version.modified_ms, now_ms, day_ms) else None
    if not rule.noncurrent_days or walked.newer_noncurrent < rule.newer_versions:
        return None
    return Kind.NONCURRENT if now_ms >= ends_at(walked.newer_ms, rule.noncurrent_days, day_ms) else None


def _is_over(rule: Rule, modified_ms: int, now_ms: int, day_ms: int) -> bool:
    if rule.days:
        return now_ms >= ends_at(modified_ms, rule.days, day_ms)
    return rule.date_ms is not None and now_ms >= rule.date_ms


def expiration_field(rules: Sequence[Rule], version: VersionLike) -> str | None:
    """The value of x-amz-expiration for a current object: the earliest of what the rules say, in days of the calendar;
    None: it does not expire."""
    found: tuple[int, str] | None = None
    for rule, ends_ms in _expirations(rules, version):
        if found is None or ends_ms < found[0]:
            found = (ends_ms, rule.rule_id)
    if found is None:
        return None
    return f'expiry-date="{http_date(found[0])}", rule-id="{quote(found[1], safe=" ")}"'


def _expirations(rules: Sequence[Rule], version: VersionLike) -> Iterator[tuple[Rule, int]]:
    for rule in rules:
        if not rule.is_enabled or not rule.filter.covers(version.key, version.tags, version.size):
            continue
        if rule.days:
            yield rule, ends_at(version.modified_ms, rule.days, DAY_MS)
        elif rule.date_ms is not None:
            yield rule, rule.date_ms
