"""The checkpoint of a bucket's index: what commits wrote into the WAL is brought into the database beside them.

SQLite's passive checkpoint waits for nobody and nobody waits for it. Done by the committing thread between two groups
it held up all writers of the process (p99 of a durable 1 KiB PUT: 77 ms); so it has a thread and a connection of its
own.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Executor

import apsw

from bucketry.store.disk.errors import DiskError
from bucketry.store.disk.index import Index


class Checkpoints:
    """At most one checkpoint of one bucket at a time in this process."""

    def __init__(self, index: Index, pool: Executor) -> None:
        self._index = index
        self._pool = pool
        self._idle = threading.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        return self._idle.is_set()

    def ask(self) -> None:
        """Begin one unless one is under way. Only ever called by the one thread that commits."""
        if self._idle.is_set():
            self._idle.clear()
            self._pool.submit(self._run)

    def wait_idle(self) -> None:
        """Block until none is under way."""
        self._idle.wait()

    def _run(self) -> None:
        """A failure costs nothing: all is in the WAL, and the next one tries again."""
        try:
            with contextlib.suppress(apsw.Error, OSError, DiskError):
                connection = self._index.open_writer()
                try:
                    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                finally:
                    connection.close(True)
        finally:
            self._idle.set()
