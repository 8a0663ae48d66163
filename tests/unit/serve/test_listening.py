"""How connections that come at once are taken: few by an idle worker, so that others get some, many by a busy one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from bucketry.serve.listening import MOST_AT_ONCE, Acceptor, bind

BURST = 96


@pytest.fixture
async def burst() -> AsyncIterator[socket.socket]:
    """A listener at which many wait."""
    listener = bind("127.0.0.1:0", "s3_listen")
    clients = [socket.create_connection(listener.getsockname()) for _ in range(BURST)]
    yield listener
    for client in clients:
        client.close()


async def turns_to_take_all(listener: socket.socket, open_count: int) -> int:
    taken = turns = 0
    everyone = asyncio.Event()

    def factory() -> asyncio.Protocol:
        nonlocal taken
        taken += 1
        if taken == BURST:
            everyone.set()
        return asyncio.Protocol()

    acceptor = Acceptor(listener, factory, open_count=lambda: open_count)
    while not everyone.is_set():
        turns += 1
        await asyncio.sleep(0)
    acceptor.close()
    return turns


async def test_an_idle_worker_takes_one_connection_a_turn(burst: socket.socket) -> None:
    assert await turns_to_take_all(burst, 0) >= BURST


async def test_a_busy_worker_lets_nobody_wait_for_many_turns(burst: socket.socket) -> None:
    assert await turns_to_take_all(burst, 10_000) < BURST // MOST_AT_ONCE + 10
