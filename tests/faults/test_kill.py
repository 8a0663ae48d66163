"""Every process killed at once, under writes: what was answered is there whole, and the store is sound."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

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
