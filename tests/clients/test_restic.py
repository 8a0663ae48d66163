"""restic keeps a repository in a bucket: thousands of small files, locks, listings, deletes; it verifies every byte."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.files import MEBIBYTE, noise, tree_of, write_tree
from tests.kit.owner import Owner
from tests.kit.programs import require
from tests.kit.server import run_program

pytestmark = pytest.mark.slow
Restic = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def restic(owner: Owner, home: Path, bucket: str, tmp_path: Path) -> Restic:
    """`restic ARGUMENTS…` on a repository in the test's bucket."""
    environment = owner.environment(
        home,
        RESTIC_REPOSITORY=f"s3:{owner.endpoint}/{bucket}/repository",
        RESTIC_PASSWORD="a password for a test",
        RESTIC_CACHE_DIR=str(tmp_path / "cache"),
    )

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run_program([require("restic"), *arguments], check=check, environment=environment, cwd=tmp_path)

    return run


def snapshots(restic: Restic) -> list[dict[str, object]]:
    return list(json.loads(restic("snapshots", "--json").stdout))


def test_backup_is_restored_whole(restic: Restic, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", **{f"many/{number}": noise(3000, number) for number in range(200)})
    (source / "large.bin").write_bytes(noise(20 * MEBIBYTE))
    restic("init")

    restic("backup", "source")
    assert len(snapshots(restic)) == 1
    assert "no errors were found" in restic("check", "--read-data").stdout

    restic("restore", "latest", "--target", "restored")
    assert tree_of(tmp_path / "restored/source") == tree_of(source)


def test_forgotten_snapshots_are_pruned_and_the_rest_is_sound(
    restic: Restic, bucket: str, owner: Owner, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "source", first=noise(6 * MEBIBYTE, 1))
    restic("init")
    restic("backup", "source")
    (source / "first").unlink()
    (source / "second").write_bytes(noise(MEBIBYTE, 2))
    restic("backup", "source")
    before = stored_bytes(owner, bucket)

    restic("forget", "--keep-last", "1", "--prune")

    assert len(snapshots(restic)) == 1
    assert stored_bytes(owner, bucket) < before - 5 * MEBIBYTE
    assert "no errors were found" in restic("check", "--read-data").stdout
    restic("restore", "latest", "--target", "restored")
    assert tree_of(tmp_path / "restored/source") == tree_of(source)


def stored_bytes(owner: Owner, bucket: str) -> int:
    pages = owner.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sum(item["Size"] for page in pages for item in page.get("Contents", []))
