"""Objects: what is put is what is read, whole and in ranges, until it is replaced or deleted."""

from __future__ import annotations

import asyncio
import os

import pytest

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import Superseded, WrongSize
from bucketry.store.disk.reading import Reading
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Doomed, NewObject, Version
from tests.unit.store.disk.objects import (
    OTHER,
    OTHER_ID,
    Clock,
    content,
    make_bucket,
    new_object,
    put,
    read,
    segment_bytes,
    write,
)

KIB, MIB = 1 << 10, 1 << 20
SIZES = [
    0,
    1,
    16 * KIB,
    16 * KIB + 1,
    64 * KIB,
    256 * KIB,
    256 * KIB + 1,
    512 * KIB,
    3 * MIB,
    4 * MIB,
    4 * MIB + 1,
    9 * MIB,
]


class Refused(Exception):
    """What a guard raises."""


def refuse(_current: Version | None) -> None:
    raise Refused


@pytest.mark.parametrize("size", SIZES)
async def test_bytes_come_back_whole_and_in_ranges(bucket: Bucket, size: int) -> None:
    data = os.urandom(size)
    version = await put(bucket, "key", data)
    assert bucket.get("key") == version
    assert version.size == size
    assert await read(bucket, "key") == data
    for start, length in [(0, size), (0, size // 2), (size // 2, size - size // 2), (size // 3, size // 3)]:
        assert await content(bucket, version, start, length) == data[start : start + length]


async def test_what_is_stored_beside_the_bytes_comes_back(bucket: Bucket) -> None:
    new = NewObject(
        "a/é😀", "e" * 32, "owner", 123, {"x-amz-meta-ü": "✓"}, {"CRC64NVME": "AAA="}, "FULL_OBJECT", {"tag": "value"}
    )
    await bucket.put(new, await write(bucket, RecordHeader("object", new.key, 1), b"x"))
    found = bucket.get(new.key)
    assert found is not None
    assert (found.etag, found.owner, found.modified_ms) == (new.etag, new.owner, new.modified_ms)
    assert (found.headers, found.checksums, found.checksum_type) == (new.headers, new.checksums, "FULL_OBJECT")
    assert found.tags == new.tags
    assert found.version_id == "null"
    listed = bucket.list_objects().entries[0]
    assert (listed.checksum_algorithms, listed.checksum_type) == (("CRC64NVME",), "FULL_OBJECT")


async def test_overwritten_object_has_the_new_bytes(bucket: Bucket) -> None:
    first = await put(bucket, "key", b"a" * 100_000)
    second = await put(bucket, "key", b"b" * 50_000)
    assert second.sequence > first.sequence
    assert await read(bucket, "key") == b"b" * 50_000
    assert bucket.totals().objects == 1
    assert bucket.totals().bytes == 50_000


async def test_deleted_object_is_gone_and_deleting_again_is_fine(bucket: Bucket) -> None:
    version = await put(bucket, "key", b"data")
    assert await bucket.delete("key") == version
    assert bucket.get("key") is None
    assert await bucket.delete("key") is None
    assert bucket.totals().objects == 0


async def test_many_keys_are_deleted_at_once(bucket: Bucket) -> None:
    kept = await put(bucket, "kept", b"k")
    gone = await put(bucket, "gone", b"g")
    assert await bucket.delete_many([Doomed("gone"), Doomed("missing"), Doomed("gone")]) == [gone, None, None]
    assert bucket.get("kept") == kept


async def test_guard_sees_the_current_version_and_refuses_alone(bucket: Bucket) -> None:
    seen: list[Version | None] = []
    first = await put(bucket, "key", b"first", seen.append)
    outcomes = await asyncio.gather(
        put(bucket, "key", b"x" * 100_000, refuse),
        put(bucket, "other", b"other", seen.append),
        bucket.delete("key", refuse),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Refused, Version, Refused]
    assert seen == [None, None]
    assert bucket.get("key") == first


async def test_only_one_of_many_may_create_a_key(bucket: Bucket) -> None:
    def must_be_new(current: Version | None) -> None:
        if current is not None:
            raise Refused

    puts = (put(bucket, "key", bytes([number]), must_be_new) for number in range(50))
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    made = [outcome for outcome in outcomes if isinstance(outcome, Version)]
    assert len(made) == 1
    assert bucket.get("key") == made[0]


async def test_tags_change_without_the_rest(bucket: Bucket) -> None:
    version = await put(bucket, "key", b"data")
    tagged = await bucket.set_tags("key", {"a": "b"})
    assert tagged == bucket.get("key")
    assert tagged is not None
    assert (tagged.tags, tagged.headers, tagged.sequence) == ({"a": "b"}, version.headers, version.sequence)
    assert await bucket.set_tags("missing", {}) is None
    with pytest.raises(Refused):
        await bucket.set_tags("key", {}, refuse)


@pytest.mark.parametrize("size", [10, 100_000, 5 * MIB])
async def test_writer_takes_exactly_the_announced_bytes(bucket: Bucket, size: int) -> None:
    header = RecordHeader("object", "key", 1)
    writer = await bucket.writer(header, size)
    await writer.write(bytes(size - 1))
    with pytest.raises(WrongSize):
        await writer.finish(RecordFooter("etag"))
    with pytest.raises(WrongSize):
        await writer.write(b"xx")
    writer.abort()
    writer.abort()
    assert bucket.get("key") is None


async def test_discarded_bytes_leave_nothing(disk: Disk, bucket: Bucket) -> None:
    for size in (10, 100_000, 5 * MIB):
        bucket.discard(await write(bucket, RecordHeader("object", "key", 1), bytes(size)))
    await put(bucket, "kept", bytes(20_000))
    await disk.collect_garbage()
    assert segment_bytes(bucket) < 64 * KIB


@pytest.mark.parametrize("size", SIZES)
async def test_copy_inside_the_bucket_shares_the_bytes(disk: Disk, bucket: Bucket, size: int) -> None:
    data = os.urandom(size)
    source = await put(bucket, "source", data)
    before = segment_bytes(bucket)
    copied = await bucket.copy(bucket, source, new_object("copy", data))
    assert segment_bytes(bucket) == before
    await bucket.delete("source")
    await disk.collect_garbage()
    assert copied == bucket.get("copy")
    assert await read(bucket, "copy") == data
    await bucket.delete("copy")
    await disk.collect_garbage()
    assert segment_bytes(bucket) == 0


async def test_copy_onto_itself_keeps_the_bytes(bucket: Bucket) -> None:
    source = await put(bucket, "key", b"x" * 30_000)
    await bucket.copy(bucket, source, new_object("key", b"", {"content-type": "image/png"}))
    assert await read(bucket, "key") == b"x" * 30_000


@pytest.mark.parametrize("size", SIZES)
async def test_copy_into_another_bucket_outlives_the_source(disk: Disk, bucket: Bucket, size: int) -> None:
    other = await make_bucket(disk, OTHER, OTHER_ID)
    data = os.urandom(size)
    source = await put(bucket, "source", data)
    await other.copy(bucket, source, new_object("copy", data))
    await bucket.delete("source")
    await disk.collect_garbage()
    assert await read(other, "copy") == data


async def test_large_copy_into_another_bucket_costs_no_bytes(disk: Disk, bucket: Bucket) -> None:
    other = await make_bucket(disk, OTHER, OTHER_ID)
    source = await put(bucket, "source", bytes(5 * MIB))
    await other.copy(bucket, source, new_object("copy", b""))
    (path,) = (other.folder / "segments").iterdir()
    assert path.stat().st_nlink == 2


async def test_copy_of_a_replaced_source_is_refused(disk: Disk, bucket: Bucket) -> None:
    other = await make_bucket(disk, OTHER, OTHER_ID)
    old = await put(bucket, "source", bytes(50_000))
    await put(bucket, "source", b"new")
    for target in (bucket, other):
        with pytest.raises(Superseded):
            await target.copy(bucket, old, new_object("copy", b""))
        assert target.get("copy") is None


async def test_source_guard_refuses_a_copy(disk: Disk, bucket: Bucket) -> None:
    other = await make_bucket(disk, OTHER, OTHER_ID)
    source = await put(bucket, "source", bytes(50_000))
    for target in (bucket, other):
        with pytest.raises(Refused):
            await target.copy(bucket, source, new_object("copy", b""), source_guard=refuse)


@pytest.mark.parametrize("size", [10, 100_000, 3 * MIB, 9 * MIB])
async def test_reading_a_replaced_version_asks_to_look_again(disk: Disk, bucket: Bucket, size: int) -> None:
    old = await put(bucket, "key", bytes(size))
    await put(bucket, "key", b"new")
    await disk.collect_garbage()
    with pytest.raises(Superseded):
        await bucket.read(old)


@pytest.mark.parametrize("size", [600 * KIB, 3 * MIB, 9 * MIB])
async def test_reader_in_the_middle_gets_the_whole_old_object(disk: Disk, bucket: Bucket, size: int) -> None:
    data = os.urandom(size)
    version = await put(bucket, "key", data)
    reading = await bucket.read(version)
    assert isinstance(reading, Reading)
    got = [bytes(await anext(reading))]
    await put(bucket, "key", b"new")
    collected = await disk.collect_garbage()
    assert collected.waiting == 1
    got += [bytes(block) async for block in reading]
    assert b"".join(got) == data
    collected = await disk.collect_garbage()
    assert (collected.waiting, collected.bytes > size) == (0, True)


async def test_reader_of_a_shared_copy_keeps_it_when_all_copies_go(disk: Disk, bucket: Bucket) -> None:
    data = os.urandom(600 * KIB)
    version = await put(bucket, "key", data)
    await bucket.copy(bucket, version, new_object("copy", data))
    reading = await bucket.read(version)
    assert isinstance(reading, Reading)
    got = [bytes(await anext(reading))]
    await bucket.delete("key")
    await bucket.delete("copy")
    assert (await disk.collect_garbage()).waiting == 1
    got += [bytes(block) async for block in reading]
    assert b"".join(got) == data
    assert (await disk.collect_garbage()).waiting == 0


async def test_closed_reading_lets_go(disk: Disk, bucket: Bucket) -> None:
    reading = await bucket.read(await put(bucket, "key", bytes(MIB)))
    assert isinstance(reading, Reading)
    await bucket.delete("key")
    reading.close()
    reading.close()
    assert (await disk.collect_garbage()).waiting == 0
    assert segment_bytes(bucket) == 0


async def test_range_outside_of_the_object_is_an_error(bucket: Bucket) -> None:
    version = await put(bucket, "key", b"abc")
    for start, length in [(0, 4), (-1, 1), (4, 0), (2, -1)]:
        with pytest.raises(ValueError, match="has no bytes"):
            await bucket.read(version, start, length)


async def test_totals_count_bytes_times_seconds(bucket: Bucket, clock: Clock) -> None:
    await put(bucket, "a", bytes(1000))
    clock.now_ms += 1_500
    assert bucket.totals().byte_seconds == 1500
    await put(bucket, "b", bytes(500))
    clock.now_ms += 333
    await bucket.delete("a")
    clock.now_ms += 1000
    assert bucket.totals().byte_seconds == (1000 * 1833 + 500 * 1333) // 1000
    clock.now_ms -= 5000  # a clock that is set back takes nothing away
    assert bucket.totals().byte_seconds == (1000 * 1833 + 500 * 333) // 1000
    assert (bucket.totals().objects, bucket.totals().bytes, bucket.totals().versions) == (1, 500, 1)


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_sparse_segment_is_written_anew_under_a_reader(disk: Disk, bucket: Bucket, is_deleted: bool) -> None:
    kept = os.urandom(700 * KIB)
    for number in range(12):
        await put(bucket, f"gone {number}", bytes(700 * KIB))
    version = await put(bucket, "kept", kept)
    bucket.rest()  # seals the segment
    reading = await bucket.read(version)
    assert isinstance(reading, Reading)
    got = [bytes(await anext(reading))]
    await bucket.delete_many([Doomed(f"gone {number}") for number in range(12)])
    assert (await disk.collect_garbage()).rewritten == 1
    if is_deleted:
        await bucket.delete("kept")
        assert (await disk.collect_garbage()).waiting == 1
    disk._descriptors.close()  # the reader must find the new place, not an open descriptor of the old one
    got += [bytes(block) async for block in reading]
    assert b"".join(got) == kept
    await disk.collect_garbage()
    assert len(list((bucket.folder / "segments").iterdir())) == (0 if is_deleted else 1)
