"""Where the buckets of ordered instances are in bench/broker.py: each engine is started for it on this machine.

The embedded store is in the server itself. Ceph is a cluster with one OSD. moto stands for AWS, as a process of its
own: it is no measure of AWS, but the processor time of the server's processes beside it is the broker's own share.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit.ceph import cluster

from bench.servers import BIN, free_port

ENGINES = ("embedded", "ceph", "moto")
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Engine:
    """One that runs, and the settings that name it, as variables."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def engine_started(name: str, folder: Path) -> Iterator[Engine]:
    """One of ENGINES, gone at the end."""
    if name == "embedded":
        yield Engine(name)
    elif name == "ceph":
        with cluster(folder / "ceph") as running:
            said = {"endpoint": running.url, "access_key_id": running.access_key_id}
            yield _named(name, "ceph", said | {"secret_access_key": running.secret_access_key})
    else:
        with _moto() as url:
            said = {"endpoint": url, "region": "us-east-1", "access_key_id": "root", "secret_access_key": "secret"}
            yield _named(name, "aws", said | {"key_wait_seconds": "0"})


def _named(name: str, kind: str, said: Mapping[str, str]) -> Engine:
    variables = {f"BUCKETRY_ENGINES__{name.upper()}__{key.upper()}": value for key, value in said.items()}
    return Engine(name, variables | {f"BUCKETRY_ENGINES__{name.upper()}__KIND": kind})


@contextlib.contextmanager
def _moto() -> Iterator[str]:
    port = free_port()
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("moto's server did not start")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
