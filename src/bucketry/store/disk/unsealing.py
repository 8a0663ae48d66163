"""Encrypted bytes on their way from the disk: whole blocks are read, checked and decrypted, then cut to what is asked.

The first block is decrypted before anything is answered; a block that is not what was encrypted ends the reading with
CorruptData, and nothing of it leaves.
"""

from __future__ import annotations

from bucketry.store.disk.reading import Reader, Reading, Run
from bucketry.store.disk.sealing import DataKey, Keyring, seal_of, tag_of
from bucketry.store.disk.segments import BLOCK_BYTES
from bucketry.store.disk.types import Data, Version


async def read_sealed(
    reader: Reader, keyring: Keyring, version: Version, start: int, size: int, customer_key: bytes | None
) -> Data | SealedReading:
    """As Reader.read, of an encrypted version. KeyMissing beside its errors."""
    if size == 0:
        return b""
    wanted: list[Run] = []
    reading = SealedReading(await reader.begin(version, start, size, wanted), wanted, keyring, customer_key)
    try:
        await reading.prefetch()
        if size > BLOCK_BYTES:
            return reading
        return b"".join([data async for data in reading])
    except BaseException:
        reading.close()
        raise


class SealedReading:
    """An asynchronous iterator over decrypted bytes. Close it when you stop early."""

    def __init__(self, reading: Reading, wanted: list[Run], keyring: Keyring, customer_key: bytes | None) -> None:
        """`wanted` are the runs as they are asked for; `reading` reads their whole blocks, one at a time."""
        self._reading = reading
        self._wanted = wanted
        self._keyring = keyring
        self._customer_key = customer_key
        self._at = 0
        self._block = 0  # of the run at `_at`: what comes next
        self._key: DataKey | None = None
        self._next: Data | None = None

    async def prefetch(self) -> None:
        """Decrypt the first block now."""
        self._next = await anext(self)

    def __aiter__(self) -> SealedReading:
        return self

    async def __anext__(self) -> Data:
        if self._next is not None:
            data, self._next = self._next, None
            return data
        return self._decrypt(await anext(self._reading))

    def _decrypt(self, data: Data) -> Data:
        run = self._wanted[self._at]
        if self._key is None:
            self._key = self._keyring.open(seal_of(run.checksums, run.length), run.length, self._customer_key)
            self._block = run.start // BLOCK_BYTES
        number, begin = self._block, self._block * BLOCK_BYTES
        plain = self._key.decrypt(number, data, tag_of(run.checksums, run.length, number))
        self._block += 1
        if begin + len(plain) >= run.start + run.size:
            self._at += 1
            self._key = None
        first, last = max(0, run.start - begin), min(len(plain), run.start + run.size - begin)
        return plain if last - first == len(plain) else memoryview(plain)[first:last]

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        self._reading.close()


AnyReading = Data | Reading | SealedReading
