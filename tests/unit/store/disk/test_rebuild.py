"""A damaged index: what was in it comes back by its rows or by the segments, and what can't is said, never made up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import apsw
import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import IndexDamaged, NewerFormat
from bucketry.store.disk.files import Files
from bucketry.store.disk.rebuild import Rebuilt, is_damaged, rebuild
from bucketry.store.disk.sealing import STORE_KEY, Protection
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Marker, NewObject
from tests.unit.store.disk.objects import (
    ID,
    NAME,
    content,
    etag_of,
    make_bucket,
    multipart,
    new_object,
    new_upload,
    open_disk,
    put,
    put_part,
    read,
    write,
)

MIB = 1 << 20
SIZES = {"inline": 500, "shared": 50_000, "blocks": 700_000, "single": 5 * MIB}
PAGE = 4096


def body(key: str, size: int) -> bytes:
    return Random(key).randbytes(size)


async def fill(disk: Disk, *, is_versioned: bool = False) -> Bucket:
    bucket = await make_bucket(disk)
    for key, size in SIZES.items():
        await put(bucket, key, body(key, size), is_versioned=is_versioned)
    return bucket


def remake(folder: Path, *, is_versioned: bool = False) -> Rebuilt:
    return rebuild(folder, Files(), is_versioned=is_versioned, now_ms=1)


async def expect(root: Path, expected: dict[str, bytes]) -> Bucket:
    """The bucket holds exactly this, and is sound once the garbage run was there."""
    disk = open_disk(root)
    bucket = disk.bucket(NAME, ID)
    assert {entry.key for entry in bucket.list_objects().entries} == set(expected)
    for key, data in expected.items():
        assert await read(bucket, key) == data
    await disk.collect_garbage()
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    for key, data in expected.items():
        assert await read(bucket, key) == data
    await put(bucket, "goes on", b"x")
    await disk.close()
    return bucket


async def test_lost_index_comes_back_from_the_segments_alone(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await fill(disk)
    data = body("described", 40_000)
    new = NewObject(
        "described", etag_of(data), "the owner", 77, {"content-type": "x/y"}, {"CRC32": "abc"}, "", {"t": "v"}
    )
    header = RecordHeader("object", new.key, 77, new.owner, headers=dict(new.headers), tags=dict(new.tags))
    await bucket.put(new, await write(bucket, header, data))
    await put(bucket, "shared", body("shared again", 60_000))
    await disk.close()
    (bucket.folder / "index.sqlite").unlink()
    made = remake(bucket.folder)
    assert (made.objects, made.is_all_known) == (4, False)
    expected = {key: body(key, size) for key, size in SIZES.items() if key != "inline"}
    expected["shared"] = body("shared again", 60_000)
    await expect(tmp_path, {**expected, "described": data})
    disk = open_disk(tmp_path)
    version = disk.bucket(NAME, ID).get("described")
    assert version is not None
    facts = (version.etag, version.owner, version.modified_ms, version.headers, version.tags, version.acl)
    assert facts == (etag_of(data), "the owner", 77, {"content-type": "x/y"}, {"t": "v"}, "")
    await disk.close()


async def test_rebuild_of_a_sound_index_changes_nothing(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await fill(disk, is_versioned=True)
    await put(bucket, "shared", b"the newer version", is_versioned=True)
    await bucket.delete("single", marker=Marker("owner", 1, is_versioned=True))
    made_of_parts = await multipart(bucket, "parts", [body("p1", 5 * MIB), body("p2", 70_000), body("p3", 10)])
    await bucket.set_acl("parts", "an acl")
    await bucket.create_upload(new_upload("open", "later"))
    await put_part(bucket, "open", 1, body("open", 30_000))
    before = bucket.list_versions(), bucket.totals(), bucket.list_uploads(), bucket.parts("open")
    acl = bucket.get("parts")
    await disk.close()
    assert not is_damaged(bucket.folder, Files())
    made = remake(bucket.folder, is_versioned=True)
    assert (made.lost, made.is_all_known, made.from_segments) == ([], True, 0)
    disk = open_disk(tmp_path)
    bucket = disk.bucket(NAME, ID)
    assert (bucket.list_versions(), bucket.totals(), bucket.list_uploads(), bucket.parts("open")) == before
    assert bucket.get("parts") == acl
    assert await content(bucket, made_of_parts) == body("p1", 5 * MIB) + body("p2", 70_000) + body("p3", 10)
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()


async def test_versions_come_back_where_the_bucket_keeps_them(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    for number in range(3):
        data = body(f"{number}", 30_000)
        header = RecordHeader("object", "key", number + 1)
        new = NewObject("key", etag_of(data), "owner", number + 1, {}, {}, is_versioned=True)
        await bucket.put(new, await write(bucket, header, data))
    await disk.close()
    (bucket.folder / "index.sqlite").unlink()
    assert remake(bucket.folder, is_versioned=True).from_segments == 3
    disk = open_disk(tmp_path)
    bucket = disk.bucket(NAME, ID)
    entries = bucket.list_versions().entries
    assert [entry.modified_ms for entry in entries] == [3, 2, 1]
    for entry, number in zip(entries, (2, 1, 0), strict=True):
        version = bucket.get_version("key", entry.version_id)
        assert version is not None
        assert await content(bucket, version) == body(f"{number}", 30_000)
    await disk.close()


async def test_parts_come_back_as_an_upload_and_never_as_half_an_object(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    parts = [body("1", 5 * MIB), body("2", 60_000), body("3", 100)]  # the last of them lay in the index
    await multipart(bucket, "k", parts)
    await disk.close()
    (bucket.folder / "index.sqlite").unlink()
    remake(bucket.folder)
    disk = open_disk(tmp_path)
    bucket = disk.bucket(NAME, ID)
    assert bucket.list_objects().entries == []
    assert [part.part_number for part in bucket.parts("upload")] == [1, 2]
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()


@pytest.mark.parametrize("seed", range(12))
async def test_any_damaged_page_is_noticed_or_harmless_and_most_comes_back(tmp_path: Path, seed: int) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    expected = {f"key/{number:04}": body(f"{number}", 200 if number % 4 else 20_000) for number in range(300)}
    for key, data in expected.items():
        await put(bucket, key, data)
    await disk.close()
    path = bucket.folder / "index.sqlite"
    page = Random(seed).randrange(path.stat().st_size // PAGE)
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(os.urandom(PAGE))
    if not is_damaged(bucket.folder, Files()):
        return  # a free page, or bytes of an object, whose own checksum tells
    made = remake(bucket.folder)
    disk = open_disk(tmp_path)
    bucket = disk.bucket(NAME, ID)
    kept = [entry.key for entry in bucket.list_objects().entries]
    for key in kept:
        assert await read(bucket, key) == expected[key]
    large = {key for key, data in expected.items() if len(data) == 20_000}
    assert large <= set(kept)
    assert made.is_all_known <= (len(kept) + len(made.lost) == len(expected))
    await disk.collect_garbage()
    assert await disk.check(deep=True) == []
    await disk.close()


async def test_encrypted_bytes_never_come_back_as_if_they_were_not(tmp_path: Path) -> None:
    disk = Disk(tmp_path, clock_ms=lambda: 1, envelope=Envelope([bytes(32)]))
    bucket = await make_bucket(disk)
    data = body("secret", 50_000)
    writer = await bucket.writer(RecordHeader("object", "secret", 1), len(data), Protection())
    await writer.write(data)
    new = replace(new_object("secret", data), encryption=STORE_KEY)
    await bucket.put(new, await writer.finish(RecordFooter(etag_of(data))))
    await disk.close()
    assert (remake(bucket.folder).lost, is_damaged(bucket.folder, Files())) == ([], False)
    (bucket.folder / "index.sqlite").unlink()
    (lost,) = remake(bucket.folder).lost
    assert lost.startswith("secret: 50000 encrypted bytes")
    await expect(tmp_path, {})


async def test_interrupted_rebuild_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = open_disk(tmp_path)
    bucket = await fill(disk)
    await disk.close()
    (bucket.folder / "index.sqlite").write_bytes(b"no database" * 1000)
    for number, call in enumerate(("mkdir", "copy_range", "create", "pwrite", "rename", "sync_folder", "rmtree")):
        files = Files()

        def refuse(*_: object, **__: object) -> None:
            raise OSError(5, "refused")

        monkeypatch.setattr(files, call, refuse)
        with pytest.raises(OSError, match="refused"):
            rebuild(bucket.folder, files, is_versioned=False, now_ms=number)
        assert is_damaged(bucket.folder, Files()), call
    rebuild(bucket.folder, Files(), is_versioned=False, now_ms=99)
    await expect(tmp_path, {key: body(key, size) for key, size in SIZES.items() if key != "inline"})


async def test_damaged_index_is_found_before_serving(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await fill(disk)
    await disk.close()
    disk = open_disk(tmp_path)
    assert await disk.damaged([(NAME, ID)]) == []
    (bucket.folder / "index.sqlite").write_bytes(b"no database" * 1000)
    (reason,) = await disk.damaged([(NAME, ID)])
    assert "fsck --rebuild" in reason
    with pytest.raises(IndexDamaged):
        disk.bucket(NAME, ID).get("shared")
    await disk.close()


async def test_newer_format_is_not_taken_for_damage(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await fill(disk)
    await disk.close()
    with apsw.Connection(str(bucket.folder / "index.sqlite")) as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE name = 'format'")
    with pytest.raises(NewerFormat):
        is_damaged(bucket.folder, Files())
