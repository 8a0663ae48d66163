"""Locked versions: no change of a bucket removes one, whichever way it comes."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import IndexDamaged, Locked
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.types import Doomed, Marker, Version
from bucketry.store.s3.object_lock import Lock
from tests.unit.store.disk.objects import Clock, new_object, write

UNTIL = Lock("GOVERNANCE", Clock().now_ms + 1000)


async def put_locked(bucket: Bucket, lock: Lock | None = UNTIL, *, is_versioned: bool = True) -> Version:
    new = replace(new_object("k", b"kept", is_versioned=is_versioned), lock=lock)
    return await bucket.put(new, await write(bucket, RecordHeader("object", "k", 0), b"kept"))


async def test_lock_is_kept_with_the_version(bucket: Bucket) -> None:
    made = await put_locked(bucket)
    found = bucket.get_version("k", made.version_id)
    assert found is not None
    assert found.lock == UNTIL


async def test_locked_version_is_removed_by_none_but_a_bypass(bucket: Bucket) -> None:
    made = await put_locked(bucket)
    with pytest.raises(Locked):
        await bucket.delete_version("k", made.version_id)
    outcome = await bucket.delete_many([Doomed("k", made.version_id), Doomed("k", "null")])
    assert isinstance(outcome[0], Locked)
    assert outcome[1] is None
    await bucket.delete_version("k", made.version_id, bypasses=True)
    assert bucket.get("k") is None


async def test_null_version_that_is_locked_makes_way_for_nothing(bucket: Bucket) -> None:
    """Writes that were asked for before versioning and the lock came, and arrive after them."""
    await put_locked(bucket, is_versioned=False)
    marker = Marker("owner", 0, is_versioned=False)
    for attempt in (
        lambda: put_locked(bucket, None, is_versioned=False),
        lambda: bucket.delete("k"),
        lambda: bucket.delete("k", None, marker),
    ):
        with pytest.raises(Locked):
            await attempt()
    await put_locked(bucket, None)
    with pytest.raises(Locked):
        await put_locked(bucket, None, is_versioned=False)
    found = bucket.get_version("k", "null")
    assert found is not None
    assert found.lock == UNTIL


async def test_lock_is_made_of_the_one_there_is_at_that_moment(bucket: Bucket) -> None:
    made = await put_locked(bucket)
    held = UNTIL._replace(hold="ON")
    seen = []

    def relock(version: Version, now_ms: int) -> Lock:
        seen.append((version.lock, now_ms))
        return held

    changed = await bucket.set_lock("k", relock, version_id=made.version_id)
    assert changed is not None
    assert changed.lock == held
    assert seen == [(UNTIL, Clock().now_ms)]


async def test_lock_that_cannot_be_read_lets_nothing_happen(bucket: Bucket) -> None:
    made = await put_locked(bucket)
    bucket.rest()
    with sqlite3.connect(bucket.folder / "index.sqlite") as index:
        index.execute("""UPDATE objects SET document = '{"l":["GOVERNANCE","soon",7]}'""")
    with pytest.raises(IndexDamaged):
        await bucket.delete_version("k", made.version_id, bypasses=True)
