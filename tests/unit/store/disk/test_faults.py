"""When the system refuses: what fails says so, leaves nothing behind, and the rest goes on."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from bucketry.store.disk.errors import CorruptData, DiskError, DiskFull, IndexDamaged, ReadFailed, WriteFailed
from bucketry.store.disk.files import Files
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.types import Data
from tests.unit.store.disk.objects import (
    ID,
    NAME,
    OTHER,
    OTHER_ID,
    content,
    etag_of,
    make_bucket,
    multipart,
    new_object,
    open_disk,
    put,
    read,
    segment_bytes,
    write,
)

MIB = 1 << 20


class Refusing(Files):
    """Fails the calls that `fails` names, with the error number given, until told otherwise."""

    def __init__(self) -> None:
        self.fails: dict[str, int] = {}
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise OSError(self.fails[name], os.strerror(self.fails[name]))

    def create(self, path: Path) -> int:
        self._call("create")
        return super().create(path)

    def pwrite(self, descriptor: int, buffers: Sequence[Data], offset: int) -> None:
        self._call("pwrite")
        super().pwrite(descriptor, buffers, offset)

    def fdatasync(self, descriptor: int) -> None:
        self._call("fdatasync")
        super().fdatasync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder")
        super().sync_folder(path)

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename")
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._call("link")
        super().link(source, target)

    def mkdir(self, path: Path) -> None:
        self._call("mkdir")
        super().mkdir(path)

    def pread_cached(self, descriptor: int, size: int, offset: int) -> bytearray | None:
        return None

    def pread(self, descriptor: int, size: int, offset: int) -> bytearray:
        self._call("pread")
        return super().pread(descriptor, size, offset)


@pytest.mark.parametrize("call", ["create", "pwrite", "fdatasync", "sync_folder"])
@pytest.mark.parametrize("size", [100_000, 3 * MIB, 6 * MIB])
@pytest.mark.parametrize(("number", "raised"), [(errno.ENOSPC, DiskFull), (errno.EIO, WriteFailed)])
async def test_failed_write_leaves_nothing_and_the_next_succeeds(
    tmp_path: Path, call: str, size: int, number: int, raised: type[DiskError]
) -> None:
    files = Refusing()
    disk = open_disk(tmp_path, files=files)
    bucket = await make_bucket(disk)
    old = os.urandom(200_000)
    if call in ("pwrite", "fdatasync"):
        await put(bucket, "key", old)  # the segment that fails holds something already
    files.fails[call] = number
    for _ in range(2):
        with pytest.raises(raised):
            await put(bucket, "key", bytes(size))
    files.fails.clear()
    if call in ("pwrite", "fdatasync"):
        assert await read(bucket, "key") == old
    else:
        assert bucket.get("key") is None
    data = os.urandom(size)
    await put(bucket, "key", data)
    assert await read(bucket, "key") == data
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    assert segment_bytes(bucket) < size + 100_000
    await disk.close()


async def test_no_write_shares_a_sync_that_failed(tmp_path: Path) -> None:
    files = Refusing()
    disk = open_disk(tmp_path, files=files)
    bucket = await make_bucket(disk)
    await put(bucket, "first", bytes(50_000))
    (broken,) = (path.name for path in (bucket.folder / "segments").iterdir())
    files.fails["fdatasync"] = errno.EIO
    outcomes = await asyncio.gather(*(put(bucket, f"{n}", bytes(50_000)) for n in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {WriteFailed}
    files.fails.clear()
    await put(bucket, "later", bytes(50_000))
    assert len({path.name for path in (bucket.folder / "segments").iterdir()} - {broken}) == 1
    assert [entry.key for entry in bucket.list_objects().entries] == ["first", "later"]
    await disk.close()


async def test_reads_and_deletes_go_on_while_the_disk_is_full(tmp_path: Path) -> None:
    files = Refusing()
    disk = open_disk(tmp_path, files=files)
    bucket = await make_bucket(disk)
    await put(bucket, "key", bytes(100_000))
    files.fails.update(pwrite=errno.ENOSPC, create=errno.ENOSPC, mkdir=errno.ENOSPC)
    with pytest.raises(DiskFull):
        await put(bucket, "other", bytes(100_000))
    assert await read(bucket, "key") == bytes(100_000)
    await bucket.delete("key")
    assert (await disk.collect_garbage()).bytes > 100_000
    await disk.close()


@pytest.mark.parametrize("call", ["mkdir", "create", "pwrite", "fdatasync", "sync_folder", "rename"])
async def test_bucket_that_could_not_be_made_is_not_there(tmp_path: Path, call: str) -> None:
    files = Refusing()
    disk = open_disk(tmp_path, files=files)
    files.fails[call] = errno.ENOSPC
    with pytest.raises(DiskFull):
        await disk.create_bucket(OTHER, OTHER_ID)
    files.fails.clear()
    bucket = await make_bucket(disk, OTHER, OTHER_ID)
    await put(bucket, "key", b"data")
    assert [path.name for path in (tmp_path / "buckets").iterdir()] == [f"{OTHER}.{OTHER_ID}"]
    await disk.close()


async def test_link_that_is_refused_becomes_a_copy(tmp_path: Path) -> None:
    files = Refusing()
    disk = open_disk(tmp_path, files=files)
    bucket, other = await make_bucket(disk), await make_bucket(disk, OTHER, OTHER_ID)
    data = os.urandom(5 * MIB)
    source = await put(bucket, "key", data)
    files.fails["link"] = errno.EMLINK
    await other.copy(bucket, source, new_object("copy", data))
    assert await read(other, "copy") == data
    files.fails["link"] = errno.EIO
    with pytest.raises(WriteFailed):
        await other.copy(bucket, source, new_object("copy", data))
    assert await disk.check(deep=True) == []
    await disk.close()


async def test_unreadable_disk_is_said_so(tmp_path: Path) -> None:
    files = Refusing()
    disk = open_disk(tmp_path, files=files)
    bucket = await make_bucket(disk)
    version = await put(bucket, "key", bytes(100_000))
    files.fails["pread"] = errno.EIO
    with pytest.raises(ReadFailed):
        await bucket.read(version)
    await disk.close()


class FaultyIndex(apsw.VFS):
    """SQLite's way to the disk: no file takes a byte while `is_full`, no sync succeeds, or no file opens."""

    def __init__(self, name: str) -> None:
        self.is_full = False
        self.is_unsyncable = False
        self.is_closed = False
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        if self.is_closed:
            raise apsw.CantOpenError("too many open files")
        return _FaultyFile(self, name, flags)


class _FaultyFile(apsw.VFSFile):
    def __init__(self, vfs: FaultyIndex, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._vfs.is_full:
            raise apsw.FullError("no room")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._vfs.is_unsyncable:
            raise apsw.IOError("sync failed")
        super().xSync(flags)


async def test_full_disk_under_the_index_refuses_the_whole_change(tmp_path: Path) -> None:
    vfs = FaultyIndex("full")
    disk = open_disk(tmp_path, vfs="full")
    bucket = await make_bucket(disk)
    await put(bucket, "kept", b"kept")
    vfs.is_full = True
    puts = (put(bucket, f"{n}", bytes(size)) for n, size in enumerate([10, 100_000, 5 * MIB] * 3))
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {DiskFull}
    assert await read(bucket, "kept") == b"kept"
    vfs.is_full = False
    await put(bucket, "later", bytes(100_000))
    assert [entry.key for entry in bucket.list_objects().entries] == ["kept", "later"]
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()
    vfs.unregister()


@pytest.mark.parametrize("size", [10, 50_000, 5 * MIB])
@pytest.mark.parametrize("goes_on", [False, True])
async def test_commit_that_could_not_be_synced_is_whole_or_absent_after_a_crash(
    tmp_path: Path, size: int, goes_on: bool
) -> None:
    """SQLite may have written the commit before the sync failed: its bytes must be there should it come to life."""
    vfs = FaultyIndex("unsyncable")
    disk = open_disk(tmp_path / "before", vfs="unsyncable")
    bucket = await make_bucket(disk)
    old, new = os.urandom(50_000), os.urandom(size)
    await put(bucket, "key", old)
    vfs.is_unsyncable = True
    with pytest.raises(WriteFailed):
        await put(bucket, "key", new)
    assert await read(bucket, "key") in (old, new)
    vfs.is_unsyncable = False
    if goes_on:
        await put(bucket, "other", b"other")
        bucket.rest()
    await disk.collect_garbage()
    shutil.copytree(tmp_path / "before", tmp_path / "after", ignore=shutil.ignore_patterns("*-shm"))  # as a crash does
    after = open_disk(tmp_path / "after")
    await after.recover([(NAME, ID)])
    assert await read(after.bucket(NAME, ID), "key") in (old, new)
    await after.collect_garbage()
    assert await after.check(deep=True) == []
    await after.close()
    if goes_on:
        await disk.collect_garbage()
        assert await disk.check(deep=True) == []
        assert segment_bytes(bucket) < sum(entry.size for entry in bucket.list_objects().entries) + 100_000
    await disk.close()
    vfs.unregister()


async def test_bucket_whose_index_is_gone_is_never_removed(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await put(bucket, "key", bytes(100_000))
    await disk.close()
    (bucket.folder / "index.sqlite").unlink()
    disk = open_disk(tmp_path)
    with pytest.raises(IndexDamaged, match="fsck --rebuild"):
        disk.bucket(NAME, ID)
    with pytest.raises(IndexDamaged):
        await disk.remove_bucket(NAME, ID)
    for known in ([(NAME, ID)], []):
        await disk.recover(known)
    (reason,) = await disk.damaged([(NAME, ID)])
    assert "fsck --rebuild" in reason
    assert [finding.kind for finding in await disk.check()] == ["index"]
    assert segment_bytes(bucket) > 100_000
    await disk.close()


async def test_locks_that_a_copy_left_out_are_made_anew_and_no_reason_to_remove_the_bucket(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await put(bucket, "key", bytes(100_000))
    await disk.close()
    for path in bucket.folder.glob("*.lock"):
        path.unlink()
    disk = open_disk(tmp_path)
    with pytest.raises(WriteFailed):
        await disk.remove_bucket(NAME, ID)
    assert len(await disk.recover([(NAME, ID)])) == 2
    assert await disk.recover([(NAME, ID)]) == []
    await put(disk.bucket(NAME, ID), "key", b"data")
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()


async def test_index_that_does_not_open_just_now_is_not_taken_for_a_removed_bucket(tmp_path: Path) -> None:
    vfs = FaultyIndex("closed")
    disk = open_disk(tmp_path, vfs="closed")
    bucket = await make_bucket(disk)
    await put(bucket, "key", b"data")
    bucket.rest()
    vfs.is_closed = True
    with pytest.raises(ReadFailed):
        bucket.get("key")
    with pytest.raises(ReadFailed):
        await disk.remove_bucket(NAME, ID)
    vfs.is_closed = False
    assert await read(bucket, "key") == b"data"
    await disk.close()
    vfs.unregister()


@pytest.mark.parametrize("size", [30_000, 600_000, 5 * MIB])
async def test_damaged_bytes_are_refused_and_named(tmp_path: Path, size: int) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    version = await put(bucket, "spoilt", os.urandom(size))
    sound = await put(bucket, "sound", os.urandom(size))
    names = sorted((bucket.folder / "segments").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    with names[0].open("r+b") as segment:
        segment.seek(size // 2)
        byte = segment.read(1)
        segment.seek(size // 2)
        segment.write(bytes([byte[0] ^ 1]))
    with pytest.raises(CorruptData):
        await content(bucket, version)
    assert len(await content(bucket, sound)) == size
    assert await disk.check() == []
    assert [(finding.kind, finding.subject) for finding in await disk.check(deep=True)] == [("data", "spoilt")]
    await disk.close()


async def test_damaged_inline_bytes_are_refused_and_named(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    version = await put(bucket, "spoilt", b"data")
    with apsw.Connection(str(bucket.folder / "index.sqlite")) as connection:
        connection.execute("UPDATE inline SET data = x'00112233'")
    with pytest.raises(CorruptData):
        await bucket.read(version)
    assert [(finding.kind, finding.subject) for finding in await disk.check(deep=True)] == [("data", "spoilt")]
    await disk.close()


async def test_missing_segment_is_refused_and_named(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    version = await multipart(bucket, "key", [bytes(5 * MIB), bytes(20_000)])
    bucket.rest()
    for path in (bucket.folder / "segments").iterdir():
        path.unlink()
    with pytest.raises(CorruptData):
        await bucket.read(version)
    assert {(finding.kind, finding.subject) for finding in await disk.check()} == {("data", "key")}
    await disk.close()


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("UPDATE totals SET bytes = bytes + 1", "totals"),
        ("UPDATE extents SET refs = 2", "refcount"),
        ("DELETE FROM extents", "reference"),
        ("UPDATE objects SET size = size + 1", "reference"),
        ("DELETE FROM objects", "refcount"),
        ("INSERT INTO freed SELECT 999, segment, record, record_size, 0, 0, 0 FROM extents", "freed"),
        ("DELETE FROM extents; DELETE FROM objects", "segment"),
    ],
)
async def test_check_finds_what_does_not_fit(tmp_path: Path, damage: str, kind: str) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await put(bucket, "key", bytes(100_000))
    assert await disk.check() == []
    bucket.rest()
    connection = apsw.Connection(str(bucket.folder / "index.sqlite"))
    connection.execute(damage)
    connection.close()
    await asyncio.to_thread(disk._io_pool.submit(int).result)
    assert kind in {finding.kind for finding in await disk.check()}
    await disk.close()


async def test_damaged_index_is_named_and_other_buckets_go_on(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket, other = await make_bucket(disk), await make_bucket(disk, OTHER, OTHER_ID)
    await put(bucket, "key", b"data")
    await put(other, "key", b"data")
    bucket.rest()
    (bucket.folder / "index.sqlite").write_bytes(b"not a database at all" * 500)
    for attempt in (lambda: bucket.get("key"), bucket.list_objects, bucket.totals):
        with pytest.raises(IndexDamaged, match="photos"):
            attempt()
    with pytest.raises(IndexDamaged, match="photos"):
        await put(bucket, "key", b"new")
    assert await read(other, "key") == b"data"
    assert [(finding.kind, finding.bucket) for finding in await disk.check()] == [("index", bucket.folder.name)]
    await disk.close()


async def test_cancelled_put_is_whole_or_absent(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    for number, size in enumerate([100, 50_000, 700_000, 5 * MIB] * 6):
        task = asyncio.ensure_future(put(bucket, f"{number}", bytes([number]) * size))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await bucket.put(new_object("last", b""), await write(bucket, RecordHeader("object", "last", 1), b""))
    for entry in bucket.list_objects().entries:
        data = await read(bucket, entry.key)
        assert etag_of(data) == entry.etag
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()
