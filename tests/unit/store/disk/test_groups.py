"""Changes that tasks ask for at the same time are one transaction, and each task hears of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.commit import Committer
from tests.unit.store.disk.objects import put, read


async def test_what_arrives_in_one_turn_of_the_loop_is_one_transaction(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    attempt = Committer._attempt

    def note(self: Committer, changes: list[Any]) -> None:
        sizes.append(len(changes))
        attempt(self, changes)

    monkeypatch.setattr(Committer, "_attempt", note)
    await asyncio.gather(*(put(bucket, f"key {n}", b"%d" % n) for n in range(16)))
    assert sizes == [16]
    assert [await read(bucket, f"key {n}") for n in range(16)] == [b"%d" % n for n in range(16)]


async def test_what_arrived_is_committed_before_a_bucket_rests(bucket: Bucket) -> None:
    task = asyncio.ensure_future(bucket.delete("missing"))
    writing = asyncio.ensure_future(put(bucket, "key", b"data"))
    await asyncio.sleep(0)  # the tasks have begun, and nothing more
    assert not bucket.is_idle
    bucket.rest()
    await asyncio.gather(task, writing)
    assert await read(bucket, "key") == b"data"
