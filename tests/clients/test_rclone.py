"""rclone, by its S3 backend with provider Other: no knowledge of this store, plain S3."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.files import MEBIBYTE, noise, tree_of, write_tree
from tests.kit.owner import Owner
from tests.kit.programs import require
from tests.kit.server import run_program

Rclone = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rclone(owner: Owner, home: Path, tmp_path: Path) -> Rclone:
    """`rclone ARGUMENTS…`, where `store:` is the store."""
    settings = {
        "RCLONE_CONFIG": str(home / "rclone.conf"),
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "false",
        "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": owner.access_key_id,
        "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": owner.secret_access_key,
        "RCLONE_CONFIG_STORE_REGION": owner.region,
        "RCLONE_CONFIG_STORE_ENDPOINT": owner.endpoint,
    }
    (home / "rclone.conf").touch()

    def run(*arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [require("rclone"), "--retries", "1", "--low-level-retries", "1", *arguments]
        environment = owner.environment(home, **settings)
        return run_program(command, check=check, environment=environment, cwd=tmp_path, **options)

    return run


def test_copy_up_and_down_keeps_every_file(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    sent = write_tree(tmp_path / "sent")

    rclone("copy", str(sent), f"store:{bucket}/tree")
    rclone("copy", f"store:{bucket}/tree", str(tmp_path / "got"))

    assert tree_of(tmp_path / "got") == tree_of(sent)


def test_copied_file_keeps_its_time(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    sent = write_tree(tmp_path / "sent")

    rclone("copy", str(sent), f"store:{bucket}")
    again = rclone("copy", "-v", str(sent), f"store:{bucket}")

    assert "Copied" not in again.stderr


def test_sync_removes_what_the_source_lacks(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    rclone("sync", str(source), f"store:{bucket}/tree")
    (source / "readme.txt").unlink()
    (source / "deep/er/est/leaf.bin").write_bytes(b"changed")
    (source / "new.txt").write_bytes(b"new")

    rclone("sync", str(source), f"store:{bucket}/tree")
    rclone("check", "--download", str(source), f"store:{bucket}/tree")
    rclone("sync", f"store:{bucket}/tree", str(write_tree(tmp_path / "mirror")))

    assert tree_of(tmp_path / "mirror") == tree_of(source)


def test_check_tells_a_file_that_differs(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    rclone("copy", str(source), f"store:{bucket}")

    rclone("check", str(source), f"store:{bucket}")
    (source / "readme.txt").write_bytes(b"HELLO\n")
    differing = rclone("check", str(source), f"store:{bucket}", check=False)

    assert differing.returncode == 1
    assert "readme.txt" in differing.stderr


def test_cat_lsf_and_deletefile(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    write_tree(tmp_path / "tree")
    rclone("copy", "tree", f"store:{bucket}")

    assert rclone("cat", f"store:{bucket}/readme.txt").stdout == "hello\n"
    assert rclone("cat", "--offset", "1", "--count", "3", f"store:{bucket}/readme.txt").stdout == "ell"
    assert "a folder/" in rclone("lsf", f"store:{bucket}").stdout.splitlines()

    rclone("deletefile", f"store:{bucket}/readme.txt")
    assert "readme.txt" not in rclone("lsf", f"store:{bucket}").stdout.splitlines()


def test_move_within_the_store_copies_and_removes(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    rclone("copy", str(source), f"store:{bucket}/here")

    rclone("move", f"store:{bucket}/here", f"store:{bucket}/there")

    rclone("check", "--download", str(source), f"store:{bucket}/there")
    assert rclone("lsf", "-R", "--files-only", f"store:{bucket}/here", check=False).stdout == ""


def test_move_up_leaves_nothing_behind(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    held = tree_of(source)

    rclone("move", str(source), f"store:{bucket}")
    assert tree_of(source) == {}

    rclone("copy", f"store:{bucket}", str(tmp_path / "got"))
    assert tree_of(tmp_path / "got") == held


def test_mkdir_and_rmdir_of_a_bucket(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    rclone("mkdir", f"store:{bucket}-made")
    assert f"{bucket}-made/" in rclone("lsf", "store:").stdout.splitlines()

    (tmp_path / "file").write_bytes(b"x")
    rclone("copy", "file", f"store:{bucket}-made")
    assert rclone("rmdir", f"store:{bucket}-made", check=False).returncode != 0

    rclone("deletefile", f"store:{bucket}-made/file")
    rclone("rmdir", f"store:{bucket}-made")
    assert f"{bucket}-made/" not in rclone("lsf", "store:").stdout.splitlines()


def test_parts_sent_and_read_at_the_same_time(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up/large.bin").write_bytes(noise(23 * MEBIBYTE + 17))

    in_parts = ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-upload-concurrency", "4"]
    rclone("copy", *in_parts, "up", f"store:{bucket}")
    rclone("copy", "--multi-thread-cutoff", "5M", "--multi-thread-streams", "4", f"store:{bucket}", "down")
    rclone("check", "--download", "up", f"store:{bucket}")

    assert tree_of(tmp_path / "down") == tree_of(tmp_path / "up")


def test_stdin_of_unknown_length_becomes_an_object(rclone: Rclone, owner: Owner, bucket: str, tmp_path: Path) -> None:
    content = noise(7 * MEBIBYTE)
    (tmp_path / "input").write_bytes(content)

    with (tmp_path / "input").open("rb") as stdin:
        rclone("rcat", "--s3-chunk-size", "5M", f"store:{bucket}/streamed", stdin=stdin)

    assert owner.s3.get_object(Bucket=bucket, Key="streamed")["Body"].read() == content
