"""Processes killed under load, one of them or all at once: what was answered is there whole, and the store is sound."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from tests.faults.load import MixedLoad
from tests.kit.server import Server

WRITERS = 6
SIZES = (10, 1000, 20_000, 300_000, 6_000_000)
BUCKET = "killed-bucket"


class Writers:
    """Clients that put objects of all sizes, and remember what was answered with success."""

    def __init__(self, server: Server, seed: int) -> None:
        self.answered: dict[str, str] = {}  # key → SHA-256 of the content
        self.deleted: set[str] = set()
        self._server = server
        self._seed = seed
        self._stop = threading.Event()
        self._enough = threading.Event()
        self._more = threading.Condition()

    def run_until_killed(self, after_answers: int) -> None:
        """Write from all clients; kill the server once `after_answers` were answered."""
        goal = len(self.answered) + after_answers
        with ThreadPoolExecutor(WRITERS) as pool:
            jobs = [pool.submit(self._write, number, goal) for number in range(WRITERS)]
            assert self._enough.wait(120), "the writers make no progress"
            self._server.kill()
            self._stop.set()
            for job in jobs:
                job.result()
        self._stop.clear()
        self._enough.clear()

    def await_answers(self, count: int) -> None:
        """Return once so many objects were answered and not deleted since."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.answered) >= count, 120), "the writers make no progress"

    def stop(self) -> None:
        self._stop.set()

    def _write(self, number: int, goal: int) -> None:
        client = self._server.client(retries={"total_max_attempts": 1})
        chance = random.Random(f"{self._seed}-{number}-{goal}")
        count = 0
        while not self._stop.is_set():
            count += 1
            key = f"{number}/{goal}/{count}"
            body = chance.randbytes(chance.choice(SIZES))
            try:
                self._put(client, key, body)
                with self._more:
                    self.answered[key] = hashlib.sha256(body).hexdigest()
                    self._more.notify_all()
                if chance.random() < 0.1:
                    del self.answered[key]  # from here on it may be there or not
                    client.delete_object(Bucket=BUCKET, Key=key)
                    self.deleted.add(key)
            except (BotoCoreError, ClientError, HTTPClientError, OSError):
                if not self._stop.is_set() and not self._enough.is_set():
                    raise
                return
            if len(self.answered) >= goal:
                self._enough.set()

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


def contents(server: Server) -> dict[str, str]:
    """Every key with the SHA-256 of what it holds."""
    client = server.client()
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            body = client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
            assert len(body) == entry["Size"]
            found[entry["Key"]] = hashlib.sha256(body).hexdigest()
    return found


@pytest.mark.parametrize("answers", [30, 60, 90])
def test_every_answered_write_survives_kill_9_of_all(fresh_server: Callable[..., Server], answers: int) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket=BUCKET)
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    writers = Writers(server, seed)
    for _ in range(2):
        writers.run_until_killed(answers)
        server.start()
        found = contents(server)
        assert {key: found.get(key) for key in writers.answered} == writers.answered
        assert writers.deleted.isdisjoint(found)
        server.fsck()


REPLACED_SECONDS = 1.0  # half of all deaths, at least: of a single one the neighbours on a busy machine have a say
PATIENCE_SECONDS = 30.0
TIDY_SECONDS = 20.0


def await_sound(server: Server) -> None:
    """What dead workers left goes with the next garbage run; then nothing is wrong."""
    deadline = time.monotonic() + TIDY_SECONDS
    while server.run("fsck", check=False).returncode:
        assert time.monotonic() < deadline, server.fsck()
    server.fsck()


def kill_one(server: Server, victim: int) -> tuple[int, float]:
    """Kill one process: the one in its place, and after how many seconds it was there."""
    others = set(server.workers()) - {victim}
    os.kill(victim, signal.SIGKILL)
    begun = time.monotonic()
    while True:
        now = set(server.workers())
        if new := now - others - {victim}:
            assert others <= now, "another process died, too"
            return new.pop(), time.monotonic() - begun
        assert time.monotonic() < begun + PATIENCE_SECONDS, "the dead process was not replaced"


def is_well(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def test_a_server_whose_only_worker_is_killed_answers_within_a_second(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server(workers=1)
    url = f"{server.admin['s3_endpoint']}/_bucketry/health"
    victim = min(server.workers())  # the store's, which is started first
    seconds = []
    for _ in range(3):
        others = set(server.workers()) - {victim}
        os.kill(victim, signal.SIGKILL)
        begun = time.monotonic()
        while not is_well(url):  # the dying one may have taken the connection
            assert time.monotonic() < begun + PATIENCE_SECONDS
        seconds.append(time.monotonic() - begun)
        (victim,) = set(server.workers()) - others
    assert statistics.median(seconds) < REPLACED_SECONDS, seconds


@pytest.mark.slow
def test_death_of_any_one_process_costs_no_more_than_its_requests(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server(workers=2, environment={"BUCKETRY_STORE__GARBAGE_SECONDS": "1"})
    roles = dict(zip(("store", "store ", "marketplace", "keeper"), sorted(server.workers()), strict=True))
    server.client().create_bucket(Bucket=BUCKET)
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    took = []
    with MixedLoad(server, BUCKET, seed) as load:
        load.await_answers(20)
        for _ in range(2):
            for role, victim in list(roles.items()):
                roles[role], seconds = kill_one(server, victim)
                took.append(seconds)
                load.await_answers(15)
                said = server.log.read_text().splitlines()[-200:]
                assert any("a worker died" in line and role.strip() in line for line in said)
    assert statistics.median(took) < REPLACED_SECONDS, took
    assert load.kinds == {"put", "multipart", "copy", "delete", "list"}
    assert load.failed <= 4 * 4  # what was under way in a store process when it died
    load.expect(contents(server))
    server.run("marketplace")
    await_sound(server)
    server.kill_parent()
    server.start()
    load.expect(contents(server))


@pytest.mark.slow
def test_death_of_the_parent_under_load_loses_nothing(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket=BUCKET)
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    with MixedLoad(server, BUCKET, seed) as load:
        load.await_answers(60)
        server.kill_parent()
    server.start()
    load.expect(contents(server))
    server.fsck()
