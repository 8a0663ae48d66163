"""Deletions that come at the same time: made by few statements for all, each as if it had come alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.commit import Committer
from bucketry.store.disk.errors import IndexDamaged, Locked
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import Doomed, Version
from bucketry.store.s3.object_lock import ON, Lock
from tests.unit.store.disk.objects import new_object, put, read, write

KIB, MIB = 1 << 10, 1 << 20
SIZES = [0, 1, KIB, 16 * KIB, 16 * KIB + 1, 300 * KIB, 5 * MIB]


async def fill(bucket: Bucket) -> dict[str, Version]:
    """An object of each size: without bytes, in the index, in a shared segment, in one alone."""
    return {f"key {size}": await put(bucket, f"key {size}", b"x" * size) for size in SIZES}


async def test_each_hears_what_it_removed_and_counters_and_bytes_follow(disk: Disk, bucket: Bucket) -> None:
    made = await fill(bucket)
    await put(bucket, "kept", b"data")
    deleted = await asyncio.gather(*(bucket.delete(key) for key in [*made, "missing"]))
    assert deleted == [*made.values(), None]
    assert all(bucket.get(key) is None for key in made)
    totals = bucket.totals()
    assert (totals.objects, totals.versions, totals.bytes) == (1, 1, 4)
    assert await read(bucket, "kept") == b"data"  # and what no row names any more is checked after each test


async def test_a_key_that_several_delete_is_removed_once(bucket: Bucket) -> None:
    made = await put(bucket, "key", b"data")
    await put(bucket, "other", b"data")
    deleted = await asyncio.gather(*(bucket.delete(key) for key in ("key", "key", "other", "key")))
    assert [version == made for version in deleted] == [True, False, False, False]
    assert deleted.count(None) == 2
    assert bucket.totals().objects == 0


async def test_more_than_one_statement_takes_are_all_removed(bucket: Bucket) -> None:
    keys = [f"key {number}" for number in range(600)]
    await asyncio.gather(*(put(bucket, key, b"data") for key in keys))
    deleted = await bucket.delete_many([Doomed(key) for key in keys])
    assert [version.key for version in deleted if isinstance(version, Version)] == keys
    assert bucket.totals().objects == 0


async def test_bytes_that_a_copy_shares_stay_until_the_last_is_deleted(bucket: Bucket) -> None:
    for size in (KIB, 20 * KIB):
        source = await put(bucket, "source", b"x" * size)
        await bucket.copy(bucket, source, new_object("copy", b"x" * size))
        await put(bucket, "other", b"data")
        await asyncio.gather(bucket.delete("source"), bucket.delete("other"))
        assert await read(bucket, "copy") == b"x" * size
        await asyncio.gather(bucket.delete("copy"), bucket.delete("other"))
        assert bucket.totals().bytes == 0


async def test_locked_objects_stay_and_only_who_deletes_them_hears_of_it(bucket: Bucket) -> None:
    lock = Lock(hold=ON)
    written = await write(bucket, RecordHeader("object", "locked", 1), b"data")
    await bucket.put(replace(new_object("locked", b"data"), lock=lock), written)
    await put(bucket, "free", b"data")
    # What only looks like a lock is none.
    written = await write(bucket, RecordHeader("object", "tagged", 1), b"data")
    await bucket.put(replace(new_object("tagged", b"data"), tags={"l": '"l":'}), written)
    keys = ("free", "locked", "tagged")
    free, locked, tagged = await asyncio.gather(*map(bucket.delete, keys), return_exceptions=True)
    assert isinstance(free, Version)
    assert isinstance(locked, Locked)
    assert isinstance(tagged, Version)
    assert await read(bucket, "locked") == b"data"
    await put(bucket, "free", b"data")
    deleted = await bucket.delete_many([Doomed(key) for key in ("free", "locked", "missing")])
    assert [type(outcome) for outcome in deleted] == [Version, Locked, type(None)]
    assert await read(bucket, "locked") == b"data"


async def test_versions_with_ids_are_hidden_and_older_ones_come_to_light(bucket: Bucket) -> None:
    await put(bucket, "versioned", b"first", is_versioned=True)
    await put(bucket, "null", b"data")
    hidden, removed = await asyncio.gather(bucket.delete("versioned"), bucket.delete("null"))
    assert hidden is not None
    assert hidden.is_delete_marker
    assert removed is not None
    assert not removed.is_delete_marker
    older = await put(bucket, "key", b"older", is_versioned=True)
    await put(bucket, "key", b"null")
    await put(bucket, "null", b"data")
    await asyncio.gather(bucket.delete("key"), bucket.delete("null"))
    assert bucket.get("key") == older


async def test_deletions_go_together_with_writes_of_the_same_moment(bucket: Bucket) -> None:
    await fill(bucket)
    writing = [put(bucket, f"new {number}", b"data") for number in range(4)]
    await asyncio.gather(*writing, *(bucket.delete(f"key {size}") for size in SIZES))
    assert bucket.totals().objects == 4


async def test_one_whose_row_is_damaged_fails_alone(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("bad", "good", "better"):
        await put(bucket, key, b"data")

    def damage(transaction: Transaction) -> None:
        transaction.run("UPDATE objects SET document = '{' WHERE key = 'bad'")

    await bucket.transact(damage)
    sizes: list[int] = []
    attempt = Committer._attempt

    def note(self: Committer, changes: list[Any]) -> None:
        sizes.append(len(changes))
        attempt(self, changes)

    monkeypatch.setattr(Committer, "_attempt", note)
    keys = ("good", "bad", "better")
    outcomes = await asyncio.gather(*map(bucket.delete, keys), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Version, IndexDamaged, Version]
    assert sizes == [3, 1, 1, 1]
    monkeypatch.undo()

    def mend(transaction: Transaction) -> None:
        transaction.run("UPDATE objects SET document = '{}' WHERE key = 'bad'")

    await bucket.transact(mend)
    assert await read(bucket, "bad") == b"data"
