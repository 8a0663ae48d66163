"""The broker API over a socket. Ids of the tests (PRO-1, …) name rules of the Open Service Broker API 2.17 and of its
clients.

By default: real domain, real records, an engine in memory. With BUCKETRY_OSB_URL, BUCKETRY_OSB_USERNAME and
BUCKETRY_OSB_PASSWORD: whatever broker is there; tests that look inside are skipped (`make osb-check`).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bucketry.marketplace.access.tokens import Actor, BasicCredentials
from bucketry.marketplace.domain.catalog import Catalog
from bucketry.marketplace.osb.app import ROOT, make_osb_app
from bucketry.marketplace.osb.promising import PATIENCE_S
from tests.kit.marketplace import open_world
from tests.osb.broker import Broker, Endpoint, basic, ids_of

USER, PASSWORD = "broker", "a:pass word"
Opener = Callable[..., contextlib.AbstractAsyncContextManager[Broker]]


@contextlib.asynccontextmanager
async def serve(folder: Path, patience_s: float = PATIENCE_S, known: Catalog | None = None) -> AsyncIterator[Broker]:
    """A broker in this process."""
    async with open_world(folder, known) as world:
        if not patience_s:
            world.marketplace = world.process(moment_ms=50)  # nor are those waited for who take long
        app = web.Application()
        credentials = BasicCredentials(USER, PASSWORD, Actor("broker", is_admin=True))
        app.add_subapp(ROOT, make_osb_app(world.marketplace, credentials, patience_s))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        (host, port), *_ = runner.addresses
        async with aiohttp.ClientSession() as session:
            url, (service_id, plans) = f"http://{host}:{port}", ids_of(world.catalog)
            yield Broker(url, session, basic(USER, PASSWORD), service_id, plans, world)
        await runner.cleanup()
        await world.marketplace.background.close()


@contextlib.asynccontextmanager
async def visit(endpoint: Endpoint) -> AsyncIterator[Broker]:
    """A broker elsewhere; what the test made there is removed."""
    async with aiohttp.ClientSession() as session:
        suffix = f"-{uuid.uuid4().hex[:12]}"
        broker = Broker(endpoint.url, session, basic(endpoint.username, endpoint.password), suffix=suffix)
        await broker.read_catalog()
        yield broker
        await broker.forget()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    endpoint = Endpoint.of_environment()
    async with visit(endpoint) if endpoint is not None else serve(tmp_path) as broker:
        yield broker


@pytest.fixture
def open_broker(tmp_path: Path) -> Opener:
    """Serve brokers in this process with a patience or catalog of the test's own."""
    if Endpoint.of_environment() is not None:
        pytest.skip("needs a broker of its own")
    return lambda **options: serve(tmp_path, **options)


@pytest.fixture
async def hasty(open_broker: Opener) -> AsyncIterator[Broker]:
    """A broker that waits for nothing: what it may promise, it promises at once."""
    async with open_broker(patience_s=0.0) as broker:
        yield broker
