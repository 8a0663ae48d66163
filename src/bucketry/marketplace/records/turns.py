"""Turns between processes (domain/turns.py), by locks that end with the process, or the connection, that has them.

On PostgreSQL they are advisory locks of transactions, on connections of their own, so that a slow engine keeps nobody
from the records. Who shares an SQLite file is on one machine: a byte of a file beside it is locked there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from bucketry.marketplace.domain.turns import TurnsHere
from bucketry.marketplace.records import connecting

_TAKE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_OFFSET_BYTES = 7  # of a hash; an offset in a file has 63 bits


class PostgresqlTurns:
    """Raises SQLAlchemyError."""

    def __init__(self, url: str, connections: int) -> None:
        self._engine = connecting.postgresql_engine(url, connections, is_quick=False, is_asked=True)
        self._here = TurnsHere()  # one connection at most waits for a turn

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        with self._here.turn(name), self._engine.begin() as connection:
            connection.execute(_TAKE, {"name": name})
            yield

    def close(self) -> None:
        self._engine.dispose()


class FileTurns:
    """`path`: an empty file, made when it is needed. One for a file in each process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._here = TurnsHere()  # such locks are between processes
        self._opening = threading.Lock()
        self._file: int | None = None

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        offset = int.from_bytes(hashlib.sha256(name.encode()).digest()[:_OFFSET_BYTES])
        file = self._opened()
        with self._here.turn(str(offset)):
            fcntl.lockf(file, fcntl.LOCK_EX, 1, offset)
            try:
                yield
            finally:
                fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)

    def _opened(self) -> int:
        with self._opening:  # once: closing any descriptor of the file would end all locks
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            return self._file

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
