"""A disk in a folder of its own, whose buckets are checked after each test, to the last byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.store import Disk
from tests.unit.store.disk.objects import Clock, make_bucket, open_disk


@pytest_asyncio.fixture
async def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def disk(tmp_path: Path, clock: Clock) -> AsyncIterator[Disk]:
    disk = open_disk(tmp_path, clock=clock)
    yield disk
    await disk.collect_garbage()
    findings = await disk.check(deep=True)
    await disk.close()
    assert findings == []


@pytest_asyncio.fixture
async def bucket(disk: Disk) -> Bucket:
    return await make_bucket(disk)
