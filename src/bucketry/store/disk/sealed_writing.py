"""A writer that encrypts what goes through it, block by block, before another one writes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec

from bucketry.store.disk.errors import WrongSize
from bucketry.store.disk.sealing import TAG_BYTES, DataKey, Keyring, Protection, with_seal
from bucketry.store.disk.segments import BLOCK_BYTES, RecordFooter, RecordHeader
from bucketry.store.disk.stored import ExtentBytes, Written
from bucketry.store.disk.types import Data
from bucketry.store.disk.writing import ExtentWriter, SegmentWriters, Writer

_THREAD_FROM_BYTES = 64 << 10


class SealedWriter:
    """As ExtentWriter; at most a block is in memory beside what that holds."""

    def __init__(self, inner: ExtentWriter, key: DataKey) -> None:
        self._inner = inner
        self._key = key
        self._pending = bytearray()
        self._received = 0
        self._tags: list[bytes] = []

    async def write(self, data: Data) -> None:
        """Take more bytes. WrongSize, WriteFailed, DiskFull."""
        self._received += len(data)
        if self._received > self._key.length:
            raise WrongSize(f"more than the {self._key.length} bytes announced")
        self._pending += data
        while len(self._pending) >= BLOCK_BYTES:
            block = bytes(memoryview(self._pending)[:BLOCK_BYTES])
            del self._pending[:BLOCK_BYTES]
            await self._write_block(block)

    async def _write_block(self, block: bytes) -> None:
        number = len(self._tags)
        if len(block) < _THREAD_FROM_BYTES:
            sealed = self._key.encrypt(number, block)
        else:
            sealed = await asyncio.to_thread(self._key.encrypt, number, block)
        self._tags.append(sealed[-TAG_BYTES:])
        await self._inner.write(sealed[:-TAG_BYTES])

    async def finish(self, footer: RecordFooter) -> Written:
        """All bytes came: returns when they are synced. WrongSize, WriteFailed, DiskFull."""
        if self._pending:
            await self._write_block(bytes(self._pending))
            self._pending.clear()
        written = await self._inner.finish(footer)
        (extent,) = written.pieces
        assert isinstance(extent, ExtentBytes), "encrypted bytes are written to segments"
        sealed = replace(extent, checksums=with_seal(extent.checksums, self._tags, self._key.seal))
        return Written(written.size, (sealed,), written.settle)

    def abort(self) -> None:
        """Give up. Any number of times; nothing after `finish`."""
        self._pending.clear()
        self._inner.abort()


AnyWriter = Writer | SealedWriter


async def begin_sealed(
    writers: SegmentWriters, keyring: Keyring, header: RecordHeader, size: int, protection: Protection
) -> SealedWriter:
    """A writer for `size` bytes, never none, to be encrypted. KeyMissing, DiskFull, WriteFailed."""
    key = keyring.make(protection, size)
    header = msgspec.structs.replace(header, seal=key.seal.hex())
    return SealedWriter(await writers.begin_extent(header, size), key)
