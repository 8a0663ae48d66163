"""A snapshot under load: whole, with all that was answered before it, for its owner alone, or not there at all."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_kill import BUCKET, contents
from tests.kit.programs import bucketry
from tests.kit.server import Server

SIZES = (10, 1000, 20_000, 300_000, 6_000_000)


def snapshot(server: Server, target: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return server.run("snapshot", str(target), check=check)


def serve_copy(snapshot: Path, data: Path, made: list[Server]) -> Server:
    """Restore as the page for operators says: copy it back, and serve."""
    shutil.copytree(snapshot, data)
    server = Server(data)
    made.append(server)
    server.fsck()
    server.start()
    server.fsck()
    return server


def credentials(server: Server) -> tuple[str, str]:
    """The pair of the key that was ordered."""
    found = json.loads(server.run("service-key", "ordered", "key", "--json").stdout)["credentials"]
    return found["access_key_id"], found["secret_access_key"]


class Writers:
    """Clients that put objects of all sizes, and remember what was answered with success."""

    def __init__(self, server: Server, seed: int) -> None:
        self.answered: dict[str, str] = {}  # key → SHA-256 of the content
        self._server = server
        self._seed = seed
        self._stop = threading.Event()
        self._more = threading.Condition()

    def await_answers(self, count: int) -> None:
        """Return once so many objects were answered and not deleted since."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.answered) >= count, 120), "the writers make no progress"

    def stop(self) -> None:
        self._stop.set()

    def write(self, number: int) -> None:
        """Be the client of this number, until told to stop."""
        client = self._server.client(retries={"total_max_attempts": 1})
        chance = random.Random(f"{self._seed}-{number}")
        count = 0
        while not self._stop.is_set():
            count += 1
            key = f"{number}/{count}"
            body = chance.randbytes(chance.choice(SIZES))
            self._put(client, key, body)
            with self._more:
                self.answered[key] = hashlib.sha256(body).hexdigest()
                self._more.notify_all()
            if chance.random() < 0.1:
                del self.answered[key]  # from here on it may be there or not
                client.delete_object(Bucket=BUCKET, Key=key)

    @staticmethod
    def _put(client: Any, key: str, body: bytes) -> None:
        if len(body) > 5 << 20:
            upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
            parts = []
            for n, start in enumerate((0, 5 << 20), 1):
                end = 5 << 20 if n == 1 else len(body)
                made = client.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=n, Body=body[start:end])
                parts.append({"PartNumber": n, "ETag": made["ETag"]})
            client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
        else:
            client.put_object(Bucket=BUCKET, Key=key, Body=body)


class Churn:
    """Buckets and objects that come, change and go, until told to stop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self.count = 0

    def run(self) -> None:
        client = self._server.client()
        while not self._stop.is_set():
            self.count += 1
            bucket = f"churn-{self.count}"
            client.create_bucket(Bucket=bucket)
            for size in (10, 30_000, 5_000_000):
                client.put_object(Bucket=bucket, Key=str(size), Body=bytes(size))
            for size in (10, 30_000, 5_000_000):
                client.delete_object(Bucket=bucket, Key=str(size))
            client.delete_bucket(Bucket=bucket)

    def stop(self) -> None:
        self._stop.set()


@pytest.mark.slow
def test_snapshot_under_load_is_whole_and_has_all_that_was_answered_before(
    fresh_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = fresh_server(environment={"BUCKETRY_STORE__GARBAGE_SECONDS": "1"})
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    server.run("create-service", "s3", "basic", "ordered")
    server.run("create-service-key", "ordered", "key")
    key = credentials(server)
    writers = Writers(server, 1)
    churn = Churn(server)
    made: list[Server] = []
    with ThreadPoolExecutor(5) as pool:
        jobs: list[Any] = [pool.submit(writers.write, number) for number in range(2)]
        jobs.append(pool.submit(churn.run))
        try:
            for number in range(2):
                goal = len(writers.answered) + 15
                writers.await_answers(goal)
                before = dict(writers.answered)
                snapshot(server, tmp_path / f"snapshot{number}")
        finally:
            writers.stop()
            churn.stop()
        for job in jobs:
            job.result()
    assert churn.count > 1
    try:
        restored = serve_copy(tmp_path / "snapshot1", tmp_path / "restored", made)
        found = contents(restored)
        kept = {key: digest for key, digest in before.items() if key in writers.answered}  # not deleted since
        assert {key: found.get(key) for key in kept} == kept
        assert credentials(restored) == key
        restored.client().put_object(Bucket=BUCKET, Key="goes on", Body=b"x")
    finally:
        for server_ in made:
            server_.kill()
    for path in (tmp_path / "snapshot1").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not [path for path in tmp_path.iterdir() if "unfinished" in path.name]


def test_snapshot_stays_as_it_was_when_the_original_changes(
    fresh_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = fresh_server(environment={"BUCKETRY_STORE__GARBAGE_SECONDS": "1"})
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    bodies = {f"k{size}": bytes([size % 251]) * size for size in (10, 30_000, 40_000, 6_000_000)}
    for name, body in bodies.items():
        client.put_object(Bucket=BUCKET, Key=name, Body=body)
    (server.data / "tls").mkdir()
    for name in ("catalog.json", "tls/certificate.pem"):
        (server.data / name).write_text(name)
    snapshot(server, tmp_path / "snapshot")
    for name in ("catalog.json", "tls/certificate.pem"):
        assert (tmp_path / "snapshot" / name).read_text() == name
    for name in bodies:
        client.put_object(Bucket=BUCKET, Key=name, Body=b"changed" * 3000)
    for name in bodies:
        client.delete_object(Bucket=BUCKET, Key=name)
    client.delete_bucket(Bucket=BUCKET)
    server.stop()
    made: list[Server] = []
    try:
        found = contents(serve_copy(tmp_path / "snapshot", tmp_path / "restored", made))
        assert found == {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}
    finally:
        for server_ in made:
            server_.kill()


def test_snapshot_never_writes_over_anything(fresh_server: Callable[..., Server], tmp_path: Path) -> None:
    server = fresh_server()
    (tmp_path / "there").mkdir()
    refused = snapshot(server, tmp_path / "there", check=False)
    assert refused.returncode == 5
    assert "is there already" in refused.stderr
    refused = snapshot(server, server.data / "inside", check=False)
    assert (refused.returncode, "outside" in refused.stderr) == (1, True)
    assert list((tmp_path / "there").iterdir()) == []


def test_interrupted_snapshot_leaves_nothing_that_looks_like_one(
    fresh_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = fresh_server()
    client = server.client()
    for number in range(30):
        client.create_bucket(Bucket=f"bucket-{number}")
    target = tmp_path / "snapshot"
    command = [bucketry(), "snapshot", str(target)]
    with subprocess.Popen(command, env=server.cli_environment(), stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and not target.with_name(".snapshot.unfinished").exists():
            pass
        running.kill()
    assert not target.exists() or running.returncode == 0
    if not target.exists():
        snapshot(server, target)
    assert not target.with_name(".snapshot.unfinished").exists()
    assert Server(target).fsck() is not None
