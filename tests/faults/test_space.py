"""What deletes and overwrites free comes back in bounded time, under load too, and nothing is left unreferenced."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.server import Server

BUCKET = "space-bucket"
MIB = 1 << 20
GARBAGE_SECONDS = 1
BOUND_SECONDS = 30.0  # many garbage runs, on a busy machine


def stored_bytes(server: Server) -> int:
    """What the segments take on the disk."""
    total = 0
    for path in (server.data / "buckets").rglob("segments/*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def await_stored(server: Server, at_most: int) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while (stored := stored_bytes(server)) > at_most:
        assert time.monotonic() < deadline, f"{stored} bytes are still there, {at_most} should be"
        time.sleep(0.05)


def await_sound(server: Server) -> None:
    """What was written anew, or given up, goes with a later garbage run: until then fsck names it."""
    deadline = time.monotonic() + BOUND_SECONDS
    while (done := server.run("fsck", "--deep", check=False)).returncode != 0:
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.05)


@contextmanager
def overwriting(client: Any, sizes: tuple[int, ...]) -> Iterator[None]:
    """One object of each size, written over and over."""
    stop = threading.Event()

    def run(size: int) -> None:
        while not stop.is_set():
            client.put_object(Bucket=BUCKET, Key=f"busy/{size}", Body=os.urandom(size))

    with ThreadPoolExecutor(len(sizes)) as pool:
        jobs = [pool.submit(run, size) for size in sizes]
        try:
            yield
        finally:
            stop.set()
        for job in jobs:
            job.result()


@pytest.mark.slow
def test_space_comes_back_in_bounded_time_under_load(fresh_server: Callable[..., Server], tmp_path: Path) -> None:
    server = fresh_server(environment={"BUCKETRY_STORE__GARBAGE_SECONDS": str(GARBAGE_SECONDS)})
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    large = os.urandom(5 * MIB)
    for number in range(6):
        client.put_object(Bucket=BUCKET, Key=f"large/{number}", Body=large if number == 0 else os.urandom(5 * MIB))
    for number in range(100):
        client.put_object(Bucket=BUCKET, Key=f"middle/{number}", Body=os.urandom(100_000))
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="upload")["UploadId"]
    client.upload_part(Bucket=BUCKET, Key="upload", UploadId=upload, PartNumber=1, Body=os.urandom(5 * MIB))
    assert stored_bytes(server) > 40 * MIB
    kept = client.get_object(Bucket=BUCKET, Key="middle/7")["Body"].read()
    reading = client.get_object(Bucket=BUCKET, Key="large/0")["Body"]  # in the middle of it from here on
    begun = reading.read(1000)
    with overwriting(client, (50_000, 5 * MIB)):
        for number in range(6):
            client.delete_object(Bucket=BUCKET, Key=f"large/{number}")
        doomed = [{"Key": f"middle/{number}"} for number in range(100) if number != 7]
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": doomed})
        client.abort_multipart_upload(Bucket=BUCKET, Key="upload", UploadId=upload)
        assert begun + reading.read() == large
        # What is in use, what was written over within the bound, and what is being written.
        await_stored(server, 40 * MIB)
    for key in ("busy/50000", f"busy/{5 * MIB}"):
        client.delete_object(Bucket=BUCKET, Key=key)
    await_stored(server, 1 * MIB)
    assert client.get_object(Bucket=BUCKET, Key="middle/7")["Body"].read() == kept
    await_sound(server)
    server.restart()
    await_stored(server, 200_000)
    await_sound(server)
