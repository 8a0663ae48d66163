"""The data folder: private files, one server at a time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bucketry.serve.errors import FolderInUse, ServeError
from bucketry.serve.folder import Admin, DataFolder, write_private


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "a" / "data")
    made.make()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_its_secrets_are_their_owners_alone(folder: DataFolder) -> None:
    write_private(folder.master_key_file, b"k")
    folder.write_admin(Admin(token="t"))
    assert mode(folder.root) == 0o700
    assert mode(folder.master_key_file) == mode(folder.admin_file) == 0o600


def test_a_second_server_is_refused_at_once(folder: DataFolder) -> None:
    held = folder.lock()
    try:
        with pytest.raises(FolderInUse, match="Another bucketry"):
            folder.lock()
    finally:
        os.close(held)
    os.close(folder.lock())


def test_admin_json_comes_back_and_hides_secrets_in_its_repr(folder: DataFolder) -> None:
    admin = Admin(api_url="http://a", token="tok-secret", secret_access_key="sec-secret", broker_password="pw-secret")
    folder.write_admin(admin)
    assert folder.read_admin() == admin
    assert "secret" not in repr(admin)


def test_a_damaged_admin_json_is_an_error_not_a_fresh_start(folder: DataFolder) -> None:
    folder.admin_file.write_text("{")
    with pytest.raises(ServeError, match="damaged"):
        folder.read_admin()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_private(path, b"old")
    with pytest.raises(TypeError):
        write_private(path, "not bytes")  # type: ignore[arg-type]  # the failure in the middle of writing
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_folders_and_files_are_there_after_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", noted)
    folder = DataFolder(tmp_path / "a" / "data")
    folder.make()
    assert synced == [tmp_path / "a", tmp_path]
    folder.make()
    folder.write_admin(Admin())
    assert synced[2].name.startswith(".admin.json.")
    assert synced[3:] == [folder.root]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServeError, match="Choose another with --data"):
        DataFolder(tmp_path / "file" / "data").make()
