"""The real program, serving a folder of its own on ports that the system chose."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import select
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kit.programs import bucketry
from tests.kit.secrets import leaked

START_SECONDS = 30.0
_session_lock = threading.Lock()
# All that is logged is logged: it is searched for secrets when a server ends.
DEBUG = ("--log-level", "debug")
LISTEN = ("--s3-listen", "127.0.0.1:0", "--website-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0")


class Server:
    """One `bucketry serve`. `start` returns once the `ready` line came; stderr goes to DATA.log."""

    def __init__(self, data: Path, *flags: str, workers: int = 2, environment: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.log = data.with_name(f"{data.name}.log")
        self._flags = [*LISTEN, *DEBUG, "--workers", str(workers), *flags]
        self._environment = {**clean_environment(), **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self.ready_line = ""
        self.ready_seconds = 0.0

    def start(self) -> Server:
        assert self._process is None
        begun = time.monotonic()
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [bucketry(), "serve", "--data", str(self.data), *self._flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        self.ready_line = self._process.stdout.readline() if readable else ""
        self.ready_seconds = time.monotonic() - begun
        if not self.ready_line.startswith("ready"):
            self.kill()
            raise AssertionError(f"the server did not become ready: {self.log.read_text()[-3000:]}")
        return self

    @property
    def environment(self) -> dict[str, str]:
        return dict(self._environment)

    @property
    def admin(self) -> dict[str, str]:
        """admin.json."""
        return dict(json.loads((self.data / "admin.json").read_text()))

    def port(self, name: str) -> int:
        """The port of "s3", "website" or "api", as the `ready` line tells it."""
        url = self.ready_line.partition(f" {name} ")[2].split()[0]
        return int(url.rstrip("/").rpartition(":")[2])

    def health(self, path: str) -> int:
        """The status of /healthz or /readyz."""
        try:
            with urllib.request.urlopen(f"{self.admin['api_url']}{path}", timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; the exit code."""
        process, self._process = self._process, None
        assert process is not None
        try:
            return process.wait(seconds)
        finally:
            self._end(process)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """The process numbers of the parent's children."""
        found = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False)
        return [int(line) for line in found.stdout.split()]

    def stop(self) -> int:
        """SIGTERM, then wait; the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(60)
        finally:
            self._end(process)
            self._check_log()

    def kill(self) -> None:
        """SIGKILL to the parent and every worker at once."""
        process, self._process = self._process, None
        if process is not None:
            self._end(process)
            self._check_log()

    def _check_log(self) -> None:
        found = leaked(self.log.read_text(), self.data)
        assert not found, f"secrets in the log: {found[:5]}"

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()

    def kill_parent(self) -> None:
        """SIGKILL to the parent alone; returns once every worker has gone with it."""
        process, self._process = self._process, None
        assert process is not None
        workers = [int(n) for n in run_program(["pgrep", "-P", str(process.pid)]).stdout.split()]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + START_SECONDS
        while any(is_running(number) for number in workers):
            assert time.monotonic() < deadline, "workers outlive their parent"
            time.sleep(0.01)
        self._end(process)

    def restart(self) -> Server:
        self.stop()
        return self.start()

    # --- clients

    def run(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """`bucketry ARGUMENTS…` against this server."""
        return run_program([bucketry(), *arguments], check=check, environment=self.cli_environment(), **options)

    def cli_environment(self) -> dict[str, str]:
        config = self.data.parent / "config"
        return {**self._environment, "BUCKETRY_DATA": str(self.data), "XDG_CONFIG_HOME": str(config)}

    def client(self, service: str = "s3", credentials: Mapping[str, str] | None = None, **config: Any) -> Any:
        """A boto3 client; of the marketplace's root unless other credentials are given."""
        return boto_client(service, credentials or self.admin, self.admin, **config)

    def create_account(self, name: str, email: str = "") -> dict[str, str]:
        """`bucketry store create-account`: a fresh owner, apart from the marketplace."""
        made = self.run("store", "create-account", name, "--email", email or f"{name}@example.com", "-o", "json")
        return dict(json.loads(made.stdout))

    def fsck(self, *, deep: bool = True) -> str:
        """`bucketry fsck`, which must find nothing; its words."""
        done = self.run("fsck", *(["--deep"] if deep else []), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    def fsck_after_kill(self) -> None:
        """`bucketry fsck --deep` where a server was killed: it may leave bytes to its next garbage run, and nothing
        worse."""
        done = self.run("fsck", "--deep", check=False)
        if done.returncode != 0:
            findings = done.stdout.splitlines()
            assert findings, done.stdout + done.stderr
            assert all(line.endswith("the garbage run removes it") for line in findings), done.stdout + done.stderr


def boto_client(service: str, credentials: Mapping[str, str], admin: Mapping[str, str], **config: Any) -> Any:
    from botocore.config import Config

    if service == "s3":
        config = {"signature_version": "s3v4", **config}  # presigned URLs would be V2 otherwise
    options: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}, **config}
    with _session_lock:
        return _session().client(
            service,
            endpoint_url=admin["s3_endpoint"],
            region_name=admin["region"],
            aws_access_key_id=credentials["access_key_id"],
            aws_secret_access_key=credentials["secret_access_key"],
            config=Config(**options),
        )


@functools.cache
def _session() -> Any:
    """One for all clients: it reads the SDK's models once, which takes longer than most tests. Not thread-safe."""
    import boto3

    return boto3.session.Session()


def is_running(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    state = run_program(["ps", "-o", "stat=", "-p", str(process)], check=False).stdout
    return bool(state) and not state.startswith("Z")


def clean_environment() -> dict[str, str]:
    """This process's environment without what would steer clients elsewhere."""
    steering = re.compile(r"^(AWS_|BUCKETRY_|RCLONE_|RESTIC_|XDG_|[A-Za-z]+_proxy$|[A-Z]+_PROXY$)")
    kept = {name: value for name, value in os.environ.items() if not steering.match(name)}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1"}


def run_program(
    command: Sequence[str],
    *,
    check: bool = True,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; with `check`, its output is in the failure."""
    done = subprocess.run(
        list(command), capture_output=True, text=True, env=dict(environment or clean_environment()),
        timeout=timeout, check=False, **options,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def as_engine(name: str, server: Server, account: Mapping[str, str]) -> dict[str, str]:
    """The environment of another server whose engine is an account of this one's store."""
    said = {
        "kind": "aws",
        "endpoint": server.admin["s3_endpoint"],
        "region": server.admin["region"],
        "access_key_id": account["access_key_id"],
        "secret_access_key": account["secret_access_key"],
    }
    return {f"BUCKETRY_ENGINES__{name.upper()}__{key.upper()}": value for key, value in said.items()}
