"""A process that stands still in the middle of a bind is overtaken, wakes up, and does no harm: the credentials that
the other handed out go on, and no key is left that nobody was given."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bucketry.marketplace.domain.bindings import Bound
from bucketry.marketplace.domain.errors import Busy
from bucketry.marketplace.domain.operations import Operation
from tests.kit.marketplace import LEASE_MS, World, open_world
from tests.kit.memory_engine import MemoryEngine
from tests.kit.orders import SECOND, a_binding, assert_sound, binding_order


class Sleeper(MemoryEngine):
    """The engine as the one who stands still reaches it: the same buckets and keys, gates of its own."""

    def __init__(self, other: MemoryEngine) -> None:
        super().__init__(buckets=other.buckets, keys=other.keys)


async def overtaken(world: World, stands_at: str, is_promised: bool) -> None:
    """One binds and stands still there; another binds the same and is done; the first one wakes up."""
    sleeping = Sleeper(world.engine)
    gate = sleeping.gate(stands_at)
    first = world.process(engine=sleeping)
    operation = Operation() if is_promised else None
    late = asyncio.create_task(first.bindings.begin_bind(binding_order(SECOND), operation))
    await gate.reached.wait()
    world.clock.now_ms += LEASE_MS + 1
    if is_promised:
        await world.marketplace.resume_unfinished()
    else:
        assert isinstance(await world.marketplace.bindings.bind(binding_order(SECOND)), Bound)
    handed_out = world.engine.keys[SECOND].key
    gate.open()
    with pytest.raises(Busy):
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
