"""A bucket is there or not, never half: what a crash between two steps leaves, and that a repeat finishes it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.errors import BucketMissing
from bucketry.store.disk.store import Disk
from bucketry.store.gateway import buckets
from bucketry.store.gateway.context import Context, Services, StoreSettings
from bucketry.store.gateway.http import Request
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Caller
from bucketry.store.s3.errors import NoSuchBucket, TooManyBuckets
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.operations import BY_NAME


class NoBody:
    """A request without a body."""

    async def read_chunk(self) -> bytes:
        return b""

    async def refuse_rest(self) -> None:
        raise AssertionError("there is nothing to refuse")


class House:
    """Identity and disk of a store, and calls of its handlers."""

    def __init__(self, data: Path, services: Services, caller: Caller) -> None:
        self.data = data
        self.services = services
        self.caller = caller

    def context(self, operation: str, name: str) -> Context:
        request = Request("PUT", f"/{name}", "", Headers(), NoBody(), 0, "127.0.0.1", False, "ID", {})
        bucket = self.services.identity.bucket(name)
        return Context(self.services, request, BY_NAME[operation], name, caller=self.caller, bucket=bucket)

    async def create(self, name: str) -> None:
        await buckets.create_bucket(self.context("CreateBucket", name))

    async def delete(self, name: str) -> None:
        await buckets.delete_bucket(self.context("DeleteBucket", name))

    def bucket_id(self, name: str) -> str:
        record = self.services.identity.bucket(name)
        assert record is not None
        return record.bucket_id

    @property
    def folders(self) -> list[str]:
        return sorted(path.name for path in (self.data / "buckets").iterdir())

    async def recover(self) -> None:
        """What a start does: everything that identity does not know goes."""
        known = [(entry.name, entry.bucket_id) for entry in self.services.identity.all_buckets()]
        await self.services.disk.recover(known)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    identity = Identity(tmp_path / "identity.sqlite", Envelope([os.urandom(32)]), system_clock_ms)
    disk = Disk(tmp_path, clock_ms=system_clock_ms)
    _, access_key_id, _ = await identity.create_account("one")
    caller = identity.caller(access_key_id)
    assert caller is not None
    settings = StoreSettings(max_buckets_per_account=2)
    yield House(tmp_path, Services(disk, identity, settings, system_clock_ms), caller)
    await disk.close()
    identity.close()


async def test_bucket_comes_and_goes_whole(house: House) -> None:
    await house.create("photos")
    assert house.folders == [f"photos.{house.bucket_id('photos')}"]
    await house.delete("photos")
    assert house.folders == []
    assert house.services.identity.bucket("photos") is None


async def test_removal_that_stopped_after_the_index_was_closed_is_finished_by_a_repeat(house: House) -> None:
    await house.create("photos")
    await house.services.disk.bucket("photos", house.bucket_id("photos")).close_for_removal()
    await house.delete("photos")
    assert house.folders == []
    await house.create("photos")
    assert len(house.folders) == 1


async def test_removal_that_stopped_after_the_row_was_gone_leaves_no_bucket(house: House) -> None:
    await house.create("photos")
    old = house.bucket_id("photos")
    await house.services.disk.bucket("photos", old).close_for_removal()
    await house.services.identity.delete_bucket("photos", old)
    await house.create("photos")
    new = house.bucket_id("photos")
    assert new != old
    await house.recover()
    assert house.folders == [f"photos.{new}"]
    assert house.services.disk.bucket("photos", new).totals().objects == 0


async def test_removal_that_lost_the_folder_first_is_finished_by_a_repeat(house: House) -> None:
    await house.create("photos")
    await house.services.disk.remove_bucket("photos", house.bucket_id("photos"))
    await house.delete("photos")
    assert house.services.identity.bucket("photos") is None


async def test_folder_whose_row_was_never_written_goes_at_the_next_start(house: House) -> None:
    await house.services.disk.create_bucket("photos", "0123456789abcdef")
    await house.create("photos")
    await house.recover()
    assert house.folders == [f"photos.{house.bucket_id('photos')}"]


async def test_removal_of_a_predecessor_leaves_its_successor_alone(house: House) -> None:
    await house.create("photos")
    stale = house.context("DeleteBucket", "photos")
    await house.delete("photos")
    await house.create("photos")
    with pytest.raises(NoSuchBucket):
        await buckets.delete_bucket(stale)
    assert house.folders == [f"photos.{house.bucket_id('photos')}"]


async def test_refused_bucket_leaves_no_folder(house: House) -> None:
    for name in ("one-a", "one-b"):
        await house.create(name)
    with pytest.raises(TooManyBuckets):
        await house.create("one-c")
    assert len(house.folders) == 2


async def test_closed_bucket_takes_no_writes(house: House) -> None:
    await house.create("photos")
    bucket = house.services.disk.bucket("photos", house.bucket_id("photos"))
    await bucket.close_for_removal()
    with pytest.raises(BucketMissing):
        await bucket.delete("k")
