"""The schema: migrations and tables say the same, processes may migrate at once, no query walks a whole table."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from bucketry.marketplace.domain.record_ports import Hold
from bucketry.marketplace.records import database
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.sql import SqlRecords
from bucketry.marketplace.records.tables import alembic, metadata
from tests.contract.records.test_records import binding, instance


def test_migrations_end_at_the_known_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [database.HEAD]


def test_migrations_make_the_tables(url: str) -> None:
    made = Database(url)
    with made.engine.begin() as connection:
        database.upgrade(connection)
    with made.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    made.dispose()


def test_an_empty_database_gets_what_the_migrations_make(url: str) -> None:
    made = Database(url)
    with made._writer.begin() as connection:
        database.upgrade(connection)
        migrated = described(connection)
        for tables in (metadata, alembic):
            tables.drop_all(connection)
        assert not described(connection), "the database is empty again"
    made.migrate()
    with made.engine.connect() as connection:
        assert described(connection) == migrated
    assert made.version() == database.HEAD
    made.dispose()


def described(connection: sa.Connection) -> dict[str, set[str]]:
    """All that the database says of its tables, without order among constraints and indexes."""
    found = sa.inspect(connection)
    return {
        table: {
            repr(one)
            for one in (
                [str(column) for column in found.get_columns(table)],
                found.get_pk_constraint(table),
                *found.get_unique_constraints(table),
                *found.get_foreign_keys(table),
                *({name: _plain(value) for name, value in index.items()} for index in found.get_indexes(table)),
            )
        }
        for table in found.get_table_names()
    }


def _plain(value: object) -> object:
    """With the conditions of indexes as text."""
    return {name: str(one) for name, one in value.items()} if isinstance(value, dict) else value


def test_processes_may_migrate_at_once(url: str) -> None:
    databases = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(Database.migrate, databases))
    for made in databases:
        made.dispose()


def watch(records: SqlRecords, note: Callable[[apsw.Connection, str, tuple[object, ...]], object]) -> None:
    """Tell of each statement on SQLite, before it runs."""

    def trace(cursor: apsw.Cursor, statement: str, values: Any) -> bool:
        note(cursor.connection, statement, tuple(values or ()))
        return True

    for direct in (records._database._direct_reader, records._database._direct_writer):
        if direct is not None:
            direct._connection().exec_trace = trace


@pytest.fixture
def seen(records: SqlRecords) -> list[tuple[str, object]]:
    """Every statement from now on, with its values."""
    found: list[tuple[str, object]] = []
    watch(records, lambda _connection, statement, values: found.append((statement, values)))

    def note(_c: object, _cursor: object, statement: str, parameters: object, _x: object, _many: object) -> None:
        found.append((statement, parameters))

    for engine in {records._database.engine, records._database._reader}:
        event.listen(engine, "before_cursor_execute", note)
    return found


async def test_no_query_walks_a_whole_table(records: SqlRecords, seen: list[tuple[str, object]]) -> None:
    """So that all is as quick at a hundred thousand bindings as at ten."""
    await records.insert_instance(instance(), Hold("me", 1))
    await records.hold_instance("i1", Hold("me", 9), 5)
    await records.insert_binding(binding(), "me")
    await records.save_binding(binding(), "me", release=False)
    await records.save_instance(instance(), "me", release=False)
    await records.get_instance("i1")
    await records.find_instances("s1", "mine")
    await records.list_instances("s1", "", 10)
    await records.unfinished_instances(1, 10)
    await records.get_binding("b1")
    await records.find_key("i1", "Bob")
    await records.find_keys("s1", "Bob")
    await records.list_bindings("i1")
    await records.list_app_bindings("app")
    await records.list_bindings_beside("i1")
    await records.delete_binding(binding(), "me", release=False)
    await records.delete_instance("i1", "me")
    statements = [pair for pair in seen if not pair[0].startswith(("BEGIN", "COMMIT", "EXPLAIN", "PRAGMA"))]
    assert len(statements) > 20
    with records._database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            check_plans_of_postgresql(connection, statements)
            return
        for statement, parameters in statements:
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):  # type: ignore[arg-type]  # as it was
                detail = str(row[-1])
                is_walk = re.match(r"SCAN (?!.*(CONSTANT|anon_|USING (COVERING )?INDEX \w*unfinished))", detail)
                assert not is_walk, f"{detail}: {statement}"


def check_plans_of_postgresql(connection: sa.Connection, statements: list[tuple[str, object]]) -> None:
    """Where it is told to avoid walks, it only walks where no index would do."""
    connection.exec_driver_sql("SET enable_seqscan = off")
    for statement, parameters in statements:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)  # type: ignore[arg-type]  # as it was
            walks = [row[0] for row in plan if re.search(r"Seq Scan on (instances|bindings|binding_instances)", row[0])]
            assert not walks, f"{walks}: {statement}"


async def test_writes_are_durable_and_keys_are_enforced(records: SqlRecords) -> None:
    if records._database.engine.dialect.name != "sqlite":
        pytest.skip("settings of SQLite")
    names = ("journal_mode", "synchronous", "foreign_keys")

    def pragmas(_connection: object) -> list[object]:
        direct = records._database._direct_writer
        assert direct is not None
        return [direct._connection().pragma(name) for name in names]

    full, normal = 2, 1
    for _ in range(2):  # whichever kind of write came before
        assert await records._database.write(pragmas, is_brief=True) == ["wal", normal, 1]
        assert await records._database.write(pragmas) == ["wal", full, 1]


async def test_only_holds_may_be_lost_by_a_power_cut(records: SqlRecords) -> None:
    """Whatever an answer rests on is synced; a hold is not, since it ends with its process."""
    if records._database.engine.dialect.name != "sqlite":
        pytest.skip("settings of SQLite")
    synced: list[bool] = []

    def note(connection: apsw.Connection, statement: str, _values: object) -> None:
        if statement == "COMMIT":
            synced.append(connection.pragma("synchronous") == 2)

    watch(records, note)
    await records.insert_instance(instance(), Hold("me", 1))
    await records.insert_binding(binding(), "me")
    await records.save_binding(binding(), "me", release=False)
    await records.save_instance(instance(), "me", release=True)
    assert synced == [True] * 4
    synced.clear()
    await records.hold_instance("i1", Hold("me", 9), 5)
    await records.renew_hold("i1", Hold("me", 99))
    await records.release_instance("i1", "me")
    assert synced == [False] * 3
    synced.clear()
    await records.hold_instance("i1", Hold("me", 9), 5)
    await records.delete_binding(binding(), "me", release=False)
    await records.delete_instance("i1", "me")
    assert synced == [False, True, True]
