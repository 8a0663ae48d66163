"""The checkpoint of a bucket's index: what commits wrote into the WAL is brought into the database beside them.

SQLite's passive checkpoint waits for nobody and nobody waits for it. Done by the committing thread between two groups
it held up all writers of the process (p99 of a durable 1 KiB PUT: 77 ms); so it has a thread and a connection of its
own. Under load commits go on meanwhile, so that the WAL is never all in the database and would grow without end: what
came since is brought over by the next commit, under its lock, and with that the WAL begins anew, in place. Why that
matters: docs/decisions/0014-checkpoints.md.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Executor

import apsw

from bucketry.store.disk.errors import DiskError
from bucketry.store.disk.index import Index

PAGES = 3500  # committed since the last checkpoint: below what the WAL may keep on the disk (disk/index.py)


class Checkpoints:
    """At most one checkpoint of one bucket at a time in this process."""

    def __init__(self, index: Index, pool: Executor) -> None:
        self._index = index
        self._pool = pool
        self._idle = threading.Event()
        self._idle.set()
        self._asked_at = 0  # pages in the WAL when it was last asked
        self._is_done = False

    @property
    def is_idle(self) -> bool:
        return self._idle.is_set()

    # Called by the one thread that commits alone.

    def note(self, pages: int) -> None:
        """A commit left so many pages in the WAL: begin a checkpoint if it is time and none is under way."""
        if pages < self._asked_at:
            self._asked_at = 0  # somebody began the WAL anew
        if pages - self._asked_at >= PAGES and self._idle.is_set():
            self._asked_at = pages
            self._idle.clear()
            self._pool.submit(self._run)

    def finish(self, connection: apsw.Connection) -> None:
        """After a checkpoint, with the commit lock held: bring over the little that was committed meanwhile. Then the
        next commit begins the WAL anew, unless a reader is still in it."""
        if self._is_done:
            self._is_done = False
            with contextlib.suppress(apsw.Error, OSError):  # another process is at it, or it failed: later, then
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    # In a thread of its own.

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
                    self._is_done = True
                finally:
                    connection.close(True)
        finally:
            self._idle.set()
