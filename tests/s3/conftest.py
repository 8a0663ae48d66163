"""One store for all tests of calls; each test has a bucket of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bucketry.kernel.clock import system_clock_ms
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Finding
from tests.kit.store import Store

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with two accounts; it must live through all that is sent to it, log no secret, and leave a sound disk."""
    running = Store(tmp_path_factory.mktemp("store"))
    yield running
    assert running.is_alive
    assert running.stop() == 0
    log = running.log.read_text()
    for secret in (running.one.secret_access_key, running.two.secret_access_key):
        assert secret not in log
    assert asyncio.run(_findings(running.data)) == []


async def _findings(data: Path) -> list[Finding]:
    disk = Disk(data, clock_ms=system_clock_ms)
    try:
        return await disk.check(deep=True)
    finally:
        await disk.close()


@pytest.fixture(scope="session")
def s3(store: Store) -> Any:
    """The client of account one's root."""
    return store.client(store.one)


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new private bucket of account one."""
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name
