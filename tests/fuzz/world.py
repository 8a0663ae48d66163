"""The running program that is fuzzed: a bucket open to all, and what must be true of its processes afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.signed import SignedServer
from tests.fuzz.target import Target
from tests.fuzz.wire import LiveServer
from tests.kit.server import Server

BUCKET = "open-to-all"
MAX_GROWTH_MIB = 64.0
ALL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:*Object*",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        },
        {"Effect": "Allow", "Principal": "*", "Action": "s3:List*", "Resource": f"arn:aws:s3:::{BUCKET}"},
    ],
}


class World:
    """One server; `check_alive` after each target."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._workers = sorted(server.workers())
        self._memory_mib = self._memory()

    def targets(self) -> tuple[Target, ...]:
        """Asked by nobody in particular, and by one who may everything."""
        return LiveServer(self._server.port("s3"), BUCKET).target(), SignedServer(self._server).target()

    def check_alive(self) -> None:
        """AssertionError: a worker died, has grown without bound, or logged what it did not expect."""
        assert sorted(self._server.workers()) == self._workers, "a worker died"
        assert self._memory() < self._memory_mib + MAX_GROWTH_MIB, "a worker has grown without bound"
        log = self._server.log.read_text()
        assert "request failed" not in log, log[-3000:]
        assert "Traceback" not in log, log[-3000:]

    def _memory(self) -> float:
        sizes = [
            Path(f"/proc/{number}/status").read_text().partition("VmRSS:")[2].split()[0] for number in self._workers
        ]
        return max(map(int, sizes)) / 1024


@contextmanager
def living(folder: Path) -> Iterator[World]:
    server = Server(folder / "data").start()
    try:
        s3 = server.client()
        s3.create_bucket(Bucket=BUCKET)
        s3.delete_public_access_block(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="key", Body=b"hello")
        s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(ALL))
        yield World(server)
        assert server.stop() == 0
        server.fsck()
    finally:
        server.kill()
