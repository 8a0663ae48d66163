from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bucketry.marketplace.domain.bindings import BindingOrder
from bucketry.marketplace.domain.errors import Busy, EngineUnavailable
from bucketry.marketplace.domain.holds import Holds
from bucketry.marketplace.domain.record_ports import Hold, HoldLost
from bucketry.marketplace.domain.values import BindingKind, BindingState, InstanceState
from tests.kit.marketplace import LEASE_MS, World


async def test_work_waits_its_turn_across_processes(world: World) -> None:
    instance = await world.create()
    one, two = (Holds(world.records, world.clock) for _ in range(2))
    async with one.work(instance.guid) as work:
        assert await work.take()
        with pytest.raises(Busy):
            async with two.work(instance.guid) as other:
                await other.take(is_patient=False)
    async with two.work(instance.guid) as other:
        assert await other.take(is_patient=False) == instance


async def test_a_hold_left_by_a_crash_runs_out(world: World) -> None:
    instance = await world.create()
    async with Holds(world.records, world.clock).work(instance.guid) as crashed:
        await crashed.take()
        world.clock.now_ms += LEASE_MS + 1
        async with Holds(world.records, world.clock).work(instance.guid) as work:
            assert await work.take(is_patient=False)
            with pytest.raises(HoldLost):
                await crashed.save(instance)


async def test_whoever_lost_the_hold_is_told_that_it_is_busy(world: World) -> None:
    instance = await world.create()

    async def stand_still() -> None:
        async with Holds(world.records, world.clock).work(instance.guid) as slow:
            await slow.take()
            world.clock.now_ms += LEASE_MS + 1
            async with Holds(world.records, world.clock).work(instance.guid) as work:
                assert await work.take(is_patient=False)
                await slow.save(instance)

    with pytest.raises(Busy, match="took this service instance over"):
        await stand_still()


class Overtaken:
    """An engine whose calls last until another process, on the same engine, has done the same order."""

    def __init__(self, world: World, overtake: Callable[[], Awaitable[object]], then: Exception | None) -> None:
        self._world = world
        self._overtake = overtake
        self._then = then
        self.name = world.engine.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.engine, name)

    async def configure(self, *arguments: Any, **named: Any) -> None:
        await self._pass(self._world.engine.configure(*arguments, **named))

    async def grant(self, *arguments: Any) -> Any:
        return await self._pass(self._world.engine.grant(*arguments))

    async def _pass(self, call: Awaitable[Any]) -> Any:
        result = await call
        self._world.clock.now_ms += LEASE_MS + 1  # as if this process had stood still
        await self._overtake()
        if self._then:
            raise self._then
        return result


@pytest.mark.parametrize("then", [None, EngineUnavailable("It did not answer.")], ids=["done", "failed"])
async def test_an_order_that_was_overtaken_undoes_nothing_of_the_others_work(
    world: World, then: Exception | None
) -> None:
    """A replica that stood still for longer than its hold wakes up when another has answered the same order."""
    order = world.order()
    replica = world.process()
    slow = world.process(engine=Overtaken(world, lambda: replica.instances.provision(order), then))
    with pytest.raises(Busy):
        await slow.instances.provision(order)
    instance = await world.records.get_instance(order.guid)
    assert instance is not None
    assert instance.state is InstanceState.READY
    assert instance.bucket in world.engine.buckets

    binding = BindingOrder("b", order.guid, BindingKind.APP, "", "app", False, {})
    slow = world.process(engine=Overtaken(world, lambda: replica.bindings.bind(binding), then))
    with pytest.raises(Busy):
        await slow.bindings.bind(binding)
    made = await world.records.get_binding("b")
    assert made is not None
    assert made.state is BindingState.READY
    assert "b" in world.engine.keys


async def test_a_hold_is_renewed_while_its_work_lasts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = await world.create()
    renewals: asyncio.Queue[bool] = asyncio.Queue()
    renew = world.records.renew_hold

    async def told(guid: str, hold: Hold) -> bool:
        is_ours = await renew(guid, hold)
        renewals.put_nowait(is_ours)
        return is_ours

    monkeypatch.setattr(world.records, "renew_hold", told)
    async with Holds(world.records, world.clock, lease_ms=300).work(instance.guid) as work:
        await work.take()
        for _ in range(5):  # three leases long
            assert await renewals.get()
            world.clock.now_ms += 200
            async with Holds(world.records, world.clock, lease_ms=300).work(instance.guid) as other:
                with pytest.raises(Busy):
                    await other.take(is_patient=False)
        await work.save(instance, last=True)


async def test_a_queue_that_is_too_slow_is_told(world: World) -> None:
    instance = await world.create()
    holds = Holds(world.records, world.clock, wait_ms=20)
    async with holds.work(instance.guid):
        with pytest.raises(Busy):
            async with holds.work(instance.guid):
                raise AssertionError("two at once")
    assert holds._queues == {}
