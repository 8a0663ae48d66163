"""Orders as platforms give them, each with what is there before it and how it is undone; and what is there after it.

Tests of crashes and races run them over records in a file and an engine in memory, and compare the facts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bucketry.marketplace.domain.bindings import BindingOrder, Bound
from bucketry.marketplace.domain.credentials import Credentials
from bucketry.marketplace.domain.errors import NotFound
from bucketry.marketplace.domain.instance_changes import InstanceChange
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import Operation
from bucketry.marketplace.domain.values import BindingKind, InstanceState
from tests.kit.marketplace import World

INSTANCE, OTHER = "i1", "i2"
BINDING, SECOND, BESIDE = "b1", "b2", "b3"
CORS = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
USERS_CORS = {"CORSRules": [{"AllowedOrigins": ["https://mine.example"], "AllowedMethods": ["PUT"]}]}

Prepare = Callable[[World], Awaitable[None]]
Begin = Callable[[Marketplace, World, Operation | None], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Order:
    """`undo`: what a platform does that got no answer (orphan mitigation); None: it only repeats the order."""

    name: str
    prepare: Prepare
    begin: Begin
    undo: Begin | None = None


def binding_order(guid: str, instance_guid: str = INSTANCE, **changes: Any) -> BindingOrder:
    values = {"kind": BindingKind.KEY, "name": "", "app_guid": None, "is_local": False, "parameters": {}}
    return BindingOrder(guid, instance_guid, **values | changes)


# ---- what is there before


async def nothing(_world: World) -> None:
    return None


async def an_instance(world: World) -> None:
    await world.marketplace.instances.provision(world.order(INSTANCE))


async def a_neighbour(world: World) -> None:
    """Two instances; the name of the first is known to the second's space."""
    await an_instance(world)
    await world.marketplace.instances.provision(world.order(OTHER, name="other"))


async def a_binding(world: World) -> None:
    await an_instance(world)
    assert isinstance(await world.marketplace.bindings.bind(binding_order(BINDING)), Bound)


async def two_bindings(world: World) -> None:
    await a_binding(world)
    assert isinstance(await world.marketplace.bindings.bind(binding_order(SECOND)), Bound)


async def a_bucket_that_its_users_changed(world: World) -> None:
    await a_binding(world)
    held = world.engine.buckets[world.engine.bucket_name(INSTANCE)]
    held.settings = type(held.settings)(cors=USERS_CORS)


async def a_reached_instance(world: World) -> None:
    """With bindings, and another instance's binding that reaches its bucket, too."""
    await two_bindings(world)
    await world.marketplace.instances.provision(world.order(OTHER, name="other"))
    beside = binding_order(BESIDE, OTHER, parameters={"additional_instances": ["mine"]})
    assert isinstance(await world.marketplace.bindings.bind(beside), Bound)


async def a_full_sandbox(world: World) -> None:
    await world.marketplace.instances.provision(world.order(INSTANCE, "basic-sandbox"))
    await world.marketplace.instances.provision(world.order(OTHER, name="other"))
    world.engine.fill(world.engine.bucket_name(INSTANCE), objects=2500, uploads=2)
    await world.marketplace.bindings.bind(binding_order(BINDING))
    await world.marketplace.bindings.bind(binding_order(SECOND))
    await world.marketplace.bindings.bind(binding_order(BESIDE, OTHER, parameters={"additional_instances": ["mine"]}))


# ---- the orders


async def provision(marketplace: Marketplace, world: World, operation: Operation | None) -> Any:
    order = world.order(INSTANCE, "basic-public", parameters={"cors": CORS})
    return await marketplace.instances.begin_provision(order, operation)


async def deprovision(marketplace: Marketplace, _world: World, operation: Operation | None) -> Any:
    return await marketplace.instances.begin_deletion(INSTANCE, operation, with_bindings=True)


async def bind(marketplace: Marketplace, _world: World, operation: Operation | None) -> Any:
    return await marketplace.bindings.begin_bind(binding_order(SECOND), operation)


async def bind_to_two(marketplace: Marketplace, _world: World, operation: Operation | None) -> Any:
    order = binding_order(SECOND, parameters={"additional_instances": ["other"], "permissions": "read-only"})
    return await marketplace.bindings.begin_bind(order, operation)


async def rotate(marketplace: Marketplace, _world: World, operation: Operation | None) -> Any:
    return await marketplace.bindings.begin_bind(binding_order(SECOND, predecessor_guid=BINDING), operation)


async def unbind(marketplace: Marketplace, _world: World, operation: Operation | None) -> Any:
    return await marketplace.bindings.begin_unbind(SECOND, INSTANCE, operation)


async def change_parameters(marketplace: Marketplace, _world: World, operation: Operation | None) -> Any:
    website = {"IndexDocument": {"Suffix": "index.html"}}
    return await marketplace.instances.begin_update(INSTANCE, InstanceChange(None, {"website": website}), operation)


async def change_plan(marketplace: Marketplace, world: World, operation: Operation | None) -> Any:
    change = InstanceChange(world.plan("basic-public").guid)
    return await marketplace.instances.begin_update(INSTANCE, change, operation)


ORDERS = (
    Order("provision", nothing, provision, deprovision),
    Order("bind", a_binding, bind, unbind),
    Order("bind-to-two", a_neighbour, bind_to_two, unbind),
    Order("rotate", a_binding, rotate, unbind),
    Order("unbind", two_bindings, unbind),
    Order("update-parameters", a_bucket_that_its_users_changed, change_parameters),
    Order("update-plan", a_bucket_that_its_users_changed, change_plan),
    Order("deprovision", a_reached_instance, deprovision),
    Order("deprovision-a-full-sandbox", a_full_sandbox, deprovision),
)


async def repeat(begin: Begin, marketplace: Marketplace, world: World, operation: Operation | None) -> Any:
    """As platforms repeat an order: what is gone already is no failure."""
    with contextlib.suppress(NotFound):
        return await begin(marketplace, world, operation)


# ---- what is there


async def facts(world: World) -> dict[str, Any]:
    """Records and engine, in a form that two worlds can be compared by. Key pairs aren't in it: credentials() are."""
    found: dict[str, Any] = {}
    for instance in await world.records.list_all_instances("", 1000):
        found[f"instance {instance.guid}"] = (
            instance.state,
            instance.plan_guid,
            dict(instance.parameters),
            instance.pending,
        )
        for binding in await world.records.list_bindings(instance.guid):
            found[f"binding {binding.guid}"] = (
                instance.guid,
                binding.state,
                dict(binding.parameters),
                tuple(binding.additional_instances),
                binding.predecessor_guid,
                binding.operation_id,
            )
    for name, bucket in world.engine.buckets.items():
        found[f"bucket {name}"] = (bucket.settings, bucket.objects, bucket.uploads)
    for guid, key in world.engine.keys.items():
        found[f"key {guid}"] = (tuple(key.buckets), key.rights, dict(key.labels), tuple(key.other_keys))
    return found


async def credentials(world: World) -> dict[str, Credentials]:
    """What each finished binding hands out."""
    found = {}
    for instance in await world.records.list_all_instances("", 1000):
        for binding in await world.marketplace.bindings.list_for_instance(instance.guid):
            found[binding.guid] = await world.marketplace.bindings.credentials(binding)
    return found


async def assert_sound(world: World) -> None:
    """Nothing is under way, and the engine holds what the records say, no more and no less."""
    instances = await world.records.list_all_instances("", 1000)
    assert {instance.state for instance in instances} <= {InstanceState.READY}
    assert await world.records.unfinished_instances(world.clock() + 3_600_000, 10) == []
    assert set(world.engine.buckets) == {instance.bucket for instance in instances}
    bindings = [b.guid for instance in instances for b in await world.records.list_bindings(instance.guid)]
    assert set(world.engine.keys) == set(bindings)
    for guid, handed_out in (await credentials(world)).items():
        key = world.engine.keys[guid].key
        assert (handed_out["access_key_id"], handed_out["secret_access_key"]) == (
            key.access_key_id,
            key.secret_access_key,
        )
