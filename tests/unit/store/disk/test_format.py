"""The formats on the disk: records stand for themselves, indexes say who may read them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.disk import schema, segments
from bucketry.store.disk.errors import IndexDamaged, NewerFormat
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.store import folder_name
from tests.unit.store.disk.objects import ID, NAME, make_bucket, open_disk, put, read


async def test_newer_format_is_refused_in_clear_words(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await disk.close()
    with apsw.Connection(str(bucket.folder / "index.sqlite")) as connection:
        connection.execute("UPDATE meta SET value = ?", (schema.CURRENT_FORMAT + 1,))
    disk = open_disk(tmp_path)
    newer = disk.bucket(NAME, ID)
    with pytest.raises(NewerFormat, match=f"has format {schema.CURRENT_FORMAT + 1}.*run the version"):
        newer.get("key")
    with pytest.raises(NewerFormat):
        await put(newer, "key", b"data")
    await disk.close()


async def test_older_format_is_brought_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = open_disk(tmp_path)
    await put(await make_bucket(disk), "key", b"data")
    await disk.close()
    monkeypatch.setattr(schema, "_STEPS", (*schema._STEPS, "CREATE TABLE later (a)"))
    monkeypatch.setattr(schema, "CURRENT_FORMAT", schema.CURRENT_FORMAT + 1)
    disk = open_disk(tmp_path)
    bucket = disk.bucket(NAME, ID)
    assert await read(bucket, "key") == b"data"
    await put(bucket, "key", b"more")
    connection = apsw.Connection(str(bucket.folder / "index.sqlite"))
    assert schema.format_of(connection, "b") == schema.CURRENT_FORMAT
    assert connection.execute("SELECT count(*) FROM later").get == 0
    connection.close()
    await disk.close()


def test_index_without_a_format_is_damaged() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE meta (name, value)")
    with pytest.raises(IndexDamaged):
        schema.format_of(connection, "bucket")
    connection.close()


headers = st.builds(
    RecordHeader,
    kind=st.sampled_from(["object", "part"]),
    key=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    modified_ms=st.integers(0, 2**50),
    headers=st.dictionaries(st.text("abc-", max_size=5), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
)


@given(headers, st.integers(0, 2**45))
def test_header_tells_what_it_was_told(header: RecordHeader, size: int) -> None:
    data = segments.encode_header(header, size)
    assert segments.decode_header(data + b"data") == (header, len(data), size)


@given(headers, st.integers(0, 10**6), st.integers(0, 7))
def test_header_with_any_bit_changed_is_none(header: RecordHeader, place: int, bit: int) -> None:
    data = bytearray(segments.encode_header(header, 77))
    data[place % len(data)] ^= 1 << bit
    assert segments.decode_header(bytes(data)) is None


@given(st.integers(0, 10**6), st.integers(0, 7), st.integers(1, 3))
def test_footer_comes_back_or_is_none(place: int, bit: int, blocks: int) -> None:
    footer = RecordFooter("e" * 32, {"SHA256": "x" * 44}, "FULL_OBJECT")
    checksums = os.urandom(4 * blocks)
    data = bytearray(segments.encode_footer(footer, checksums))
    assert segments.decode_footer(bytes(data) + b"\0" * 50) == (footer, checksums)
    data[place % len(data)] ^= 1 << bit
    assert segments.decode_footer(bytes(data)) is None


async def test_segment_alone_tells_the_object_again(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    content = os.urandom(300_000)
    await put(bucket, "a/key", content)
    bucket.rest()
    (path,) = (bucket.folder / "segments").iterdir()
    data = path.read_bytes()
    found = segments.decode_header(data)
    assert found is not None
    header, header_size, size = found
    assert (header.kind, header.key, size) == ("object", "a/key", 300_000)
    assert data[header_size : header_size + size] == content
    footer = segments.decode_footer(data[header_size + size :])
    assert footer is not None
    assert footer[1] == segments.block_checksums(content)
    await disk.close()


def test_crc32c_is_castagnoli() -> None:
    assert segments.crc32c(b"123456789") == 0xE3069283  # RFC 3720, appendix B.4 has the polynomial


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "UPPER", "a\0"])
def test_name_that_is_no_bucket_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        folder_name(name, ID)


def test_names_of_segments_are_random_and_known() -> None:
    names = {segments.new_name(is_single=single) for single in (True, False) for _ in range(100)}
    assert len(names) == 200
    assert all(segments.is_name(name) and re.fullmatch("[sm][0-9a-f]{16}", name) for name in names)
    assert not segments.is_name("s-0123456789abcde")
