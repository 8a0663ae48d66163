from __future__ import annotations

import asyncio

import pytest

from bucketry.kernel.clock import system_clock_ms
from bucketry.marketplace.domain.errors import Busy
from bucketry.marketplace.domain.holds import Holds
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
            with pytest.raises(Busy):
                await crashed.save(instance)


async def test_a_hold_is_renewed_while_its_work_lasts(world: World) -> None:
    instance = await world.create()
    holds = Holds(world.records, system_clock_ms, lease_ms=90)
    async with holds.work(instance.guid) as work:
        await work.take()
        end = asyncio.get_running_loop().time() + 0.3  # several leases long
        while asyncio.get_running_loop().time() < end:
            async with Holds(world.records, system_clock_ms, lease_ms=90).work(instance.guid) as other:
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
