"""What PostgreSQL adds: several machines, connections that break, a server that goes and comes back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from bucketry.marketplace.domain.record_ports import Duplicate, Held, Hold, RecordsUnavailable, StillReferenced
from bucketry.marketplace.domain.values import Quota
from bucketry.marketplace.records import shared_clock
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.sql import SqlRecords, open_records
from tests.contract.records.test_records import HOLD, add_places, binding, instance
from tests.kit.postgres import PASSWORD, QUOTED_PASSWORD, Postgres, postgres

Open = Callable[[], SqlRecords]


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that tests may stop."""
    with postgres() as running:
        yield running


@pytest.fixture
async def on_server(server: Postgres) -> AsyncIterator[SqlRecords]:
    records = open_records(server.create())
    yield records
    await records.close()


def name_of(records: SqlRecords) -> str:
    return str(records._database.engine.url.database)


async def test_connections_that_are_cut_are_replaced_unnoticed(records: SqlRecords, postgresql: Postgres) -> None:
    await add_places(records)
    await records.insert_instance(instance(), HOLD)
    for guid in ("b1", "b2"):
        assert postgresql.cut_connections(name_of(records)) >= 1
        await records.insert_binding(binding(guid), "me")
        assert postgresql.cut_connections(name_of(records)) >= 1
        assert await records.renew_hold("i1", HOLD)
        assert postgresql.cut_connections(name_of(records)) >= 1
        assert await records.get_binding(guid) == binding(guid)


async def test_a_connection_cut_in_the_middle_of_a_transaction_is_replaced(
    records: SqlRecords, postgresql: Postgres
) -> None:
    runs: list[int] = []

    def work(connection: sa.Connection) -> int:
        runs.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        if len(runs) == 1:
            postgresql.cut_connections(name_of(records))
        return int(connection.exec_driver_sql("SELECT 7").scalar_one())

    assert await records._database.write(work) == 7
    assert len(set(runs)) == 2


async def test_a_commit_whose_answer_is_lost_is_never_repeated(records: SqlRecords, postgresql: Postgres) -> None:
    runs: list[int] = []
    asked = threading.Event()

    @event.listens_for(records._database.engine, "commit")
    def cut(_connection: sa.Connection) -> None:
        if not asked.is_set():
            asked.set()
            postgresql.cut_connections(name_of(records))

    def work(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT 1")
        runs.append(1)

    with pytest.raises(RecordsUnavailable):
        await records._database.write(work)
    assert len(runs) == 1


async def test_transactions_that_lock_each_other_out_both_come_to_pass(records: SqlRecords) -> None:
    await add_places(records)
    for guid in ("x", "y"):
        await records.insert_quota(Quota(guid, guid, True, 1))
    both = threading.Barrier(2)

    async def swap(first: str, second: str) -> None:
        runs: list[int] = []

        def work(connection: sa.Connection) -> None:
            runs.append(1)
            for step, guid in enumerate((first, second)):
                connection.exec_driver_sql(f"UPDATE quotas SET created_ms = created_ms + 1 WHERE guid = '{guid}'")
                if len(runs) == 1 and step == 0:
                    both.wait(10)

        await records._database.write(work)

    await asyncio.gather(swap("x", "y"), swap("y", "x"))
    assert {quota.guid: quota.created_ms for quota in await records.list_quotas()} == {"q1": 1, "x": 3, "y": 3}


async def test_bindings_that_mention_each_others_instances_do_not_wait_for_each_other(opened: Open) -> None:
    one, other = opened(), opened()
    for guid in ("i1", "i2"):
        await one.insert_instance(instance(guid), HOLD)
    for turn in range(10):
        await asyncio.gather(
            one.insert_binding(binding(f"a{turn}", "i1", additional_instances=("i2",)), "me"),
            other.insert_binding(binding(f"b{turn}", "i2", additional_instances=("i1",)), "me"),
        )
    assert len(await one.list_bindings_beside("i1")) == len(await one.list_bindings_beside("i2")) == 10


async def test_an_instance_and_a_mention_of_it_race_to_one_of_two_ends(opened: Open) -> None:
    one, other = opened(), opened()
    await one.insert_instance(instance("i1"), HOLD)
    for turn in range(20):
        guid = f"beside-{turn}"
        await one.insert_instance(instance(guid), HOLD)
        deleted, bound = await asyncio.gather(
            one.delete_instance(guid, "me"),
            other.insert_binding(binding(f"b{turn}", "i1", additional_instances=(guid,)), "me"),
            return_exceptions=True,
        )
        assert deleted is None
        assert bound is None or isinstance(bound, StillReferenced)
        assert await one.get_instance(guid) is None
        assert await one.get_binding(f"b{turn}") == (binding(f"b{turn}", "i1") if bound is None else None)


async def test_a_hold_asked_again_by_its_own_holder_is_had(records: SqlRecords) -> None:
    """As after an answer that was lost with its connection."""
    await records.insert_instance(instance(), HOLD)
    assert await records.hold_instance("i1", Hold("me", 5000), 1) == instance()
    assert await records.hold_instance("i1", Hold("you", 5000), 4999) is Held.ELSEWHERE


async def test_holds_go_by_the_databases_clock(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened()
    monkeypatch.setattr("time.time_ns", lambda: 0)  # a machine whose clock was never set
    other = opened()
    assert abs(one.clock_ms() - other.clock_ms()) < 1000
    assert other.clock_ms() > 1_700_000_000_000


@pytest.mark.parametrize("jump", [20.0, -20.0])
def test_the_clock_is_asked_again_when_the_machine_was_paused_or_set(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    clock = shared_clock.SharedClock(lambda: 1_000_000)
    clock.set()
    assert not clock.is_old
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert clock.is_old
    clock.set()
    assert not clock.is_old


async def test_the_clock_is_asked_again_and_a_failure_leaves_the_old_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([1_000_000, 2_000_000])
    clock = shared_clock.SharedClock(lambda: next(answers))
    assert clock.is_old
    clock.set()
    assert not clock.is_old
    assert 1_000_000 <= clock.now_ms() < 1_010_000
    monkeypatch.setattr(shared_clock, "ASK_AFTER_SECONDS", 0)
    assert clock.is_old
    clock.set()
    assert 2_000_000 <= clock.now_ms() < 2_010_000
    with pytest.raises(StopIteration):
        clock.set()
    assert 2_000_000 <= clock.now_ms() < 2_010_000


async def test_only_holds_may_be_lost_by_a_power_cut(records: SqlRecords) -> None:
    def durability(connection: sa.Connection) -> str:
        return str(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())

    assert await records._database.write(durability) == "on"
    assert await records._database.write(durability, is_brief=True) == "off"


async def test_texts_are_ordered_byte_by_byte(records: SqlRecords) -> None:
    """An index in the order of a language breaks with the next version of the system's locales."""

    def ordered_otherwise(connection: sa.Connection) -> list[tuple[str, str]]:
        asked = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        )
        return [(row[0], row[1]) for row in connection.exec_driver_sql(asked)]

    assert await records._database.read(ordered_otherwise) == []


async def test_a_stopped_server_is_told_and_one_that_is_back_is_used(server: Postgres, on_server: SqlRecords) -> None:
    await on_server.insert_instance(instance(), HOLD)
    server.stop()
    try:
        for attempt in (
            on_server.get_instance("i1"),
            on_server.renew_hold("i1", HOLD),
            on_server.insert_binding(binding(), "me"),
            on_server.check(),
        ):
            with pytest.raises(RecordsUnavailable, match="can't be reached"):
                await attempt
    finally:
        server.start()
    await on_server.check()
    await on_server.insert_binding(binding(), "me")
    assert await on_server.get_binding("b1") == binding()
    with pytest.raises(Duplicate):
        await on_server.insert_binding(replace(binding()), "me")


async def test_a_server_that_refuses_is_told_with_its_reason_and_without_the_password(server: Postgres) -> None:
    url = server.url("postgres")
    for wrong, word in (
        (url.replace(QUOTED_PASSWORD, "wrong-password"), "password authentication failed"),
        (server.url("nowhere"), "does not exist"),
        (url.replace(str(server.folder), "/nowhere"), "nowhere"),
        (f"postgresql://u:{QUOTED_PASSWORD}@127.0.0.1:1/db", "127.0.0.1"),
        (f"{url}&no_such_option=1", "no_such_option"),
    ):
        database = Database(wrong)
        with pytest.raises(RecordsUnavailable, match=word) as told:
            database.migrate()
        database.dispose()
        for secret in (PASSWORD, QUOTED_PASSWORD, "wrong-password"):
            assert secret not in str(told.value)
        assert "\n" not in str(told.value)
        assert PASSWORD not in repr(told.value.__context__)
