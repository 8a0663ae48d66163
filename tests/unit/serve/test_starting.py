"""What a start reads where, and in which order: most of its time and memory are modules."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# A worker that loads while the parent prepares, which ends with `prepared`; `begun` is said by the worker's body.
PROGRAM = """
import os, sys
from bucketry.serve.supervisor import Role, Supervisor
loading, told = os.pipe()

def say(text):
    os.write(1, f"{text} {os.getpid()}\\n".encode())

def load():
    say("loading")
    os.write(told, b"l")

def prepare():
    os.read(loading, 1)  # for ever, unless the worker loads meanwhile
    say("prepared")
    if sys.argv[1] == "fails":
        raise SystemExit(3)

def body(life_pipe, ready_pipe):
    say("begun")
    os.write(ready_pipe, b"r")
    os.read(life_pipe, 1)

supervisor = Supervisor([Role("early", body, load=load)], prepare, lambda: os.kill(os.getpid(), 15))
sys.exit(supervisor.run())
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def test_a_worker_loads_while_the_server_is_prepared_and_begins_after() -> None:
    done = run(PROGRAM, "works")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["loading", "prepared", "begun"]


def test_no_worker_is_left_where_the_server_cannot_be_prepared() -> None:
    done = run(PROGRAM, "fails")
    assert done.returncode == 3, done.stderr
    (loading, number), (prepared, _) = (line.split() for line in done.stdout.splitlines())
    assert (loading, prepared) == ("loading", "prepared")
    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        # The parent has it before it forks the marketplace's worker: what is read here is waited for.
        ("program", ("bucketry.store", "sqlalchemy", "aiohttp", "botocore")),
        ("store_half", ("sqlalchemy", "aiohttp", "botocore")),
        ("keeping", ("sqlalchemy", "aiohttp", "botocore")),
        ("marketplace_half", ("bucketry.store", "alembic", "sqlalchemy.dialects.postgresql", "psycopg", "botocore")),
    ],
)
def test_a_process_reads_no_module_that_it_may_never_need(module: str, unwanted: tuple[str, ...]) -> None:
    done = run(f"import sys, bucketry.serve.{module}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert f"bucketry.serve.{module}" in loaded
    assert [name for name in loaded if any(f"{name}.".startswith(f"{part}.") for part in unwanted)] == []
