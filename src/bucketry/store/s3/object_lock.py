"""Object Lock: what protects a version from removal, the bucket's default, and their documents and headers.

Amazon S3 User Guide, "Locking objects with Object Lock"; API Reference, PutObjectLockConfiguration, PutObjectRetention,
PutObjectLegalHold. A version is protected while it is on legal hold, or until a moment in one of two modes: GOVERNANCE,
which who has the right may bypass, and COMPLIANCE, which nobody may.
"""

from __future__ import annotations

import calendar
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601, parse_iso8601
from bucketry.store.s3.errors import InvalidArgument, MalformedXML
from bucketry.store.s3.headers import HeaderView
from bucketry.store.s3.object_lock_errors import InvalidRetentionPeriod

GOVERNANCE = "GOVERNANCE"
COMPLIANCE = "COMPLIANCE"
MODES = (GOVERNANCE, COMPLIANCE)
ON, OFF = "ON", "OFF"
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_YEARS = 100
MAX_DAYS = 365 * MAX_YEARS
DAY_MS = 86_400_000

MODE_HEADER = "x-amz-object-lock-mode"
UNTIL_HEADER = "x-amz-object-lock-retain-until-date"
HOLD_HEADER = "x-amz-object-lock-legal-hold"
BYPASS_HEADER = "x-amz-bypass-governance-retention"


class Lock(NamedTuple):
    """What protects a version. `mode` "": no retention was set; `hold` "": no legal hold was ever set."""

    mode: str = ""
    until_ms: int = 0  # epoch milliseconds
    hold: str = ""  # ON or OFF

    def protects(self, now_ms: int, *, bypasses: bool) -> bool:
        """Whether the version may not be removed now. `bypasses`: by one who may bypass governance."""
        if self.hold not in ("", OFF):
            return True
        return self.is_retained(now_ms) and not (bypasses and self.mode == GOVERNANCE)

    def is_retained(self, now_ms: int) -> bool:
        """Whether the retention has not ended yet."""
        return self.mode != "" and now_ms < self.until_ms

    def may_become(self, mode: str, until_ms: int, now_ms: int, *, bypasses: bool) -> bool:
        """Whether the retention may be changed to this one (`mode` "": to none). Without bypass it only grows."""
        if not self.is_retained(now_ms) or (bypasses and self.mode == GOVERNANCE):
            return True
        return mode == self.mode and until_ms >= self.until_ms


class Retention(NamedTuple):
    """A retention that is asked for; `mode` "": none."""

    mode: str
    until_ms: int


class DefaultRetention(NamedTuple):
    """What new versions of a bucket get. One of `days` and `years` is 0."""

    mode: str
    days: int
    years: int

    def until_ms(self, from_ms: int) -> int:
        """When the retention of a version made at `from_ms` ends. A year ends on the same day of the calendar."""
        if self.days:
            return from_ms + self.days * DAY_MS
        moment = datetime.fromtimestamp(from_ms // 1000, UTC)
        year = moment.year + self.years
        day = min(moment.day, calendar.monthrange(year, moment.month)[1])
        return int(moment.replace(year=year, day=day).timestamp()) * 1000 + from_ms % 1000


class Configuration(NamedTuple):
    """Object Lock of a bucket, which is enabled where there is one."""

    default: DefaultRetention | None = None


# --- the bucket's configuration


def parse_configuration(body: bytes) -> Configuration:
    """An ObjectLockConfiguration. Raises MalformedXML, InvalidRetentionPeriod."""
    root = xml.parse(body, "ObjectLockConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    _check_children(root, ("ObjectLockEnabled", "Rule"))
    if (root.text_of("ObjectLockEnabled") or "").strip() != "Enabled":
        raise MalformedXML
    rule = root.find("Rule")
    if rule is None:
        return Configuration()
    _check_children(rule, ("DefaultRetention",))
    retention = rule.find("DefaultRetention")
    if retention is None:
        raise MalformedXML
    _check_children(retention, ("Mode", "Days", "Years"))
    mode = (retention.text_of("Mode") or "").strip()
    days, years = retention.text_of("Days"), retention.text_of("Years")
    if mode not in MODES or (days is None) == (years is None):
        raise MalformedXML
    if days is not None:
        return Configuration(DefaultRetention(mode, _period(days, MAX_DAYS, "days"), 0))
    return Configuration(DefaultRetention(mode, 0, _period(years or "", MAX_YEARS, "years")))


def configuration_document(configuration: Configuration) -> bytes:
    """The ObjectLockConfiguration document."""
    children = xml.element("ObjectLockEnabled", "Enabled")
    default = configuration.default
    if default is not None:
        period = ("Days", default.days) if default.days else ("Years", default.years)
        children += xml.wrap("Rule", xml.wrap("DefaultRetention", xml.elements([("Mode", default.mode), period])))
    return xml.document("ObjectLockConfiguration", children)


def encode(configuration: Configuration) -> str:
    """A configuration as it is kept."""
    return json.dumps(configuration.default)


@lru_cache(maxsize=1024)
def decode(text: str) -> Configuration:
    """A kept configuration. ValueError where it can't be read: then nothing may be written or removed by it."""
    found = json.loads(text)
    if found is None:
        return Configuration()
    mode, days, years = found
    if mode not in MODES or not isinstance(days, int) or not isinstance(years, int) or (days > 0) == (years > 0):
        raise ValueError("not an Object Lock configuration")
    return Configuration(DefaultRetention(mode, days, years))


# --- retention and legal hold of a version


def parse_retention(body: bytes) -> Retention:
    """A Retention document; an empty one removes the retention. Raises MalformedXML."""
    root = xml.parse(body, "Retention", max_bytes=MAX_DOCUMENT_BYTES)
    _check_children(root, ("Mode", "RetainUntilDate"))
    if not root.children:
        return Retention("", 0)
    mode = (root.text_of("Mode") or "").strip()
    until_ms = parse_iso8601((root.text_of("RetainUntilDate") or "").strip())
    if mode not in MODES or until_ms is None:
        raise MalformedXML
    return Retention(mode, until_ms)


def retention_document(lock: Lock) -> bytes:
    """The Retention document of a version that has one."""
    return xml.document("Retention", xml.elements([("Mode", lock.mode), ("RetainUntilDate", iso8601(lock.until_ms))]))


def parse_hold(body: bytes) -> str:
    """The status of a LegalHold document: ON or OFF. Raises MalformedXML."""
    root = xml.parse(body, "LegalHold", max_bytes=MAX_DOCUMENT_BYTES)
    _check_children(root, ("Status",))
    status = (root.text_of("Status") or "").strip()
    if status not in (ON, OFF):
        raise MalformedXML
    return status


def hold_document(lock: Lock) -> bytes:
    """The LegalHold document of a version that has one."""
    return xml.document("LegalHold", xml.element("Status", lock.hold))


def parse_headers(headers: HeaderView, now_ms: int) -> Lock | None:
    """The lock that the headers of a write ask for; None: they say nothing of it. Raises InvalidArgument."""
    mode, until, hold = headers.get(MODE_HEADER), headers.get(UNTIL_HEADER), headers.get(HOLD_HEADER)
    if mode is None and until is None and hold is None:
        return None
    if hold not in (None, ON, OFF):
        raise _wrong(HOLD_HEADER, hold or "", "Legal Hold must be either of 'ON' or 'OFF'")
    if mode is None and until is None:
        return Lock(hold=hold or "")
    if mode is None or until is None:
        which = MODE_HEADER if mode is None else UNTIL_HEADER
        raise _wrong(which, "", f"{UNTIL_HEADER} and {MODE_HEADER} must both be supplied")
    if mode not in MODES:
        raise _wrong(MODE_HEADER, mode, "Unknown wormMode directive.")
    until_ms = parse_iso8601(until)
    if until_ms is None:
        raise _wrong(UNTIL_HEADER, until, "The retain until date must be provided in ISO 8601 format")
    check_future(until_ms, until, now_ms)
    return Lock(mode, until_ms, hold or "")


CONDITION_KEYS = (
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-legal-hold",
)


def condition_values(asked: Lock | None, now_ms: int) -> dict[str, str]:
    """What is asked for under the condition keys that policies have for it."""
    values: dict[str, str] = {}
    if asked is not None and asked.mode:
        days = max(0, -(-(asked.until_ms - now_ms) // DAY_MS))
        values = dict(zip(CONDITION_KEYS, (asked.mode, iso8601(asked.until_ms), str(days)), strict=False))
    if asked is not None and asked.hold:
        values[CONDITION_KEYS[-1]] = asked.hold
    return values


def check_future(until_ms: int, text: str, now_ms: int) -> None:
    """InvalidArgument for a retention that would have ended before it began."""
    if until_ms <= now_ms:
        raise _wrong("RetainUntilDate", text, "The retain until date must be in the future!")


def _wrong(name: str, value: str, text: str) -> InvalidArgument:
    return InvalidArgument(text, {"ArgumentName": name, "ArgumentValue": value[:128]})


def _period(text: str, limit: int, unit: str) -> int:
    digits = text.strip()
    try:
        number = int(digits) if len(digits) < 20 and digits.isascii() else None
    except ValueError:
        number = None
    if number is None:
        raise MalformedXML
    if number < 1:
        raise InvalidRetentionPeriod("Default retention period must be a positive integer value.")
    if number > limit:
        raise InvalidRetentionPeriod(f"The retention period is too large: {limit} {unit} are the most.")
    return number


def _check_children(element: xml.Element, known: tuple[str, ...]) -> None:
    """MalformedXML for an element that is unknown or comes twice."""
    names = [child.name for child in element]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise MalformedXML
