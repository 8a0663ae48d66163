"""What the tests of the disk do again and again: put, read, upload, and a clock that stands still until moved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.files import Files
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.stored import Written
from bucketry.store.disk.types import Guard, NewObject, Part, Upload, Version

NAME, ID = "photos", "0123456789abcdef"
OTHER, OTHER_ID = "others", "fedcba9876543210"


class Clock:
    """Epoch milliseconds that move only when told."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def open_disk(root: Path, *, files: Files | None = None, vfs: str | None = None, clock: Clock | None = None) -> Disk:
    return Disk(root, clock_ms=clock or Clock(), files=files, vfs=vfs, envelope=Envelope([bytes(32)]))


async def make_bucket(disk: Disk, name: str = NAME, bucket_id: str = ID) -> Bucket:
    await disk.create_bucket(name, bucket_id)
    return disk.bucket(name, bucket_id)


def etag_of(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def new_object(
    key: str, data: bytes, headers: Mapping[str, str] | None = None, *, is_versioned: bool = False
) -> NewObject:
    headers = headers or {"content-type": "text/plain"}
    return NewObject(key, etag_of(data), "owner", 1_700_000_000_000, headers, {}, is_versioned=is_versioned)


async def write(bucket: Bucket, header: RecordHeader, data: bytes, chunk: int = 100_000) -> Written:
    writer = await bucket.writer(header, len(data))
    try:
        for at in range(0, len(data), chunk):
            await writer.write(data[at : at + chunk])
        return await writer.finish(RecordFooter(etag_of(data)))
    finally:
        writer.abort()


async def put(
    bucket: Bucket, key: str, data: bytes, guard: Guard | None = None, *, is_versioned: bool = False
) -> Version:
    written = await write(bucket, RecordHeader("object", key, 1), data)
    return await bucket.put(new_object(key, data, is_versioned=is_versioned), written, guard)


async def content(bucket: Bucket, version: Version, start: int = 0, length: int | None = None) -> bytes:
    found = await bucket.read(version, start, length)
    if isinstance(found, (bytes, bytearray, memoryview)):
        return bytes(found)
    return b"".join([bytes(block) async for block in found])


async def read(bucket: Bucket, key: str, start: int = 0, length: int | None = None) -> bytes:
    version = bucket.get(key)
    assert version is not None
    return await content(bucket, version, start, length)


def new_upload(upload_id: str, key: str) -> Upload:
    return Upload(
        upload_id, key, "owner", "arn:aws:iam::1:user/a", 1_700_000_000_000, {"x-amz-meta-a": "b"}, {}, "", ""
    )


async def put_part(bucket: Bucket, upload_id: str, number: int, data: bytes) -> Part:
    written = await write(bucket, RecordHeader("part", "k", 1, upload_id=upload_id, part_number=number), data)
    return await bucket.put_part(upload_id, Part(number, len(data), etag_of(data), 1, {}), written)


async def multipart(bucket: Bucket, key: str, parts: list[bytes], upload_id: str = "upload") -> Version:
    await bucket.create_upload(new_upload(upload_id, key))
    for number, data in enumerate(parts, 1):
        await put_part(bucket, upload_id, number, data)
    named = [(number, etag_of(data)) for number, data in enumerate(parts, 1)]
    return await bucket.complete_upload(upload_id, named, new_object(key, b"".join(parts)))


def segment_bytes(bucket: Bucket) -> int:
    """What the bucket's segments take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in (bucket.folder / "segments").iterdir())
