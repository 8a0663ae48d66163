"""Engines of SQLAlchemy for the two databases, and what the errors of each mean.

SQLite runs in WAL mode by a driver of our own (sqlite_driver.py): one sync a commit. Writes begin with BEGIN IMMEDIATE,
so that none fails half way for a lock. The queries of orders do without SQLAlchemy's engine there (sqlite_direct.py),
and the brief among them, holds, without the sync.

PostgreSQL has two kinds of connections, so that nothing is sent to the server that needn't be. On the careful ones each
transaction is begun and committed, as durably as the server is set up to. On the quick ones each statement is its own
transaction, one way there and back, and waits for no sync: for reads, and for holds, which end with their process.
See docs/decisions/0053-records-on-postgresql.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError

from bucketry.marketplace.domain.record_ports import Duplicate, StillReferenced
from bucketry.marketplace.records import sqlite_driver, tables

IS_WRITE = "bucketry_is_write"
BUSY_TIMEOUT_MS = 30_000
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
# A server that vanishes without a word is noticed within seconds; a replica that froze in the middle of a transaction
# gives its locks back. What the URL says itself counts more.
_POSTGRESQL_OPTIONS: dict[str, str | int] = {
    "application_name": "bucketry",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_POSTGRESQL_SETTINGS = "SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '20s'"


def is_sqlite(url: str) -> bool:
    return sa.make_url(_known(url)).get_backend_name() == "sqlite"


def sqlite_file(url: str) -> Path:
    """What sqlite_url() was made of."""
    return Path(sa.make_url(url).database or "")


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return str(sa.URL.create("sqlite", database=str(path)))


def describe(url: str) -> str:
    """Which database that is, for people: without the password, and without the user."""
    parsed = sa.make_url(_known(url))
    if parsed.get_backend_name() == "sqlite":
        return f"SQLite {parsed.database}"
    asked = parsed.query.get("host", "this machine")
    host = parsed.host or (asked if isinstance(asked, str) else ", ".join(asked))
    port = f":{parsed.port}" if parsed.port else ""
    return f"PostgreSQL {host}{port}/{parsed.database}"


def sqlite_engine(url: str) -> sa.Engine:
    engine = sa.create_engine(
        url,
        module=sqlite_driver,
        poolclass=sa.QueuePool,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        is_write = connection.get_execution_options().get(IS_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


def postgresql_engine(url: str, connections: int, *, is_quick: bool, is_asked: bool = False) -> sa.Engine:
    """`is_quick`: see above. Connections are not asked whether they live before they are used (that costs a way there
    and back each time), but with `is_asked`: what a broken one was asked is asked again of another, see database.py."""
    tables.speak_postgresql()
    parsed = sa.make_url(_known(url))
    options = {name: value for name, value in _POSTGRESQL_OPTIONS.items() if name not in parsed.query}
    engine = sa.create_engine(
        parsed,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=is_asked,
        pool_use_lifo=True,  # the ones in use have their statements prepared
        hide_parameters=True,
        connect_args=options,
        isolation_level="AUTOCOMMIT" if is_quick else "READ COMMITTED",
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.execute(_POSTGRESQL_SETTINGS)
        if is_quick:
            connection.execute("SET synchronous_commit = off")
        connection.commit()

    return engine


def _known(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in _SCHEMES else url


# ---- errors


def meaning(error: IntegrityError) -> Exception:
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


def was_kept_waiting(error: Exception) -> bool:
    """Whether another had what was asked for, for too long: a lock, or all connections."""
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, sa.exc.TimeoutError) or sqlstate == "55P03"  # lock_not_available


_TAKEN_BACK = ("40001", "40P01")  # serialization failure, deadlock: the server has taken the transaction back


def was_taken_back(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _TAKEN_BACK


def reason(error: Exception) -> str:
    """What the database said, in one line and without what could hold a secret."""
    said = error.orig if isinstance(error, DBAPIError) else error
    lines = [line.strip() for line in str(said).splitlines() if line.strip()]
    return lines[0] if lines else type(said).__name__
