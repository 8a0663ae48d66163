"""Promised orders of instances and bindings: repeated, broken off, finished, given up, told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bucketry.marketplace.domain.bindings import BindingOrder, Bound, BoundAlike
from bucketry.marketplace.domain.errors import (
    BindingNotFound,
    Busy,
    EngineRefused,
    EngineUnavailable,
    InstanceNotFound,
    TakesLong,
)
from bucketry.marketplace.domain.finishing import LONGEST_PAUSE_MS, TOLD_FOR_MS
from bucketry.marketplace.domain.instance_changes import InstanceChange, Unchanged
from bucketry.marketplace.domain.instances import Created, ExistsAlike
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import Operation, UnderWay
from bucketry.marketplace.domain.values import BindingKind, EndedOperation, OperationState, OperationType
from tests.kit.marketplace import World

HOUR_MS = 3_600_000
KEY = BindingOrder("b1", "i1", BindingKind.KEY, "", None, False, {})
Begin = Callable[[Marketplace, Operation | None], Coroutine[Any, Any, Any]]


def provision(world: World, **changes: Any) -> Begin:
    return lambda market, operation: market.instances.begin_provision(world.order("i1", **changes), operation)


def open_up(world: World) -> Begin:
    change = InstanceChange(plan_guid=world.plan("basic-public").guid)
    return lambda market, operation: market.instances.begin_update("i1", change, operation)


def delete(market: Marketplace, operation: Operation | None) -> Coroutine[Any, Any, Any]:
    return market.instances.begin_deletion("i1", operation, with_bindings=True)


def bind(market: Marketplace, operation: Operation | None) -> Coroutine[Any, Any, Any]:
    return market.bindings.begin_bind(KEY, operation)


def unbind(market: Marketplace, operation: Operation | None) -> Coroutine[Any, Any, Any]:
    return market.bindings.begin_unbind("b1", "i1", operation)


async def promise(world: World, begin: Begin) -> str:
    """Order, and be given a promise at once: the id of the operation."""
    operation = Operation()
    outcome = await operation.outcome(world.marketplace.background.start(begin(world.marketplace, operation)), 0.0)
    assert isinstance(outcome, UnderWay)
    return outcome.operation_id


async def broken_off(world: World, step: str, begin: Begin) -> str:
    """Promise, and stop the server while the engine is at that step."""
    gate = world.engine.gate(step)
    operation_id = await promise(world, begin)
    await gate.reached.wait()
    await world.marketplace.background.close()
    del world.engine.gates[step]
    return operation_id


async def promise_and_go_away(world: World, step: str, begin: Begin) -> None:
    """Promise, and have the engine out of reach from that step on."""
    gate = world.engine.gate(step)
    await promise(world, begin)
    await gate.reached.wait()
    world.engine.is_away = True
    gate.open()
    for result in await asyncio.gather(*world.marketplace.background._tasks, return_exceptions=True):
        assert isinstance(result, EngineUnavailable)


async def state(world: World) -> tuple[str, str]:
    last = await world.marketplace.instances.last_operation("i1")
    return last.type.value, last.state.value


async def state_of_binding(world: World) -> tuple[str, str]:
    last = await world.marketplace.bindings.last_operation("b1", "i1")
    return (last.type, last.state) if isinstance(last, EndedOperation) else last


@pytest.fixture
async def ready(world: World) -> World:
    """With the instance i1."""
    await world.marketplace.instances.provision(world.order("i1"))
    return world


@pytest.fixture
async def bound(ready: World) -> World:
    """With the binding b1 of i1, too."""
    assert isinstance(await ready.marketplace.bindings.bind(KEY), Bound)
    return ready


# ---- broken off, finished by the next start


async def test_a_provision_that_was_broken_off_is_finished(world: World) -> None:
    await broken_off(world, "configure", provision(world, plan="basic-public"))
    with pytest.raises(InstanceNotFound):
        await world.marketplace.instances.get("i1")
    assert await state(world) == ("create", "in progress")
    assert await world.process().resume_unfinished() == 1
    assert await state(world) == ("create", "succeeded")
    assert world.engine.buckets["bkt-i1"].settings.is_public


async def test_an_update_that_was_broken_off_is_finished(ready: World) -> None:
    await broken_off(ready, "configure", open_up(ready))
    assert (await ready.marketplace.instances.get("i1")).plan_guid == ready.plan().guid
    await ready.process().resume_unfinished()
    assert await state(ready) == ("update", "succeeded")
    after = await ready.marketplace.instances.get("i1")
    assert (after.plan_guid, after.pending) == (ready.plan("basic-public").guid, None)
    assert ready.engine.buckets["bkt-i1"].settings.is_public


async def test_a_deletion_that_was_broken_off_is_finished_and_told(bound: World) -> None:
    await broken_off(bound, "delete_bucket", delete)
    await bound.process().resume_unfinished()
    assert await state(bound) == ("delete", "succeeded")
    assert (bound.engine.buckets, bound.engine.keys) == ({}, {})
    bound.clock.now_ms += TOLD_FOR_MS + 1
    await bound.marketplace.resume_unfinished()
    with pytest.raises(InstanceNotFound):
        await state(bound)


async def test_a_bind_that_was_broken_off_is_finished(ready: World) -> None:
    await broken_off(ready, "grant", bind)
    assert await state_of_binding(ready) == (OperationType.CREATE, OperationState.IN_PROGRESS)
    await ready.process().resume_unfinished()
    assert await state_of_binding(ready) == (OperationType.CREATE, OperationState.SUCCEEDED)
    made = await ready.marketplace.bindings.bind(KEY)
    assert isinstance(made, BoundAlike)
    assert made.credentials["access_key_id"] == ready.engine.keys["b1"].key.access_key_id


async def test_an_unbind_that_was_broken_off_is_finished_and_told(bound: World) -> None:
    await broken_off(bound, "revoke", unbind)
    await bound.process().resume_unfinished()
    assert await state_of_binding(bound) == (OperationType.DELETE, OperationState.SUCCEEDED)
    assert bound.engine.keys == {}


# ---- broken off, repeated


@pytest.mark.parametrize("is_promised", [True, False])
async def test_a_provision_that_was_broken_off_goes_on_when_it_is_repeated(world: World, is_promised: bool) -> None:
    earlier = await broken_off(world, "configure", provision(world))
    operation = Operation() if is_promised else None
    outcome = await world.marketplace.instances.begin_provision(world.order("i1"), operation)
    assert isinstance(outcome, Created)
    assert operation is None or operation.id == earlier
    assert outcome.instance.last_operation.id == earlier


async def test_what_was_promised_is_not_undone_by_a_repeat_that_fails(world: World) -> None:
    """Whoever polls is told its end, though the one who repeats it is told that the engine is away."""
    await broken_off(world, "configure", provision(world))
    world.engine.is_away = True
    with pytest.raises(EngineUnavailable):
        await world.marketplace.instances.provision(world.order("i1"))
    assert await state(world) == ("create", "in progress")
    world.engine.is_away = False
    await world.marketplace.resume_unfinished()
    assert await state(world) == ("create", "succeeded")


async def test_what_was_promised_is_told_where_a_repeat_is_refused(world: World) -> None:
    await broken_off(world, "configure", provision(world))
    world.engine.failures["create_bucket"] = EngineRefused("too many buckets")
    with pytest.raises(EngineRefused):
        await world.marketplace.instances.provision(world.order("i1"))
    assert await state(world) == ("create", "failed")
    assert world.engine.buckets == {}


async def test_a_promised_bind_is_not_undone_by_a_repeat_that_fails(ready: World) -> None:
    await broken_off(ready, "grant", bind)
    ready.engine.is_away = True
    with pytest.raises(EngineUnavailable):
        await ready.marketplace.bindings.bind(KEY)
    assert await state_of_binding(ready) == (OperationType.CREATE, OperationState.IN_PROGRESS)
    ready.engine.is_away = False
    await ready.marketplace.resume_unfinished()
    assert await state_of_binding(ready) == (OperationType.CREATE, OperationState.SUCCEEDED)


@pytest.mark.parametrize("begin", [delete, unbind])
async def test_a_removal_that_was_broken_off_goes_on_under_its_id(bound: World, begin: Begin) -> None:
    earlier = await broken_off(bound, "revoke" if begin is unbind else "delete_bucket", begin)
    operation = Operation()
    assert await begin(bound.marketplace, operation) is None
    assert operation.id == earlier


async def test_an_unbind_that_failed_unpromised_is_promised_when_it_is_repeated(bound: World) -> None:
    """The promise is on the disk, so that a second crash does not break it."""
    bound.engine.failures["revoke"] = EngineUnavailable("away")
    with pytest.raises(EngineUnavailable):
        await bound.marketplace.bindings.unbind("b1", "i1")
    await broken_off(bound, "revoke", unbind)
    assert await state_of_binding(bound) == (OperationType.DELETE, OperationState.IN_PROGRESS)
    await bound.process().resume_unfinished()
    assert await state_of_binding(bound) == (OperationType.DELETE, OperationState.SUCCEEDED)


# ---- others meanwhile


async def test_an_update_that_was_broken_off_takes_no_other_operation(ready: World) -> None:
    """Neither one that would come to stand on half of it, nor a deletion; the same is under way."""
    earlier = await broken_off(ready, "configure", open_up(ready))
    others: list[Begin] = [
        delete,
        bind,
        lambda market, operation: market.instances.begin_update("i1", InstanceChange(name="x"), operation),
        lambda market, operation: market.instances.begin_update(
            "i1", InstanceChange(parameters={"object_ownership": "ObjectWriter"}), operation
        ),
    ]
    for begin in others:
        with pytest.raises(Busy):
            await begin(ready.marketplace, Operation())
    assert await open_up(ready)(ready.marketplace, Operation()) == UnderWay(earlier)
    with pytest.raises(Busy):
        await open_up(ready)(ready.marketplace, None)
    await ready.marketplace.resume_unfinished()
    await delete(ready.marketplace, Operation())
    assert ready.engine.buckets == {}


async def test_a_provision_that_was_broken_off_can_be_deleted(world: World) -> None:
    """Mitigation of an orphan does not wait for the keeper."""
    await broken_off(world, "configure", provision(world))
    assert await delete(world.marketplace, Operation()) is None
    assert world.engine.buckets == {}
    assert await state(world) == ("delete", "succeeded")


async def test_another_process_is_told_that_it_is_under_way(world: World) -> None:
    gate = world.engine.gate("configure")
    operation_id = await promise(world, provision(world))
    await gate.reached.wait()
    elsewhere = world.process(moment_ms=0)
    assert await provision(world)(elsewhere, Operation()) == UnderWay(operation_id)
    assert await elsewhere.resume_unfinished() == 0
    gate.open()
    await asyncio.gather(*world.marketplace.background._tasks)
    assert isinstance(await provision(world)(elsewhere, Operation()), ExistsAlike)


# ---- engines that are away, or refuse


async def test_a_promised_provision_waits_for_an_engine_that_is_away(world: World) -> None:
    await promise_and_go_away(world, "create_bucket", provision(world))
    for _ in range(3):
        world.clock.now_ms += HOUR_MS // 4
        await world.marketplace.resume_unfinished()
        assert await state(world) == ("create", "in progress")
    world.engine.is_away = False
    world.clock.now_ms += LONGEST_PAUSE_MS
    await world.marketplace.resume_unfinished()
    assert await state(world) == ("create", "succeeded")


async def test_a_promised_provision_is_given_up_after_an_hour(world: World) -> None:
    """Failed at once, undone when the engine is back; then the id can be used again."""
    await promise_and_go_away(world, "create_bucket", provision(world))
    world.clock.now_ms += HOUR_MS
    await world.marketplace.resume_unfinished()
    last = await world.marketplace.instances.last_operation("i1")
    assert (last.state, last.description) == (OperationState.FAILED, "The engine can't be reached.")
    world.engine.is_away = False
    await world.marketplace.resume_unfinished()
    assert await world.records.get_instance("i1") is None
    assert await world.marketplace.instances.last_operation("i1") != last
    assert await state(world) == ("create", "failed")
    assert isinstance(await world.marketplace.instances.provision(world.order("i1")), Created)
    assert await state(world) == ("create", "succeeded")


async def test_a_promised_update_is_given_up_after_an_hour(ready: World) -> None:
    """Failed at once, taken back when the engine is back."""
    await promise_and_go_away(ready, "configure", open_up(ready))
    ready.clock.now_ms += HOUR_MS
    await ready.marketplace.resume_unfinished()
    last = await ready.marketplace.instances.last_operation("i1")
    assert (last.state, last.description) == (OperationState.FAILED, "The engine can't be reached.")
    ready.engine.is_away = False
    await ready.marketplace.resume_unfinished()
    after = await ready.marketplace.instances.get("i1")
    assert (after.state, after.plan_guid, after.pending) == ("ready", ready.plan().guid, None)
    assert after.last_operation.description == last.description
    assert not ready.engine.buckets["bkt-i1"].settings.is_public


async def test_a_promised_bind_is_given_up_after_an_hour(ready: World) -> None:
    """Once the engine can be asked to take the key back, if there is one."""
    await promise_and_go_away(ready, "grant", bind)
    ready.clock.now_ms += HOUR_MS
    ready.engine.is_away = False
    ready.engine.failures["grant"] = EngineUnavailable("away")
    await ready.marketplace.resume_unfinished()
    assert await state_of_binding(ready) == (OperationType.CREATE, OperationState.FAILED)
    assert ready.engine.keys == {}


async def test_a_promised_deletion_is_never_given_up(ready: World) -> None:
    await promise_and_go_away(ready, "delete_bucket", delete)
    for _ in range(3):
        ready.clock.now_ms += 10 * HOUR_MS
        await ready.marketplace.resume_unfinished()
        assert await state(ready) == ("delete", "in progress")
    ready.engine.is_away = False
    ready.clock.now_ms += LONGEST_PAUSE_MS
    await ready.marketplace.resume_unfinished()
    assert await state(ready) == ("delete", "succeeded")


REFUSED = EngineRefused("The engine refused it.")


@pytest.mark.parametrize("is_broken_off", [True, False])
async def test_a_promised_deletion_that_is_refused_leaves_the_instance(ready: World, is_broken_off: bool) -> None:
    if is_broken_off:
        await broken_off(ready, "delete_bucket", delete)
        ready.engine.failures["delete_bucket"] = REFUSED
        await ready.marketplace.resume_unfinished()
    else:
        ready.engine.failures["delete_bucket"] = REFUSED
        with pytest.raises(EngineRefused):
            await ready.marketplace.instances.delete("i1")
    assert await state(ready) == ("delete", "failed")
    assert (await ready.marketplace.instances.get("i1")).state == "ready"
    await ready.marketplace.instances.delete("i1")


async def test_an_answered_failure_is_promised_to_nobody(world: World) -> None:
    """It leaves nothing, though it could have been promised."""
    world.engine.failures["configure"] = REFUSED
    operation = Operation()
    work: Coroutine[Any, Any, Any] = provision(world)(world.marketplace, operation)
    with pytest.raises(EngineRefused):
        await operation.outcome(world.marketplace.background.start(work), 60.0)
    with pytest.raises(InstanceNotFound):
        await state(world)
    with pytest.raises(BindingNotFound):
        await state_of_binding(world)


# ---- long deletions


async def test_what_takes_long_needs_an_operation(world: World) -> None:
    await world.marketplace.instances.provision(world.order("i1", "basic-sandbox"))
    world.engine.fill("bkt-i1", 2001)
    with pytest.raises(TakesLong, match="2,000"):
        await world.marketplace.instances.begin_deletion("i1", None, most_at_once=2000)
    assert await state(world) == ("create", "succeeded")
    assert world.engine.buckets["bkt-i1"].objects == 2001
    await world.marketplace.instances.begin_deletion("i1", Operation(), most_at_once=2000)
    assert world.engine.buckets == {}


async def test_a_long_deletion_tells_how_far_it_is(world: World) -> None:
    await world.marketplace.instances.provision(world.order("i1", "basic-sandbox"))
    world.engine.fill("bkt-i1", 5000)
    told: list[str] = []
    pages, emptied = world.engine.empty_bucket, asyncio.Event()

    async def slowly(bucket: str) -> Any:
        async for progress in pages(bucket):
            world.clock.now_ms += 3_000
            yield progress
            told.append((await world.marketplace.instances.last_operation("i1")).description)
        emptied.set()

    world.engine.empty_bucket = slowly  # type: ignore[method-assign]  # the fake engine takes its time here
    await promise(world, delete)
    await emptied.wait()
    assert told[0] == "delete in progress"
    assert told[-1] == "delete in progress: 4,000 objects removed"
    await asyncio.gather(*world.marketplace.background._tasks)
    assert await state(world) == ("delete", "succeeded")


async def test_an_update_to_what_is_needs_no_promise(ready: World) -> None:
    outcome = await ready.marketplace.instances.begin_update("i1", InstanceChange(), Operation())
    assert isinstance(outcome, Unchanged)
    assert await state(ready) == ("create", "succeeded")
