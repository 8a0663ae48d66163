"""The real program against the JSON API in this process: every command is a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit import programs
from tests.kit.manage_server import ManageServer, manage_server

_numbers = itertools.count(1)


@dataclass
class Result:
    """What a command left: its exit code, its data (stdout) and its messages (stderr)."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that says what is wrong; there must be no other, and no traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        assert self.err.splitlines()[-1] == lines[0]
        return lines[0]


@dataclass
class Cli:
    """Runs `bucketry` in a home of its own. `space`: the target space, made for this test."""

    server: ManageServer
    home: Path
    space: str
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = False, **environment: str) -> Result:
        done = subprocess.run(
            [programs.bucketry(), *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment | environment,
            timeout=60,
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert not check or result.code == 0, result.err
        return result

    def ok(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        """A command that must succeed."""
        return self(*arguments, stdin=stdin, check=True, **environment)

    @property
    def program_folder(self) -> Path:
        return Path(programs.bucketry()).parent

    def bucket(self, name: str) -> str:
        """The bucket of an instance in the target space."""
        return str(self.ok("service", name, "-o", "json").value["bucket"])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManageServer]:
    with manage_server(tmp_path_factory.mktemp("data"), wait_ms=300) as running:
        yield running


@pytest.fixture
def cli(server: ManageServer, tmp_path: Path) -> Cli:
    space = f"space-{next(_numbers)}"
    assert server.ask("POST", "/orgs/default/spaces", {"name": space}).status == 201
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "BUCKETRY_DATA": str(server.data),
        "BUCKETRY_SPACE": space,
    }
    return Cli(server, tmp_path, space, environment)
