"""The disk as a whole: the folder of buckets, their making and removing, and what is done to all of them.

    DATA/buckets/NAME.ID/    index.sqlite, segments/, commit.lock, readers.lock
    DATA/buckets/.new-…      a bucket that is being made, or was when the machine stopped
    DATA/buckets/.old-…      a bucket that is being removed

The id is random and never used again: whoever still holds a removed bucket can't touch its successor of the same name.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk import changes, check, garbage, recovery, schema
from bucketry.store.disk.bucket import SEGMENTS_FOLDER, Bucket
from bucketry.store.disk.commit import LOCK_FILE
from bucketry.store.disk.descriptors import PINS_FILE, Descriptors
from bucketry.store.disk.errors import BucketMissing, DiskError, from_os, index_missing
from bucketry.store.disk.files import Files
from bucketry.store.disk.garbage import Collected
from bucketry.store.disk.index import INDEX_FILE
from bucketry.store.disk.known import Room
from bucketry.store.disk.space import Space
from bucketry.store.disk.types import Finding

_OPEN_BUCKETS = 200
_DESCRIPTORS_EACH = 16  # of those the process may have, as many are left to other things as buckets take
_COMMIT_THREADS = 8
_BUCKET_BYTES = 128 << 10  # of a new bucket's index, and a little more
_IO_THREADS = 8
_Result = TypeVar("_Result")


def folder_name(name: str, bucket_id: str) -> str:
    """ValueError: not a bucket's name and id."""
    folder = f"{name}.{bucket_id}"
    if not recovery.is_bucket_folder(folder):
        raise ValueError(f"{folder!r} is no name of a bucket's folder")
    return folder


class Disk:
    """All buckets under a data folder, in one process. Several processes may have one each on the same folder."""

    def __init__(
        self,
        root: Path,
        *,
        clock_ms: Callable[[], int],
        files: Files | None = None,
        vfs: str | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        """`root`: the data folder, made if there is none. `files`, `vfs`: other ways to the disk, for tests.
        `envelope`: seals the keys of encrypted bytes; without it none are read or written."""
        self._envelope = envelope
        self._root = root / "buckets"
        self._clock_ms = clock_ms
        self._files = files or Files()
        self._vfs = vfs
        self._commit_pool = ThreadPoolExecutor(_COMMIT_THREADS, "disk-commit")
        self._io_pool = ThreadPoolExecutor(_IO_THREADS, "disk-io")
        self._descriptors = Descriptors(self._files)
        self._space = Space(self._root, self._files)
        self._room = Room()
        self._open_limit = min(_OPEN_BUCKETS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _DESCRIPTORS_EACH)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self._files.mkdir(self._root)
            self._files.sync_folder(root)

    async def close(self) -> None:
        """Finish what is under way and close everything. No call may follow."""
        for bucket in self._buckets.values():
            bucket.rest()
        self._buckets.clear()
        self._descriptors.close()
        await asyncio.to_thread(self._io_pool.shutdown)
        await asyncio.to_thread(self._commit_pool.shutdown)

    def bucket(self, name: str, bucket_id: str) -> Bucket:
        """The handle of a bucket: cheap, ask for it each time. BucketMissing; IndexDamaged: its index is gone."""
        folder = f"{name}.{bucket_id}"
        bucket = self._buckets.get(folder)
        if bucket is None:
            return self._open(folder_name(name, bucket_id))
        self._buckets.move_to_end(folder)
        return bucket

    def _open(self, folder: str) -> Bucket:
        path = self._root / folder
        if not (path / INDEX_FILE).is_file():
            raise index_missing(path)
        bucket = Bucket(
            path,
            files=self._files,
            vfs=self._vfs,
            clock_ms=self._clock_ms,
            commit_pool=self._commit_pool,
            io_pool=self._io_pool,
            descriptors=self._descriptors,
            room=self._room,
            space=self._space,
            envelope=self._envelope,
        )
        self._buckets[folder] = bucket
        self._rest_idle()
        return bucket

    def _rest_idle(self) -> None:
        """Close the buckets that were not asked for longest; a handle that somebody holds opens again by itself."""
        surplus = len(self._buckets) - self._open_limit
        for folder, bucket in list(self._buckets.items())[: max(0, surplus)]:
            if bucket.is_idle:
                del self._buckets[folder]
                bucket.rest()

    async def create_bucket(self, name: str, bucket_id: str) -> None:
        """Make an empty bucket; one that is there already stays as it is. DiskFull, WriteFailed."""
        folder = folder_name(name, bucket_id)
        self._space.ask(_BUCKET_BYTES)
        await self._in_thread(f"making bucket {folder}", self._create, folder)

    async def remove_bucket(self, name: str, bucket_id: str) -> None:
        """Remove a bucket without objects, its unfinished uploads with it; one that is gone already is fine. May be
        repeated after a crash at any point. BucketNotEmpty."""
        folder = folder_name(name, bucket_id)
        try:
            bucket = self.bucket(name, bucket_id)
            await bucket.transact(changes.close_bucket)
        except BucketMissing:
            pass  # gone, or closed by an earlier attempt: what is left of the folder goes now
        closed = self._buckets.pop(folder, None)
        if closed is not None:
            closed.rest()
        await self._in_thread(f"removing bucket {folder}", self._remove, folder)

    async def recover(self, known: Iterable[tuple[str, str]]) -> list[str]:
        """After a start, before serving: remove what no crash may leave behind. Folders of buckets other than `known`,
        (name, id) each, go; what is left of unfinished writes in the others too. Returns what it did, a line each."""
        folders = {folder_name(name, bucket_id) for name, bucket_id in known}
        return await self._in_thread(
            "recovering", recovery.recover, self._root, folders, self._files, self._vfs, self._clock_ms()
        )

    async def damaged(self, known: Iterable[tuple[str, str]]) -> list[str]:
        """A sentence for each bucket of `known` that can't be opened: looked at after a start, before serving."""
        folders = {folder_name(*names) for names in known}
        return await self._in_thread("looking at the buckets", recovery.damaged, self._root, folders)

    async def collect_garbage(self, only: Iterable[tuple[str, str]] | None = None) -> Collected:
        """Give back the space of what was deleted, in all buckets or `only` these. One bucket's failure doesn't stop
        the others; it is raised at the end."""
        total = Collected()
        failures: list[DiskError] = []
        for folder in await self._folders(only):
            try:
                total += await garbage.collect(self._bucket_of(folder), self._files, self._vfs, self._in_thread)
            except BucketMissing:
                continue
            except DiskError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return total

    async def check(self, deep: bool = False, only: Iterable[tuple[str, str]] | None = None) -> list[Finding]:
        """All that is wrong with all buckets, or `only` these; `deep`: every stored byte is read and checked too."""
        findings: list[Finding] = []
        for folder in await self._folders(only):
            run = partial(check.check, self._root / folder, self._files, self._vfs, is_deep=deep)
            findings += await self._in_thread(f"checking bucket {folder}", run)
        return findings

    # In threads

    async def _in_thread(self, doing: str, work: Callable[..., _Result], *arguments: object) -> _Result:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._io_pool, work, *arguments)
        except OSError as error:
            raise from_os(error, doing) from error

    async def _folders(self, only: Iterable[tuple[str, str]] | None) -> list[str]:
        if only is not None:
            return [folder_name(*names) for names in only]
        return await self._in_thread("listing the buckets", recovery.bucket_folders, self._root)

    def _bucket_of(self, folder: str) -> Bucket:
        name, _, bucket_id = folder.rpartition(".")
        return self.bucket(name, bucket_id)

    def _create(self, folder: str) -> None:
        target = self._root / folder
        files = self._files
        if target.exists():
            files.sync_folder(self._root)  # whoever made it may have stopped before this
            return
        path = self._root / f".new-{folder}-{secrets.token_hex(4)}"
        try:
            self._fill(path)
            try:
                files.rename(path, target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                files.rmtree(path)  # somebody else made it meanwhile
            files.sync_folder(self._root)
        except OSError:
            files.rmtree(path)
            raise

    def _fill(self, path: Path) -> None:
        files = self._files
        files.mkdir(path)
        files.mkdir(path / SEGMENTS_FOLDER)
        for name, content in ((LOCK_FILE, b""), (PINS_FILE, b""), (INDEX_FILE, schema.template())):
            descriptor = files.create(path / name)
            try:
                if content:
                    files.pwrite(descriptor, [content], 0)
                    files.fdatasync(descriptor)
            finally:
                files.close(descriptor)
        files.sync_folder(path)

    def _remove(self, folder: str) -> None:
        path = self._root / f".old-{folder}"
        if (self._root / folder).exists():
            self._files.rename(self._root / folder, path)
            self._files.sync_folder(self._root)
        self._files.rmtree(path)
