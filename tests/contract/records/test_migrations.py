"""Records of every released schema are brought forward on both databases, with all that was in them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.domain.values import (
    App,
    Binding,
    BindingKind,
    BindingState,
    EndedOperation,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
    Org,
    PendingChange,
    Quota,
    Space,
)
from bucketry.marketplace.records import database
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.database import Database, NewerRecords
from bucketry.marketplace.records.sql import open_records
from bucketry.marketplace.records.tables import metadata

# What each version had, as that version wrote it: columns that came with it are added to those of the one before.
ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "0001": {
        "quotas": [{"guid": "q1", "name": "default", "allows_paid_plans": True, "created_ms": 1}],
        "orgs": [{"guid": "o1", "name": "org", "quota_guid": "q1", "created_ms": 2}],
        "spaces": [{"guid": "s1", "name": "space é", "org_guid": "o1", "created_ms": 3}],
        "apps": [{"guid": "a1", "name": "web", "space_guid": "s1", "created_ms": 4}],
        "instances": [
            {
                "guid": guid,
                "name": f"of {guid}",
                "org_guid": "o1",
                "space_guid": "s1",
                "local_space_guid": "s1",
                "service_guid": "service",
                "plan_guid": "plan",
                "parameters": '{"cors": {"b": [1, true, null]}}',
                "tags": '["one", "two"]',
                "state": "ready",
                "engine": "embedded",
                "bucket": f"bkt-{guid}",
                "last_type": "create",
                "last_state": "succeeded",
                "last_description": "create succeeded",
                "last_ms": 1_700_000_000_000,
                "created_ms": 1_700_000_000_001,
                "updated_ms": 1_700_000_000_002,
                "holder": None,
                "held_until_ms": 0,
            }
            for guid in ("i1", "i2")
        ],
        "bindings": [
            {
                "guid": "b1",
                "kind": "key",
                "name": "Bob",
                "local_key_name": "Bob",
                "instance_guid": "i1",
                "app_guid": None,
                "local_app_guid": None,
                "parameters": '{"permissions": "read-only"}',
                "state": "ready",
                "created_ms": 5,
                "sealed_key": b"\x00\xff sealed",
            }
        ],
        "binding_instances": [{"binding_guid": "b1", "instance_guid": "i2", "position": 0}],
    },
    "0002": {
        "instances": [
            {"guid": "i1", "operation_id": "", "maintenance_version": "", "pending": None},
            {
                "guid": "i2",
                "operation_id": "op",
                "maintenance_version": "1.0.0",
                "pending": '{"name": "n", "plan_guid": "p", "parameters": {}, "tags": [], "maintenance_version": ""}',
            },
        ],
        "bindings": [{"guid": "b1", "operation_id": "op", "predecessor_guid": "b0"}],
        "ended_operations": [
            {
                "instance_guid": "gone",
                "binding_guid": "",
                "type": "delete",
                "state": "succeeded",
                "description": "delete succeeded",
                "ended_ms": 6,
            }
        ],
    },
    "0003": {"bindings": [{"guid": "b1", "identity": "theirs"}]},
    "0004": {"engine_places": [{"engine": "embedded", "place": "123456789012"}]},
}
VERSIONS = list(ROWS)


def test_every_version_has_rows() -> None:
    assert VERSIONS[-1] == database.HEAD, "add what the new version wrote to ROWS"


def written(version: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of a version."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for earlier in VERSIONS[: VERSIONS.index(version) + 1]:
        for table, added in ROWS[earlier].items():
            before = {row.get("guid"): row for row in rows.get(table, [])}
            rows[table] = [before.get(row.get("guid"), {}) | row for row in added]
    return rows


# Of the statements that SQLite keeps of each version's tables and indexes. A database out there was made by them, so
# they never change: what a released migration would need is written in the next one.
RELEASED = {
    "0001": "06a3265993108684",
    "0002": "91f6c82088326f34",
    "0003": "eeebab5fe168241c",
    "0004": "3a61d6068ec16334",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_released_migration_makes_what_it_made_then(version: str, tmp_path: Path) -> None:
    made = Database(sqlite_url(tmp_path / "records.sqlite"))
    with made.engine.begin() as connection:
        database.upgrade(connection, version)
        kept = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").scalars()
        statements = "\n".join(" ".join(str(statement).split()) for statement in kept)
    made.dispose()
    assert hashlib.sha256(statements.encode()).hexdigest()[:16] == RELEASED[version], statements


@pytest.fixture(params=VERSIONS)
def old(url: str, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The URL of a database of a version, and the version."""
    made = Database(url)
    version = str(request.param)
    with made.engine.begin() as connection:
        database.upgrade(connection, version)
        for name, rows in written(version).items():
            table = sa.table(name, *(sa.column(column) for column in rows[0]))
            connection.execute(table.insert(), rows)
    made.dispose()
    return url, version


async def test_records_of_a_version_come_forward_whole(old: tuple[str, str]) -> None:
    url, version = old
    records = open_records(url)
    try:
        assert records._database.version() == database.HEAD
        assert await records.list_quotas() == [Quota("q1", "default", True, 1)]
        assert await records.list_orgs() == [Org("o1", "org", "q1", 2)]
        assert await records.list_spaces("o1") == [Space("s1", "space é", "o1", 3)]
        assert await records.list_apps("s1") == [App("a1", "web", "s1", 4)]
        expected = Instance(
            guid="i1",
            name="of i1",
            org_guid="o1",
            space_guid="s1",
            is_local=True,
            service_guid="service",
            plan_guid="plan",
            parameters={"cors": {"b": [1, True, None]}},
            tags=("one", "two"),
            state=InstanceState.READY,
            engine="embedded",
            bucket="bkt-i1",
            last_operation=LastOperation(
                OperationType.CREATE, OperationState.SUCCEEDED, "create succeeded", 1_700_000_000_000
            ),
            created_ms=1_700_000_000_001,
            updated_ms=1_700_000_000_002,
        )
        assert await records.get_instance("i1") == expected
        binding = Binding(
            guid="b1",
            kind=BindingKind.KEY,
            name="Bob",
            instance_guid="i1",
            app_guid=None,
            is_local=True,
            parameters={"permissions": "read-only"},
            additional_instances=("i2",),
            state=BindingState.READY,
            created_ms=5,
            sealed_key=b"\x00\xff sealed",
        )
        if version >= "0002":
            binding = replace(binding, operation_id="op", predecessor_guid="b0")
            second = await records.get_instance("i2")
            assert second is not None
            assert (second.last_operation.id, second.maintenance_version) == ("op", "1.0.0")
            assert second.pending == PendingChange("n", "p", {}, [], "")
            ended = EndedOperation("gone", "", OperationType.DELETE, OperationState.SUCCEEDED, "delete succeeded", 6)
            assert await records.get_ended("gone", "") == ended
        if version >= "0003":
            binding = replace(binding, identity="theirs")
        if version >= "0004":
            assert await records.claim_engine("embedded", "another") == "123456789012"
        assert await records.get_binding("b1") == binding
    finally:
        await records.close()


def test_a_version_brought_forward_has_the_tables_of_a_fresh_one(old: tuple[str, str]) -> None:
    made = Database(old[0])
    made.migrate()
    with made.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    made.dispose()


def test_processes_may_bring_a_version_forward_at_once(old: tuple[str, str]) -> None:
    databases = [Database(old[0]) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(Database.migrate, databases))
    assert {made.version() for made in databases} == {database.HEAD}
    for made in databases:
        made.dispose()


def test_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    made = Database(url)
    made.migrate()
    with made.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerRecords, match="9999"):
        made.migrate()
    assert made.version() == "9999"
    made.dispose()


def test_a_migration_that_fails_leaves_all_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Database(url)
    with made.engine.begin() as connection:
        database.upgrade(connection, "0001")
        connection.exec_driver_sql("CREATE TABLE ended_operations (x integer)")  # in the way of 0002
    with pytest.raises((RecordsUnavailable, sa.exc.SQLAlchemyError), match="ended_operations"):
        made.migrate()
    assert made.version() == "0001"
    with made.engine.connect() as connection:
        columns = {column["name"] for column in sa.inspect(connection).get_columns("instances")}
    assert "operation_id" not in columns
    made.dispose()
