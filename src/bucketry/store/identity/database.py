"""One SQLite file that several processes share: one reader in the event loop, one writer in a thread, a fair lock.

SQLite's own waiting for a busy database polls with growing pauses, so that writers of two processes starve each other.
Here a writer waits in the kernel for a lock file beside the database, in its own thread; within the process the
thread's queue keeps the order.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from bucketry.store.identity import schema
from bucketry.store.identity.errors import IdentityUnwritable

T = TypeVar("T")
_DISK = (apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.CorruptError, apsw.NotADBError)


class Database:
    """identity.sqlite, opened for reading and writing."""

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        self.path = path
        self._lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with self.locked():
                schema.create_file(path)
                self._writer = schema.connect(path, vfs, writes=True)
                try:
                    schema.migrate(self._writer, path)
                except BaseException:
                    self._writer.close()
                    raise
            self.reader = schema.connect(path, vfs, writes=False)
        except BaseException:
            os.close(self._lock)
            raise
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="identity-writer")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock file: nobody else writes, opens or migrates meanwhile. Blocks."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def transaction(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` in one transaction, durable when this returns; nothing of it stays if it raises. Blocks.
        IdentityUnwritable."""
        try:
            return self._transact(work)
        except apsw.FullError:
            reason = f"no room on the disk for {self.path.name}; free some space, deleting objects works"
            raise IdentityUnwritable(reason, is_full=True) from None
        except _DISK as error:
            raise IdentityUnwritable(f"{self.path.name} failed: {error}", is_full=False) from error

    def _transact(self, work: Callable[[apsw.Connection], T]) -> T:
        with self.locked():
            writer = self._writer
            writer.execute("BEGIN IMMEDIATE")
            try:
                result = work(writer)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:  # SQLite has rolled back already after a full disk or an I/O error
                    writer.execute("ROLLBACK")
                raise
            return result

    async def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """`transaction` in the writer's thread. A cancelled caller doesn't stop it: it is done or not, never half."""
        return await self.in_thread(lambda: self.transaction(work))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in the writer's thread, after what was asked for before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def submit(self, work: Callable[[], None]) -> None:
        """The same without waiting; `work` reports its own failure."""
        self._thread.submit(work)

    def close(self) -> None:
        """Finish what is queued and close the file. Blocks for it; again is no error."""
        if self._lock < 0:
            return
        self._thread.shutdown(wait=True)
        self.reader.close()
        self._writer.close()
        os.close(self._lock)
        self._lock = -1
