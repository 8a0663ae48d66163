"""Processes that die, several at once on one bucket, and what is left of them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bucketry.store.disk.changes import close_bucket
from bucketry.store.disk.errors import BucketMissing, BucketNotEmpty
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.store import Disk
from tests.unit.store.disk.objects import (
    ID,
    NAME,
    OTHER,
    OTHER_ID,
    etag_of,
    make_bucket,
    new_upload,
    open_disk,
    put,
    put_part,
    read,
    segment_bytes,
    write,
)

MIB = 1 << 20

# Puts objects of all kinds for ever, and says which were answered: "key etag", or "-key" before one is deleted.
WRITER = """
import asyncio, os, sys
from pathlib import Path
from tests.unit.store.disk.objects import ID, NAME, etag_of, multipart, new_object, open_disk, put

async def work(bucket, name, sizes):
    for number in range(10**9):
        key, data = f"{name}/{number % 40}", os.urandom(sizes[number % len(sizes)])
        print(f"-{key}", flush=True)
        kind = number % 7
        if kind == 5:
            await bucket.delete(key)
            print(f"{key} gone", flush=True)
            continue
        if kind == 6 and len(data) > 100_000:
            await multipart(bucket, key, [data[:70_000], data[70_000:]], f"{name} {number}")
        else:
            await put(bucket, key, data)
        print(f"{key} {etag_of(data)}", flush=True)

async def main():
    bucket = open_disk(Path(sys.argv[1])).bucket(NAME, ID)
    sizes = [100, 5_000, 30_000, 300_000, 5_000_000]
    await asyncio.gather(*(work(bucket, f"{sys.argv[2]}{n}", sizes[n:] + sizes[:n]) for n in range(5)))

asyncio.run(main())
"""


def start_writer(root: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(root), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def follow(writer: subprocess.Popen[str], count: int) -> list[str]:
    """The first `count` lines of a writer."""
    assert writer.stdout is not None
    return [writer.stdout.readline() for _ in range(count)]


def kill(writer: subprocess.Popen[str]) -> list[str]:
    """Kill a writer in the middle: the lines it still wrote."""
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    return rest.splitlines()


def answered(lines: list[str]) -> tuple[dict[str, str], set[str]]:
    """What each key must be ("gone": nothing), and the keys of which the last change was not answered."""
    state: dict[str, str] = {}
    open_keys: set[str] = set()
    for line in lines:
        if line.startswith("-"):
            open_keys.add(line[1:].strip())
        elif len(words := line.split()) == 2 and (words[1] == "gone" or len(words[1]) == 32):
            state[words[0]] = words[1]
            open_keys.discard(words[0])
    return state, open_keys


async def expect(root: Path, state: dict[str, str], open_keys: set[str]) -> None:
    """All that was answered is whole, all that was not is whole or absent, and nothing is left over."""
    disk = open_disk(root)
    await disk.recover([(NAME, ID)])
    bucket = disk.bucket(NAME, ID)
    for key, etag in state.items():
        if key in open_keys:
            continue
        version = bucket.get(key)
        assert ("gone" if version is None else version.etag) == etag, key
    for entry in bucket.list_objects().entries:
        assert etag_of(await read(bucket, entry.key)) == entry.etag
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()


@pytest.mark.parametrize("lines", [3, 150, 400])
async def test_killed_process_loses_nothing_that_was_answered(tmp_path: Path, lines: int) -> None:
    disk = open_disk(tmp_path)
    await make_bucket(disk)
    await disk.close()
    writer = start_writer(tmp_path, "w")
    seen = follow(writer, lines) + kill(writer)
    state, open_keys = answered(seen)
    await expect(tmp_path, state, open_keys)


async def test_processes_on_one_bucket_do_not_disturb_each_other(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    writers = [start_writer(tmp_path, name) for name in "ab"]
    seen = [await asyncio.to_thread(follow, writer, 200) for writer in writers]
    for number in range(20):  # this process writes, reads and collects garbage meanwhile
        await put(bucket, f"mine/{number}", bytes([number]) * 40_000)
        assert await read(bucket, f"mine/{number}") == bytes([number]) * 40_000
        if number % 5 == 0:
            await disk.collect_garbage()
    seen[0] += kill(writers[0])
    seen[1] += await asyncio.to_thread(follow, writers[1], 100)
    seen[1] += kill(writers[1])
    await disk.close()
    states = [answered(lines) for lines in seen]
    mine = {f"mine/{number}": etag_of(bytes([number]) * 40_000) for number in range(20)}
    await expect(tmp_path, {**states[0][0], **states[1][0], **mine}, states[0][1] | states[1][1])


async def test_recovery_removes_what_was_written_and_never_committed(tmp_path: Path) -> None:
    code = """
import asyncio, os, sys
from pathlib import Path
from bucketry.store.disk.segments import RecordHeader
from tests.unit.store.disk.objects import ID, NAME, open_disk, put, write

async def main():
    bucket = open_disk(Path(sys.argv[1])).bucket(NAME, ID)
    await put(bucket, "kept", bytes(50_000))
    for size in (300_000, 6_000_000):
        await write(bucket, RecordHeader("object", "lost", 1), bytes(size))
    os._exit(0)

asyncio.run(main())
"""
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(tmp_path)], check=True)
    assert segment_bytes(bucket) > 6_000_000
    done = await disk.recover([(NAME, ID)])
    assert any("nothing refers to" in line for line in done)
    assert any("1 unused runs" in line for line in done)
    await disk.collect_garbage()
    assert segment_bytes(bucket) < 100_000
    assert await read(bucket, "kept") == bytes(50_000)
    assert await disk.check(deep=True) == []
    assert await disk.recover([(NAME, ID)]) == []
    await disk.close()


async def test_garbage_run_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    disk, other = open_disk(tmp_path), open_disk(tmp_path)
    bucket = await make_bucket(disk)
    written = [await write(bucket, RecordHeader("object", "key", 1), bytes(size)) for size in (50_000, 6 * MIB)]
    before = segment_bytes(bucket)
    await other.recover([(NAME, ID)])
    await other.collect_garbage()
    assert await other.check(deep=True) == []
    assert segment_bytes(bucket) == before
    for item in written:
        bucket.discard(item)
    await other.close()
    await disk.close()


async def test_recovery_keeps_what_nobody_owns_and_is_not_empty(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await put(bucket, "k", b"kept")
    await disk.close()
    disk = open_disk(tmp_path)
    (said,) = await disk.recover([])
    assert NAME in said
    assert "kept" in said
    assert await read(disk.bucket(NAME, ID), "k") == b"kept"
    await disk.close()


async def test_recovery_removes_buckets_that_nobody_owns(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    kept = await make_bucket(disk)
    await put(kept, "key", b"data")
    await make_bucket(disk, OTHER, OTHER_ID)
    for name in (".new-half.0000000000000000-ab", ".old-half.0000000000000000"):
        (tmp_path / "buckets" / name / "segments").mkdir(parents=True)
    await disk.close()
    disk = open_disk(tmp_path)
    assert len(await disk.recover([(NAME, ID)])) == 3
    assert [path.name for path in (tmp_path / "buckets").iterdir()] == [f"{NAME}.{ID}"]
    assert await read(disk.bucket(NAME, ID), "key") == b"data"
    with pytest.raises(BucketMissing):
        disk.bucket(OTHER, OTHER_ID)
    await disk.close()


async def test_bucket_is_removed_with_its_uploads_but_not_with_objects(disk: Disk) -> None:
    bucket = await make_bucket(disk, OTHER, OTHER_ID)
    await bucket.create_upload(new_upload("u", "key"))
    await put_part(bucket, "u", 1, bytes(30_000))
    await put(bucket, "key", b"data")
    with pytest.raises(BucketNotEmpty):
        await disk.remove_bucket(OTHER, OTHER_ID)
    assert await read(bucket, "key") == b"data"
    await bucket.delete("key")
    await disk.remove_bucket(OTHER, OTHER_ID)
    await disk.remove_bucket(OTHER, OTHER_ID)
    assert not bucket.folder.exists()
    with pytest.raises(BucketMissing):
        disk.bucket(OTHER, OTHER_ID)


async def test_handle_of_a_removed_bucket_can_not_touch_its_successor(tmp_path: Path) -> None:
    one, two = open_disk(tmp_path), open_disk(tmp_path)
    old = await make_bucket(one)
    await put(old, "warm", b"")
    await old.delete("warm")
    await two.remove_bucket(NAME, ID)
    new = await make_bucket(two, NAME, OTHER_ID)
    for size in (10, 50_000, 5 * MIB):
        with pytest.raises(BucketMissing):
            await put(old, "key", bytes(size))
    assert new.list_objects().entries == []
    await one.close()
    await two.close()


async def test_removal_goes_on_after_it_was_interrupted(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await bucket.transact(close_bucket)
    with pytest.raises(BucketMissing):
        await put(bucket, "key", b"data")
    await disk.close()
    disk = open_disk(tmp_path)
    await disk.remove_bucket(NAME, ID)
    assert list((tmp_path / "buckets").iterdir()) == []
    await disk.close()


async def test_bucket_made_twice_keeps_what_it_has(disk: Disk) -> None:
    await put(await make_bucket(disk), "key", b"data")
    assert await read(await make_bucket(disk), "key") == b"data"


async def test_more_buckets_than_stay_open(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    disk._open_limit = 10
    before = len(list(Path("/proc/self/fd").iterdir()))
    names = [(f"bucket-{number}", f"{number:016x}") for number in range(40)]
    held = await make_bucket(disk, *names[0])
    for name in names:
        bucket = await make_bucket(disk, *name)
        await put(bucket, "key", name[0].encode() * 5_000)
    await put(held, "other", b"its handle opens it again")
    held.rest()
    for name in names:
        assert await read(disk.bucket(*name), "key") == name[0].encode() * 5_000
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 10 * 6 + 40
    await disk.close()
    await disk.close()
