"""Range headers against objects of known sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.errors import InvalidRange
from bucketry.store.s3.ranges import parse_range


@pytest.mark.parametrize(
    ("field", "size", "start", "length"),
    [
        ("bytes=0-0", 10, 0, 1),
        ("bytes=0-9", 10, 0, 10),
        ("bytes=0-100", 10, 0, 10),
        ("bytes=9-", 10, 9, 1),
        ("bytes=-1", 10, 9, 1),
        ("bytes=-100", 10, 0, 10),
        ("Bytes = 2 - 3", 10, 2, 2),
        (" bytes=2-3 ", 10, 2, 2),
        ("bytes=0-99999999999999999999", 10, 0, 10),
    ],
)
def test_ranges(field: str, size: int, start: int, length: int) -> None:
    found = parse_range(field, size)
    assert found is not None
    assert (found.start, found.length) == (start, length)
    assert found.content_range == f"bytes {start}-{start + length - 1}/{size}"


NO_RANGES = (
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=3-2",
    "items=0-1",
    "bytes=0-1,3-4",
    "bytes=0-1,",
    "bytes=--1",
    "bytes=+1-2",
    "bytes=1-2-3",
    "bytes=" + "1" * 40 + "-",
    "bytes=٣-٤",
)
OUTSIDE = [("bytes=10-", 10), ("bytes=11-12", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]


@pytest.mark.parametrize("field", NO_RANGES)
def test_what_is_no_single_range_asks_for_everything(field: str) -> None:
    assert parse_range(field, 10) is None


@pytest.mark.parametrize(("field", "size"), OUTSIDE)
def test_ranges_outside_are_refused_with_the_size(field: str, size: int) -> None:
    with pytest.raises(InvalidRange) as error:
        parse_range(field, size)
    assert error.value.headers == {"Content-Range": f"bytes */{size}"}
    assert error.value.fields == {"RangeRequested": field, "ActualObjectSize": str(size)}


@given(st.text(max_size=40), st.integers(0, 1 << 45))
def test_any_text_gives_bytes_inside_the_object_or_nothing(text: str, size: int) -> None:
    for field in (text, f"bytes={text}"):
        try:
            found = parse_range(field, size)
        except InvalidRange:
            continue
        assert found is None or (found.start >= 0 and 0 < found.length <= size - found.start)
