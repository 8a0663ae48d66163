"""Where records can be kept. Each test runs over each; PostgreSQL joins here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bucketry.marketplace.records.database import sqlite_url
from bucketry.marketplace.records.sql import SqlRecords, open_records


@pytest.fixture(params=["sqlite"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    assert request.param == "sqlite"
    return sqlite_url(tmp_path / "records.sqlite")


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Callable[[], SqlRecords]]:
    """Open the same database, as another process does."""
    made: list[SqlRecords] = []

    def another() -> SqlRecords:
        made.append(open_records(url))
        return made[-1]

    yield another
    for records in made:
        await records.close()


@pytest.fixture
async def records(opened: Callable[[], SqlRecords]) -> SqlRecords:
    return opened()
