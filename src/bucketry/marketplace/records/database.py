"""The connection to the marketplace's database: transactions in threads, and the schema brought up to date.

SQLite runs in WAL mode by a driver of our own (sqlite_driver.py): one sync a commit. Writes begin with BEGIN IMMEDIATE,
so that none fails half way for a lock, and go through one thread, first come, first served: SQLite's own waiting polls,
and some would wait for seconds while others pass them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from bucketry.marketplace.domain.ports import Duplicate, StillReferenced
from bucketry.marketplace.records import sqlite_driver

HEAD = "0002"  # the newest migration; a test compares
_BUSY_TIMEOUT_MS = 30_000
_THREADS = 8
_IS_WRITE = "bucketry_is_write"
_IS_BRIEF = "bucketry_is_brief"

_Result = TypeVar("_Result")


class NewerRecords(Exception):
    """The records were written by a later bucketry: never guessed at."""


def make_engine(url: str) -> sa.Engine:
    """An engine for a database URL as SQLAlchemy writes them."""
    if not _is_sqlite(url):
        return sa.create_engine(url, pool_size=_THREADS, max_overflow=0, pool_pre_ping=True)
    engine = sa.create_engine(
        url,
        module=sqlite_driver,
        pool_size=_THREADS + 1,
        max_overflow=0,
        poolclass=sa.QueuePool,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite_driver.Connection, _record: object) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.apsw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_IS_WRITE, False):
            synchronous = "NORMAL" if options.get(_IS_BRIEF, False) else "FULL"  # without and with a sync in WAL mode
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, sqlite_driver.Connection)
            driver.apsw.execute(f"PRAGMA synchronous = {synchronous}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_IS_WRITE, False) else "BEGIN")

    return engine


def _is_sqlite(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return str(sa.URL.create("sqlite", database=str(path)))


class Database:
    """Runs functions of a connection in threads, each in a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self._writer = self.engine.execution_options(**{_IS_WRITE: True})
        self._brief = self.engine.execution_options(**{_IS_WRITE: True, _IS_BRIEF: True})
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="records")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="records-writer") if _is_sqlite(url) else self._threads

    async def read(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, self.engine, work)

    async def write(self, work: Callable[[sa.Connection], _Result], is_brief: bool = False) -> _Result:
        """Durable when it returns; with `is_brief`, only what a process that dies may leave is (a power cut may take it
        back, though never what was written before). Raises Duplicate, StillReferenced where a constraint says no."""
        engine = self._brief if is_brief else self._writer
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._run, engine, work)

    @staticmethod
    def _run(engine: sa.Engine, work: Callable[[sa.Connection], _Result]) -> _Result:
        try:
            with engine.begin() as connection:
                return work(connection)
        except IntegrityError as error:
            raise _meaning(error) from None

    def migrate(self) -> None:
        """Bring the schema to HEAD; quick where it is there. Several processes may call it at once. NewerRecords."""
        with self._writer.begin() as connection:
            version = _version(connection)
            if version is not None and version > HEAD:
                raise NewerRecords(
                    f"{self.engine.url.database} was written by a newer bucketry (format {version}, this one knows up "
                    f"to {HEAD}); run that version, or restore a backup made before it."
                )
            if version != HEAD:
                _upgrade(connection)

    async def close(self) -> None:
        self._writing.shutdown()
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
