"""SQLAlchemy's statements run without SQLAlchemy: answers, errors, turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
import sqlalchemy as sa

from bucketry.marketplace.records.sqlite_direct import DirectConnection, Occupied

things = sa.Table("thing", sa.MetaData(), sa.Column("name", sa.Text, unique=True), sa.Column("size", sa.BigInteger))
INSERT = things.insert()
ALL = sa.select(things).order_by(things.c.name)
BIGGER = sa.select(things.c.name).where(things.c.size > sa.bindparam("than")).limit(5)


@pytest.fixture
def file(tmp_path: Path) -> str:
    made = apsw.Connection(str(tmp_path / "a.sqlite"))
    made.pragma("journal_mode", "WAL")
    made.execute("CREATE TABLE thing (name TEXT UNIQUE, size INTEGER)")
    made.close()
    return str(tmp_path / "a.sqlite")


@pytest.fixture
def direct(file: str) -> Iterator[DirectConnection]:
    made = DirectConnection(file, timeout_ms=50)
    yield made
    made.close()


def names(direct: DirectConnection) -> list[str]:
    with direct.reading() as connection:
        return [row.name for row in connection.execute(ALL)]


def test_statements_take_their_own_values_and_those_given(direct: DirectConnection) -> None:
    with direct.writing(is_brief=False, is_patient=True) as connection:
        connection.execute(INSERT, [{"name": "a", "size": 1}, {"name": "b", "size": 2}])
        assert connection.execute(things.update().where(things.c.name == "b").values(size=9)).rowcount == 1
        assert connection.execute(INSERT, {"name": "c"}).rowcount == 1  # with other columns
    with direct.reading() as connection:
        assert connection.execute(BIGGER, {"than": 1}).scalars().all() == ["b"]
        assert connection.execute(BIGGER, {"than": 0}).scalars().all() == ["a", "b"]
        assert connection.execute(BIGGER, {"than": 99}).scalar() is None
        assert connection.execute(BIGGER, {"than": 99}).one_or_none() is None
        assert [tuple(row) for row in connection.execute(ALL).all()] == [("a", 1), ("b", 9), ("c", None)]


def test_what_fails_leaves_nothing_and_says_what_it_was(direct: DirectConnection) -> None:
    with direct.writing(is_brief=False, is_patient=True) as connection:
        connection.execute(INSERT, {"name": "a", "size": 1})
    with pytest.raises(sa.exc.IntegrityError) as raised, direct.writing(is_brief=False, is_patient=True) as connection:
        connection.execute(INSERT, [{"name": "b", "size": 1}, {"name": "a", "size": 99}])
    assert str(raised.value.orig) == "UNIQUE constraint failed: thing.name"
    assert names(direct) == ["a"]


def test_who_is_not_patient_is_told_that_another_writes(direct: DirectConnection, file: str) -> None:
    other = apsw.Connection(file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Occupied), direct.writing(is_brief=True, is_patient=False):
        pass
    with pytest.raises(sa.exc.OperationalError), direct.writing(is_brief=True, is_patient=True):
        pass
    assert names(direct) == []  # reads wait for nobody
    other.execute("COMMIT")
    with direct.writing(is_brief=True, is_patient=False) as connection:
        connection.execute(INSERT, {"name": "a", "size": 1})
        in_thread: list[type] = []

        def try_beside() -> None:
            try:
                with direct.writing(is_brief=True, is_patient=False):
                    in_thread.append(DirectConnection)
            except Occupied:
                in_thread.append(Occupied)

        thread = threading.Thread(target=try_beside)
        thread.start()
        thread.join()
    assert in_thread == [Occupied]
    assert names(direct) == ["a"]
    other.close()


def test_only_statements_that_come_again_are_kept(direct: DirectConnection) -> None:
    with direct.reading() as connection:
        for size in range(3):
            connection.execute(sa.select(things).where(things.c.size == size))
            connection.execute(BIGGER, {"than": size})
    assert len(direct._statements) == 1
