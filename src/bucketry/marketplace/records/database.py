"""The connection to the marketplace's database: transactions in threads, and the schema brought up to date.

SQLite runs with a rollback journal, since the WAL of the versions that Python brings can lose data; TRUNCATE, since
deleting the journal would need a sync of the folder to be durable. Writes begin with BEGIN IMMEDIATE, so that none
fails half way for a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from bucketry.marketplace.domain.ports import Duplicate, StillReferenced

HEAD = "0001"  # the newest migration; a test compares
_BUSY_TIMEOUT_MS = 30_000
_THREADS = 8
_IS_WRITE = "bucketry_is_write"

_Result = TypeVar("_Result")


def make_engine(url: str) -> sa.Engine:
    """An engine for a database URL as SQLAlchemy writes them."""
    if sa.make_url(url).get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=_THREADS, max_overflow=0, pool_pre_ping=True)
    engine = sa.create_engine(
        url,
        pool_size=_THREADS,
        max_overflow=0,
        poolclass=sa.QueuePool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, see below
        cursor = connection.cursor()
        for pragma in ("journal_mode = TRUNCATE", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        is_write = connection.get_execution_options().get(_IS_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return str(sa.URL.create("sqlite", database=str(path)))


class Database:
    """Runs functions of a connection in threads, each in a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self._writer = self.engine.execution_options(**{_IS_WRITE: True})
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="records")

    async def read(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, self.engine, work)

    async def write(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Raises Duplicate, StillReferenced where a constraint says no."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, self._writer, work)

    @staticmethod
    def _run(engine: sa.Engine, work: Callable[[sa.Connection], _Result]) -> _Result:
        try:
            with engine.begin() as connection:
                return work(connection)
        except IntegrityError as error:
            raise _meaning(error) from None

    def migrate(self) -> None:
        """Bring the schema to HEAD; quick where it is there. Safe to call by several processes at once."""
        with self._writer.begin() as connection:
            if _version(connection) != HEAD:
                _upgrade(connection)

    async def close(self) -> None:
        self._threads.shutdown()
        self.engine.dispose()


def _meaning(error: IntegrityError) -> Exception:
    """What a refused constraint means: by the constraint's name (PostgreSQL) or by its columns (SQLite)."""
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    text = name or str(error.orig)
    if name is None and text.startswith("UNIQUE constraint failed: "):
        columns = [column.partition(".")[2] for column in text.removeprefix("UNIQUE constraint failed: ").split(", ")]
        text = "pk_" if columns == ["guid"] else "uq_" + "_".join(columns)
    if text.startswith("pk_"):
        return Duplicate("guid")
    if text.startswith("uq_"):
        return Duplicate("name" if text.endswith("name") else "app" if text.endswith("app_guid") else "bucket")
    if text.startswith("fk_") or text == "FOREIGN KEY constraint failed":
        return StillReferenced()
    return error


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return version


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # slow to import, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
