"""The AWS SDK for JavaScript under Node: its programs are in node/, pinned by a lock file, each asserts by itself."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.files import MEBIBYTE, digest, noise
from tests.kit.owner import Owner
from tests.kit.programs import IN_CI, require
from tests.kit.server import clean_environment, run_program

PROGRAMS = Path(__file__).with_name("node")
pytestmark = pytest.mark.slow

Node = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs and the packages of the lock file; the workers of a run share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "node-programs"
    with (shared / "node-programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            install(folder)
    return folder


def install(folder: Path) -> None:
    npm, made = require("npm"), folder.with_name(f"{folder.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(PROGRAMS, made, ignore=shutil.ignore_patterns("node_modules"))
    done = run_program([npm, "ci"], check=False, environment=clean_environment(), cwd=made, timeout=240)
    if done.returncode:
        message = f"npm ci failed: {done.stderr[-2000:]}"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    made.rename(folder)


@pytest.fixture
def node(installed: Path, owner: Owner, home: Path, bucket: str) -> Node:
    """`node PROGRAM`, with variables for it."""

    def run(program: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = owner.environment(home, BUCKET=bucket, **more)
        return run_program([require("node"), program], environment=environment, cwd=installed)

    return run


def test_objects(node: Node) -> None:
    node("objects.mjs")


def test_multipart_upload_of_a_stream(node: Node, owner: Owner, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(noise(17 * MEBIBYTE + 1))

    assert node("upload.mjs", FILE=str(file)).stdout.strip() == digest(file)

    assert owner.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-4"')
    assert [item["Key"] for item in owner.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["large"]
    assert "Uploads" not in owner.s3.list_multipart_uploads(Bucket=bucket)


def test_streamed_bodies_with_checksum_trailers(node: Node, owner: Owner, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(noise(700_001))

    node("streaming.mjs", FILE=str(file))

    for item in owner.s3.list_objects_v2(Bucket=bucket)["Contents"]:
        assert owner.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() == file.read_bytes()


def test_presigned_urls(node: Node) -> None:
    node("presigned.mjs")
