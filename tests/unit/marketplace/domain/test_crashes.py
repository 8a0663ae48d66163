"""A process dies at any call of the world outside; what it left is finished or undone, by a repeat or by the keeper.

Each test runs an order with a process that dies at its first call, its second …, before or after the call took effect,
until one gets through. After each death the same must hold, and no bucket or key may be left that nobody has.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bucketry.marketplace.domain.bindings import BindingOrder, Bound, BoundAlike
from bucketry.marketplace.domain.errors import BindingNotFound, InstanceNotFound
from bucketry.marketplace.domain.instance_changes import Unchanged, Updated
from bucketry.marketplace.domain.instances import Created, ExistsAlike
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import BindingKind, InstanceState
from tests.kit.marketplace import LEASE_MS, Died, Fate, Mortal, World, open_world

INSTANCE, BINDING, OTHER = "i1", "b1", "i2"
CORS = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
LIMIT = 60

Prepare = Callable[[World], Awaitable[None]]
Order = Callable[[Marketplace, World], Awaitable[object]]


async def deaths(folder: Path, prepare: Prepare, order: Order) -> AsyncIterator[World]:
    """Worlds in which a process died over `order`, at each possible moment, and its hold ran out."""
    for is_after in (False, True):
        for at_call in range(1, LIMIT):
            place = folder / f"{at_call}-{is_after}"
            place.mkdir()
            async with open_world(place) as world:
                await prepare(world)
                fate = Fate(at_call, is_after)
                mortal = world.process(Mortal(world.records, fate), Mortal(world.engine, fate))
                with contextlib.suppress(Died):
                    await order(mortal, world)
                if not fate.is_dead:
                    break
                world.clock.now_ms += LEASE_MS + 1
                yield world
        else:
            raise AssertionError("the order never got through")


async def assert_sound(world: World) -> None:
    """Nothing is under way, and the engine holds what the records say, no more and no less."""
    assert await world.records.unfinished_instances(world.clock() + LEASE_MS, 10) == []
    guids = [guid for guid in (INSTANCE, OTHER) if await world.records.get_instance(guid)]
    assert set(world.engine.buckets) == {world.engine.bucket_name(guid) for guid in guids}
    bindings = [binding.guid for guid in guids for binding in await world.records.list_bindings(guid)]
    assert set(world.engine.keys) == set(bindings)


async def nothing(_world: World) -> None:
    return None


async def an_instance(world: World) -> None:
    await world.marketplace.instances.provision(world.order(INSTANCE))


async def a_binding(world: World) -> None:
    await an_instance(world)
    await bind(world.marketplace, world)


async def a_full_sandbox_with_a_neighbour(world: World) -> None:
    """Another instance's key reaches the bucket, too."""
    await world.marketplace.instances.provision(world.order(INSTANCE, "basic-sandbox"))
    await world.marketplace.instances.provision(world.order(OTHER, name="other"))
    world.engine.fill(world.engine.bucket_name(INSTANCE), objects=2500, uploads=2)
    await bind(world.marketplace, world)
    beside = BindingOrder("b2", OTHER, BindingKind.KEY, "", None, False, {"additional_instances": ["mine"]})
    assert isinstance(await world.marketplace.bindings.bind(beside), Bound)


async def provision(marketplace: Marketplace, world: World) -> object:
    return await marketplace.instances.provision(world.order(INSTANCE, "basic-public", parameters={"cors": CORS}))


async def bind(marketplace: Marketplace, _world: World) -> object:
    return await marketplace.bindings.bind(BindingOrder(BINDING, INSTANCE, BindingKind.KEY, "", None, False, {}))


async def update(marketplace: Marketplace, world: World) -> object:
    return await marketplace.instances.update(INSTANCE, world.plan("basic-public").guid, {"cors": CORS})


async def unbind(marketplace: Marketplace, _world: World) -> object:
    return await marketplace.bindings.unbind(BINDING, INSTANCE)


async def delete(marketplace: Marketplace, _world: World) -> object:
    return await marketplace.instances.delete(INSTANCE, with_bindings=True)


async def test_a_repeated_provision_goes_on(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, nothing, provision):
        assert isinstance(await provision(world.marketplace, world), Created | ExistsAlike)
        await assert_sound(world)
        settings = world.engine.buckets[world.engine.bucket_name(INSTANCE)].settings
        assert settings.is_public
        assert settings.cors == CORS


async def test_another_provision_of_the_same_id_wins_over_a_half_made_one(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, nothing, provision):
        before = await world.records.get_instance(INSTANCE)
        if before is not None and before.state is InstanceState.READY:
            continue  # it was made; only the answer was lost
        assert isinstance(await world.marketplace.instances.provision(world.order(INSTANCE)), Created)
        await assert_sound(world)
        assert not world.engine.buckets[world.engine.bucket_name(INSTANCE)].settings.is_public


async def test_the_keeper_undoes_a_half_made_instance(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, nothing, provision):
        await world.marketplace.resume_unfinished()
        await assert_sound(world)


async def test_a_platform_mitigates_an_orphan(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, nothing, provision):
        with contextlib.suppress(InstanceNotFound):
            await delete(world.marketplace, world)
        await assert_sound(world)
        assert world.engine.buckets == {}


async def test_a_repeated_bind_goes_on(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, an_instance, bind):
        outcome = await bind(world.marketplace, world)
        assert isinstance(outcome, Bound | BoundAlike)
        assert outcome.credentials["access_key_id"] == world.engine.keys[BINDING].key.access_key_id
        await assert_sound(world)


async def test_the_keeper_undoes_a_half_made_binding(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, an_instance, bind):
        await world.marketplace.resume_unfinished()
        await assert_sound(world)


async def test_the_keeper_takes_back_a_half_made_update(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, an_instance, update):
        await world.marketplace.resume_unfinished()
        await assert_sound(world)
        instance = await world.marketplace.instances.get(INSTANCE)
        is_public = world.engine.buckets[instance.bucket].settings.is_public
        assert is_public is (instance.plan_guid == world.plan("basic-public").guid)


async def test_a_repeated_update_goes_on(tmp_path: Path) -> None:
    async for world in deaths(tmp_path, an_instance, update):
        assert isinstance(await update(world.marketplace, world), Updated | Unchanged)
        await assert_sound(world)
        assert world.engine.buckets[world.engine.bucket_name(INSTANCE)].settings.is_public


@pytest.mark.parametrize("is_repeated", [True, False], ids=["repeated", "by the keeper"])
async def test_an_unbind_is_finished(tmp_path: Path, is_repeated: bool) -> None:
    async for world in deaths(tmp_path, a_binding, unbind):
        begun = await world.records.get_binding(BINDING)
        if is_repeated:
            with contextlib.suppress(BindingNotFound):
                await unbind(world.marketplace, world)
        else:
            await world.marketplace.resume_unfinished()
        await assert_sound(world)
        if is_repeated or begun is None or begun.sealed_key is None:
            assert world.engine.keys == {}


@pytest.mark.parametrize("is_repeated", [True, False], ids=["repeated", "by the keeper"])
async def test_a_deletion_is_finished(tmp_path: Path, is_repeated: bool) -> None:
    async for world in deaths(tmp_path, a_full_sandbox_with_a_neighbour, delete):
        if is_repeated:
            with contextlib.suppress(InstanceNotFound):
                await delete(world.marketplace, world)
        else:
            await world.marketplace.resume_unfinished()
        await assert_sound(world)
        if await world.records.get_instance(INSTANCE) is None:
            assert world.engine.keys["b2"].buckets == (world.engine.bucket_name(OTHER),)
        else:
            assert not is_repeated
