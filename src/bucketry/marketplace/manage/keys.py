"""Service keys of an instance, and their credentials."""

from __future__ import annotations

from typing import Any

import msgspec

from bucketry.marketplace.domain.bindings import Bound, BoundDifferently
from bucketry.marketplace.domain.errors import BindingNotFound
from bucketry.marketplace.domain.values import Binding, BindingKind, Instance
from bucketry.marketplace.manage import views
from bucketry.marketplace.manage.call import Answer, Call
from bucketry.marketplace.manage.errors import ApiError


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """`parameters`: `permissions`, `prefix`, `source_ip`, `expires_in`, `additional_instances`."""

    name: str
    parameters: dict[str, Any] = {}


async def list_keys(call: Call) -> Answer:
    """The keys of an instance, the oldest first, without credentials."""
    instance = await call.instance()
    found = await call.marketplace.bindings.list_for_instance(instance.guid)
    return Answer(200, [views.binding(value, instance.name) for value in found if value.kind is BindingKind.KEY])


async def create_key(call: Call) -> Answer:
    """Make a key. 201; 200 if it was ordered alike; 409 if otherwise. Its credentials are asked for apart."""
    instance = await call.instance()
    wanted = await call.body(NewKey)
    outcome = await call.marketplace.bindings.create_key(instance.guid, wanted.name, wanted.parameters)
    if isinstance(outcome, BoundDifferently):
        raise ApiError(
            409,
            "ExistsDifferently",
            f"Service key {wanted.name} of service instance {instance.name} already exists with other parameters.",
            f"Choose another name, or delete it first: bucketry delete-service-key {instance.name} {wanted.name}",
        )
    return Answer(201 if isinstance(outcome, Bound) else 200, views.binding(outcome.binding, instance.name))


async def get_key(call: Call) -> Answer:
    """One key, without credentials."""
    instance, key = await _key(call)
    return Answer(200, views.binding(key, instance.name))


async def get_key_by_name(call: Call) -> Answer:
    """The key of this name in a space, while only one instance has such a key; 409 if several have."""
    space = await call.space()
    try:
        key = await call.marketplace.bindings.find_key_in_space(space.guid, call.name("key"))
    except BindingNotFound:
        name = call.name("key")
        raise ApiError(
            404,
            "KeyNotFound",
            f"No service instance in org {call.name('org')} / space {space.name} has a key {name}.",
            f"Make one with: bucketry create-service-key SERVICE_INSTANCE {name}",
        ) from None
    instance = await call.marketplace.instances.get(key.instance_guid)
    return Answer(200, views.binding(key, instance.name))


async def get_credentials(call: Call) -> Answer:
    """`{"credentials": {…}}`, the secret in them."""
    _, key = await _key(call)
    return Answer(200, {"credentials": await call.marketplace.bindings.credentials(key)})


async def delete_key(call: Call) -> Answer:
    """Revoke a key: its credentials fail from the next request on."""
    instance, key = await _key(call)
    try:
        await call.marketplace.bindings.unbind(key.guid, instance.guid)
    except BindingNotFound:
        raise _not_found(instance, key.name) from None  # deleted by another just now
    return Answer(204)


async def _key(call: Call) -> tuple[Instance, Binding]:
    instance = await call.instance()
    try:
        return instance, await call.marketplace.bindings.find_key(instance, call.name("key"))
    except BindingNotFound:
        raise _not_found(instance, call.name("key")) from None


def _not_found(instance: Instance, name: str) -> ApiError:
    return ApiError(
        404,
        "KeyNotFound",
        f"No service key {name} found for service instance {instance.name}.",
        f"`bucketry service-keys {instance.name}` lists its keys.",
    )
