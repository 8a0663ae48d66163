"""A real PostgreSQL of Debian's, in a temporary folder, reached by a socket file there: no port to collide on.

It refuses to run as root, so root runs it as the user `postgres`. It ends with this process, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.kit.programs import require

USER, PASSWORD = "bucketry", "p:ss/w@rd %of?the+tests"  # what a URL must quote
QUOTED_PASSWORD = "p%3Ass%2Fw%40rd%20%25of%3Fthe%2Btests"
START_SECONDS = 30.0
_UNSAFE = ("fsync=off", "full_page_writes=off")  # a machine that loses power loses the test as well
_SETTINGS = ("listen_addresses=", "max_connections=200", "shared_buffers=64MB", "log_min_messages=fatal")


@dataclass
class Postgres:
    """One server. `url` names a database of it; `create` makes a fresh one."""

    folder: Path  # short: the name of a socket file has at most 107 characters
    is_safe: bool = False  # syncs what it commits, for measurements
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> Postgres:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self.folder / "data"), "-k", str(self.folder), *self._options()),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._ask("SELECT 1")
                return self
            except psycopg.OperationalError:
                said = (self.folder / "log").read_text(errors="replace")
                assert self._process.poll() is None, f"PostgreSQL ended:\n{said}"
                assert time.monotonic() < deadline, f"PostgreSQL did not start:\n{said}"
                time.sleep(0.02)

    def make(self) -> Postgres:
        """Make the folder of the server."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        command = self._command(
            *("initdb", "-D", str(self.folder / "data"), "-U", USER, "--pwfile", str(password)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        )
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def stop(self) -> None:
        """Break off what it does, as a crash would; the data stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{QUOTED_PASSWORD}@/{database}?host={self.folder}"

    def create(self, template: str = "template0", name: str = "") -> str:
        """The URL of a fresh database, empty or a copy of another that nobody uses."""
        name = name or f"t{uuid.uuid4().hex[:12]}"
        self._ask(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def cut_connections(self, database: str) -> int:
        """End every connection to a database from the server's side; how many there were."""
        return self._ask(
            f"SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = '{database}'"
        )

    def _ask(self, statement: str) -> int:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
            return int(row[0]) if row else 0

    def _options(self) -> list[str]:
        unsafe = () if self.is_safe else _UNSAFE
        return [word for setting in (*_SETTINGS, *unsafe) for word in ("-c", setting)]

    @staticmethod
    def _command(name: str, *arguments: str) -> list[str]:
        setpriv = shutil.which("setpriv")
        command = [_program(name), *arguments]
        if os.geteuid() == 0:
            command = ["--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
            return [require("setpriv"), "--pdeathsig=KILL", *command]
        return [setpriv, "--pdeathsig=KILL", "--", *command] if setpriv else command


def _program(name: str) -> str:
    """On the PATH, or where Debian has it."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(kept[-1]) if kept else require(name))


@contextlib.contextmanager
def postgres(*, is_safe: bool = False, parent: Path | None = None) -> Iterator[Postgres]:
    """A server of its own, gone at the end. `parent`: where its folder is made."""
    _program("postgres")
    with tempfile.TemporaryDirectory(prefix="pg-", dir=parent, ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), is_safe).make()
        try:
            yield server.start()
        finally:
            server.stop()
