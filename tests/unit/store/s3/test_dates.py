"""Times written and read."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import dates

MOMENT = 1767323045678  # 2026-01-02T03:04:05.678Z
moments = st.integers(0, 253_402_214_400_999)  # to the end of the year 9999


def test_forms() -> None:
    assert dates.iso8601(MOMENT) == "2026-01-02T03:04:05.678Z"
    assert dates.iso8601_seconds(MOMENT) == "2026-01-02T03:04:05Z"
    assert dates.http_date(MOMENT) == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert dates.amz_date(MOMENT) == "20260102T030405Z"
    assert dates.iso8601(0) == "1970-01-01T00:00:00.000Z"


@given(moments)
def test_forms_agree_with_the_library_and_are_read_back(moment: int) -> None:
    whole = moment // 1000 * 1000
    assert dates.http_date(moment) == format_datetime(datetime.fromtimestamp(whole // 1000, UTC), usegmt=True)
    assert dates.parse_http_date(dates.http_date(moment)) == whole
    assert dates.parse_http_date(dates.iso8601(moment)) == moment
    assert dates.parse_iso8601(dates.iso8601_seconds(moment)) == whole
    assert dates.parse_amz_date(dates.amz_date(moment)) == whole // 1000


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 02 Jan 2026 03:04:05 GMT",
        " Fri, 2 Jan 2026 03:04:05 GMT ",
        "Fri, 02 Jan 2026 03:04:05 UTC",
        "Fri, 02 Jan 2026 03:04:05 +0000",
        "fri, 02 jan 2026 03:04:05 GMT",
        "02 Jan 2026 03:04:05 GMT",
        "Mon, 02 Jan 2026 03:04:05 GMT",  # a wrong day of the week is let pass
        "Friday, 02-Jan-26 03:04:05 GMT",
        "Fri Jan  2 03:04:05 2026",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T05:04:05+02:00",
        "2026-01-01T22:34:05-0430",
    ],
)
def test_every_form_of_a_date_is_read(text: str) -> None:
    assert dates.parse_http_date(text) == 1767323045000


def test_parts_of_a_second_and_of_a_day() -> None:
    assert dates.parse_iso8601("2026-01-02T03:04:05.6Z") == 1767323045600
    assert dates.parse_iso8601("2026-01-02T03:04:05.6789999Z") == MOMENT
    assert dates.parse_iso8601("2026-01-02") == 1767312000000
    assert dates.parse_iso8601("2026-01-02T03:04Z") == 1767323040000
    assert dates.parse_http_date("Friday, 02-Jan-70 00:00:00 GMT") == 86_400_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "yesterday",
        "Fri, 32 Jan 2026 03:04:05 GMT",
        "Fri, 02 Foo 2026 03:04:05 GMT",
        "2026-13-01",
        "1767323045",
        "Fri, 02 Jan 2026 24:04:05 GMT",
        "Fri, 02 Jan 2026 03:04:05 PST",
        "2026-01-02T03:04:05+99:00",
        "9" * 100000,
        "Fri, 02 Jan 0000 03:04:05 GMT",
        "2026-02-30T00:00:00Z",
        "٢٠٢٦-01-02",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert dates.parse_http_date(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20260102",
        "20260102T030405",
        "20260102T030405z",
        "2026-01-02T03:04:05Z",
        "20261302T030405Z",
        "20260102T250405Z",
        "２0260102T030405Z",
        "20260102T030405Z ",
        "00000102T030405Z",
    ],
)
def test_what_is_no_amz_date(text: str) -> None:
    assert dates.parse_amz_date(text) is None
