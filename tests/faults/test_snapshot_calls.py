"""A snapshot on a disk that fails any call once: nothing is left that looks like one; and all of one was synced."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bucketry.serve import snapshot
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.master_keys import open_keys
from bucketry.serve.settings import Settings
from bucketry.serve.snapshot import take_snapshot
from bucketry.serve.store_half import open_disk, open_identity
from bucketry.store.disk.files import Files
from tests.unit.store.disk.objects import put

BUCKETS = ("first", "second")
SIZES = (10, 20_000, 5_000_000)  # in the index, in a segment of many, in one alone


class Watched(Files):
    """Counts calls, fails one, and knows which files were synced."""

    calls = 0
    fails_at = -1
    synced: set[tuple[int, int]] = set()  # noqa: RUF012 - of the class, since the snapshot makes the instances itself

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._counted(found) if name in CALLS else found

    @classmethod
    def _counted(cls, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            cls.calls += 1
            if cls.calls - 1 == cls.fails_at:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(*given, **named)

        return run

    def fdatasync(self, descriptor: int) -> None:
        super().fdatasync(descriptor)
        self.note(descriptor)

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.synced.add(identity_of(path.stat()))

    @classmethod
    def note(cls, descriptor: int) -> None:
        cls.synced.add(identity_of(os.fstat(descriptor)))


CALLS = {name for name, value in vars(Files).items() if inspect.isfunction(value)} - {"close"}


def identity_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


async def fill(folder: DataFolder) -> None:
    identity, disk = open_identity(folder, open_keys(folder, Settings(), may_create=True)), open_disk(folder)
    account, *_ = await identity.create_account("tenant")
    for number, name in enumerate(BUCKETS):
        bucket_id = f"{number:016x}"
        await disk.create_bucket(name, bucket_id)
        await identity.create_bucket(name, bucket_id, account.account_id, "us-east-1", "BucketOwnerEnforced")
        for size in SIZES:
            await put(disk.bucket(name, bucket_id), f"{size}", bytes(size))
    await disk.close()
    identity.close()


async def expect_whole(root: Path) -> None:
    disk = open_disk(DataFolder(root))
    assert await disk.check(deep=True) == []
    for number, name in enumerate(BUCKETS):
        found = disk.bucket(name, f"{number:016x}").list_objects().entries
        assert sorted(entry.size for entry in found) == list(SIZES)
    await disk.close()


@pytest.fixture
def folder(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    folder = DataFolder(quick_folder / "data")
    folder.make()
    asyncio.run(fill(folder))
    (folder.root / "bucketry.toml").write_text("")
    monkeypatch.setattr(snapshot, "Files", Watched)
    monkeypatch.setattr(Watched, "calls", 0)
    monkeypatch.setattr(Watched, "fails_at", -1)
    monkeypatch.setattr(Watched, "synced", set())
    return folder


def test_all_of_a_snapshot_is_synced_before_it_has_its_name(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, rename = os.fsync, Path.rename
    unsynced: list[Path] = []

    def noted(descriptor: int) -> None:
        sync(descriptor)
        Watched.note(descriptor)

    def looked(source: Path, target: Path) -> Path:
        if source.name == ".snapshot.unfinished":
            for path in (source, *source.rglob("*")):
                status = path.stat()
                is_shared = path.is_file() and (status.st_nlink > 1 or not status.st_size)  # synced as it was written
                if identity_of(status) not in Watched.synced and not is_shared:
                    unsynced.append(path.relative_to(source))
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Path, "rename", looked)
    target = folder.root.with_name("snapshot")
    assert take_snapshot(folder, target) == len(BUCKETS)
    assert unsynced == []
    assert identity_of(target.parent.stat()) in Watched.synced
    asyncio.run(expect_whole(target))


def test_any_call_that_fails_leaves_nothing_that_looks_like_a_snapshot(folder: DataFolder) -> None:
    target = folder.root.with_name("snapshot")
    before = {path.name for path in target.parent.iterdir()}
    for at in range(500):
        Watched.calls, Watched.fails_at = 0, at
        try:
            take_snapshot(folder, target)
        except ServeError as refused:
            assert "could not be made" in str(refused)  # noqa: PT017 - the other outcome is the end of the loop
            assert {path.name for path in target.parent.iterdir()} == before
        else:
            break
    assert at > 30
    asyncio.run(expect_whole(target))
