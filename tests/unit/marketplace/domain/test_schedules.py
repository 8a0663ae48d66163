"""Two servers over one database do whatever comes, at once, and die now and then: what was answered with success holds.

A schedule is drawn from its number: rounds of orders that run beside each other, on two servers that may both die at
any of their calls; then holds run out, new servers take their place, and sometimes the keeper runs. A model keeps what
was answered with success; where nothing was tried since that could undo it, it must be so at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bucketry.marketplace.domain.bindings import Bound, BoundAlike
from bucketry.marketplace.domain.engine_ports import BucketSettings
from bucketry.marketplace.domain.errors import DomainError
from bucketry.marketplace.domain.instance_changes import InstanceChange, Unchanged, Updated
from bucketry.marketplace.domain.instances import Created, ExistsAlike
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import Operation
from tests.kit.marketplace import LEASE_MS, Died, Fate, Mortal, World, open_world
from tests.kit.memory_engine import MemoryEngine
from tests.kit.orders import assert_sound, binding_order, credentials

SCHEDULES = 40
ROUNDS, AT_ONCE = 16, 3
INSTANCES, BINDINGS = ("i1", "i2"), {"b1": "i1", "b2": "i1", "b3": "i2"}
CALLS_OF_A_LIFE = 20


class YieldingEngine(MemoryEngine):
    """Lets the others run in the middle of each call."""

    async def _pass(self, method: str) -> None:
        await asyncio.sleep(0)
        await super()._pass(method)


@dataclass
class Model:
    """What was answered with success: `there` and `gone`, until something is tried that may change it."""

    there: dict[str, Any] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    tried: dict[str, int] = field(default_factory=dict)

    def attempt(self, guid: str) -> int:
        """Something is tried that may change it. The number tells later whether anything else was tried meanwhile."""
        self.there.pop(guid, None)
        self.gone.discard(guid)
        self.tried[guid] = self.tried.get(guid, 0) + 1
        return self.tried[guid]


class Schedule:
    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.random = random.Random(number)
        self.model = Model()
        self.servers: list[Marketplace] = []

    def start(self, slot: int) -> None:
        """A server that dies at some call, or lives."""
        at_call = self.random.choice((0, self.random.randrange(1, CALLS_OF_A_LIFE)))
        fate = Fate(at_call, is_after=self.random.random() < 0.5)
        ports = Mortal(self.world.records, fate), Mortal(self.world.engine, fate)
        self.servers[slot : slot + 1] = [self.world.process(*ports, wait_ms=0)]

    async def run(self) -> None:
        for slot in range(2):
            self.start(slot)
        for guid in INSTANCES:
            await self.world.marketplace.instances.provision(self.world.order(guid, name=guid))
        for _ in range(ROUNDS):
            chosen = [self.order(self.random.choice(self.servers)) for _ in range(AT_ONCE)]
            await asyncio.gather(*(self.survive(order) for order in chosen))
            if self.random.random() < 0.3:
                await self.survive(self.servers[0].resume_unfinished())
            for slot in range(2):
                self.start(slot)
            self.world.clock.now_ms += self.random.choice((1, LEASE_MS + 1, LEASE_MS + 1))
        self.world.clock.now_ms += LEASE_MS + 1
        while await self.world.marketplace.resume_unfinished():
            pass
        await self.check()

    @staticmethod
    async def survive(order: Awaitable[Any]) -> None:
        with contextlib.suppress(Died, DomainError):
            await order

    def order(self, server: Marketplace) -> Awaitable[Any]:
        operation = self.random.choice((None, Operation()))
        instance, binding = self.random.choice(INSTANCES), self.random.choice(list(BINDINGS))
        of_binding = BINDINGS[binding] if self.random.random() < 0.9 else instance
        match self.random.randrange(12):
            case 0 | 1:
                return self.provision(server, instance, operation)
            case 2 | 3 | 4 | 5:
                return self.bind(server, of_binding, binding, operation)
            case 6 | 7 | 8:
                return self.unbind(server, of_binding, binding, operation)
            case 9 | 10:
                return self.update(server, instance, operation)
            case _:
                return self.deprovision(server, instance, operation)

    async def provision(self, server: Marketplace, guid: str, operation: Operation | None) -> None:
        is_known = guid in self.model.there
        attempt = self.model.attempt(guid) if not is_known else 0
        outcome = await server.instances.begin_provision(self.world.order(guid, name=guid), operation)
        if isinstance(outcome, Created | ExistsAlike) and self.model.tried.get(guid) == attempt:
            self.model.there[guid] = True

    async def deprovision(self, server: Marketplace, guid: str, operation: Operation | None) -> None:
        attempt = self.model.attempt(guid)
        for binding in BINDINGS:
            self.model.attempt(binding)
        outcome = await server.instances.begin_deletion(guid, operation, with_bindings=True)
        if outcome is None and self.model.tried[guid] == attempt:
            self.model.gone.add(guid)

    async def bind(self, server: Marketplace, instance: str, guid: str, operation: Operation | None) -> None:
        known = self.model.there.get(guid)
        attempt = self.model.attempt(guid) if known is None else 0
        outcome = await server.bindings.begin_bind(binding_order(guid, instance), operation)
        if isinstance(outcome, Bound | BoundAlike):
            if known is not None and self.model.there.get(guid) is known:
                assert outcome.credentials == known
            elif self.model.tried.get(guid) == attempt:
                self.model.there[guid] = outcome.credentials

    async def unbind(self, server: Marketplace, instance: str, guid: str, operation: Operation | None) -> None:
        attempt = self.model.attempt(guid)
        outcome = await server.bindings.begin_unbind(guid, instance, operation)
        if outcome is None and self.model.tried[guid] == attempt:
            self.model.gone.add(guid)

    async def update(self, server: Marketplace, guid: str, operation: Operation | None) -> None:
        plan = self.random.choice(("basic", "basic-public"))
        change = InstanceChange(self.world.plan(plan).guid)
        assert (
            isinstance(await server.instances.begin_update(guid, change, operation), Updated | Unchanged) or operation
        )

    async def check(self) -> None:
        await assert_sound(self.world)
        handed_out = await credentials(self.world)
        instances = {instance.guid: instance for instance in await self.world.records.list_all_instances("", 100)}
        for guid, wanted in self.model.there.items():
            if guid in INSTANCES:
                assert guid in instances, f"{guid} was answered with success, and is gone"
            else:
                assert handed_out.get(guid) == wanted, f"{guid} was handed out otherwise"
        assert not self.model.gone & (set(instances) | set(handed_out))
        for instance in instances.values():
            is_public = instance.plan_guid == self.world.plan("basic-public").guid
            assert self.world.engine.buckets[instance.bucket].settings == BucketSettings(is_public=is_public)
        assert [finding async for finding in self.world.marketplace.reconciling.findings()] == []


@pytest.mark.parametrize("number", range(SCHEDULES))
async def test_what_was_answered_holds_whatever_dies(tmp_path: Path, number: int) -> None:
    async with open_world(tmp_path) as world:
        world.engine = YieldingEngine()
        world.marketplace = world.process()
        await Schedule(world, number).run()
