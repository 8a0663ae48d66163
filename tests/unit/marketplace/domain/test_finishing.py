"""What the keeper says and does about what it can't settle."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from bucketry.marketplace.domain.errors import DomainError, EngineRefused, EngineUnavailable
from bucketry.marketplace.domain.record_ports import Hold
from bucketry.marketplace.domain.values import InstanceState
from tests.kit.marketplace import LEASE_MS, World
from tests.kit.orders import INSTANCE, OTHER, a_neighbour

AWAY, REFUSED = EngineUnavailable("The engine is away."), EngineRefused("The engine says no.")
INTERVAL_MS = 30_000


async def leave(world: World, guid: str) -> None:
    """As a crash in the middle of a deletion leaves an instance."""
    instance = await world.records.get_instance(guid)
    assert instance is not None
    await world.records.hold_instance(guid, Hold("t", 0), world.clock())
    await world.records.save_instance(replace(instance, state=InstanceState.DELETING), "t", release=True)


async def keep(world: World, rounds: int, failure: DomainError | None) -> tuple[int, list[str]]:
    """Let the keeper run as often, half a minute apart: how often it tried, what was said of the instance."""
    tries = 0
    with capture_logs() as logged:
        for _ in range(rounds):
            if failure is not None:
                world.engine.failures["delete_bucket"] = failure
            tries += await world.marketplace.resume_unfinished()
            world.clock.now_ms += INTERVAL_MS
    return tries, [str(entry.get("reason", entry["event"])) for entry in logged if entry.get("instance") == INSTANCE]


async def test_a_reason_is_said_once_and_tried_again_later_and_later(world: World) -> None:
    await a_neighbour(world)
    await leave(world, INSTANCE)
    tries, said = await keep(world, 40, AWAY)  # twenty minutes
    assert said == ["The engine is away."]
    assert 6 <= tries <= 10
    tries, said = await keep(world, 11, REFUSED)
    assert said == ["The engine says no."]
    tries, said = await keep(world, 11, None)
    assert (tries, said) == (1, ["an unfinished order is settled"])
    assert await world.records.get_instance(INSTANCE) is None


async def test_one_that_cannot_be_settled_keeps_no_other_waiting(world: World) -> None:
    await a_neighbour(world)
    await leave(world, INSTANCE)
    await keep(world, 3, AWAY)
    await leave(world, OTHER)
    world.clock.now_ms -= INTERVAL_MS  # not yet the first one's turn
    assert await world.marketplace.resume_unfinished() == 1
    assert await world.records.get_instance(OTHER) is None


async def test_what_another_is_working_on_is_no_failure(world: World) -> None:
    await a_neighbour(world)
    await leave(world, INSTANCE)
    await world.records.hold_instance(INSTANCE, Hold("t", world.clock() + LEASE_MS), world.clock())
    _, said = await keep(world, 1, None)
    assert said == []
