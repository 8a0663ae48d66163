"""All records of one database go into an empty one, or none does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.records import copying, database
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.copying import Copied, TargetHoldsRecords, copy
from bucketry.marketplace.records.database import Database, NewerRecords
from bucketry.marketplace.records.tables import instances, metadata
from tests.contract.records.test_migrations import VERSIONS, written

MANY = 2500


def filled(url: str, version: str) -> Database:
    """A database as that version wrote it, with an instance that a process had when it died."""
    made = Database(url)
    with made.engine.begin() as connection:
        database.upgrade(connection, version)
        for name, rows in written(version).items():
            held = [row | {"holder": "dead", "held_until_ms": 9} if row.get("guid") == "i2" else row for row in rows]
            connection.execute(sa.table(name, *(sa.column(column) for column in rows[0])).insert(), held)
    return made


def content(of: Database) -> dict[str, list[dict[str, Any]]]:
    with of.engine.connect() as connection:
        return {
            table.name: [
                dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in metadata.sorted_tables
        }


@pytest.fixture
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    made = filled(sqlite_url(tmp_path / "source.sqlite"), getattr(request, "param", VERSIONS[-1]))
    yield made
    made.dispose()


@pytest.fixture
def target(url: str) -> Iterator[Database]:
    made = Database(url)
    yield made
    made.dispose()


@pytest.mark.parametrize("source", VERSIONS, indirect=True)
def test_all_is_copied_but_the_holds_and_once_more_is_nothing(source: Database, target: Database) -> None:
    outcome, counts = copy(source, target)
    assert outcome is Copied.NOW
    before = content(source)
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert counts["instances"] == 2
    expected = before | {"instances": [row | {"holder": None, "held_until_ms": 0} for row in before["instances"]]}
    assert content(target) == expected
    assert copy(source, target) == (Copied.BEFORE, counts)
    assert content(target) == expected


def test_more_than_a_page_is_copied(source: Database, target: Database) -> None:
    with source.engine.begin() as connection:
        row = dict(connection.execute(sa.select(instances)).mappings().first() or {})
        rows = [row | {"guid": f"n{n}", "name": f"n{n}", "bucket": f"n{n}"} for n in range(MANY)]
        connection.execute(instances.insert(), rows)
    assert copy(source, target)[1]["instances"] == MANY + 2
    assert len(content(target)["instances"]) == MANY + 2


@pytest.mark.parametrize("other", ["a quota", "one row that differs"])
def test_a_database_that_holds_other_records_is_left_as_it_is(source: Database, target: Database, other: str) -> None:
    if other == "a quota":
        target.migrate()
        change = "INSERT INTO quotas VALUES ('q', 'default', TRUE, 1)"
    else:
        copy(source, target)
        change = "UPDATE bindings SET state = 'deleting'"
    with target.engine.begin() as connection:
        connection.exec_driver_sql(change)
    before = content(source), content(target)
    with pytest.raises(TargetHoldsRecords):
        copy(source, target)
    assert (content(source), content(target)) == before


@pytest.mark.parametrize("source", ["0001"], indirect=True)
def test_what_breaks_off_leaves_both_as_they_were(
    source: Database, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the schema is there, or brought forward."""
    monkeypatch.setattr(copying, "_are_alike", lambda _one, _other: False)
    with pytest.raises(AssertionError):
        copy(source, target)
    assert (source.version(), target.version()) == ("0001", None)
    monkeypatch.undo()
    assert copy(source, target)[0] is Copied.NOW


def test_newer_records_are_not_touched(source: Database, target: Database) -> None:
    target.migrate()
    with target.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerRecords):
        copy(source, target)
    assert target.version() == "9999"


def test_a_database_out_of_reach_is_told(source: Database) -> None:
    nowhere = Database("postgresql://bucketry:secret@127.0.0.1:1/db")
    with pytest.raises(RecordsUnavailable, match=r"127\.0\.0\.1:1/db"):
        copy(source, nowhere)
    nowhere.dispose()
