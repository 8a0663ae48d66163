"""Where records can be kept. Each test runs over each, with its own way of counting and its own errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.sql import SqlRecords, open_records
from tests.kit.postgres import Postgres

MIGRATED = "migrated"


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if kind == "sqlite":
        return sqlite_url(tmp_path / "records.sqlite")
    server: Postgres = request.getfixturevalue("postgresql")
    return server.create()


@pytest.fixture(scope="session")
def migrated(postgresql: Postgres) -> str:
    """The name of a database with its schema, to be copied: migrations take longer than most tests."""
    database = Database(postgresql.create(name=MIGRATED))
    database.migrate()
    database.dispose()
    return MIGRATED


@pytest.fixture
def migrated_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "sqlite":
        return sqlite_url(tmp_path / "records.sqlite")
    server: Postgres = request.getfixturevalue("postgresql")
    return server.create(request.getfixturevalue("migrated"))


@pytest.fixture
async def opened(migrated_url: str) -> AsyncIterator[Callable[[], SqlRecords]]:
    """Open the same database, as another process does."""
    made: list[SqlRecords] = []

    def another() -> SqlRecords:
        made.append(open_records(migrated_url))
        return made[-1]

    yield another
    for records in made:
        await records.close()


@pytest.fixture
async def records(opened: Callable[[], SqlRecords]) -> SqlRecords:
    return opened()
