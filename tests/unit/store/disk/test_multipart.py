"""Multipart uploads: completing moves no bytes, and nothing of an upload is lost or left over."""

from __future__ import annotations

import os

import pytest

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import PartMissing, Superseded, UploadMissing
from bucketry.store.disk.reading import Reading
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Part, Version
from tests.unit.store.disk.objects import (
    OTHER,
    OTHER_ID,
    content,
    etag_of,
    make_bucket,
    multipart,
    new_object,
    new_upload,
    put,
    put_part,
    read,
    segment_bytes,
)

MIB = 1 << 20


def some_parts() -> list[bytes]:
    return [os.urandom(size) for size in (5 * MIB, 300_000, 100, 5 * MIB + 7, 20_000)]


async def test_completed_upload_reads_as_its_parts(bucket: Bucket) -> None:
    parts = some_parts()
    whole = b"".join(parts)
    version = await multipart(bucket, "key", parts)
    assert (version.size, version.part_count, version.upload_id) == (len(whole), 5, "upload")
    assert await read(bucket, "key") == whole
    for start in (0, 5 * MIB - 10, 5 * MIB + 299_990, len(whole) - 100):
        assert await content(bucket, version, start, 100) == whole[start : start + 100]
    assert await content(bucket, version, 1000, 5 * MIB) == whole[1000 : 1000 + 5 * MIB]


async def test_completing_writes_no_bytes(bucket: Bucket) -> None:
    await bucket.create_upload(new_upload("u", "key"))
    await put_part(bucket, "u", 1, bytes(5 * MIB))
    before = {path.name: path.stat().st_mtime_ns for path in (bucket.folder / "segments").iterdir()}
    await bucket.complete_upload("u", [(1, etag_of(bytes(5 * MIB)))], new_object("key", b""))
    assert {path.name: path.stat().st_mtime_ns for path in (bucket.folder / "segments").iterdir()} == before


async def test_parts_of_an_object_are_known(bucket: Bucket) -> None:
    parts = some_parts()
    version = await multipart(bucket, "key", parts)
    listed = bucket.object_parts(version)
    assert [(part.part_number, part.size, part.etag) for part in listed] == [
        (number, len(data), etag_of(data)) for number, data in enumerate(parts, 1)
    ]
    assert bucket.object_parts(version, after=3, limit=1) == listed[3:4]
    assert bucket.part_range(version, 2) == (5 * MIB, 300_000)
    assert bucket.part_range(version, 6) is None
    plain = await put(bucket, "plain", b"abc")
    assert (bucket.object_parts(plain), bucket.part_range(plain, 1)) == ([], (0, 3))


async def test_upload_and_its_parts_are_listed_until_it_ends(bucket: Bucket) -> None:
    upload = new_upload("u", "key")
    await bucket.create_upload(upload)
    assert bucket.upload("u") == upload
    await put_part(bucket, "u", 2, b"two")
    await put_part(bucket, "u", 1, b"one")
    await put_part(bucket, "u", 1, b"again")
    assert [(part.part_number, part.size) for part in bucket.parts("u")] == [(1, 5), (2, 3)]
    assert [part.part_number for part in bucket.parts("u", after=1)] == [2]
    totals = bucket.totals()
    assert (totals.uploads, totals.upload_bytes, totals.bytes) == (1, 8, 0)
    assert await bucket.abort_upload("u") == upload
    assert bucket.upload("u") is None
    assert bucket.parts("u") == []
    assert (bucket.totals().uploads, bucket.totals().upload_bytes) == (0, 0)


async def test_unlisted_parts_are_dropped(disk: Disk, bucket: Bucket) -> None:
    await bucket.create_upload(new_upload("u", "key"))
    for number in (1, 2, 3):
        await put_part(bucket, "u", number, bytes([number]) * 5 * MIB)
    await bucket.complete_upload("u", [(2, etag_of(b"\2" * 5 * MIB))], new_object("key", b""))
    await disk.collect_garbage()
    assert segment_bytes(bucket) < 6 * MIB
    assert await read(bucket, "key") == b"\2" * 5 * MIB


async def test_upload_that_ended_takes_nothing_more(bucket: Bucket) -> None:
    await multipart(bucket, "key", [b"data"])
    with pytest.raises(UploadMissing):
        await put_part(bucket, "upload", 2, b"late")
    with pytest.raises(UploadMissing):
        await bucket.complete_upload("upload", [(1, etag_of(b"data"))], new_object("key", b""))
    with pytest.raises(UploadMissing):
        await bucket.abort_upload("upload")
    current = bucket.get("key")
    assert current is not None
    assert current.upload_id == "upload"


@pytest.mark.parametrize(
    ("named", "wrong"), [([(1, "other")], 1), ([(2, "x")], 2), ([(1, etag_of(b"one")), (1, etag_of(b"one"))], 1)]
)
async def test_wrong_parts_are_refused_and_the_upload_stays(
    bucket: Bucket, named: list[tuple[int, str]], wrong: int
) -> None:
    await bucket.create_upload(new_upload("u", "key"))
    await put_part(bucket, "u", 1, b"one")
    with pytest.raises(PartMissing) as caught:
        await bucket.complete_upload("u", named, new_object("key", b""))
    assert caught.value.part_number == wrong
    assert [part.part_number for part in bucket.parts("u")] == [1]
    assert bucket.get("key") is None


async def test_guard_refuses_to_complete(bucket: Bucket) -> None:
    def refuse(current: Version | None) -> None:
        raise PermissionError(current)

    await bucket.create_upload(new_upload("u", "key"))
    await put_part(bucket, "u", 1, b"one")
    with pytest.raises(PermissionError):
        await bucket.complete_upload("u", [(1, etag_of(b"one"))], new_object("key", b""), refuse)
    assert bucket.upload("u") is not None


async def test_empty_part_makes_an_empty_object(bucket: Bucket) -> None:
    version = await multipart(bucket, "key", [b""])
    assert (version.size, version.part_count) == (0, 1)
    assert await read(bucket, "key") == b""
    assert bucket.part_range(version, 1) == (0, 0)


@pytest.mark.parametrize("is_same", [True, False])
async def test_parts_are_copied_from_ranges_of_objects(disk: Disk, bucket: Bucket, is_same: bool) -> None:
    parts = some_parts()
    whole = b"".join(parts)
    source_bucket = bucket if is_same else await make_bucket(disk, OTHER, OTHER_ID)
    source = await multipart(source_bucket, "source", parts)
    await bucket.create_upload(new_upload("u", "key"))
    ranges = [(0, len(whole)), (5 * MIB - 3, 300_050), (123, 5 * MIB), (5 * MIB + 300_000, 50), (7, 0)]
    for number, (start, size) in enumerate(ranges, 1):
        data = whole[start : start + size]
        await bucket.copy_part("u", Part(number, size, etag_of(data), 1, {}), source_bucket, source, start)
    expected = b"".join(whole[start : start + size] for start, size in ranges)
    named = [(part.part_number, part.etag) for part in bucket.parts("u")]
    await source_bucket.delete("source")
    await disk.collect_garbage()
    version = await bucket.complete_upload("u", named, new_object("key", expected))
    assert await read(bucket, "key") == expected
    assert bucket.part_range(version, 3) == (len(whole) + 300_050, 5 * MIB)
    assert [part.size for part in bucket.object_parts(version)] == [size for _, size in ranges]


async def test_part_of_a_replaced_source_is_refused(bucket: Bucket) -> None:
    old = await put(bucket, "source", b"old")
    await put(bucket, "source", b"new")
    await bucket.create_upload(new_upload("u", "key"))
    with pytest.raises(Superseded):
        await bucket.copy_part("u", Part(1, 3, "e", 1, {}), bucket, old, 0)


@pytest.mark.parametrize("is_same", [True, False])
async def test_copy_of_a_multipart_object_is_an_ordinary_one(disk: Disk, bucket: Bucket, is_same: bool) -> None:
    parts = some_parts()
    source = await multipart(bucket, "source", parts)
    target = bucket if is_same else await make_bucket(disk, OTHER, OTHER_ID)
    copied = await target.copy(bucket, source, new_object("copy", b""))
    await bucket.delete("source")
    await disk.collect_garbage()
    assert (copied.part_count, copied.upload_id) == (0, "")
    assert await read(target, "copy") == b"".join(parts)


async def test_reader_of_a_multipart_object_gets_all_parts_after_its_deletion(disk: Disk, bucket: Bucket) -> None:
    parts = some_parts()
    reading = await bucket.read(await multipart(bucket, "key", parts))
    assert isinstance(reading, Reading)
    got = [bytes(await anext(reading))]
    await bucket.delete("key")
    await disk.collect_garbage()
    got += [bytes(block) async for block in reading]
    assert b"".join(got) == b"".join(parts)


async def test_many_parts_complete(bucket: Bucket) -> None:
    count = 1_000
    await bucket.create_upload(new_upload("u", "key"))
    for number in range(1, count + 1):
        await put_part(bucket, "u", number, b"%d" % number)
    named = [(number, etag_of(b"%d" % number)) for number in range(1, count + 1)]
    await bucket.complete_upload("u", named, new_object("key", b""))
    assert await read(bucket, "key") == b"".join(b"%d" % number for number in range(1, count + 1))
