"""Bytes on their way to the disk: into memory for the index, or into a segment, block by block as they come.

A writer knows from the start how many bytes will come, so a run of its segment is reserved and several write to one
segment at a time. Every block gets its checksum on the way. `finish` returns when all of it is synced, one fdatasync
for all who wait on a segment. After a failed sync a segment is never written or synced again: what it held before
stays, what waited fails. Until the transaction is known to be committed or not, the segment is leased: the file stays
open and locked (shared), which tells recovery and the garbage run to leave it alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from bucketry.store.disk import segments
from bucketry.store.disk.errors import BucketMissing, DiskError, WriteFailed, WrongSize, from_os
from bucketry.store.disk.files import Files
from bucketry.store.disk.groups import Group
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.stored import ExtentBytes, InlineBytes, Written
from bucketry.store.disk.types import Data

INLINE_LIMIT_BYTES = 16 << 10
SINGLE_BYTES = 4 << 20  # larger ones get a segment of their own
SEGMENT_LIMIT_BYTES = 256 << 20
_CHUNK_BYTES = 512 << 10  # a multiple of the block: what is written at once
_SYNC_LIMIT = 1024

# (segment, record, record_size): space in a shared segment that was reserved in vain
Waste = Callable[[str, int, int], None]


@dataclass(slots=True, eq=False)
class _Sync:
    buffers: Sequence[Data]
    offset: int
    future: asyncio.Future[None]
    error: DiskError | None = field(default=None)


class OpenSegment:
    """A segment that this process writes to. Used in the loop, but for what says otherwise."""

    def __init__(self, folder: Path, files: Files, pool: Executor, *, is_single: bool) -> None:
        """Create it; blocks, so in a thread. OSError."""
        self._folder = folder
        self._files = files
        self._pool = pool
        self._is_single = is_single
        self.name, self._descriptor = self._create()
        self.tail = 0
        self.is_broken = False
        self._is_retired = is_single
        self._leases = 0
        self._kept = 0
        self._is_doubtful = False
        self._is_folder_synced = False
        self._group: Group[_Sync] = Group(pool, self._sync_all, _SYNC_LIMIT)

    def _create(self) -> tuple[str, int]:
        while True:
            name = segments.new_name(is_single=self._is_single)
            descriptor = self._files.create(self._folder / name)
            try:
                self._files.lock_shared(descriptor)
                if self._files.link_count(descriptor):
                    return name, descriptor
            except BaseException:
                self._files.close(descriptor)
                self._files.unlink(self._folder / name)
                raise
            self._files.close(descriptor)  # the garbage run took it for a leftover before it was locked

    def lease(self, record_size: int) -> int:
        """Reserve a run: its offset. Ends with `give_back`."""
        offset = self.tail
        self.tail += record_size
        self._leases += 1
        return offset

    def give_back(self, is_kept: bool | None) -> None:
        """End a lease. `is_kept`: whether the index refers to its run now; None: nobody knows."""
        self._leases -= 1
        self._kept += is_kept is True
        self._is_doubtful |= is_kept is None
        self._close_if_done()

    def retire(self) -> None:
        """Nothing more will be leased."""
        self._is_retired = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_retired and self._leases == 0 and self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            self._pool.submit(self._close, descriptor)

    def write(self, buffers: Sequence[Data], offset: int) -> None:
        """Write without syncing. In a thread. WriteFailed, DiskFull."""
        try:
            self._files.pwrite(self._descriptor, buffers, offset)
            if self._is_single:
                self._files.start_writeback(self._descriptor, offset, sum(map(len, buffers)))
        except OSError as error:
            raise from_os(error, f"writing segment {self.name}") from error

    async def sync(self, buffers: Sequence[Data], offset: int) -> None:
        """Write, and return when all written so far is on the disk. WriteFailed, DiskFull."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._group.add(_Sync(buffers, offset, future))
        await future

    # In threads

    def _sync_all(self, take: Callable[[], list[_Sync]]) -> None:
        waiting = take()
        for item in waiting:
            try:
                if self.is_broken:
                    raise WriteFailed(f"segment {self.name} could not be synced and is given up; try again")
                self.write(item.buffers, item.offset)
            except DiskError as error:
                item.error = error
        if any(item.error is None for item in waiting):
            try:
                self._files.fdatasync(self._descriptor)
                if not self._is_folder_synced:
                    self._files.sync_folder(self._folder)
                    self._is_folder_synced = True
            except OSError as error:
                self.is_broken = True
                failure = from_os(error, f"syncing segment {self.name}")
                for item in waiting:
                    item.error = item.error or failure
        loop = waiting[0].future.get_loop()
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, waiting)

    def _close(self, descriptor: int) -> None:
        try:
            if self._is_doubtful:
                return  # the garbage run asks the index
            if self._kept == 0:
                self._files.unlink(self._folder / self.name)
            elif not self._is_single and not self.is_broken:
                self._files.pwrite(descriptor, [segments.SEAL], self.tail)
        except OSError:
            self.is_broken = True  # without its seal, recovery looks at it once more: nothing is lost
        finally:
            self._files.close(descriptor)


def _tell(waiting: list[_Sync]) -> None:
    for item in waiting:
        if item.future.done():
            continue
        if item.error is None:
            item.future.set_result(None)
        else:
            item.future.set_exception(item.error)


def _retire_unused(job: asyncio.Future[OpenSegment]) -> None:
    if not job.cancelled() and job.exception() is None:
        job.result().retire()


class InlineWriter:
    """Few bytes, kept in memory until the transaction takes them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._chunks: list[bytes] = []
        self._received = 0

    async def write(self, data: Data) -> None:
        """Take more bytes. WrongSize: more than announced."""
        self._received += len(data)
        if self._received > self._size:
            raise WrongSize(f"more than the {self._size} bytes announced")
        self._chunks.append(bytes(data))

    async def finish(self, footer: RecordFooter) -> Written:
        """All bytes came. WrongSize: they did not."""
        if self._received != self._size:
            raise WrongSize(f"{self._received} of the {self._size} bytes announced")
        if self._size == 0:
            return Written(0, ())
        data = b"".join(self._chunks)
        return Written(self._size, (InlineBytes(data, segments.crc32c(data)),))

    def abort(self) -> None:
        """Forget all. Any number of times, also after `finish`."""
        self._chunks.clear()


class ExtentWriter:
    """Bytes that go into a segment as they come; at most two chunks of them are in memory.

    They are given by `write`; or put by the caller into the `room` that the writer has for them, told of by `filled`,
    which spares them a copy.
    """

    def __init__(self, segment: OpenSegment, header: bytes, size: int, pool: Executor, waste: Waste) -> None:
        self._segment = segment
        self._pool = pool
        self._waste = waste
        self._size = size
        self._record_size = segments.record_size(len(header), size)
        self._record = segment.lease(self._record_size)
        self._offset = self._record + len(header)
        self._head = len(header)  # of the chunk that is filled: bytes of the record's header, which goes out with it
        self._chunk = memoryview(bytearray(len(header) + min(size, _CHUNK_BYTES)))
        self._chunk[: len(header)] = header
        self._filled = len(header)
        self._spare: memoryview | None = None  # was written, and may be filled again
        self._received = 0
        self._position = 0  # of the first byte not handed to the segment
        self._checksums: list[bytes] = []
        self._job: asyncio.Future[None] | None = None
        self._is_over = False

    def room(self) -> memoryview:
        """Where the next bytes are to be put; empty once all have come. It is not written to any more, nor filled
        again, before the second `filled` from here has returned: who still reads it has to be done by then."""
        return self._chunk[self._filled : self._filled + self._size - self._received]

    async def filled(self, count: int) -> None:
        """So many bytes were put into the room; waits while the disk is behind. WriteFailed, DiskFull."""
        self._filled += count
        self._received += count
        if self._filled == len(self._chunk) and self._received < self._size:
            await self._flush()

    async def write(self, data: Data) -> None:
        """Take more bytes; waits while the disk is behind. WrongSize, WriteFailed, DiskFull."""
        if self._received + len(data) > self._size:
            raise WrongSize(f"more than the {self._size} bytes announced")
        left = memoryview(data)
        while left:
            room = self.room()
            count = min(len(room), len(left))
            room[:count] = left[:count]
            await self.filled(count)
            left = left[count:]

    async def _flush(self) -> None:
        chunk, head = self._chunk, self._head
        await self._job_done()
        if self._spare is None:
            self._spare = memoryview(bytearray(min(self._size - self._received, _CHUNK_BYTES)))
        offset = self._offset + self._position - head
        self._position += len(chunk) - head
        self._chunk, self._spare = self._spare, chunk[head:]
        self._filled = self._head = 0
        loop = asyncio.get_running_loop()
        self._job = loop.run_in_executor(self._pool, self._write_chunk, chunk, head, offset)

    def _write_chunk(self, chunk: memoryview, head: int, offset: int) -> None:
        self._checksums.append(segments.block_checksums(chunk[head:]))
        self._segment.write([chunk], offset)

    async def _job_done(self) -> None:
        job = self._job
        if job is not None:
            await asyncio.shield(job)
            self._job = None

    async def finish(self, footer: RecordFooter) -> Written:
        """All bytes came: returns when they are synced. WrongSize, WriteFailed, DiskFull."""
        if self._received != self._size:
            raise WrongSize(f"{self._received} of the {self._size} bytes announced")
        await self._job_done()
        head, tail = self._head, self._chunk[: self._filled]
        self._checksums.append(segments.block_checksums(tail[head:]))
        checksums = b"".join(self._checksums)
        buffers: list[Data] = [tail, segments.encode_footer(footer, checksums)]
        self._job = asyncio.ensure_future(self._segment.sync(buffers, self._offset + self._position - head))
        await self._job_done()
        self._is_over = True
        extent = ExtentBytes(
            self._segment.name,
            self._record,
            self._record_size,
            self._offset,
            self._size,
            checksums,
            0,
            self._size,
        )
        return Written(self._size, (extent,), self._settle)

    def abort(self) -> None:
        """Give up: the space is free again once no thread writes to it. Any number of times; nothing after `finish`."""
        if self._is_over:
            return
        self._is_over = True
        if self._job is None or self._job.done():
            self._settle(False)
        else:
            self._job.add_done_callback(self._abandon)

    def _abandon(self, job: asyncio.Future[None]) -> None:
        if not job.cancelled():
            job.exception()  # it is of no interest any more
        self._settle(False)

    def _settle(self, is_kept: bool | None) -> None:
        segment = self._segment
        if is_kept is False and not segments.is_single(segment.name):
            self._waste(segment.name, self._record, self._record_size)
        segment.give_back(is_kept)


Writer = InlineWriter | ExtentWriter


class SegmentWriters:
    """Where one process writes the bytes of one bucket."""

    def __init__(self, folder: Path, files: Files, pool: Executor, waste: Waste) -> None:
        self._folder = folder
        self._files = files
        self._pool = pool
        self._waste = waste
        self._current: OpenSegment | None = None
        self._opening = asyncio.Lock()

    async def begin(self, header: RecordHeader, size: int) -> Writer:
        """A writer for `size` bytes. DiskFull, WriteFailed."""
        if size <= INLINE_LIMIT_BYTES:
            return InlineWriter(size)
        return await self.begin_extent(header, size)

    async def begin_extent(self, header: RecordHeader, size: int) -> ExtentWriter:
        """A writer for `size` bytes that go into a segment, however few they are. DiskFull, WriteFailed."""
        text = segments.encode_header(header, size)
        if size > SINGLE_BYTES:
            segment = await self._open(is_single=True)
            return ExtentWriter(segment, text, size, self._pool, self._waste)
        record_size = segments.record_size(len(text), size)
        segment = self._usable(record_size) or await self._roll(record_size)
        return ExtentWriter(segment, text, size, self._pool, self._waste)

    def retire(self) -> None:
        """Begin a new segment for what comes; the present one is closed when nobody writes to it any more."""
        segment, self._current = self._current, None
        if segment is not None:
            segment.retire()

    def _usable(self, record_size: int) -> OpenSegment | None:
        segment = self._current
        if segment is None or segment.is_broken or segment.tail + record_size > SEGMENT_LIMIT_BYTES:
            return None
        return segment

    async def _roll(self, record_size: int) -> OpenSegment:
        async with self._opening:
            segment = self._usable(record_size)
            if segment is None:
                self.retire()
                segment = self._current = await self._open(is_single=False)
            return segment

    async def _open(self, *, is_single: bool) -> OpenSegment:
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._create, is_single)
        try:
            return await asyncio.shield(job)
        except FileNotFoundError:
            raise BucketMissing(f"bucket {self._folder.parent.name} is not on this disk") from None
        except OSError as error:
            raise from_os(error, f"making a segment in {self._folder.parent.name}") from error
        except asyncio.CancelledError:
            job.add_done_callback(_retire_unused)
            raise

    def _create(self, is_single: bool) -> OpenSegment:
        return OpenSegment(self._folder, self._files, self._pool, is_single=is_single)
