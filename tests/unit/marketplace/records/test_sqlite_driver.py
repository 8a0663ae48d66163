"""The driver below SQLAlchemy: rows, descriptions, counts, errors, transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bucketry.marketplace.records import sqlite_driver as driver


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "it.sqlite")


@pytest.fixture
def connection(file: str) -> Iterator[driver.Connection]:
    made = driver.connect(file, timeout=0.05)
    made.cursor().execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)")
    yield made
    made.close()


def test_a_query_without_rows_still_tells_its_columns(connection: driver.Connection) -> None:
    cursor = connection.cursor().execute("SELECT id, name FROM thing WHERE id = ?", [1])
    assert [column[0] for column in cursor.description or ()] == ["id", "name"]
    assert cursor.fetchone() is None
    assert cursor.fetchall() == []


def test_a_change_has_no_columns_and_counts_its_rows(connection: driver.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM thing")
    cursor.execute("INSERT INTO thing (name) VALUES (?)", ["a"])
    assert (cursor.description, cursor.rowcount, cursor.lastrowid) == (None, 1, 1)
    assert cursor.execute("UPDATE thing SET name = 'b' WHERE id = 9").rowcount == 0
    assert cursor.executemany("INSERT INTO thing (name) VALUES (?)", [["c"], ["d"], ["e"]]).rowcount == 3


def test_a_change_that_returns_rows_is_done_before_they_are_read(connection: driver.Connection, file: str) -> None:
    cursor = connection.cursor().execute("INSERT INTO thing (name) VALUES ('a'), ('b') RETURNING name")
    other = driver.connect(file)
    assert other.cursor().execute("SELECT count(*) FROM thing").fetchone() == (2,)
    other.close()
    assert cursor.fetchall() == [("a",), ("b",)]


def test_rows_are_read_one_by_one_some_or_all(connection: driver.Connection) -> None:
    connection.cursor().executemany("INSERT INTO thing (id) VALUES (?)", [[number] for number in range(1, 7)])
    cursor = connection.cursor().execute("SELECT id FROM thing ORDER BY id")
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany() == [(2,)]
    assert cursor.fetchmany(2) == [(3,), (4,)]
    assert cursor.fetchall() == [(5,), (6,)]
    assert cursor.fetchmany(3) == []


@pytest.mark.parametrize(
    ("statement", "kind", "text"),
    [
        ("INSERT INTO thing (name) VALUES ('taken')", driver.IntegrityError, "UNIQUE constraint failed: thing.name"),
        ("SELECT 1 FROM nowhere", driver.OperationalError, "no such table: nowhere"),
    ],
)
def test_errors_are_those_of_the_python_database_api(
    connection: driver.Connection, statement: str, kind: type[Exception], text: str
) -> None:
    connection.cursor().execute("INSERT INTO thing (name) VALUES ('taken')")
    with pytest.raises(kind) as raised:
        connection.cursor().execute(statement)
    assert str(raised.value) == text


def test_a_lock_that_is_waited_for_too_long_is_an_operational_error(connection: driver.Connection, file: str) -> None:
    other = driver.connect(file)
    other.apsw.execute("BEGIN IMMEDIATE")
    with pytest.raises(driver.OperationalError):
        connection.cursor().execute("BEGIN IMMEDIATE")
    other.close()


def test_commit_and_rollback_end_a_transaction_and_are_nothing_without_one(connection: driver.Connection) -> None:
    connection.commit()
    connection.rollback()
    for end, count in ((connection.rollback, 0), (connection.commit, 1)):
        connection.cursor().execute("BEGIN")
        connection.cursor().execute("INSERT INTO thing (name) VALUES ('a')")
        end()
        assert not connection.apsw.in_transaction
        assert connection.cursor().execute("SELECT count(*) FROM thing").fetchone() == (count,)


def test_bytes_and_nulls_come_back_as_they_went_in(connection: driver.Connection) -> None:
    connection.cursor().execute("INSERT INTO thing (name, data) VALUES (?, ?)", [None, driver.Binary(b"\0\xff")])
    assert connection.cursor().execute("SELECT name, data FROM thing").fetchone() == (None, b"\0\xff")


def test_a_file_that_cannot_be_opened_is_an_operational_error(tmp_path: Path) -> None:
    with pytest.raises(driver.OperationalError):
        driver.connect(str(tmp_path / "nowhere" / "it.sqlite"))
