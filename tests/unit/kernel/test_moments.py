"""A moment ends with each commit of anybody, however the committer ends, and not before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from bucketry.kernel.moments import Moments

# Commits a row, says so, and stays until it is killed.
_WRITER = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.set_busy_timeout(5000)
connection.execute(sys.argv[2])
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.sqlite"
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (0)")
    connection.close()
    return path


@pytest.fixture
def reader(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    _read(connection)
    yield connection
    connection.close()


def _read(connection: apsw.Connection) -> int:
    found: int = connection.execute("SELECT max(a) FROM t").get
    return found


def _begin(path: Path, statement: str) -> subprocess.Popen[str]:
    """A process that runs a statement and then waits."""
    command = [sys.executable, "-c", _WRITER, str(path), statement]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    return process


def test_moment_lasts_while_nothing_is_committed(path: Path, reader: apsw.Connection) -> None:
    moments = Moments(reader)
    before = moments.now()
    assert before
    other = apsw.Connection(str(path))
    assert _read(other) == 0
    other.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
    assert moments.now() == before
    other.execute("ROLLBACK")
    assert moments.now() == before
    other.close()


def test_each_commit_of_another_process_ends_it(path: Path, reader: apsw.Connection) -> None:
    moments = Moments(reader)
    seen = {moments.now()}
    for number in range(1, 4):
        process = _begin(path, f"INSERT INTO t VALUES ({number})")
        assert moments.now() not in seen
        seen.add(moments.now())
        assert _read(reader) == number
        process.communicate()
    assert len(seen) == 4


@pytest.mark.parametrize("is_committed", [True, False])
def test_killed_writer_leaves_a_moment_that_tells_the_truth(
    path: Path, reader: apsw.Connection, is_committed: bool
) -> None:
    moments = Moments(reader)
    before = moments.now()
    statement = "INSERT INTO t VALUES (7)" if is_committed else "BEGIN IMMEDIATE; INSERT INTO t VALUES (7)"
    process = _begin(path, statement)
    process.kill()
    process.communicate()
    assert _read(reader) == (7 if is_committed else 0)
    assert (moments.now() != before) == is_committed
    other = apsw.Connection(str(path))
    other.execute("INSERT INTO t VALUES (8)")
    assert moments.now() != before
    other.close()


@pytest.mark.parametrize("mode", [apsw.SQLITE_CHECKPOINT_PASSIVE, apsw.SQLITE_CHECKPOINT_TRUNCATE])
def test_commit_after_a_checkpoint_ends_it(path: Path, reader: apsw.Connection, mode: int) -> None:
    moments = Moments(reader)
    other = apsw.Connection(str(path))
    for number in range(1, 10):
        other.wal_checkpoint(mode=mode)
        before = moments.now()
        other.execute("INSERT INTO t VALUES (?)", (number,))
        assert moments.now() != before
    other.close()


def test_nothing_is_told_where_there_is_no_such_memory(tmp_path: Path) -> None:
    rollback = apsw.Connection(str(tmp_path / "rollback.sqlite"))
    rollback.execute("CREATE TABLE t (a)")
    for connection in (apsw.Connection(":memory:"), rollback):
        assert Moments(connection).now() == b""
        connection.close()


def test_nothing_is_told_once_it_is_closed(reader: apsw.Connection) -> None:
    moments = Moments(reader)
    moments.close()
    assert moments.now() == b""
