"""A process dies at any call of the world outside; what it left is finished or undone, by repeats or by the keeper.

Each order is run once without a crash, and its calls of records and engine are counted. Then it is run again for each
of them, with a process that dies just before it (which is just after the call before), and once more with one that dies
after the last; then a platform and the keeper do what they do. The end must be that of the run without a crash, or that
of no order at all where nobody was told of it. No bucket or key is left that nobody has, and no credentials change.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bucketry.marketplace.domain.errors import NotFound
from bucketry.marketplace.domain.operations import Operation, UnderWay
from bucketry.marketplace.domain.values import OperationState
from tests.kit.marketplace import LEASE_MS, Died, Fate, Frozen, Mortal, World, open_world
from tests.kit.orders import INSTANCE, ORDERS, SECOND, Order, assert_sound, credentials, facts, repeat

FOLLOW_UPS = ("retry", "keeper", "keeper, retry", "retry, keeper", "mitigation", "mitigation, keeper")


@dataclass
class Expected:
    """Of a run without a crash: calls, what was there before it, and after it, and after it was undone."""

    calls: int
    before: dict[str, Any]
    after: dict[str, Any]
    undone: dict[str, Any]


async def die(world: World, order: Order, at_call: int, is_promised: bool) -> tuple[Fate, UnderWay | None]:
    """Run the order in a process that dies at this call (0: it lives). The promise, where one was given."""
    fate = Fate(at_call, is_after=False)
    process = world.process(Mortal(world.records, fate), Mortal(world.engine, fate))
    operation = Operation() if is_promised else None
    outcome = None
    with contextlib.suppress(Died):
        task = asyncio.create_task(order.begin(process, world, operation))
        outcome = await task if operation is None else await operation.outcome(task, patience_s=0)
        await task
    world.clock.now_ms += LEASE_MS + 1  # its hold runs out
    return fate, outcome if isinstance(outcome, UnderWay) else None


async def expected(folder: Path, before: Frozen, order: Order, is_promised: bool) -> Expected:
    async with open_world(folder / "whole", frozen=before) as world:
        found_before = await facts(world)
        fate, _ = await die(world, order, 0, is_promised)
        assert not fate.is_dead
        await assert_sound(world)
        after = await facts(world)
        if order.undo is not None:
            await order.undo(world.marketplace, world, None)
            await assert_sound(world)
        return Expected(fate.calls, found_before, after, await facts(world))


async def follow(world: World, order: Order, follow_up: str, is_promised: bool) -> None:
    for step in follow_up.split(", "):
        if step == "keeper":
            await world.marketplace.resume_unfinished()
            continue
        begin = order.begin if step == "retry" else order.undo
        assert begin is not None
        outcome = await repeat(begin, world.marketplace, world, Operation() if is_promised else None)
        if isinstance(outcome, UnderWay):  # then it polls
            await world.marketplace.resume_unfinished()
            assert await state_of(world, order) is not OperationState.IN_PROGRESS


async def state_of(world: World, order: Order) -> OperationState | None:
    """What a poll of the order says; None: that it is gone."""
    try:
        if "bind" in order.name or order.name == "rotate":
            told = await world.marketplace.bindings.last_operation(SECOND, INSTANCE)
            return told[1] if isinstance(told, tuple) else told.state
        return (await world.marketplace.instances.last_operation(INSTANCE)).state
    except NotFound:
        return None


async def check(world: World, order: Order, follow_up: str, told: Expected, promise: UnderWay | None) -> None:
    """What must hold in the end."""
    await assert_sound(world)
    found = await facts(world)
    is_undone = follow_up.startswith("mitigation")
    if is_undone:
        assert found == told.undone
    elif "retry" in follow_up or promise is not None:
        assert found == told.after
    else:
        assert found in (told.before, told.after)
    if promise is not None and not is_undone:
        assert await state_of(world, order) in (OperationState.SUCCEEDED, None)


@pytest.mark.parametrize("is_promised", [False, True], ids=["at once", "promised"])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
async def test_an_order_ends_as_without_the_crash(tmp_path: Path, order: Order, is_promised: bool) -> None:
    async with open_world(tmp_path / "before") as world:
        await order.prepare(world)
    before = Frozen.of(world)
    told = await expected(tmp_path, before, order, is_promised)
    for at_call in range(1, told.calls + 2):
        async with open_world(tmp_path / "dead", frozen=before) as world:
            fate, promise = await die(world, order, at_call, is_promised)
            assert fate.is_dead or at_call == told.calls + 1
            handed_out = await credentials(world)
        dead = Frozen.of(world)
        for follow_up in FOLLOW_UPS:
            if "mitigation" in follow_up and order.undo is None:
                continue
            try:
                async with open_world(tmp_path / "after", frozen=dead) as world:
                    await follow(world, order, follow_up, is_promised)
                    await check(world, order, follow_up, told, promise)
                    for guid, kept in (await credentials(world)).items():
                        assert handed_out.get(guid, kept)["uri"] == kept["uri"]
            except Exception as error:
                error.add_note(f"died before call {at_call} of {told.calls}, then: {follow_up}")
                raise
