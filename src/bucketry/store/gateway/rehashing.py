"""MD5 and checksums of bytes that are stored already, read once more for a copy that needs them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.types import Data, Version
from bucketry.store.s3 import checksums
from bucketry.store.s3.checksums import Algorithm


@dataclass(frozen=True, slots=True)
class Digests:
    """`checksum` is base64, "" where no algorithm was asked for."""

    md5_hex: str
    checksum: str


async def digests_of(
    bucket: Bucket,
    version: Version,
    start: int,
    size: int,
    algorithm: Algorithm | None,
    customer_key: bytes | None = None,
) -> Digests:
    """Digests of `size` bytes of a version from byte `start` on, hashed in a thread. Superseded, CorruptData."""
    md5 = checksums.md5()
    hasher = algorithm.hasher() if algorithm else None

    def update(data: Data) -> None:
        md5.update(data)
        if hasher is not None:
            hasher.update(data)

    loop = asyncio.get_running_loop()
    found = await bucket.read(version, start, size, customer_key)
    if isinstance(found, bytes | bytearray | memoryview):
        await loop.run_in_executor(None, update, found)
    else:
        try:
            async for block in found:
                await loop.run_in_executor(None, update, block)
        finally:
            found.close()
    return Digests(md5.digest().hex(), checksums.encode(hasher.digest()) if hasher else "")
