"""Every kind of change and read that a bucket has, on a small store that has something of everything; and what is seen
of the whole afterwards, so that two states can be compared."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bucketry.store.disk import events
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import BucketMissing
from bucketry.store.disk.expiring import Over
from bucketry.store.disk.files import Files
from bucketry.store.disk.sealing import STORE_KEY, Protection
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import NULL_VERSION, Doomed, Marker, Part, Version
from bucketry.store.s3.expiry import Kind
from bucketry.store.s3.object_lock import Lock
from tests.unit.store.disk.objects import (
    ID,
    NAME,
    OTHER,
    OTHER_ID,
    content,
    etag_of,
    new_object,
    new_upload,
    open_disk,
    put,
    put_part,
    write,
)

SINGLE_BYTES = 60_000  # set for these tests: what gets a segment of its own
INLINE, SHARED, SINGLE = 100, 20_000, 70_000  # sizes of each kind
THIRD, THIRD_ID = "thirds", "00112233445566aa"
EMPTY, EMPTY_ID = "empties", "8877665544332211"
BUCKETS = ((NAME, ID), (OTHER, OTHER_ID), (EMPTY, EMPTY_ID), (THIRD, THIRD_ID))
KNOWN = BUCKETS[:3]
MARKER = Marker("owner", 1_700_000_000_000, is_versioned=True)

Operation = Callable[[Disk], Awaitable[Any]]
State = dict[str, Any]


def noise(size: int, seed: str) -> bytes:
    """Bytes that tell their place and whose they are."""
    line = seed.encode().ljust(12, b".")
    return b"".join(line + b"%08d" % at for at in range(size // 20 + 1))[:size]


async def _put(disk: Disk, key: str, size: int, seed: str, *, is_versioned: bool = False) -> Version:
    return await put(disk.bucket(NAME, ID), key, noise(size, seed), is_versioned=is_versioned)


async def _put_sealed(disk: Disk, key: str, size: int, seed: str) -> Version:
    """Encrypted under the store's key."""
    bucket, data = disk.bucket(NAME, ID), noise(size, seed)
    writer = await bucket.writer(RecordHeader("object", key, 1), size, Protection())
    try:
        await writer.write(data)
        written = await writer.finish(RecordFooter(etag_of(data)))
    finally:
        writer.abort()
    return await bucket.put(replace(new_object(key, data), encryption=STORE_KEY), written)


async def fill(root: Path, unclean: Path) -> None:
    """Make the store: objects of each kind, versions, uploads, and garbage; and `unclean`, the same after a crash."""
    disk = open_disk(root)
    for name in KNOWN:
        await disk.create_bucket(*name)
    bucket, other = disk.bucket(NAME, ID), disk.bucket(OTHER, OTHER_ID)
    for size, kind in ((INLINE, "inline"), (SHARED, "shared"), (SINGLE, "single"), (0, "empty")):
        await _put(disk, kind, size, kind)
        await put(other, kind, noise(size, "other"))
    await _put_sealed(disk, "sealed", SHARED, "sealed")
    await put(_telling(bucket), "told", b"told")
    for key in ("locked", "old", "old too"):
        await _put(disk, key, SINGLE if key == "old" else SHARED, key)
    for number in range(3):
        await _put(disk, "versions", SHARED, f"v{number}", is_versioned=True)
        await _put(disk, "old versions", SHARED, f"v{number}", is_versioned=True)
    await _put(disk, "hidden", INLINE, "hidden", is_versioned=True)
    await bucket.delete("hidden", marker=MARKER)
    for upload_id in ("upload", "spare"):
        await bucket.create_upload(new_upload(upload_id, "made"))
        for part, size in ((1, SHARED), (2, SINGLE), (3, INLINE)):
            await put_part(bucket, upload_id, part, noise(size, f"{upload_id}{part}"))
    for number in range(12):
        await _put(disk, f"gone/{number}", SHARED * 2, "gone")
    await _put(disk, "gone/single", SINGLE, "gone")
    await bucket.delete_many([Doomed(f"gone/{number}") for number in range(12)])
    await bucket.delete("gone/single")
    for size in (SHARED, SINGLE):  # written and never put, as a crash leaves it
        await write(bucket, RecordHeader("object", "lost", 1), noise(size, "lost"))
    shutil.copytree(root, unclean, ignore=shutil.ignore_patterns("*-shm"))
    await disk.close()


def _version(bucket: Bucket, key: str, which: int = 0) -> Version:
    named = [entry for entry in bucket.list_versions(prefix=key).entries if entry.key == key]
    found = bucket.get_version(key, named[which].version_id)
    assert found is not None
    return found


def putting(key: str, size: int, *, is_versioned: bool = False) -> Operation:
    return lambda disk: _put(disk, key, size, "new", is_versioned=is_versioned)


def putting_sealed(key: str, size: int) -> Operation:
    return lambda disk: _put_sealed(disk, key, size, "new")


def _telling(bucket: Bucket) -> Bucket:
    """The bucket, with an event of each change."""
    return bucket.announcing(lambda _: [lambda _number, _moment: "an event"])


async def put_and_tell(disk: Disk) -> None:
    await put(_telling(disk.bucket(NAME, ID)), "new", noise(SHARED, "new"))


async def forget_events(disk: Disk) -> None:
    bucket = disk.bucket(NAME, ID)
    await bucket.transact(partial(events.forget, numbers=[event.number for event in bucket.pending_events(10)]))


def expiring(key: str, kind: Kind, which: int = 0, marker: Marker | None = None) -> Operation:
    async def run(disk: Disk) -> None:
        bucket = disk.bucket(NAME, ID)
        await bucket.expire([Over(_version(bucket, key, which), kind)], marker)

    return run


def deleting(key: str) -> Operation:
    return lambda disk: disk.bucket(NAME, ID).delete(key)


def part(number: int, size: int) -> Operation:
    return lambda disk: put_part(disk.bucket(NAME, ID), "upload", number, noise(size, "new part"))


def copying(source: str, target: tuple[str, str] = (NAME, ID)) -> Operation:
    async def run(disk: Disk) -> None:
        bucket = disk.bucket(NAME, ID)
        version = _version(bucket, source)
        new = replace(new_object("copy", await content(bucket, version)), encryption=version.encryption)
        await disk.bucket(*target).copy(bucket, version, new)

    return run


def copying_part(key: str, source: tuple[str, str], start: int, size: int) -> Operation:
    async def run(disk: Disk) -> None:
        version = _version(disk.bucket(*source), key)
        piece = Part(4, size, etag_of(b"part"), 1, {})
        await disk.bucket(NAME, ID).copy_part("upload", piece, disk.bucket(*source), version, start)

    return run


def deleting_version(key: str, which: int) -> Operation:
    async def run(disk: Disk) -> None:
        bucket = disk.bucket(NAME, ID)
        await bucket.delete_version(key, _version(bucket, key, which).version_id)

    return run


async def delete_many_versions(disk: Disk) -> None:
    bucket = disk.bucket(NAME, ID)
    named = [_version(bucket, "versions", which).version_id for which in (0, 2)]
    await bucket.delete_many([Doomed("versions", name) for name in named])


async def complete(disk: Disk) -> None:
    parts = [noise(size, f"upload{number}") for number, size in ((1, SHARED), (2, SINGLE))]
    named = [(number, etag_of(data)) for number, data in enumerate(parts, 1)]
    await disk.bucket(NAME, ID).complete_upload("upload", named, new_object("made", b"".join(parts)))


async def at_once(disk: Disk) -> None:
    """What several clients change at the same time, as one change: all that is put is put under new keys."""
    sizes = (INLINE, SHARED, SINGLE, SHARED, INLINE)
    done = await asyncio.gather(
        *(_put(disk, f"together/{number}", size, "together") for number, size in enumerate(sizes)),
        return_exceptions=True,
    )
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome


def removing(name: str, bucket_id: str) -> Operation:
    """As the gateway does it, also after an attempt that came half the way."""

    async def run(disk: Disk) -> None:
        with contextlib.suppress(BucketMissing):
            await disk.bucket(name, bucket_id).close_for_removal()
        await disk.remove_bucket(name, bucket_id)

    return run


async def empty_bucket(disk: Disk) -> None:
    bucket = disk.bucket(OTHER, OTHER_ID)
    await bucket.delete_many([Doomed(entry.key) for entry in bucket.list_objects().entries])


async def read_all(disk: Disk) -> None:
    for version in versions_of(disk.bucket(NAME, ID)):
        await content(disk.bucket(NAME, ID), version)


async def rest(disk: Disk) -> None:
    for name in KNOWN:
        with contextlib.suppress(BucketMissing):
            disk.bucket(*name).rest()


CHANGES: dict[str, Operation] = {
    "put inline": putting("new", INLINE),
    "put shared": putting("new", SHARED),
    "put single": putting("new", SINGLE),
    "put nothing": putting("new", 0),
    "overwrite inline by shared": putting("inline", SHARED + 1),
    "overwrite shared by single": putting("shared", SINGLE + 1),
    "overwrite single by inline": putting("single", INLINE + 1),
    "put version": putting("versions", SHARED, is_versioned=True),
    "put over versions": putting("versions", SHARED),
    "delete inline": deleting("inline"),
    "delete shared": deleting("shared"),
    "delete single": deleting("single"),
    "hide": lambda disk: disk.bucket(NAME, ID).delete("shared", marker=MARKER),
    "delete the latest version": deleting_version("versions", 0),
    "delete an older version": deleting_version("versions", 1),
    "delete the marker": deleting_version("hidden", 0),
    "delete many": lambda disk: disk.bucket(NAME, ID).delete_many([Doomed(k) for k in ("inline", "shared", "single")]),
    "delete many versions": delete_many_versions,
    "copy inline": copying("inline"),
    "copy shared": copying("shared"),
    "copy to another bucket by link": copying("single", (OTHER, OTHER_ID)),
    "copy to another bucket by bytes": copying("shared", (OTHER, OTHER_ID)),
    "tag": lambda disk: disk.bucket(NAME, ID).set_tags("shared", {"a": "b"}),
    "set acl": lambda disk: disk.bucket(NAME, ID).set_acl("shared", "document"),
    "lock": lambda disk: disk.bucket(NAME, ID).set_lock("locked", lambda *_: Lock("GOVERNANCE", 1, "ON")),
    "put encrypted inline": putting_sealed("new", INLINE),
    "put encrypted shared": putting_sealed("new", SHARED),
    "put encrypted single": putting_sealed("new", SINGLE),
    "copy encrypted": copying("sealed"),
    "put and tell": put_and_tell,
    "forget what was told": forget_events,
    "expire": expiring("old", Kind.CURRENT),
    "expire into hiding": expiring("old too", Kind.CURRENT, marker=MARKER),
    "expire an older version": expiring("old versions", Kind.NONCURRENT, 1),
    "create upload": lambda disk: disk.bucket(NAME, ID).create_upload(new_upload("another", "made")),
    "put part inline": part(4, INLINE),
    "put part shared": part(4, SHARED),
    "replace part": part(3, SINGLE),
    "copy part": copying_part("single", (NAME, ID), 100, SHARED),
    "copy part by link": copying_part("single", (OTHER, OTHER_ID), 100, SINGLE - 200),
    "complete upload": complete,
    "abort upload": lambda disk: disk.bucket(NAME, ID).abort_upload("spare"),
    "create bucket": lambda disk: disk.create_bucket(THIRD, THIRD_ID),
    "remove bucket": removing(EMPTY, EMPTY_ID),
}
# What must change nothing that anybody sees.
UPKEEP: dict[str, Operation] = {
    "garbage": lambda disk: disk.collect_garbage(),
    "recovery": lambda disk: disk.recover(BUCKETS),
    "read": read_all,
}


def versions_of(bucket: Bucket) -> list[Version]:
    found = [bucket.get_version(entry.key, entry.version_id) for entry in bucket.list_versions().entries]
    return [version for version in found if version is not None]


async def observe(disk: Disk, *, only: Iterable[tuple[str, str]] = BUCKETS) -> State:
    """All that clients can see of the store: of each bucket the versions with their bytes, and the uploads."""
    state: State = {}
    for name in only:
        try:
            bucket = disk.bucket(*name)
            state[name[0]] = await _observe(bucket)
        except BucketMissing:
            state[name[0]] = None
    return state


async def _observe(bucket: Bucket) -> State:
    versions = []
    for entry in bucket.list_versions().entries:
        version = bucket.get_version(entry.key, entry.version_id)
        assert version is not None
        data = b"" if entry.is_delete_marker else await content(bucket, version)
        versions.append(
            (
                entry.key,
                entry.version_id == NULL_VERSION,
                entry.is_latest,
                entry.is_delete_marker,
                hashlib.md5(data).hexdigest(),
                version.etag,
                dict(version.tags),
                version.acl,
                version.lock,
                version.encryption,
                [(part.part_number, part.size, part.etag) for part in bucket.object_parts(version)],
            )
        )
    uploads = [
        (upload.upload_id, [(part.part_number, part.size, part.etag) for part in bucket.parts(upload.upload_id)])
        for upload in bucket.list_uploads().entries
    ]
    totals = bucket.totals()
    assert (totals.versions, totals.uploads) == (len(versions), len(uploads))
    told = [event.text for event in bucket.pending_events(10)]
    return {"versions": versions, "uploads": uploads, "told": told, "bytes": (totals.bytes, totals.upload_bytes)}


async def expect_sound(disk: Disk, root: Path) -> None:
    """Once the garbage run was there, all that lies on the disk is referred to, and whole."""
    await disk.collect_garbage()
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    folders = {f"{name}.{number}" for name, number in BUCKETS}
    assert {path.name for path in (root / "buckets").iterdir()} <= folders


async def expect_tidy(root: Path, known: Iterable[tuple[str, str]]) -> None:
    """Nobody has anything open any more: recovery and the garbage run leave nothing that is not referred to."""
    disk = open_disk(root)
    await disk.recover(known)
    await expect_sound(disk, root)
    await disk.close()


def open_with(root: Path, files: Files, vfs: str) -> Disk:
    return open_disk(root, files=files, vfs=vfs)
