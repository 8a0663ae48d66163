"""The connection to the marketplace's database: transactions, in threads, and the schema brought up to date.

On SQLite writes go through one thread, first come, first served: its own waiting polls, and some would wait for seconds
while others pass them. What waits for no disk is done at once instead: reads, and what is brief while nobody else
writes; a thread takes longer to wake than they take. On PostgreSQL several replicas share the database, and its locks
decide between them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from bucketry.kernel import logs
from bucketry.kernel.clock import system_clock_ms
from bucketry.marketplace.domain.errors import Busy
from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.records import connecting, sqlite_driver
from bucketry.marketplace.records.connecting import IS_WRITE
from bucketry.marketplace.records.shared_clock import SharedClock
from bucketry.marketplace.records.sqlite_direct import DirectConnection, Occupied
from bucketry.marketplace.records.tables import alembic, alembic_version, metadata
from bucketry.marketplace.records.turns import FileTurns, PostgresqlTurns

HEAD = "0004"  # the newest migration; a test compares
_THREADS = 8
_ATTEMPTS = 3
_MIGRATION_LOCK = 0x6275636B65747279  # "bucketry": held while a database is migrated
_NOW_MS = sa.text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
_MEND_SQLITE = "See that the disk has room and is sound; a damaged file is restored from a snapshot or a backup."
_MEND_POSTGRESQL = "Check [database] url, and that the server runs and lets this user in."

_Result = TypeVar("_Result")
_Begin = Callable[[], contextlib.AbstractContextManager[Any]]
_log = logs.get("records")


class NewerRecords(Exception):
    """The records were written by a later bucketry: never guessed at."""


class Database:
    """Runs functions of a connection, each in a transaction of its own.

    Such a function must bear being run again from its beginning: what failed and surely left nothing is repeated.
    """

    def __init__(self, url: str) -> None:
        self.name = connecting.describe(url)
        self._is_sqlite = connecting.is_sqlite(url)
        self._reader: sa.Engine
        self._writer: sa.Engine
        self._brief: sa.Engine
        self._turns: FileTurns | PostgresqlTurns
        self._direct_reader: DirectConnection | None = None
        self._direct_writer: DirectConnection | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="records")
        if self._is_sqlite:
            self.engine = self._reader = connecting.sqlite_engine(url)  # for the schema, and what is done with all
            self._writer = self._brief = self.engine.execution_options(**{IS_WRITE: True})
            self._writing = ThreadPoolExecutor(1, thread_name_prefix="records-writer")
            file = connecting.sqlite_file(url)
            self._direct_reader = DirectConnection(str(file), connecting.BUSY_TIMEOUT_MS)
            self._direct_writer = DirectConnection(str(file), connecting.BUSY_TIMEOUT_MS)
            self._turns = FileTurns(file.with_name(f"{file.name}-turns"))
        else:
            self.engine = self._writer = connecting.postgresql_engine(url, _THREADS, is_quick=False)
            self._reader = self._brief = connecting.postgresql_engine(url, _THREADS, is_quick=True)
            self._writing = self._threads
            self._turns = PostgresqlTurns(url, _THREADS)
        self._clock = None if self._is_sqlite else SharedClock(self._ask_time)

    async def read(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """On PostgreSQL each of several queries sees what is there when it is asked."""
        if self._direct_reader is not None:
            return self._run(self._direct_reader.reading, work)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, self._reader.begin, work)

    async def write(self, work: Callable[[sa.Connection], _Result], is_brief: bool = False) -> _Result:
        """Durable when it returns; with `is_brief`, for one statement that may be repeated, only what a process that
        dies may leave is (a power cut may take it back, though never what was written before). Raises Duplicate,
        StillReferenced where a constraint says no, RecordsUnavailable."""
        begin: _Begin = (self._brief if is_brief else self._writer).begin
        if self._direct_writer is not None:
            if is_brief:
                with contextlib.suppress(Occupied):
                    return self._run(partial(self._direct_writer.writing, True, False), work)
            begin = partial(self._direct_writer.writing, is_brief, True)
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._run, begin, work, not is_brief)

    def _run(self, begin: _Begin, work: Callable[[sa.Connection], _Result], is_durable: bool = False) -> _Result:
        for attempt in range(1, _ATTEMPTS + 1):
            is_committing = False
            try:
                with begin() as connection:
                    result = work(connection)
                    is_committing = is_durable
                return result
            except IntegrityError as error:
                raise connecting.meaning(error) from None
            except SQLAlchemyError as error:
                if self._is_sqlite:
                    raise (self._disk_trouble(error) or error) from None
                if not _is_trouble(error):
                    raise
                # A broken connection in the middle of a commit says nothing about what came of it: never repeated.
                if attempt < _ATTEMPTS and _left_nothing(error, is_committing):
                    continue
                raise self._unavailable(error) from None
        raise AssertionError("the last attempt returns or raises")

    def _disk_trouble(self, error: SQLAlchemyError) -> RecordsUnavailable | None:
        """What to say where SQLite's disk is in trouble, not the statement."""
        said = _unwritable(error)
        if said is None:
            return None
        if not said.is_full:
            return self._unavailable(error)
        _log.error("no room on the disk for the records; free some space", database=self.name)
        return RecordsUnavailable(
            "There is no room on the disk of the marketplace's records. Free some space, deleting objects works; then "
            "repeat the request."
        )

    def _unavailable(self, error: Exception) -> RecordsUnavailable:
        _log.error("the database of the records can't be used", database=self.name, reason=connecting.reason(error))
        return RecordsUnavailable(
            "The marketplace's database can't be reached or can't work now. Repeat the request later; what was under "
            "way is finished or undone then."
        )

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """See domain/turns.py."""
        try:
            with self._turns.turn(name):
                yield
        except SQLAlchemyError as error:
            if connecting.was_kept_waiting(error):
                raise Busy("Another operation on the same bucket takes long; try again when it is done.") from None
            raise self._unavailable(error) from None

    # ---- time

    def clock_ms(self) -> int:
        """The time that all go by who share the database; SQLite is shared on one machine alone."""
        if self._clock is None:
            return system_clock_ms()
        if self._clock.is_old:
            self._threads.submit(self._set_clock)
        return self._clock.now_ms()

    def _set_clock(self) -> None:
        assert self._clock is not None, "only asked where there is one"
        with contextlib.suppress(SQLAlchemyError):  # asked again soon
            if self._clock.is_old:
                self._clock.set()

    def _ask_time(self) -> int:
        with self._reader.connect() as connection:
            return int(connection.execute(_NOW_MS).scalar_one())

    # ---- the schema

    def look(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Read, in the caller's thread. RecordsUnavailable, whose text says why."""
        with self._told(), self._reader.begin() as connection:
            return work(connection)

    def version(self) -> str | None:
        """Of the schema that is there; None where there is none. RecordsUnavailable."""
        return self.look(_version)

    def migrate(self) -> None:
        """Bring the schema to HEAD; quick where it is there. Several processes may call it at once: one does it, the
        others wait. NewerRecords; RecordsUnavailable, whose text says why."""
        with self._told():
            if self._clock is not None:
                self._clock.set()
            with self._writer.begin() as connection:
                if self._version_here(connection) != HEAD:
                    self._wait_for_turn(connection)
                    version = self._version_here(connection)  # another may have done it while this one waited
                    if version is None:
                        make(connection)
                    elif version != HEAD:
                        upgrade(connection)

    def alone(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Do something in one transaction with the schema brought to HEAD, in the caller's thread, while nobody else
        migrates; if it raises, all is as it was. Raises as migrate."""
        with self._told(), self._writer.begin() as connection:
            self._wait_for_turn(connection)
            if self._version_here(connection) != HEAD:
                upgrade(connection)
            return work(connection)

    def _version_here(self, connection: sa.Connection) -> str | None:
        version = _version(connection)
        if version is not None and version > HEAD:
            raise NewerRecords(
                f"{self.name} was written by a newer bucketry (format {version}, this one knows up to {HEAD}); "
                "run that version, or restore a backup made before it."
            )
        return version

    def _wait_for_turn(self, connection: sa.Connection) -> None:
        """SQLite has one writer at a time anyway."""
        if not self._is_sqlite:
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the database says of why it can't be used, and what to do, in words."""
        try:
            yield
        except SQLAlchemyError as error:
            if self._is_sqlite and _unwritable(error) is None:
                raise
            raise RecordsUnavailable(
                f"{self.name} can't be used: {connecting.reason(error)}. "
                f"{_MEND_SQLITE if self._is_sqlite else _MEND_POSTGRESQL}"
            ) from None

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.dispose)

    def dispose(self) -> None:
        """Wait for what runs, then close the connections."""
        self._writing.shutdown()
        self._threads.shutdown()
        self._turns.close()
        for direct in (self._direct_reader, self._direct_writer):
            if direct is not None:
                direct.close()
        self.engine.dispose()
        self._reader.dispose()


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return version


def make(connection: sa.Connection) -> None:
    """The schema of HEAD in an empty database: the tables that all migrations come to, without loading Alembic."""
    metadata.create_all(connection, checkfirst=False)
    alembic.create_all(connection, checkfirst=False)
    connection.execute(alembic_version.insert().values(version_num=HEAD))


def upgrade(connection: sa.Connection, version: str = HEAD) -> None:
    """Run the migrations up to a version, in the transaction of the connection."""
    from alembic import command  # slow to import, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _unwritable(error: SQLAlchemyError) -> sqlite_driver.Unwritable | None:
    """What SQLite said, where its disk is in trouble and not the statement."""
    said = error.orig if isinstance(error, DBAPIError) else None
    return said if isinstance(said, sqlite_driver.Unwritable) else None


def _is_trouble(error: SQLAlchemyError) -> bool:
    """Whether the database is in trouble, not the statement: no connection, no room, no turn."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InternalError)
    return isinstance(error, sa.exc.TimeoutError)


def _left_nothing(error: SQLAlchemyError, is_committing: bool) -> bool:
    """Whether the work can be run again: the server took it back, or it broke before the commit was sent."""
    if not isinstance(error, DBAPIError):
        return False
    return connecting.was_taken_back(error) or (error.connection_invalidated and not is_committing)
