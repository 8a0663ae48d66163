"""A bucket on the disk: the verbs over object versions, parts and uploads that the gateway has.

Look-ups (`get`, listings, `upload`, `parts`, `totals`) are quick, run in the event loop and see all that was answered
before. Changes are coroutines that return when they are durable. A change that raises has changed nothing. Guards see
the current version inside the transaction and raise to refuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk import changes, events, expiring, multipart, rows, versions
from bucketry.store.disk.commit import Committer
from bucketry.store.disk.copying import Copier
from bucketry.store.disk.descriptors import Descriptors, Pins
from bucketry.store.disk.errors import DiskError, Locked
from bucketry.store.disk.events import Announce, Announcing, Event
from bucketry.store.disk.expiring import Over, Place
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import Index
from bucketry.store.disk.known import Known, Room
from bucketry.store.disk.listings import Listings
from bucketry.store.disk.piecewise import PiecewiseWriter
from bucketry.store.disk.reading import Reader
from bucketry.store.disk.sealed_writing import AnyWriter, begin_sealed
from bucketry.store.disk.sealing import Keyring, Protection
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.space import Space
from bucketry.store.disk.stored import Written
from bucketry.store.disk.transaction import Transaction, read_totals
from bucketry.store.disk.types import (
    Doomed,
    Guard,
    Marker,
    NewObject,
    Part,
    Relock,
    Totals,
    Upload,
    Version,
)
from bucketry.store.disk.unsealing import AnyReading, read_sealed
from bucketry.store.disk.writing import SegmentWriters

SEGMENTS_FOLDER = "segments"
_ROW_BYTES = 1024  # of the index, about, for an object, part or upload


class Bucket(Listings):
    """One bucket, in one process. Made by `Disk.bucket`; used in the event loop that first used it."""

    def __init__(
        self,
        folder: Path,
        *,
        files: Files,
        vfs: str | None,
        clock_ms: Callable[[], int],
        commit_pool: Executor,
        io_pool: Executor,
        descriptors: Descriptors,
        room: Room,
        space: Space,
        envelope: Envelope | None,
    ) -> None:
        self.folder = folder
        self._keyring = Keyring(envelope, folder.name)
        self._clock_ms = clock_ms
        self._space = space
        index = Index(folder, vfs)
        self._index = index
        self._committer: Committer | Announcing = Committer(folder, index, files, commit_pool, clock_ms)
        self._pins = Pins(folder, files)
        self._reader = Reader(folder, index, files, io_pool, descriptors, self._pins)
        self._known = Known(room)
        self._writers = SegmentWriters(folder / SEGMENTS_FOLDER, files, io_pool, self._note_waste)
        self._copier = Copier(folder / SEGMENTS_FOLDER, self._reader, self._writers, files, io_pool)

    def announcing(self, announce: Announce) -> Bucket:
        """This bucket for one who makes changes that leave events behind; see disk/events.py."""
        twin = copy(self)
        twin._committer = Announcing(self._committer, announce)
        return twin

    def pending_events(self, limit: int) -> list[Event]:
        """The oldest events that wait."""
        with self._index.errors():
            return events.pending(self._reader.connection, limit)

    def moment(self) -> bytes:
        """What is read after this look is true while later ones say the same; b"": of that nothing can be said."""
        return self._reader.now()

    # Objects

    def get(self, key: str) -> Version | None:
        """The current version of a key. IndexDamaged, NewerFormat, BucketMissing."""
        moment = self._reader.now()
        known = self._known.at(moment)
        if key in known:
            return known[key]
        with self._index.errors():
            row = self._reader.connection.execute(rows.FIND, (key,)).get
        version = None if row is None else rows.found(row)
        self._known.note(moment, key, version)
        return version

    def get_version(self, key: str, version_id: str) -> Version | None:
        """The version of a key with this id, which may be a delete marker. As `get`."""
        with self._index.errors():
            return versions.named(self._reader.connection, key, version_id)

    def latest_marker(self, key: str) -> Version | None:
        """The delete marker that hides a key; None: nothing hides it, or it has no version. As `get`."""
        with self._index.errors():
            return versions.latest_marker(self._reader.connection, key)

    async def read(
        self, version: Version, start: int = 0, length: int | None = None, customer_key: bytes | None = None
    ) -> AnyReading:
        """Bytes of a version, `length` from byte `start` on (to the end where None), all checked.

        Up to 256 KiB of an object stored in one piece come as bytes; more as a Reading: an asynchronous iterator over
        blocks, the first of them checked already, to be closed when it is not read to its end. ValueError: a range that
        the version hasn't. Superseded: replaced since `get`, so get it again. CorruptData, ReadFailed, IndexDamaged,
        KeyMissing. `customer_key`: of bytes that are encrypted with one."""
        size = version.size - start if length is None else length
        if start < 0 or size < 0 or start + size > version.size:
            raise ValueError(f"{version.key!r} has no bytes {start} to {start + size}")
        if version.encryption:
            return await read_sealed(self._reader, self._keyring, version, start, size, customer_key)
        return await self._reader.read(version, start, size)

    async def writer(self, header: RecordHeader, size_bytes: int, protection: Protection | None = None) -> AnyWriter:
        """Where to write exactly `size_bytes` of an object or part, encrypted if there is `protection`.
        Call its `abort` in any case: after `finish` it does nothing. DiskFull, WriteFailed."""
        self._space.ask(size_bytes + _ROW_BYTES)
        if protection is None or size_bytes == 0:
            return await self._writers.begin(header, size_bytes)
        return await begin_sealed(self._writers, self._keyring, header, size_bytes, protection)

    def piecewise_writer(self, header: RecordHeader, protection: Protection | None = None) -> PiecewiseWriter:
        """Where to write the bytes of an object of unknown size; as `writer`."""
        return PiecewiseWriter(partial(self.writer, protection=protection), header)

    def discard(self, written: Written) -> None:
        """Give back bytes that were finished, and will not be put."""
        settle, written.settle = written.settle, None
        if settle is not None:
            settle(False)

    async def put(self, new: NewObject, written: Written, guard: Guard | None = None) -> Version:
        """Make finished bytes the current version of their key. If it raises, they are discarded."""
        made: Version = await self._use(written, partial(changes.put, new=new, written=written, guard=guard))
        return made

    async def delete(self, key: str, guard: Guard | None = None, marker: Marker | None = None) -> Version | None:
        """Remove the current version: what it was, None if there was none. Or hide the key by `marker`: what was made
        of that."""
        change: Callable[[Transaction], Any]
        if guard is None and marker is None:
            change = changes.PlainDelete(key)
        else:
            change = partial(changes.delete, key=key, guard=guard, marker=marker)
        deleted: Version | None = await self._committer.run(change)
        return deleted

    async def delete_version(
        self, key: str, version_id: str, guard: Guard | None = None, *, bypasses: bool = False
    ) -> Version | None:
        """Remove one version for good: what it was, None if there was none. The guard sees that version. Locked;
        `bypasses`: by one who may bypass governance."""
        change = partial(changes.delete_version, key=key, version_id=version_id, guard=guard, bypasses=bypasses)
        deleted: Version | None = await self._committer.run(change)
        return deleted

    async def delete_many(
        self, doomed: Sequence[Doomed], marker: Marker | None = None
    ) -> list[Version | Locked | None]:
        """Remove many in one transaction, as `delete` and `delete_version` would one after the other; the error in the
        place of one that is protected."""
        change = partial(changes.delete_many, doomed=doomed, marker=marker)
        deleted: list[Version | Locked | None] = await self._committer.run(change)
        return deleted

    async def copy(
        self,
        source_bucket: Bucket,
        source: Version,
        new: NewObject,
        guard: Guard | None = None,
        source_guard: Guard | None = None,
    ) -> Version:
        """A new object with the bytes of `source`, of this or another bucket. Inside a bucket no byte moves, large ones
        don't into another either. Superseded: the source was replaced; look it up again. `source_guard` is asked
        about the source as it is then, inside the transaction if it is of this bucket."""
        self._space.ask(_ROW_BYTES)
        if source_bucket.folder == self.folder:  # not "is": one of them may be announcing
            change = partial(changes.copy, source=source, new=new, guard=guard, source_guard=source_guard)
            made: Version = await self._committer.run(change)
            return made
        header = RecordHeader("object", new.key, new.modified_ms, new.owner, "", 0, dict(new.headers), dict(new.tags))
        written = await self._take(source_bucket, source, 0, source.size, header, source_guard)
        return await self.put(new, written, guard)

    async def set_tags(
        self, key: str, tags: Mapping[str, str], guard: Guard | None = None, version_id: str | None = None
    ) -> Version | None:
        """Other tags for the current version, or the one with this id: the version with them; None: there is none. A
        delete marker keeps none, and is returned as it is."""
        change = partial(changes.set_tags, key=key, tags=tags, guard=guard, version_id=version_id)
        tagged: Version | None = await self._committer.run(change)
        return tagged

    async def set_acl(
        self, key: str, acl: str, guard: Guard | None = None, version_id: str | None = None
    ) -> Version | None:
        """Another ACL; as `set_tags`."""
        change = partial(changes.set_acl, key=key, acl=acl, guard=guard, version_id=version_id)
        changed: Version | None = await self._committer.run(change)
        return changed

    async def set_lock(
        self, key: str, relock: Relock, guard: Guard | None = None, version_id: str | None = None
    ) -> Version | None:
        """Another lock, made of the one that there is; as `set_tags`."""
        change = partial(changes.set_lock, key=key, relock=relock, guard=guard, version_id=version_id)
        changed: Version | None = await self._committer.run(change)
        return changed

    def walk_versions(self, prefix: str, place: Place, limit: int) -> list[Version]:
        """The next versions of a walk over all with a prefix; see disk/expiring.py."""
        with self._index.errors():
            return expiring.walk(self._reader.connection, prefix, place, limit)

    async def expire(self, over: Sequence[Over], marker: Marker | None) -> list[Version | None]:
        """Remove or hide what is over, in one transaction; what changed since it was seen, or is locked, is left."""
        done: list[Version | None] = await self._committer.run(partial(expiring.expire, over=over, marker=marker))
        return done

    # Uploads

    async def create_upload(self, upload: Upload) -> None:
        """Begin a multipart upload; its id must be new."""
        self._space.ask(_ROW_BYTES)
        await self._committer.run(partial(multipart.create, upload=upload))

    async def put_part(self, upload_id: str, part: Part, written: Written) -> Part:
        """Finished bytes as a part, in place of an earlier one. UploadMissing. If it raises, they are discarded."""
        change = partial(multipart.put_part, upload_id=upload_id, part=part, written=written)
        made: Part = await self._use(written, change)
        return made

    async def copy_part(
        self,
        upload_id: str,
        part: Part,
        source_bucket: Bucket,
        source: Version,
        start: int,
        source_guard: Guard | None = None,
    ) -> Part:
        """`part.size` bytes of `source` from byte `start` on, as a part. UploadMissing, Superseded."""
        self._space.ask(_ROW_BYTES)
        if source_bucket is self:
            change = partial(
                multipart.copy_part,
                upload_id=upload_id,
                part=part,
                source=source,
                start=start,
                source_guard=source_guard,
            )
            made: Part = await self._committer.run(change)
            return made
        upload = self.upload(upload_id)
        key = upload.key if upload else ""
        header = RecordHeader("part", key, part.modified_ms, "", upload_id, part.part_number)
        written = await self._take(source_bucket, source, start, part.size, header, source_guard)
        return await self.put_part(upload_id, part, written)

    async def complete_upload(
        self, upload_id: str, parts: Sequence[tuple[int, str]], new: NewObject, guard: Guard | None = None
    ) -> Version:
        """The object made of these parts (number, etag), in this order. UploadMissing: also if it was completed before;
        then the current version may name it as its `upload_id`. PartMissing."""
        change = partial(multipart.complete, upload_id=upload_id, parts=parts, new=new, guard=guard)
        made: Version = await self._committer.run(change)
        return made

    async def abort_upload(self, upload_id: str) -> Upload:
        """Forget an upload and its parts. UploadMissing."""
        aborted: Upload = await self._committer.run(partial(multipart.abort, upload_id=upload_id))
        return aborted

    # The whole

    def totals(self) -> Totals:
        """The exact counters of now."""
        with self._index.errors():
            return read_totals(self._reader.connection, self._clock_ms())

    async def close_for_removal(self) -> None:
        """Let nothing be written any more, by any process: the first step of removing a bucket. BucketNotEmpty;
        BucketMissing, also when it was closed before."""
        await self._committer.run(changes.close_bucket)

    async def transact(self, change: Callable[[Transaction], Any]) -> Any:
        """Run a change of the disk's own (removal, garbage) with the others."""
        return await self._committer.run(change)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued and no long read is under way."""
        return self._committer.is_idle and self._pins.is_idle

    def rest(self) -> None:
        """Close what is open; all opens again when asked for. For buckets that have not been asked for long."""
        self._writers.retire()
        self._known.forget()
        self._reader.close()
        self._pins.close()
        self._committer.close()

    async def _take(
        self,
        source_bucket: Bucket,
        source: Version,
        start: int,
        size: int,
        header: RecordHeader,
        source_guard: Guard | None,
    ) -> Written:
        if source_guard is not None:
            source_guard(source_bucket.get_version(source.key, source.version_id))
        return await self._copier.take(source_bucket._copier, source, start, size, header)

    async def _use(self, written: Written, change: Callable[[Transaction], Any]) -> Any:
        """Run a change that refers to finished bytes; they are kept or given back as it turns out."""
        settle, written.settle = written.settle, None
        return await self._committer.run(change, settle)

    def _note_waste(self, segment: str, record: int, record_size: int) -> None:
        """Remember, when there is time, that a run of a segment was reserved in vain."""

        def free(transaction: Transaction) -> None:
            transaction.free(segment, record, record_size, 0, 0, 0)

        asyncio.ensure_future(self._committer.run(free)).add_done_callback(_ignore_disk_errors)


def _ignore_disk_errors(task: asyncio.Future[None]) -> None:
    """What could not be noted costs space until its segment is rewritten; nothing else."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, DiskError):
        raise error
