"""Connections to a bucket's index: who writes, who reads, and with which settings.

SQLite in WAL mode, synchronous=FULL: a commit is on the disk when it returns. Writers take the bucket's commit lock
first (disk/commit.py), so none ever meets another one; readers of a WAL never wait. What is left to wait for, by
SQLite's own polling, is a process that opens the index after a crash or closes it as the last one. The checkpoint is
taken out of the commits and done between them.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import apsw

from bucketry.store.disk import schema
from bucketry.store.disk.errors import from_os, from_sqlite

INDEX_FILE = "index.sqlite"
_WRITER_CACHE_KIB = 8192
_READER_CACHE_KIB = 2048
_BUSY_MS = 5000
_JOURNAL_LIMIT_BYTES = 16 << 20  # what a WAL may keep on the disk after a checkpoint emptied it


class Errors:
    """A context that names errors anew. Entered with each look-up, so it is no generator, and has no state."""

    __slots__ = ("_folder",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, apsw.Error):
            raise from_sqlite(error, self._folder, self._folder / INDEX_FILE) from error
        if isinstance(error, OSError):
            raise from_os(error, f"the index of bucket {self._folder.name}") from error


class Index:
    """Opens connections to the index of one bucket."""

    def __init__(self, folder: Path, vfs: str | None) -> None:
        self.bucket = folder.name
        self._path = str(folder / INDEX_FILE)
        self._vfs = vfs
        self._errors = Errors(folder)

    def open_reader(self) -> apsw.Connection:
        """A connection that only reads. IndexDamaged, NewerFormat, BucketMissing."""
        with self.errors():
            connection = self._open(_READER_CACHE_KIB)
            try:
                schema.format_of(connection, self.bucket)
                connection.execute("PRAGMA query_only = 1")
                # Plans that don't depend on the bound values: else the join of a look-up is compiled anew each time
                # (measured with a million keys: 27 µs a look-up instead of 11).
                connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            except BaseException:
                connection.close()
                raise
            return connection

    def open_writer(self) -> apsw.Connection:
        """A connection for transactions, migrated to the current format. The caller holds the commit lock."""
        with self.errors():
            connection = self._open(_WRITER_CACHE_KIB)
            try:
                connection.execute(
                    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                    f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}"
                )
                schema.migrate(connection, self.bucket)
            except BaseException:
                connection.close()
                raise
            return connection

    def _open(self, cache_kib: int) -> apsw.Connection:
        connection = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=self._vfs)
        connection.set_busy_timeout(_BUSY_MS)
        connection.execute(f"PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache_kib}")
        return connection

    def errors(self) -> Errors:
        """A context that says what SQLite and the system say in the words of the disk."""
        return self._errors
