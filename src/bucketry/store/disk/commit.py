"""Changes of a bucket's index, committed in groups: one lock, one transaction and one sync for all who wait.

Each process queues its changes of a bucket; one thread takes the bucket's commit lock (a blocking flock, which the
system grants in order, so that no process starves), begins a transaction, runs all that is queued by then, commits,
unlocks, and tells the tasks. A change that refuses (a guard raised, an upload is gone) does so before its first write,
and only its own task hears of it. Where one fails later than that, or the disk is full, the group is rolled back and
its changes run one by one, so that none suffers for another.

When the commit itself fails, its frames may lie in the WAL nevertheless, and come to life should the machine stop
before the next commit overwrites them. So the bytes of such changes stay, and stay locked until the next commit: either
way the index names whole ones. The garbage run sees what became of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from bucketry.store.disk.changes import PlainDelete
from bucketry.store.disk.checkpoint import PAGES, Checkpoints
from bucketry.store.disk.errors import BucketMissing, DiskError, DiskFull, from_os
from bucketry.store.disk.files import Files
from bucketry.store.disk.groups import Group
from bucketry.store.disk.index import Index
from bucketry.store.disk.stored import Settle
from bucketry.store.disk.transaction import Transaction

LOCK_FILE = "commit.lock"
_GROUP_LIMIT = 256
_CHECKPOINT_AT_LAST_PAGES = 16 * PAGES  # with so many the WAL begins anew, even if writers must wait for readers


class _HalfMade(Exception):
    """A change failed after it had written: its transaction must not be committed."""


@dataclass(slots=True, eq=False)
class _Change:
    run: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    settled: Settle | None
    result: Any = None
    error: BaseException | None = field(default=None)
    is_uncertain: bool = False  # its commit failed: the WAL may have it


class Committer:
    """The only writer of one bucket's index in this process."""

    def __init__(self, folder: Path, index: Index, files: Files, pool: Executor, clock_ms: Callable[[], int]) -> None:
        self._folder = folder
        self._index = index
        self._files = files
        self._clock_ms = clock_ms
        self._group: Group[_Change] = Group(pool, self._work, _GROUP_LIMIT)
        self._arrived: list[_Change] = []  # in the loop, not queued yet
        self._checkpoints = Checkpoints(index, pool)
        self._connection: apsw.Connection | None = None
        self._lock_descriptor = -1
        self._wal_pages = 0
        self._uncertain: list[Settle] = []  # to be told after the next commit

    async def run(self, change: Callable[[Transaction], Any], settled: Settle | None = None) -> Any:
        """The result of `change`, once it is committed and synced; what it raised, or a DiskError, if it was not.

        `settled` is called in the loop in any case, also when the asking task is cancelled meanwhile.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self._arrived:
            loop.call_soon(self._hand_over)
        self._arrived.append(_Change(change, future, settled))
        return await future

    def _hand_over(self) -> None:
        """Queue what arrived in this turn of the loop at once: a thread woken by the first change would commit that
        alone, and take the interpreter from the loop while that still reads the others."""
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._group.add_all(arrived)

    @property
    def is_idle(self) -> bool:
        return not self._arrived and self._group.is_idle and self._checkpoints.is_idle

    def close(self) -> None:
        """Wait for what is under way and close the connection. In the loop."""
        self._hand_over()
        self._group.wait_idle()
        self._checkpoints.wait_idle()
        self._close_connection()
        if self._lock_descriptor >= 0:
            self._files.close(self._lock_descriptor)
            self._lock_descriptor = -1

    # All below runs in a thread of the pool, one at a time.

    def _work(self, take: Callable[[], list[_Change]]) -> None:
        try:
            if self._lock_descriptor < 0:
                self._lock_descriptor = self._files.open(self._folder / LOCK_FILE, is_writable=True)
            self._files.lock(self._lock_descriptor)
        except OSError as error:
            if not self._folder.exists():
                return self._settle(take(), BucketMissing(f"bucket {self._index.bucket} is not on this disk"))
            return self._settle(take(), from_os(error, f"locking bucket {self._index.bucket}"))
        changes = take()
        self._commit(changes)
        if self._wal_pages >= _CHECKPOINT_AT_LAST_PAGES:
            self._restart_wal()
        self._unlock()
        self._settle(changes)
        self._checkpoints.note(self._wal_pages)
        return None

    def _unlock(self) -> None:
        try:
            self._files.unlock(self._lock_descriptor)
        except OSError:  # closing lets go of it as well
            descriptor, self._lock_descriptor = self._lock_descriptor, -1
            self._files.close(descriptor)

    def _commit(self, changes: list[_Change]) -> None:
        try:
            self._attempt(changes)
        except (DiskFull, _HalfMade) as error:
            if len(changes) == 1:
                changes[0].error = changes[0].error or error
                return
            for change in changes:
                self._commit([change])
        except Exception as error:
            for change in changes:
                change.error = error

    def _attempt(self, changes: list[_Change]) -> None:
        try:
            with self._index.errors():
                if self._connection is None:
                    self._connection = self._open()
                self._checkpoints.finish(self._connection)
                self._transact(self._connection, changes)
        except _HalfMade:
            raise
        except BaseException:
            # After a failed commit the connection stays until the next one has written over those frames: opened anew,
            # SQLite would find them in memory and go on behind them, though they may never reach the disk.
            if not any(change.is_uncertain for change in changes):
                self._drop_connection()
            raise

    def _transact(self, connection: apsw.Connection, changes: list[_Change]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            transaction = Transaction(connection, self._index.bucket, self._clock_ms())
            left = self._run_together(transaction, changes)
            for change in left:
                self._run_one(transaction, connection, change)
            transaction.finish()
            for change in changes:
                change.is_uncertain = True
            connection.execute("COMMIT")
            for change in changes:
                change.is_uncertain = False
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _run_together(self, transaction: Transaction, changes: list[_Change]) -> list[_Change]:
        """Make the plain deletions of a group at once; what has still to be run. The order is free: nobody was answered
        yet, so none of the group can rely on another."""
        plain: list[_Change] = []
        asked: list[PlainDelete] = []
        for change in changes:
            if isinstance(change.run, PlainDelete) and not change.future.cancelled():
                plain.append(change)
                asked.append(change.run)
        if len(plain) < 2:
            return changes
        try:
            removed = PlainDelete.together(transaction, asked)
        except apsw.Error:
            raise
        except Exception as error:  # of one of them: run by itself it will tell
            raise _HalfMade from error
        done = set()
        for change, version in zip(plain, removed, strict=True):
            if version is not None:
                change.error, change.is_uncertain, change.result = None, False, version
                done.add(id(change))
        return [change for change in changes if id(change) not in done]

    def _run_one(self, transaction: Transaction, connection: apsw.Connection, change: _Change) -> None:
        change.error = None
        change.is_uncertain = False
        if change.future.cancelled():
            change.error = asyncio.CancelledError()
            return
        if transaction.is_closed:  # by a change of this very group: what comes after it would go with the bucket
            change.error = BucketMissing(f"bucket {self._index.bucket} is being removed")
            return
        written = connection.total_changes()
        try:
            change.result = change.run(transaction)
        except apsw.Error:
            raise
        except Exception as error:
            change.error = error
            if connection.total_changes() != written:
                raise _HalfMade from error

    def _settle(self, changes: list[_Change], error: DiskError | None = None) -> None:
        if error is not None:
            for change in changes:
                change.error = error
        if changes:
            loop = changes[0].future.get_loop()
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(self._tell, changes)

    def _tell(self, changes: list[_Change]) -> None:
        """Give each task its outcome. In the loop."""
        for change in changes:
            if change.error is None:
                self._end_uncertainty()
            if change.settled is not None and change.is_uncertain:
                self._uncertain.append(change.settled)
            elif change.settled is not None:
                change.settled(change.error is None)
            if change.future.done():
                continue
            if change.error is None:
                change.future.set_result(change.result)
            elif isinstance(change.error, asyncio.CancelledError):
                change.future.cancel()
            else:
                change.future.set_exception(change.error)

    def _end_uncertainty(self) -> None:
        settles, self._uncertain = self._uncertain, []
        for settle in settles:
            settle(None)

    def _open(self) -> apsw.Connection:
        connection = self._index.open_writer()
        connection.set_wal_hook(self._committed)
        return connection

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _restart_wal(self) -> None:
        """Bring all of the WAL into the database, so that it begins anew. A failure costs nothing but its growth."""
        if self._connection is None:
            return
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            self._wal_pages = 0
        except (apsw.Error, OSError):
            self._drop_connection()

    def _drop_connection(self) -> None:
        """Close a connection that failed, without its usual checkpoint: the next one begins from what is there."""
        if self._connection is not None:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._close_connection()

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        self._wal_pages = 0
        if connection is not None:
            with contextlib.suppress(apsw.Error, OSError):  # all that was answered is in the WAL
                connection.close(True)
