"""The domain over records in a file and an engine in memory, with a clock that tests turn and processes that die."""

from __future__ import annotations

import contextlib
import copy
import functools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bucketry.kernel import ids
from bucketry.kernel.envelope import Envelope
from bucketry.marketplace.domain import catalog
from bucketry.marketplace.domain.catalog import Catalog, Plan
from bucketry.marketplace.domain.instances import Created, InstanceOrder
from bucketry.marketplace.domain.marketplace import Marketplace, make_marketplace
from bucketry.marketplace.domain.values import Instance
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.sql import SqlRecords, open_records
from tests.kit.memory_engine import MemoryEngine

ENVELOPE = Envelope([b"k" * 32])
LEASE_MS = 15_000


@dataclass
class Clock:
    now_ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class World:
    """`file`: the database, so that another process can be made on it."""

    file: Path
    records: SqlRecords
    engine: MemoryEngine
    clock: Clock
    catalog: Catalog
    marketplace: Marketplace
    default_space: str = ""
    others: list[Marketplace] = field(default_factory=list)

    def plan(self, name: str = "basic") -> Plan:
        plan = self.catalog.services[0].plan_named(name)
        assert plan is not None
        return plan

    def order(self, guid: str | None = None, plan: str = "basic", **changes: Any) -> InstanceOrder:
        """An order as a foreign platform gives it."""
        service = self.catalog.services[0]
        values: dict[str, Any] = {
            "guid": guid or ids.guid(),
            "name": "mine",
            "org_guid": "org",
            "space_guid": "space",
            "is_local": False,
            "service_guid": service.guid,
            "plan_guid": self.plan(plan).guid,
            "parameters": {},
        }
        return InstanceOrder(**values | changes)

    async def create(self, name: str = "mine", plan: str = "basic", parameters: Any = None) -> Instance:
        """An instance in the default space."""
        outcome = await self.marketplace.instances.create(self.default_space, name, self.plan(plan), parameters)
        assert isinstance(outcome, Created)
        return outcome.instance

    def process(self, records: Any = None, engine: Any = None, **options: Any) -> Marketplace:
        """Another process on the same database and engine."""
        engines = {"embedded": engine or self.engine}
        return make_marketplace(self.catalog, records or self.records, engines, ENVELOPE, self.clock, **options)


@functools.cache
def _empty_database() -> bytes:
    """A database with its schema, made once, since migrations take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        database = Database(sqlite_url(file))
        database.migrate()
        database.dispose()
        return file.read_bytes()


@dataclass
class Frozen:
    """A world as it was at its end, to go on from as often as one likes."""

    content: bytes
    engine: MemoryEngine
    now_ms: int

    @classmethod
    def of(cls, world: World) -> Frozen:
        """Of a world that was closed."""
        return cls(world.file.read_bytes(), copy.deepcopy(world.engine), world.clock.now_ms)


@contextlib.asynccontextmanager
async def open_world(folder: Path, known: Catalog | None = None, frozen: Frozen | None = None) -> AsyncIterator[World]:
    """A new world, or one that goes on from where another was frozen."""
    file = folder / "marketplace.sqlite"
    folder.mkdir(exist_ok=True)
    file.write_bytes(frozen.content if frozen else _empty_database())
    clock = Clock(frozen.now_ms) if frozen else Clock()
    engine = copy.deepcopy(frozen.engine) if frozen else MemoryEngine()
    records, known = open_records(sqlite_url(file)), known or catalog.default()
    marketplace = make_marketplace(known, records, {"embedded": engine}, ENVELOPE, clock)
    world = World(file, records, engine, clock, known, marketplace)
    world.default_space = (await marketplace.places.ensure_default()).guid
    try:
        yield world
    finally:
        await records.close()


class Died(Exception):
    """The process is no more: whatever it calls from now on does not happen."""


@dataclass
class Fate:
    """When a process dies: at its n-th call of the world outside, before or after the call took effect."""

    at_call: int
    is_after: bool
    calls: int = 0
    is_dead: bool = False

    async def pass_on(self, call: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        if self.is_dead or (self.calls == self.at_call and not self.is_after):
            self.is_dead = True
            raise Died
        result = await call()
        if self.calls == self.at_call:
            self.is_dead = True
            raise Died
        return result


class Mortal:
    """A port in a process with a fate. Reads count too: a process can die between any two calls."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port = port
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name in ("bucket_name", "address", "check", "identity_name", "name"):
            return method
        if name == "empty_bucket":
            return self._stream(method)

        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._fate.pass_on(lambda: method(*arguments, **named))

        return call

    def _stream(self, method: Any) -> Any:
        async def stream(*arguments: Any) -> AsyncIterator[Any]:
            steps = method(*arguments)
            while True:
                try:
                    yield await self._fate.pass_on(steps.__anext__)
                except StopAsyncIteration:
                    return

        return stream
