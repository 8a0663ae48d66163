"""Bytes on their way from the disk. Every block is checked before any byte of it leaves; damage raises CorruptData.

What fits one block is read at once: from memory in the loop (RWF_NOWAIT), else in a thread. It takes no lock: if the
bytes are not what they should be, or gone, the index says whether the version was replaced meanwhile (Superseded: the
caller looks it up again), or the garbage run moved its bytes (read once more), or they are damaged. Longer reads pin
their version first, so that its space is not given away in the middle, whatever becomes of the version.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw

from bucketry.kernel.moments import Moments
from bucketry.store.disk import rows, segments
from bucketry.store.disk.descriptors import Descriptor, Descriptors, Pins
from bucketry.store.disk.errors import CorruptData, ReadFailed, Superseded, from_os
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import Index
from bucketry.store.disk.segments import BLOCK_BYTES
from bucketry.store.disk.types import Data, Version

_INLINE = "SELECT crc, data FROM inline WHERE id = ?"
_EXTENT = "SELECT segment, record, record_size, offset, length, checksums FROM extents WHERE id = ?"
_FREED_EXTENT = "SELECT segment, offset FROM freed WHERE extent = ?"
_EXISTS = (
    "SELECT 1 FROM objects WHERE key = ?1 AND sequence = ?2 "
    "UNION ALL SELECT 1 FROM noncurrent WHERE key = ?1 AND sequence = ?2"
)
_PIECES = (
    "SELECT position, place, start, size FROM pieces WHERE sequence = ?1 AND position < ?3 AND position >= "
    "(SELECT max(position) FROM pieces WHERE sequence = ?1 AND position <= ?2) ORDER BY position, ordinal"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes to read from one place: `size` from byte `start` of it on."""

    place: int
    start: int
    size: int
    segment: str
    record: int  # in the segment, of the record
    record_size: int
    offset: int  # in the segment, of the place's first byte
    length: int  # of the place
    checksums: bytes = field(repr=False)
    inline: bytes | None = field(default=None, repr=False)


class Reader:
    """Reads the bytes of one bucket's versions. In the loop alone."""

    def __init__(
        self, folder: Path, index: Index, files: Files, pool: Executor, descriptors: Descriptors, pins: Pins
    ) -> None:
        self._segments = f"{folder}/segments/"
        self._index = index
        self._files = files
        self._pool = pool
        self._descriptors = descriptors
        self._pins = pins
        self._connection: apsw.Connection | None = None
        self._moments: Moments | None = None

    def now(self) -> bytes:
        """The moment of the index: nothing was committed while it stays the same; b"": nobody knows."""
        return b"" if self._moments is None else self._moments.now()

    @property
    def connection(self) -> apsw.Connection:
        """The connection for look-ups in the loop. IndexDamaged, NewerFormat, BucketMissing."""
        if self._connection is None:
            self._connection = self._index.open_reader()
            self._moments = Moments(self._connection)
        return self._connection

    def close(self) -> None:
        if self._moments is not None:
            self._moments.close()
            self._moments = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(True)

    async def read(self, version: Version, start: int, size: int) -> Data | Reading:
        """`size` bytes of `version` from byte `start` on, which it must have. Up to a block's worth at once; more as a
        Reading whose first block has been checked. Superseded, CorruptData, ReadFailed, IndexDamaged."""
        if size == 0:
            return b""
        if version.inline is not None:
            return version.inline if size == version.size else version.inline[start : start + size]
        if version.extent is not None and size <= BLOCK_BYTES:
            segment, _, _, offset, length, checksums = version.extent
            data = self._glance(segment, offset, length, checksums, start, size)
            if data is not None:
                return data
            return await self._read_run(version, Run(version.place, start, size, *version.extent))
        with self._index.errors():
            if version.place < 0:
                return self._read_inline(version, start, size)
            if version.place > 0 and size <= BLOCK_BYTES:
                run = self._locate(version.place, start, size)
                if run is None:
                    raise self._gone(version)
                return await self._read_run(version, run)
        return await self.begin(version, start, size)

    def exists(self, version: Version) -> bool:
        """Whether the bucket still has this very version."""
        with self._index.errors():
            return self.connection.execute(_EXISTS, (version.key, version.sequence)).get is not None

    def _gone(self, version: Version) -> Exception:
        if self.exists(version):
            return CorruptData(f"the bytes of {version.key!r} are missing; run `bucketry fsck`")
        return Superseded(f"{version.key!r} was replaced; look it up again")

    def _read_inline(self, version: Version, start: int, size: int) -> Data:
        row = self.connection.execute(_INLINE, (-version.place,)).get
        if row is None:
            raise self._gone(version)
        crc, data = row
        if segments.crc32c(data) != crc:
            raise _corrupt(version)
        whole: bytes = data
        return whole if size == len(whole) else whole[start : start + size]

    def _locate(self, place: int, start: int, size: int) -> Run | None:
        row = self.connection.execute(_EXTENT, (place,)).get
        if row is None:
            return None
        return Run(place, start, size, *row)

    async def _read_run(self, version: Version, run: Run) -> Data:
        """The bytes of a short run, whole blocks of it checked."""
        data = await self.fetch(run)
        if data is not None:
            return data
        again = self._locate(run.place, run.start, run.size)
        if again is None or not self.exists(version):
            raise self._gone(version)
        if (again.segment, again.offset) != (run.segment, run.offset):
            data = await self.fetch(again)
        if data is None:
            raise _corrupt(version)
        return data

    def _glance(self, segment: str, offset: int, length: int, checksums: bytes, start: int, size: int) -> Data | None:
        """The bytes of a short run, if they lie in memory and match: most do, and then nothing is waited for. None:
        take the long way, which also finds out why. ReadFailed."""
        first = start // BLOCK_BYTES
        begin = first * BLOCK_BYTES
        end = min(length, segments.block_count(start + size) * BLOCK_BYTES)
        try:
            descriptor = self._descriptors.acquire(self._segments + segment)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os(error, f"opening segment {segment}", is_read=True) from error
        try:
            data = self._files.pread_cached(descriptor.number, end - begin, offset + begin)
        except OSError as error:
            raise from_os(error, f"reading segment {segment}", is_read=True) from error
        finally:
            self._descriptors.release(descriptor)
        if data is None or not _is_sound(data, checksums, first):
            return None
        return data if size == len(data) else memoryview(data)[start - begin : start - begin + size]

    async def fetch(self, run: Run) -> Data | None:
        """The bytes of `run`; None: they are gone or don't match. ReadFailed: the system can't read."""
        first = run.start // BLOCK_BYTES
        begin = first * BLOCK_BYTES
        end = min(run.length, segments.block_count(run.start + run.size) * BLOCK_BYTES)
        path = self._segments + run.segment
        try:
            descriptor = self._descriptors.acquire(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os(error, f"opening segment {run.segment}", is_read=True) from error
        try:
            data = await self._pread(descriptor, end - begin, run.offset + begin)
        except OSError as error:
            raise from_os(error, f"reading segment {run.segment}", is_read=True) from error
        finally:
            self._descriptors.release(descriptor)
        if len(data) != end - begin or not _is_sound(data, run.checksums, first):
            self._descriptors.forget(path)
            return None
        skipped = run.start - begin
        if skipped == 0 and run.size == len(data):
            return data
        return memoryview(data)[skipped : skipped + run.size]

    async def _pread(self, descriptor: Descriptor, size: int, offset: int) -> bytearray:
        data = self._files.pread_cached(descriptor.number, size, offset)
        if data is None:
            loop = asyncio.get_running_loop()
            job = loop.run_in_executor(self._pool, self._files.pread, descriptor.number, size, offset)
            descriptor.users += 1  # the thread's own: it goes on when the task is cancelled
            job.add_done_callback(lambda _: self._descriptors.release(descriptor))
            data = await job
        return data

    # Long reads

    async def begin(self, version: Version, start: int, size: int, asked: list[Run] | None = None) -> Reading:
        """A Reading of any size, pinned, its first block read. As `read`. `asked`: it reads whole blocks, and here are
        the runs as they are asked for."""
        try:
            self._pins.add(version.sequence)
        except OSError as error:
            raise from_os(error, f"pinning {version.key!r}", is_read=True) from error
        try:
            with self._index.errors():
                runs = self._plan(version, start, size)
            if asked is not None:
                asked += runs
                runs = [_whole_blocks(run) for run in runs]
            reading = Reading(self, version, runs, self._pins)
        except BaseException:
            self._pins.remove(version.sequence)
            raise
        try:
            await reading.prefetch()
        except BaseException:
            reading.close()
            raise
        return reading

    def _plan(self, version: Version, start: int, size: int) -> list[Run]:
        """Where the bytes are, as one look at the index saw it. Superseded."""
        connection = self.connection
        connection.execute("BEGIN")
        try:
            if not self.exists(version):
                raise self._gone(version)
            if version.place:
                wanted = [(version.place, start, size)]
            else:
                found = rows.fetch(connection, _PIECES, (version.sequence, start, start + size))
                wanted = _clip(found, start, size)
            runs = [self._resolve(*piece) for piece in wanted]
        finally:
            connection.execute("COMMIT")
        if sum(run.size for run in runs if run) != size:
            raise CorruptData(f"bytes of {version.key!r} are missing; run `bucketry fsck`")
        return [run for run in runs if run]

    def _resolve(self, place: int, start: int, size: int) -> Run | None:
        if place > 0:
            return self._locate(place, start, size)
        row = self.connection.execute(_INLINE, (-place,)).get
        if row is None:
            return None
        crc, data = row
        return Run(place, start, size, "", 0, 0, 0, len(data), segments.pack_checksum(crc), data)

    def relocate(self, run: Run) -> Run | None:
        """Where the bytes of `run` are now, if the garbage run moved them since; also if its version is gone by now."""
        with self._index.errors():
            found = self.connection.execute(_EXTENT, (run.place,)).get
            if found is None:
                found = self.connection.execute(_FREED_EXTENT, (run.place,)).get
                if found is None:
                    return None
        segment, record = found[:2]
        if (segment, record) == (run.segment, run.record):
            return None
        return replace(run, segment=segment, record=record, offset=record + run.offset - run.record)


class Reading:
    """An asynchronous iterator over the bytes of a version, a block or less at a time. Close it when you stop early."""

    def __init__(self, reader: Reader, version: Version, runs: list[Run], pins: Pins | None) -> None:
        """`pins`: where the version is pinned, once for this Reading; None: another one does it."""
        self._reader = reader
        self._version = version
        self._pins = pins
        self._runs = runs
        self._at = 0
        self._done = 0  # bytes of the run at `_at` that were given out
        self._next: Data | None = None
        self._is_closed = False

    @property
    def runs(self) -> list[Run]:
        """All that it reads, also what is read already."""
        return self._runs

    async def prefetch(self) -> None:
        """Read and check the next block now."""
        self._next = await self._fetch()

    def __aiter__(self) -> Reading:
        return self

    async def __anext__(self) -> Data:
        data, self._next = self._next, None
        if data is None:
            data = await self._fetch()
        if data is None:
            self.close()
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Let the garbage run have what this read kept. Any number of times."""
        self._is_closed = True
        pins, self._pins = self._pins, None
        if pins is not None:
            pins.remove(self._version.sequence)

    async def _fetch(self) -> Data | None:
        """The next bytes, at most to the end of a block; None at the end."""
        if self._at == len(self._runs):
            return None
        run = self._runs[self._at]
        start = run.start + self._done
        size = min(run.size - self._done, BLOCK_BYTES - start % BLOCK_BYTES)
        data = await self._fetch_block(run, start, size)
        self._done += size
        if self._done == run.size:
            self._at += 1
            self._done = 0
        return data

    async def _fetch_block(self, run: Run, start: int, size: int) -> Data:
        if run.inline is not None:
            if not segments.verify(run.inline, run.checksums, 0):
                raise _corrupt(self._version)
            return memoryview(run.inline)[start : start + size]
        if self._is_closed:
            raise ReadFailed(f"the reading of {self._version.key!r} was closed")
        part = replace(run, start=start, size=size)
        data = await self._reader.fetch(part)
        if data is None:
            moved = self._reader.relocate(part)
            if moved is not None:
                data = await self._reader.fetch(moved)
                self._runs[self._at] = replace(run, segment=moved.segment, record=moved.record, offset=moved.offset)
        if data is None:
            raise _corrupt(self._version)
        return data


def _whole_blocks(run: Run) -> Run:
    """The run widened to the blocks that it touches."""
    start = run.start // BLOCK_BYTES * BLOCK_BYTES
    end = min(run.length, segments.block_count(run.start + run.size) * BLOCK_BYTES)
    return replace(run, start=start, size=end - start)


def _clip(found: list[tuple[int, int, int, int]], start: int, size: int) -> list[tuple[int, int, int]]:
    """(place, start, size) of what a range needs of its pieces, given as (position, place, start, size)."""
    wanted = []
    for position, place, piece_start, piece_size in found:
        skipped = max(0, start - position)
        kept = min(position + piece_size, start + size) - position - skipped
        if kept > 0:
            wanted.append((place, piece_start + skipped, kept))
    return wanted


def _is_sound(data: bytearray, checksums: bytes, first: int) -> bool:
    if len(data) <= BLOCK_BYTES:
        return segments.verify(data, checksums, first)
    view = memoryview(data)
    return all(
        segments.verify(view[at : at + BLOCK_BYTES], checksums, first + at // BLOCK_BYTES)
        for at in range(0, len(data), BLOCK_BYTES)
    )


def _corrupt(version: Version) -> CorruptData:
    return CorruptData(f"stored bytes of {version.key!r} don't match their checksum; run `bucketry fsck --deep`")
