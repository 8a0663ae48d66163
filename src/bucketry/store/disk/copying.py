"""Bytes of one bucket for another: linked where a segment holds nothing else, else read, checked and written again.

A linked segment is one file under two names, one in each bucket, each with rows and references of its own. It is never
written, so neither bucket notices the other, and the space is free when the last name goes. Of a range, the file is
linked if the range is most of it; otherwise a few bytes would keep gigabytes.
"""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import Executor
from pathlib import Path

from bucketry.store.disk import segments
from bucketry.store.disk.errors import from_os
from bucketry.store.disk.files import Files
from bucketry.store.disk.reading import Reader, Reading, Run
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.stored import Bytes, ExtentBytes, Settle, Written
from bucketry.store.disk.types import Version
from bucketry.store.disk.writing import SegmentWriters


class Copier:
    """Brings bytes of other buckets into this one."""

    def __init__(self, folder: Path, reader: Reader, writers: SegmentWriters, files: Files, pool: Executor) -> None:
        self._folder = folder
        self._reader = reader
        self._writers = writers
        self._files = files
        self._pool = pool

    async def take(self, source: Copier, version: Version, start: int, size: int, header: RecordHeader) -> Written:
        """`size` bytes of a version of another bucket from byte `start` on, ready to be put here. Superseded,
        CorruptData, DiskFull, WriteFailed."""
        pieces: list[Bytes] = []
        settles: list[Settle] = []
        reading = await source._reader.begin(version, start, size)
        try:
            for run in reading.runs:
                written = await self._link(source, run) if _is_worth_linking(run) else None
                if written is None:
                    written = await self._rewrite(source, version, run, header)
                pieces.extend(written.pieces)
                if written.settle is not None:
                    settles.append(written.settle)
        except BaseException:
            _settle_all(settles, False)
            raise
        finally:
            reading.close()
        return Written(size, tuple(pieces), lambda is_kept: _settle_all(settles, is_kept))

    async def _link(self, source: Copier, run: Run) -> Written | None:
        """The segment of `run` under a new name in this bucket; None: the file system doesn't want one more name."""
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._pool, self._make_link, source._folder / run.segment)
        try:
            made = await asyncio.shield(job)
        except asyncio.CancelledError:
            job.add_done_callback(self._drop_unused)
            raise
        except FileNotFoundError:
            return None  # the source is being removed, or this bucket: writing says which
        except OSError as error:
            if error.errno in (errno.EMLINK, errno.EXDEV, errno.EPERM):
                return None
            raise from_os(error, f"linking segment {run.segment}") from error
        name, descriptor = made
        extent = ExtentBytes(
            name, run.record, run.record_size, run.offset, run.length, run.checksums, run.start, run.size
        )

        def settle(is_kept: bool | None) -> None:
            self._pool.submit(self._end_link, name, descriptor, is_kept)

        return Written(run.size, (extent,), settle)

    def _make_link(self, path: Path) -> tuple[str, int]:
        descriptor = self._files.open(path)
        try:
            # Locked before it has its name here: never a moment in which it looks like a leftover.
            self._files.lock_shared(descriptor)
            name = segments.new_name(is_single=True)
            self._files.link(path, self._folder / name)
            self._files.sync_folder(self._folder)
        except BaseException:
            self._files.close(descriptor)
            raise
        return name, descriptor

    def _end_link(self, name: str, descriptor: int, is_kept: bool | None) -> None:
        try:
            if is_kept is False:
                self._files.unlink(self._folder / name)
        finally:
            self._files.close(descriptor)

    def _drop_unused(self, job: asyncio.Future[tuple[str, int]]) -> None:
        if not job.cancelled() and job.exception() is None:
            self._pool.submit(self._end_link, *job.result(), False)

    async def _rewrite(self, source: Copier, version: Version, run: Run, header: RecordHeader) -> Written:
        writer = await self._writers.begin(header, run.size)
        try:
            async for data in Reading(source._reader, version, [run], None):
                await writer.write(data)
            return await writer.finish(RecordFooter(version.etag))
        finally:
            writer.abort()


def _is_worth_linking(run: Run) -> bool:
    return segments.is_single(run.segment) and run.size * 2 >= run.length


def _settle_all(settles: list[Settle], is_kept: bool | None) -> None:
    for settle in settles:
        settle(is_kept)
