"""The garbage run: gives back the space of what was deleted, and clears what crashed writers left.

A freed run of a segment is given back once no reader can be in the middle of it: no process has the version pinned that
held it (disk/descriptors.py). Bytes that a copy shared may be read under any version that is gone by now, so those
wait until no pinned version older than the freeing is gone. Segments of one record are removed; in others a hole is
punched, where the file system can; one without records is removed; one that is mostly holes is written anew. The row
that notes the freed run goes last: a run that stops in the middle is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from bucketry.store.disk import leftovers, rows, segments
from bucketry.store.disk.bucket import SEGMENTS_FOLDER, Bucket
from bucketry.store.disk.descriptors import PINS_FILE
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import Index
from bucketry.store.disk.leftovers import Gap
from bucketry.store.disk.pausing import Pause
from bucketry.store.disk.rewriting import Moved, rewrite_sparse
from bucketry.store.disk.transaction import Transaction

_BATCH = 500
_EXISTS = "SELECT 1 FROM objects WHERE sequence = ?1 UNION ALL SELECT 1 FROM noncurrent WHERE sequence = ?1 LIMIT 1"
InThread = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(slots=True)
class Collected:
    """What a garbage run gave back."""

    bytes: int = 0  # of freed runs
    segments: int = 0  # removed
    rewritten: int = 0  # segments written anew
    waiting: int = 0  # freed runs that somebody is still reading

    def __iadd__(self, other: Collected) -> Collected:
        self.bytes += other.bytes
        self.segments += other.segments
        self.rewritten += other.rewritten
        self.waiting += other.waiting
        return self


@dataclass(slots=True)
class _Reclaimed:
    rows: list[int] = field(default_factory=list)
    collected: Collected = field(default_factory=Collected)


async def collect(bucket: Bucket, files: Files, vfs: str | None, in_thread: InThread) -> Collected:
    """One bucket's garbage run; nothing while a snapshot is made of it. DiskError."""
    doing = f"collecting garbage of {bucket.folder.name}"
    pause = await in_thread(doing, Pause, bucket.folder, files)
    try:
        if not await in_thread(doing, pause.try_collect):
            return Collected()
        return await _collect(bucket, _Run(bucket.folder, files, vfs), in_thread, doing)
    finally:
        pause.end()


async def _collect(bucket: Bucket, run: _Run, in_thread: InThread, doing: str) -> Collected:
    reclaimed = await in_thread(doing, run.reclaim)
    for at in range(0, len(reclaimed.rows), _BATCH):
        await bucket.transact(partial(_forget, ids=reclaimed.rows[at : at + _BATCH]))
    total: Collected = reclaimed.collected
    for name, gaps in await in_thread(doing, run.unused_runs):
        await bucket.transact(partial(_note, name=name, gaps=gaps))
        await in_thread(doing, run.seal, name)
    total.rewritten += await _move(bucket, await in_thread(doing, run.rewrite))
    total.segments += await in_thread(doing, run.remove_unreferenced)
    return total


async def _move(bucket: Bucket, rewritten: list[Moved]) -> int:
    """Refer to the new places of records. What a failure leaves is a segment that nothing refers to."""
    try:
        for moved in rewritten:
            await bucket.transact(moved.commit)
    finally:
        for moved in rewritten:
            moved.close()
    return len(rewritten)


def _forget(transaction: Transaction, ids: list[int]) -> None:
    for number in ids:
        transaction.run("DELETE FROM freed WHERE id = ?", (number,))


def _note(transaction: Transaction, name: str, gaps: list[Gap]) -> None:
    """Note unused runs, unless that was done meanwhile."""
    taken = transaction.all("SELECT offset FROM freed WHERE segment = ? AND extent = 0", (name,))
    known = {offset for (offset,) in taken}
    for segment, offset, length in gaps:
        if offset not in known:
            transaction.free(segment, offset, length, 0, 0, 0)


class _Run:
    """The parts of a garbage run that run in a thread, each with a connection of its own."""

    def __init__(self, folder: Path, files: Files, vfs: str | None) -> None:
        self._folder = folder
        self._segments = folder / SEGMENTS_FOLDER
        self._files = files
        self._index = Index(folder, vfs)

    def _with_connection(self, work: Callable[[apsw.Connection], Any]) -> Any:
        with self._index.errors():
            connection = self._index.open_reader()
            try:
                return work(connection)
            finally:
                connection.close(True)

    def reclaim(self) -> _Reclaimed:
        """Give back freed runs that nobody reads: which rows are done with."""
        reclaimed: _Reclaimed = self._with_connection(self._reclaim)
        return reclaimed

    def _reclaim(self, connection: apsw.Connection) -> _Reclaimed:
        done = _Reclaimed()
        found = rows.fetch(connection, "SELECT id, segment, offset, length, sequence, shared FROM freed")
        if not found:
            return done
        pins = self._files.open(self._folder / PINS_FILE, is_writable=True)
        try:
            for number, segment, offset, length, sequence, shared in found:
                if self._is_read(connection, pins, number, sequence, bool(shared)):
                    done.collected.waiting += 1
                    continue
                if segments.is_single(segment):
                    self._files.unlink(self._segments / segment)
                    done.collected.segments += 1
                else:
                    self._punch(segment, offset, length)
                done.rows.append(number)
                done.collected.bytes += length
        finally:
            self._files.close(pins)
        return done

    def _is_read(self, connection: apsw.Connection, pins: int, number: int, sequence: int, shared: bool) -> bool:
        if not shared:
            return sequence != 0 and self._files.find_pin(pins, sequence, 1) is not None
        first = 0
        while first < number:
            pinned = self._files.find_pin(pins, first, number - first)
            if pinned is None:
                return False
            # The system names any of the pins: look before it as well as after it.
            if self._is_gone(connection, pinned) or self._is_read_below(connection, pins, first, pinned):
                return True
            first = pinned + 1
        return False

    def _is_read_below(self, connection: apsw.Connection, pins: int, first: int, end: int) -> bool:
        while end > first:
            pinned = self._files.find_pin(pins, first, end - first)
            if pinned is None:
                return False
            if self._is_gone(connection, pinned):
                return True
            if self._is_read_below(connection, pins, pinned + 1, end):
                return True
            end = pinned
        return False

    def _is_gone(self, connection: apsw.Connection, sequence: int) -> bool:
        """Whether no version has this sequence any more. A walk over the index: seldom asked."""
        return connection.execute(_EXISTS, (sequence,)).get is None

    def _punch(self, segment: str, offset: int, length: int) -> None:
        try:
            descriptor = self._files.open(self._segments / segment, is_writable=True)
        except FileNotFoundError:
            return
        try:
            self._files.punch(descriptor, offset, length)
        finally:
            self._files.close(descriptor)

    def unused_runs(self) -> list[tuple[str, list[Gap]]]:
        """Runs that writers reserved and left, of segments whose writers are gone."""
        found: list[tuple[str, list[Gap]]] = self._with_connection(
            lambda connection: list(leftovers.unused_runs(self._segments, connection, self._files))
        )
        return found

    def seal(self, name: str) -> None:
        self._with_connection(lambda connection: leftovers.seal(self._segments, name, connection, self._files))

    def rewrite(self) -> list[Moved]:
        """Write the segments anew that are mostly holes."""
        moved: list[Moved] = self._with_connection(
            lambda connection: rewrite_sparse(self._segments, connection, self._files)
        )
        return moved

    def remove_unreferenced(self) -> int:
        """Remove the segments without records: how many."""
        removed: list[str] = self._with_connection(
            lambda connection: leftovers.remove_unreferenced(self._segments, connection, self._files)
        )
        return len(removed)
