"""Running the suite: its environment beside it, the server, the accounts, its pytest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.configuration import server_environment, write_configurations
from tests.conformance.plugin import CONFIGURATIONS, KIND, RESULTS, UNNAMED
from tests.conformance.selection import Selection
from tests.kit.server import Server, clean_environment

ROOT = Path(__file__).parents[2]
_RAN = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}
_TEST_SECONDS = 300  # the slowest wait for lifecycle rules
_RUNNER = ("pytest-timeout", "pytest-xdist")
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended. `outcome` is that of its body: passed, failed or skipped; `message` the traceback."""

    name: str
    marks: frozenset[str]
    outcome: str
    message: str
    seconds: float
    cleaned_up: bool


def make_environment(suite: Path) -> Path:
    """The Python of a virtual environment beside the suite with all it requires; made once, never in ours.

    What our own lock pins is taken in that version, so that the suite's client is the one of our tests.
    """
    folder = suite.with_name(f"{suite.name}.venv")
    python = folder / "bin" / "python"
    finished = folder / "requirements-installed"
    if finished.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pins = folder / "constraints.txt"
    lock = (ROOT / "requirements-dev.lock").read_text()
    pins.write_text("".join(f"{name}=={version}\n" for name, version in _PIN.findall(lock)))
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    requirements = ["-r", str(suite / "requirements.txt"), *_RUNNER, "-c", str(pins)]
    subprocess.run([*install, *requirements], check=True)
    finished.touch()
    return python


@contextmanager
def served(jobs: int) -> Iterator[tuple[Server, Path]]:
    """A server on a folder of its own, and the folder with a configuration for each of `jobs` processes."""
    with tempfile.TemporaryDirectory(prefix="bucketry-conformance-") as name:
        folder = Path(name)
        server = Server(folder / "data", environment=server_environment()).start()
        try:
            for number in range(jobs):
                write_configurations(server, folder, f"gw{number}")
            yield server, folder
        finally:
            server.stop()


def run_suite(python: Path, suite: Path, selection: Selection, only: str, jobs: int, output: Path) -> list[Result]:
    """Run the selection and read what came of it; the lines stay in `output`, with the server's log beside them."""
    output.mkdir(parents=True, exist_ok=True)
    lines = output / f"{selection.name}.jsonl"
    lines.unlink(missing_ok=True)
    command = [
        str(python), "-m", "pytest", "-p", "tests.conformance.plugin", "-q", "--tb=short", "--no-header", "-rN",
        "--show-capture=no", "-p", "no:cacheprovider", f"--timeout={_TEST_SECONDS}", "-m", selection.marks,
        *(["-k", only] if only else []), *(["-n", str(jobs)] if jobs > 1 else []),
    ]  # fmt: skip
    with served(jobs) as (server, folder):
        environment = {
            **clean_environment(),
            "PYTHONPATH": os.pathsep.join([str(suite), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "S3_USE_SIGV4": "1",
            CONFIGURATIONS: str(folder),
            RESULTS: str(lines),
            UNNAMED: selection.unnamed,
        }
        with (output / f"{selection.name}.txt").open("w") as log:
            codes = {
                subprocess.run(
                    [*command, *files], cwd=suite, env={**environment, KIND: kind}, stdout=log, stderr=log, check=False
                ).returncode
                for kind, files in selection.files.items()
            }
        (output / "server.log").write_text(server.log.read_text())
    if not codes <= _RAN or not lines.exists():
        raise SystemExit(f"The suite did not run: see {output / f'{selection.name}.txt'}.")
    return read_results(lines)


def last_results(selection: Selection, output: Path) -> list[Result]:
    """What the last run of the selection left in `output`; of all of it, or there is nothing to explain."""
    lines = output / f"{selection.name}.jsonl"
    results = read_results(lines) if lines.exists() else []
    if len(results) != selection.expected:
        raise SystemExit(f"{lines} holds no whole run: it has {len(results)} outcomes of {selection.expected}.")
    return results


def read_results(lines: Path) -> list[Result]:
    """The results, in the order of names."""
    results = []
    for line in lines.read_text().splitlines():
        entry = json.loads(line)
        phases = entry["phases"]
        outcome = phases.get("call") or ("skipped" if phases.get("setup") == "skipped" else "failed")
        results.append(
            Result(
                name=entry["test"].rpartition("::")[2],
                marks=frozenset(entry["marks"]),
                outcome=outcome,
                message=entry["message"],
                seconds=entry["seconds"],
                cleaned_up=phases.get("teardown") == "passed",
            )
        )
    return sorted(results, key=lambda result: result.name)
