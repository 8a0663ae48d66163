"""Encrypted bytes on the disk: they come back as they were, in ranges too, and as nothing else whatever is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import CorruptData, KeyMissing, WrongSize
from bucketry.store.disk.sealed_writing import SealedWriter
from bucketry.store.disk.sealing import CUSTOMER_KEY, STORE_KEY, Keyring, Protection
from bucketry.store.disk.segments import BLOCK_BYTES, RecordFooter, RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.stored import Written
from bucketry.store.disk.types import NewObject, Part, Upload, Version
from bucketry.store.disk.writing import Writer

NAME, ID = "bucket", "0123456789abcdef"
MASTER, CUSTOMER = b"m" * 32, b"c" * 32
SIZES = [1, 15, 16, 17, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 77, 5 << 20]


def open_disk(root: Path, master: bytes | None = MASTER) -> Disk:
    return Disk(root, clock_ms=lambda: 1_000, envelope=None if master is None else Envelope([master]))


async def put(bucket: Bucket, key: str, content: bytes, customer_key: bytes | None = None) -> Version:
    protection = Protection(customer_key)
    writer = await bucket.writer(RecordHeader("object", key, 1_000), len(content), protection)
    for at in range(0, len(content), 100_000):
        await writer.write(content[at : at + 100_000])
    written = await writer.finish(RecordFooter("e"))
    encryption = STORE_KEY if customer_key is None else CUSTOMER_KEY
    return await bucket.put(NewObject(key, "e", "owner", 1_000, {}, {}, encryption=encryption), written)


async def write_all(writer: Writer | SealedWriter, content: bytes) -> Written:
    await writer.write(content)
    return await writer.finish(RecordFooter("e"))


async def read(
    bucket: Bucket, version: Version, start: int = 0, size: int | None = None, key: bytes | None = None
) -> bytes:
    found = await bucket.read(version, start, size, key)
    if isinstance(found, bytes | bytearray | memoryview):
        return bytes(found)
    return b"".join([bytes(block) async for block in found])


def stored_bytes(root: Path) -> bytes:
    """All that lies on the disk."""
    return b"".join(file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file())


@pytest.mark.parametrize("customer_key", [None, CUSTOMER])
@pytest.mark.parametrize("size", SIZES)
async def test_they_come_back_in_every_range(tmp_path: Path, size: int, customer_key: bytes | None) -> None:
    disk = open_disk(tmp_path)
    await disk.create_bucket(NAME, ID)
    bucket = disk.bucket(NAME, ID)
    content = os.urandom(size)
    version = await put(bucket, "k", content, customer_key)
    assert await read(bucket, version, key=customer_key) == content
    edges = {0, 1, size // 2, size - 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1}
    for start in sorted(edge for edge in edges if edge < size):
        for length in {0, 1, size - start, min(size - start, BLOCK_BYTES + 2)}:
            assert await read(bucket, version, start, length, customer_key) == content[start : start + length]
    assert await disk.check(deep=True) == []
    await disk.close()


@pytest.mark.parametrize("size", [40, 20_000, BLOCK_BYTES + 40])
@pytest.mark.parametrize("customer_key", [None, CUSTOMER])
async def test_what_lies_on_the_disk_is_ciphertext(tmp_path: Path, size: int, customer_key: bytes | None) -> None:
    disk = open_disk(tmp_path)
    await disk.create_bucket(NAME, ID)
    content = (b"the quick brown fox jumps over it. " * (size // 35 + 1))[:size]
    version = await put(disk.bucket(NAME, ID), "k", content, customer_key)
    assert version.size == size
    await disk.close()
    found = stored_bytes(tmp_path)
    assert b"quick brown" not in found
    for secret in (MASTER, CUSTOMER):
        assert secret not in found
        assert secret.hex().encode() not in found


async def test_equal_bytes_are_never_stored_alike(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    await disk.create_bucket(NAME, ID)
    content = bytes(2 * BLOCK_BYTES)  # both blocks alike, too
    for key in ("a", "b"):
        await put(disk.bucket(NAME, ID), key, content)
    await disk.close()
    index = apsw.Connection(str(tmp_path / "buckets" / f"{NAME}.{ID}" / "index.sqlite"))
    blocks = set()
    for segment, offset in index.execute("SELECT segment, offset FROM extents").fetchall():
        data = (tmp_path / "buckets" / f"{NAME}.{ID}" / "segments" / segment).read_bytes()
        blocks |= {data[offset : offset + BLOCK_BYTES], data[offset + BLOCK_BYTES : offset + 2 * BLOCK_BYTES]}
    index.close(True)
    assert len(blocks) == 4


@pytest.fixture
def index(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(
        str(tmp_path / "buckets" / f"{NAME}.{ID}" / "index.sqlite"), apsw.SQLITE_OPEN_READWRITE
    )
    yield connection
    connection.close(True)


class TestDamage:
    """Each way of changing what is stored, checksums mended so that only the encryption can notice."""

    @pytest.fixture(autouse=True)
    async def stored(self, tmp_path: Path) -> None:
        disk = open_disk(tmp_path)
        await disk.create_bucket(NAME, ID)
        for key in ("a", "b"):
            await put(disk.bucket(NAME, ID), key, key.encode() * (2 * BLOCK_BYTES))
        await disk.close()

    async def refused(self, root: Path, start: int = 0, master: bytes | None = MASTER) -> type[Exception]:
        disk = open_disk(root, master)
        bucket = disk.bucket(NAME, ID)
        version = bucket.get("a")
        assert version is not None
        try:
            with pytest.raises((CorruptData, KeyMissing)) as caught:
                await read(bucket, version, start)
            return caught.type
        finally:
            await disk.close()

    async def test_swapped_blocks(self, tmp_path: Path, index: apsw.Connection) -> None:
        segment, offset, sums = index.execute("SELECT segment, offset, checksums FROM extents ORDER BY id").fetchone()
        path = tmp_path / "buckets" / f"{NAME}.{ID}" / "segments" / segment
        data = bytearray(path.read_bytes())
        first, second = offset, offset + BLOCK_BYTES
        data[first:second], data[second : second + BLOCK_BYTES] = (
            data[second : second + BLOCK_BYTES],
            data[first:second],
        )
        path.write_bytes(data)
        swapped = sums[4:8] + sums[:4] + sums[24:40] + sums[8:24] + sums[40:]
        index.execute("UPDATE extents SET checksums = ? WHERE checksums = ?", (swapped, sums))
        assert await self.refused(tmp_path) is CorruptData

    async def test_bytes_of_another_object(self, tmp_path: Path, index: apsw.Connection) -> None:
        (one, _), (_, other) = index.execute("SELECT id, offset FROM extents ORDER BY id").fetchall()
        crcs = "substr((SELECT checksums FROM extents WHERE offset = ?1), 1, 40) || substr(checksums, 41)"
        index.execute(f"UPDATE extents SET offset = ?1, checksums = CAST({crcs} AS BLOB) WHERE id = ?2", (other, one))
        assert await self.refused(tmp_path) is CorruptData

    async def test_cut_off(self, tmp_path: Path, index: apsw.Connection) -> None:
        (one,) = index.execute("SELECT min(id) FROM extents").fetchone()
        sums = index.execute("SELECT checksums FROM extents WHERE id = ?", (one,)).get
        index.execute(
            "UPDATE extents SET length = ?, checksums = ? WHERE id = ?",
            (BLOCK_BYTES, sums[:4] + sums[8:24] + sums[40:], one),
        )
        index.execute("UPDATE objects SET size = ? WHERE key = 'a'", (BLOCK_BYTES,))
        assert await self.refused(tmp_path) is CorruptData

    async def test_without_its_seal(self, tmp_path: Path, index: apsw.Connection) -> None:
        index.execute("UPDATE extents SET checksums = CAST(substr(checksums, 1, 8) AS BLOB)")
        assert await self.refused(tmp_path) is CorruptData

    async def test_another_tag_of_a_later_block(self, tmp_path: Path, index: apsw.Connection) -> None:
        (one,) = index.execute("SELECT min(id) FROM extents").fetchone()
        sums = bytearray(index.execute("SELECT checksums FROM extents WHERE id = ?", (one,)).get)
        sums[8 + 16] ^= 1
        index.execute("UPDATE extents SET checksums = ? WHERE id = ?", (bytes(sums), one))
        assert await self.refused(tmp_path) is CorruptData

    async def test_another_master_key(self, tmp_path: Path) -> None:
        assert await self.refused(tmp_path, master=b"x" * 32) is CorruptData

    async def test_no_master_key(self, tmp_path: Path) -> None:
        assert await self.refused(tmp_path, master=None) is KeyMissing


async def test_a_customers_key_is_needed_and_no_other_does(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    await disk.create_bucket(NAME, ID)
    bucket = disk.bucket(NAME, ID)
    version = await put(bucket, "k", b"content", CUSTOMER)
    with pytest.raises(KeyMissing):
        await read(bucket, version)
    with pytest.raises(CorruptData):
        await read(bucket, version, key=b"x" * 32)
    await disk.close()


async def test_a_seal_opens_in_its_bucket_alone() -> None:
    key = Keyring(Envelope([MASTER]), "one").make(Protection(), 7)
    sealed = key.encrypt(0, b"content")
    assert (
        Keyring(Envelope([MASTER]), "one").open(key.seal, 7, None).decrypt(0, sealed[:-16], sealed[-16:]) == b"content"
    )
    with pytest.raises(CorruptData):
        Keyring(Envelope([MASTER]), "two").open(key.seal, 7, None)


async def test_parts_and_copies_share_encrypted_bytes(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    await disk.create_bucket(NAME, ID)
    bucket = disk.bucket(NAME, ID)
    content = os.urandom(2 * BLOCK_BYTES + 100)
    source = await put(bucket, "k", content)
    new = NewObject("copy", "e", "owner", 1_000, {}, {}, encryption=STORE_KEY)
    assert await read(bucket, await bucket.copy(bucket, source, new)) == content
    upload = Upload("u", "m", "owner", "", 1_000, {}, {}, "", "", encryption=STORE_KEY)
    await bucket.create_upload(upload)
    await bucket.copy_part("u", Part(1, BLOCK_BYTES, "e", 1_000, {}), bucket, source, 50)
    writer = await bucket.writer(RecordHeader("part", "m", 1_000, "", "u", 2), 3, Protection())
    await writer.write(b"end")
    await bucket.put_part("u", Part(2, 3, "e", 1_000, {}), await writer.finish(RecordFooter("e")))
    made = await bucket.complete_upload("u", [(1, "e"), (2, "e")], replace(new, key="m"))
    expected = content[50 : 50 + BLOCK_BYTES] + b"end"
    assert await read(bucket, made) == expected
    assert await read(bucket, made, BLOCK_BYTES - 10, 12) == expected[BLOCK_BYTES - 10 : BLOCK_BYTES + 2]
    assert await disk.check(deep=True) == []
    await disk.close()


async def test_sizes_are_kept_and_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    await disk.create_bucket(NAME, ID)
    bucket = disk.bucket(NAME, ID)
    for size, content in ((3, b"four"), (5, b"four")):
        writer = await bucket.writer(RecordHeader("object", "k", 1_000), size, Protection())
        with pytest.raises(WrongSize):
            await write_all(writer, content)
        writer.abort()
    assert (await put(bucket, "empty", b"")).size == 0
    await disk.close()
