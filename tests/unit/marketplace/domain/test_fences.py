"""A process that stands still in the middle of a bind is overtaken, wakes up, and does no harm: the credentials that
the other handed out go on, and no key is left that nobody was given."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bucketry.marketplace.domain.bindings import Bound
from bucketry.marketplace.domain.errors import Busy, DomainError, EngineRefused, EngineUnavailable
from bucketry.marketplace.domain.instance_changes import InstanceChange
from bucketry.marketplace.domain.operations import Operation, UnderWay
from tests.kit.marketplace import LEASE_MS, World, open_world
from tests.kit.memory_engine import MemoryEngine
from tests.kit.orders import INSTANCE, SECOND, a_binding, assert_sound, binding_order


class Sleeper(MemoryEngine):
    """The engine as the one who stands still reaches it: the same buckets and keys, gates of its own."""

    def __init__(self, other: MemoryEngine) -> None:
        super().__init__(buckets=other.buckets, keys=other.keys)


async def overtaken(world: World, stands_at: str, is_promised: bool, failure: DomainError | None = None) -> None:
    """One binds and stands still there; another binds the same and is done; the first one wakes up, and may fail."""
    sleeping = Sleeper(world.engine)
    gate = sleeping.gate(stands_at)
    first = world.process(engine=sleeping)
    operation = Operation() if is_promised else None
    late = asyncio.create_task(first.bindings.begin_bind(binding_order(SECOND), operation))
    await gate.reached.wait()
    if operation is not None:
        assert isinstance(await operation.outcome(late, patience_s=0), UnderWay)
    world.clock.now_ms += LEASE_MS + 1
    if is_promised:
        await world.marketplace.resume_unfinished()
    else:
        assert isinstance(await world.marketplace.bindings.bind(binding_order(SECOND)), Bound)
    handed_out = world.engine.keys[SECOND].key
    if failure is not None:
        sleeping.failures[stands_at] = failure
    gate.open()
    with pytest.raises((Busy, EngineUnavailable)):
        await late
    held = world.engine.keys[SECOND]
    assert (held.key, held.other_keys) == (handed_out, [])
    await assert_sound(world)
    assert [finding async for finding in world.marketplace.reconciling.findings()] == []


@pytest.mark.parametrize("is_promised", [False, True], ids=["at once", "promised"])
@pytest.mark.parametrize("stands_at", ["grant", "make_key", "answer_key"])
async def test_who_is_overtaken_in_a_bind_leaves_the_others_key_and_none_of_its_own(
    tmp_path: Path, stands_at: str, is_promised: bool
) -> None:
    """Before its fence, between the fence and the key, and with the key in its hands."""
    async with open_world(tmp_path) as world:
        await a_binding(world)
        await overtaken(world, stands_at, is_promised)


FAILURES = [EngineRefused("The engine refused it."), EngineUnavailable("The engine did not answer.")]


@pytest.mark.parametrize("is_promised", [False, True], ids=["at once", "promised"])
@pytest.mark.parametrize("failure", FAILURES, ids=["refused", "away"])
async def test_who_is_overtaken_in_a_bind_and_fails_then_undoes_nothing(
    tmp_path: Path, failure: DomainError, is_promised: bool
) -> None:
    async with open_world(tmp_path) as world:
        await a_binding(world)
        await overtaken(world, "grant", is_promised, failure)


@pytest.mark.parametrize("is_promised", [False, True], ids=["at once", "promised"])
@pytest.mark.parametrize("failure", FAILURES, ids=["refused", "away"])
async def test_who_is_overtaken_in_an_update_and_fails_then_takes_nothing_back(
    tmp_path: Path, failure: DomainError, is_promised: bool
) -> None:
    async with open_world(tmp_path) as world:
        await a_binding(world)
        sleeping = Sleeper(world.engine)
        gate, change = sleeping.gate("configure"), InstanceChange(world.plan("basic-public").guid)
        operation = Operation() if is_promised else None
        late = asyncio.create_task(world.process(engine=sleeping).instances.begin_update(INSTANCE, change, operation))
        await gate.reached.wait()
        if operation is not None:
            assert isinstance(await operation.outcome(late, patience_s=0), UnderWay)
        world.clock.now_ms += LEASE_MS + 1
        if is_promised:
            await world.marketplace.resume_unfinished()
        else:
            await world.marketplace.instances.update(INSTANCE, change.plan_guid)
        sleeping.failures["configure"] = failure
        gate.open()
        with pytest.raises((Busy, EngineUnavailable)):
            await late
        (bucket,) = world.engine.buckets.values()
        assert bucket.settings.is_public
        updated = await world.records.get_instance(INSTANCE)
        assert updated is not None
        assert updated.plan_guid == change.plan_guid
        await assert_sound(world)
