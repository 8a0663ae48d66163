"""Bindings of apps to instances."""

from __future__ import annotations

from typing import Any

import msgspec

from bucketry.marketplace.domain.bindings import Bound, BoundDifferently
from bucketry.marketplace.domain.errors import BindingNotFound
from bucketry.marketplace.domain.values import App, BindingKind, Instance
from bucketry.marketplace.manage import views
from bucketry.marketplace.manage.call import Answer, Call
from bucketry.marketplace.manage.errors import ApiError


class NewBinding(msgspec.Struct, forbid_unknown_fields=True):
    """`binding_name`: how the app finds it in VCAP_SERVICES; by the instance's name where not given."""

    binding_name: str = ""
    parameters: dict[str, Any] = {}


async def list_bindings(call: Call) -> Answer:
    """The app bindings of an instance, the oldest first, without credentials."""
    instance = await call.instance()
    found = await call.marketplace.bindings.list_for_instance(instance.guid)
    shown = []
    for value in found:
        if value.kind is BindingKind.APP:
            is_here = value.is_local and value.app_guid is not None
            app = (await call.marketplace.places.get_app(str(value.app_guid))).name if is_here else value.app_guid
            shown.append(views.binding(value, instance.name, app))
    return Answer(200, shown)


async def bind_app(call: Call) -> Answer:
    """Bind an app. 201; 200 if it is bound alike; 409 if otherwise."""
    instance = await call.instance()
    wanted = await call.body(NewBinding)
    app = await call.app()
    outcome = await call.marketplace.bindings.bind_app(instance.guid, app.guid, wanted.binding_name, wanted.parameters)
    if isinstance(outcome, BoundDifferently):
        raise ApiError(
            409,
            "ExistsDifferently",
            f"App {app.name} is already bound to service instance {instance.name} with other {outcome.difference}.",
            f"Unbind it first: bucketry unbind-service {app.name} {instance.name}",
        )
    return Answer(201 if isinstance(outcome, Bound) else 200, views.binding(outcome.binding, instance.name, app.name))


async def unbind_app(call: Call) -> Answer:
    """Unbind an app: its credentials fail from the next request on."""
    instance = await call.instance()
    app = await call.app()
    bindings = call.marketplace.bindings
    for value in await bindings.list_for_app(app.guid):
        if value.instance_guid == instance.guid:
            try:
                await bindings.unbind(value.guid, instance.guid)
            except BindingNotFound:
                break  # unbound by another just now
            return Answer(204)
    raise _not_bound(instance, app)


def _not_bound(instance: Instance, app: App) -> ApiError:
    return ApiError(
        404,
        "BindingNotFound",
        f"App {app.name} is not bound to service instance {instance.name}.",
        f"Bind it with: bucketry bind-service {app.name} {instance.name}",
    )
