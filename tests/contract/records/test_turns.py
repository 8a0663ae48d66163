"""Turns between processes that share the records: one at a time, given back by whoever dies."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bucketry.marketplace.domain.errors import Busy
from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.records import connecting
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.sql import SqlRecords
from tests.kit.postgres import Postgres

Open = Callable[[], SqlRecords]
TURNS, THREADS = 40, 4
# Another process that takes a turn, says so, and keeps it until it is killed.
KEEPER = """
import signal, sys
from bucketry.marketplace.records.database import Database
with Database(sys.argv[1]).turn("a"):
    print("has it", flush=True)
    signal.pause()
"""


async def test_one_has_the_turn_at_a_time(opened: Open, kind: str) -> None:
    servers = [opened()] * 2 if kind == "sqlite" else [opened(), opened()]  # a process opens a file once
    count, inside = 0, threading.Lock()

    def take(number: int) -> None:
        nonlocal count
        with servers[number % 2].turn("a"):
            assert inside.acquire(blocking=False), "two have it"
            time.sleep(0.001)  # long enough for another to come in, if it could
            count += 1
            inside.release()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(take, range(TURNS)))
    assert count == TURNS


async def test_turns_of_different_names_wait_for_nobody(opened: Open) -> None:
    records = opened()
    with records.turn("a"), records.turn("b"):
        pass


def begin(url: str) -> subprocess.Popen[str]:
    """The other process, with the turn."""
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER, url], stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "has it\n"
    return keeper


def test_another_process_is_waited_for_until_it_dies(migrated_url: str) -> None:
    keeper, database, has_it = begin(migrated_url), Database(migrated_url), threading.Event()

    def take() -> None:
        with database.turn("a"):
            has_it.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    try:
        assert not has_it.wait(0.3), "two processes have it"
        with database.turn("b"):  # others go on
            pass
        keeper.kill()
        assert has_it.wait(30)
    finally:
        keeper.kill()
        keeper.communicate()
        waiting.join()
        database.dispose()


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_a_turn_that_lasts_is_told_as_busy(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_POSTGRESQL_SETTINGS", "SET lock_timeout = '100ms'")
    one, other = opened(), opened()
    with one.turn("a"), pytest.raises(Busy), other.turn("a"):
        pass


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_a_turn_whose_connection_broke_is_not_taken_for_one(opened: Open, postgresql: Postgres) -> None:
    records = opened()
    with pytest.raises(RecordsUnavailable), records.turn("a"):
        assert postgresql.cut_connections(str(records._database.engine.url.database))
    with records.turn("a"):  # the next one finds a connection that lives
        pass
