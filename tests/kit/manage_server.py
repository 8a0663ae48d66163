"""The JSON API in this process: real domain, real records in a file, an engine in memory, a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from bucketry.kernel.envelope import Envelope, new_key
from bucketry.marketplace.access.tokens import Actor, BearerToken
from bucketry.marketplace.domain import catalog
from bucketry.marketplace.domain.marketplace import Marketplace, make_marketplace
from bucketry.marketplace.domain.values import Instance
from bucketry.marketplace.manage.app import make_manage_app
from bucketry.marketplace.manage.routes import API_ROOT
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.sql import open_records
from tests.kit.memory_engine import MemoryEngine

TOKEN = "t0ken-of-the-test"
T = TypeVar("T")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def value(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.value["error"]["code"])


@dataclass
class ManageServer:
    """`data`: a data folder whose admin.json names this server."""

    url: str
    data: Path
    marketplace: Marketplace
    engine: MemoryEngine
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def ask(self, method: str, path: str, body: object = None, *, token: str | None = TOKEN, raw: bytes = b"") -> Reply:
        """One request; `path` is below the API's root."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        content = json.dumps(body).encode() if body is not None else raw
        with contextlib.closing(connection):
            connection.request(method, API_ROOT + path, content or None, headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read().decode())

    def instance(self, name: str) -> Instance:
        """An instance of the default space."""
        space = self.run(self.marketplace.places.ensure_default())
        return self.run(self.marketplace.instances.find(space.guid, name))

    def fill(self, name: str, objects: int = 1, size_bytes: int = 10, uploads: int = 0) -> None:
        """Put something into the bucket of an instance."""
        self.engine.fill(self.instance(name).bucket, objects, size_bytes, uploads)


@contextlib.contextmanager
def manage_server(folder: Path, wait_ms: int = 2000) -> Iterator[ManageServer]:
    """A server in a thread of its own. `wait_ms`: how long an order waits for another on the same instance."""
    folder.mkdir(parents=True, exist_ok=True)
    records = open_records(sqlite_url(folder / "marketplace.sqlite"))
    engine = MemoryEngine()
    marketplace = make_marketplace(
        catalog.default(), records, {"embedded": engine}, Envelope([new_key()]), wait_ms=wait_ms
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, str]:
        await marketplace.places.ensure_default()
        root = web.Application()
        token = BearerToken(TOKEN, Actor("admin", is_admin=True))
        root.add_subapp(API_ROOT, make_manage_app(marketplace, token, "0.0.test"))
        runner = web.AppRunner(root, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return runner, f"http://{host}:{port}"

    runner, url = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    (folder / "admin.json").write_text(json.dumps({"api_url": url, "token": TOKEN}))
    try:
        yield ManageServer(url, folder, marketplace, engine, loop)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        asyncio.run_coroutine_threadsafe(records.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
