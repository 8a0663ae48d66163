"""The WAL of an index begins anew while commits go on, and what was answered stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bucketry.store.disk import checkpoint
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.index import INDEX_FILE
from bucketry.store.disk.store import Disk
from tests.unit.store.disk.objects import ID, NAME, Clock, make_bucket, open_disk, put, read

PAGES = 20
_PAGE_BYTES = 4096


async def _put_many(bucket: Bucket, name: str, count: int) -> None:
    for number in range(count):
        await put(bucket, f"{name}/{number % 7}", b"%d" % number * 300)


@pytest.mark.parametrize("processes", [1, 2])
async def test_wal_stays_small_under_commits_without_end(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """It is never empty when a checkpoint in the background ends: somebody has committed meanwhile."""
    monkeypatch.setattr(checkpoint, "PAGES", PAGES)
    disks = [open_disk(tmp_path, clock=clock) for _ in range(processes)]
    await make_bucket(disks[0])
    buckets = [disk.bucket(NAME, ID) for disk in disks]
    await asyncio.gather(*(_put_many(bucket, f"{n} {task}", 150) for n, bucket in enumerate(buckets) for task in "abc"))
    wal = buckets[0].folder / f"{INDEX_FILE}-wal"
    written = processes * 450 * 3 * _PAGE_BYTES  # three pages a commit at the least, were it never begun anew
    assert wal.stat().st_size < written / 4
    for bucket in buckets:
        for n in range(processes):
            for task in "abc":
                for number in range(143, 150):
                    assert await read(bucket, f"{n} {task}/{number % 7}") == b"%d" % number * 300
    for disk in disks:
        assert await disk.check(deep=True) == []
        await disk.close()


async def test_commits_do_not_wait_for_a_reader_of_the_wal(
    disk: Disk, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PAGES", PAGES)
    bucket = await make_bucket(disk)
    await put(bucket, "first", b"1")
    other = open_disk(tmp_path, clock=clock)
    reader = other.bucket(NAME, ID)._reader.connection
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM objects").get == 1
    async with asyncio.timeout(4):  # less than the patience of SQLite's own waiting
        await _put_many(bucket, "key", 60)
    assert reader.execute("SELECT count(*) FROM objects").get == 1
    reader.execute("COMMIT")
    await other.close()
