"""Bytes whose number nobody knows before the last of them: written in pieces of a settled size, one object in the end.

A posted form says how long it is, not how long its file is. Each piece is a record of its own, filled in memory and
then handed to a writer that knows its size; so no more than a piece is in memory, and what is given up is free again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from bucketry.store.disk.sealed_writing import AnyWriter
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.stored import Bytes, Settle, Written
from bucketry.store.disk.types import Data

PIECE_BYTES = 1 << 20
_NOT_THE_LAST = RecordFooter("")

Begin = Callable[[RecordHeader, int], Awaitable[AnyWriter]]


class PiecewiseWriter:
    """As the other writers, but for the size. `abort` in any case: after `finish` it does nothing."""

    def __init__(self, begin: Begin, header: RecordHeader, piece_bytes: int = PIECE_BYTES) -> None:
        self._begin = begin
        self._header = header
        self._piece_bytes = piece_bytes
        self._pending = bytearray()
        self._pieces: list[Bytes] = []
        self._settles: list[Settle] = []
        self._size = 0
        self._is_over = False

    @property
    def size(self) -> int:
        """How many bytes came so far."""
        return self._size

    async def write(self, data: Data) -> None:
        """Take more bytes; waits while the disk is behind. WriteFailed, DiskFull."""
        self._size += len(data)
        self._pending += data
        while len(self._pending) > self._piece_bytes:
            await self._write_piece(bytes(self._pending[: self._piece_bytes]))
            del self._pending[: self._piece_bytes]

    async def _write_piece(self, data: bytes, footer: RecordFooter = _NOT_THE_LAST) -> None:
        header = msgspec.structs.replace(self._header, part_number=len(self._pieces) + 1)
        writer = await self._begin(header, len(data))
        try:
            await writer.write(data)
            written = await writer.finish(footer)
        except BaseException:
            writer.abort()
            raise
        self._pieces.extend(written.pieces)
        if written.settle is not None:
            self._settles.append(written.settle)

    async def finish(self, footer: RecordFooter) -> Written:
        """All bytes came: returns when they are synced. WriteFailed, DiskFull."""
        if self._pending:
            await self._write_piece(bytes(self._pending), footer)
            self._pending.clear()
        self._is_over = True
        return Written(self._size, tuple(self._pieces), self._settle)

    def abort(self) -> None:
        """Give up what was written. Any number of times; nothing after `finish`."""
        if not self._is_over:
            self._is_over = True
            self._pending.clear()
            self._settle(False)

    def _settle(self, is_kept: bool | None) -> None:
        settles, self._settles = self._settles, []
        for settle in settles:
            settle(is_kept)
