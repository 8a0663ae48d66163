"""Times as S3 writes and reads them; the moment itself is always an argument, in milliseconds since 1970 (UTC).

ISO 8601 with milliseconds is what the documents of the S3 API carry, RFC 9110 section 5.6.7 what HTTP headers carry,
and the basic ISO form what Signature V4 signs. Texts are made once a second of time: a listing of a thousand objects
written in a burst formats a few.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}

_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
# The three forms of RFC 9110 (IMF-fixdate, the RFC 850 one, asctime), with the zone names that old clients send.
_HTTP_FORMS = (
    re.compile(
        rf"(?:[A-Za-z]+,\s*)?(?P<day>\d{{1,2}}) (?P<month>[A-Za-z]{{3}}) (?P<year>\d{{4}}) {_CLOCK} "
        r"(?:GMT|UTC|Z|[+-]0000)",
        re.ASCII,
    ),
    re.compile(
        rf"[A-Za-z]+, (?P<day>\d{{1,2}})-(?P<month>[A-Za-z]{{3}})-(?P<year>\d{{2}}|\d{{4}}) {_CLOCK} (?:GMT|UTC)",
        re.ASCII,
    ),
    re.compile(rf"[A-Za-z]{{3}} (?P<month>[A-Za-z]{{3}}) +(?P<day>\d{{1,2}}) {_CLOCK} (?P<year>\d{{4}})", re.ASCII),
)
_ISO_FORM = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_AMZ_FORM = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z", re.ASCII)
_LONGEST_DATE = 64  # no form is longer; spares the patterns a hostile text


@lru_cache(maxsize=4096)
def _iso_second(epoch_s: int) -> str:
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return moment.isoformat()[:19]


def iso8601(epoch_ms: int) -> str:
    """`2026-01-02T03:04:05.000Z`, as in LastModified of a listing."""
    return f"{_iso_second(epoch_ms // 1000)}.{epoch_ms % 1000:03d}Z"


def iso8601_seconds(epoch_ms: int) -> str:
    """`2026-01-02T03:04:05Z`, as the IAM API and error documents write it."""
    return _iso_second(epoch_ms // 1000) + "Z"


@lru_cache(maxsize=4096)
def _http_second(epoch_s: int) -> str:
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"
    )


def http_date(epoch_ms: int) -> str:
    """`Fri, 02 Jan 2026 03:04:05 GMT`, as in the Last-Modified header; milliseconds are cut off."""
    return _http_second(epoch_ms // 1000)


def parse_http_date(text: str) -> int | None:
    """Epoch milliseconds of an HTTP date in any of its forms, or of an ISO 8601 one; None when it is neither.

    If-Modified-Since and its like are ignored when they can't be read (RFC 9110, section 13.1.3), so this is no error.
    """
    text = text.strip()
    if len(text) > _LONGEST_DATE:
        return None
    for form in _HTTP_FORMS:
        match = form.fullmatch(text)
        if match:
            month = _MONTH_NUMBERS.get(match["month"].lower())
            if month is None:
                return None
            year = int(match["year"])
            if len(match["year"]) == 2:  # RFC 6265 reads two digits so: 70–99 are the last century
                year += 1900 if year >= 70 else 2000
            parts = (int(match["hour"]), int(match["minute"]), int(match["second"]))
            return _to_ms(year, month, int(match["day"]), *parts)
    return parse_iso8601(text)


def parse_iso8601(text: str) -> int | None:
    """Epoch milliseconds of an ISO 8601 date or time (UTC when no offset is given); None when it isn't one."""
    match = _ISO_FORM.fullmatch(text) if len(text) <= _LONGEST_DATE else None
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    moment = _to_ms(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    if moment is None:
        return None
    if fraction:
        moment += int(fraction[:3].ljust(3, "0"))
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "")
        hours, minutes = int(digits[:2]), int(digits[2:])
        if hours > 23 or minutes > 59:
            return None
        offset_ms = (hours * 60 + minutes) * 60_000
        moment += -offset_ms if zone[0] == "+" else offset_ms
    return moment


def amz_date(epoch_ms: int) -> str:
    """`20260102T030405Z`, as in x-amz-date."""
    return _iso_second(epoch_ms // 1000).replace("-", "").replace(":", "") + "Z"


@lru_cache(maxsize=256)  # the requests of one moment carry the same few texts
def parse_amz_date(text: str) -> int | None:
    """Epoch seconds of `20260102T030405Z`; None when it isn't one."""
    match = _AMZ_FORM.fullmatch(text) if len(text) == 16 else None
    if not match:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    moment = _to_ms(year, month, day, hour, minute, second)
    return None if moment is None else moment // 1000


def _to_ms(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    second = min(second, 59) if second == 60 else second  # a leap second counts as the one before it
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000
