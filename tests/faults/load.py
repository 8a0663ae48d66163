"""Clients that do all kinds of things to one bucket at once, and know what each of their keys must be.

Each client has keys of its own. A request that fails leaves its key unknown: it may have been done or not.
"""

from __future__ import annotations

import hashlib
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from tests.kit.server import Server

SIZES = (10, 5_000, 40_000, 400_000)
PART_BYTES = 5 << 20
FAILURES = (BotoCoreError, ClientError, HTTPClientError, OSError)


class MixedLoad:
    """Use it as a context: the clients work in it."""

    def __init__(
        self, server: Server, bucket: str, seed: int, *, clients: int = 4, until_failure: bool = False
    ) -> None:
        """`until_failure`: each client ends with its first failure, as the death of the server makes it. Else all
        would soon have tried all of their keys in vain, and none would be known any more."""
        self.expected: dict[str, str | None] = {}  # key → SHA-256, None: deleted
        self.unknown: set[str] = set()
        self._until_failure = until_failure
        self.answered = 0
        self.failed = 0
        self.kinds: set[str] = set()
        self._server = server
        self._bucket = bucket
        self._seed = seed
        self._stop = threading.Event()
        self._change = threading.Condition()
        self._pool = ThreadPoolExecutor(clients)
        self._jobs: list[Future[None]] = []
        self._clients = clients

    def __enter__(self) -> MixedLoad:
        self._jobs = [self._pool.submit(self._run, number) for number in range(self._clients)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for job in self._jobs:
            job.result()
        self._pool.shutdown()

    def await_answers(self, more: int) -> None:
        """Return once so many more requests were answered with success."""
        with self._change:
            goal = self.answered + more
            assert self._change.wait_for(lambda: self.answered >= goal, 60), "the clients make no progress"

    def go_on_from(self, earlier: MixedLoad) -> None:
        """Know what the clients of an earlier load knew of the same keys."""
        self.expected.update(earlier.expected)
        self.unknown |= earlier.unknown

    def expect(self, found: dict[str, str]) -> None:
        """All that was answered is as `found` (key → SHA-256) says."""
        for key, digest in self.expected.items():
            if key not in self.unknown:
                assert found.get(key) == digest, key
        strangers = set(found) - set(self.expected) - self.unknown
        assert strangers == set()

    def _run(self, number: int) -> None:
        client = self._server.client(retries={"total_max_attempts": 1}, read_timeout=30)
        chance = random.Random(f"{self._seed}-{number}")
        count = 0
        while not self._stop.is_set():
            count += 1
            key = f"{number}/{chance.randrange(60)}"
            kind = chance.choice(("put", "put", "multipart", "copy", "delete", "list"))
            try:
                digest = getattr(self, f"_{kind}")(client, chance, number, key)
            except FAILURES:
                self._note(kind, key, None, is_answered=False)
                if self._until_failure:
                    return
            else:
                self._note(kind, key, digest, is_answered=True)

    def _note(self, kind: str, key: str, digest: str | None, *, is_answered: bool) -> None:
        with self._change:
            if not is_answered:
                self.failed += 1
                if kind != "list":
                    self.unknown.add(key)
            else:
                self.answered += 1
                self.kinds.add(kind)
                if kind != "list":
                    self.unknown.discard(key)
                    self.expected[key] = digest
            self._change.notify_all()

    def _put(self, client: Any, chance: random.Random, _number: int, key: str) -> str:
        body = chance.randbytes(chance.choice(SIZES))
        client.put_object(Bucket=self._bucket, Key=key, Body=body)
        return hashlib.sha256(body).hexdigest()

    def _multipart(self, client: Any, chance: random.Random, _number: int, key: str) -> str:
        bodies = [chance.randbytes(PART_BYTES), chance.randbytes(1000)]
        upload = client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        parts = []
        for n, body in enumerate(bodies, 1):
            made = client.upload_part(Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=n, Body=body)
            parts.append({"PartNumber": n, "ETag": made["ETag"]})
        client.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        return hashlib.sha256(b"".join(bodies)).hexdigest()

    def _copy(self, client: Any, chance: random.Random, number: int, key: str) -> str:
        """Of a key of this client's that is known; where there is none yet, a put."""
        known = [
            (source, digest)
            for source, digest in list(self.expected.items())
            if digest is not None and source.startswith(f"{number}/") and source not in self.unknown and source != key
        ]
        if not known:
            return self._put(client, chance, number, key)
        source, digest = chance.choice(known)
        client.copy_object(Bucket=self._bucket, Key=key, CopySource=f"{self._bucket}/{source}")
        return digest

    def _delete(self, client: Any, _chance: random.Random, _number: int, key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)

    def _list(self, client: Any, _chance: random.Random, number: int, _key: str) -> None:
        """The keys of this client, which nobody else changes, are listed as they are known."""
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=f"{number}/")
        found = {entry["Key"] for entry in listed.get("Contents", [])}
        own = {key: digest for key, digest in list(self.expected.items()) if key.startswith(f"{number}/")}
        assert {key for key, digest in own.items() if digest is not None} - self.unknown <= found
        assert not ({key for key, digest in own.items() if digest is None} - self.unknown) & found
