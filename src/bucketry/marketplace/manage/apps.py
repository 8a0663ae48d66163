"""Apps, which are names that instances are bound to, and what they find in their environment."""

from __future__ import annotations

from typing import Any

import msgspec

from bucketry.marketplace.domain.errors import BindingNotFound, NameTaken
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import App, Binding, Instance
from bucketry.marketplace.manage.call import Answer, Call
from bucketry.marketplace.manage.views import AppView, moment


class NewApp(msgspec.Struct, forbid_unknown_fields=True):
    """`{}`: an app is its name, which the path has."""


async def list_apps(call: Call) -> Answer:
    """The apps of a space, by name, with the instances that they are bound to."""
    space = await call.space()
    found = await call.marketplace.places.list_apps(space.guid)
    return Answer(200, [await _view(call.marketplace, app) for app in found])


async def get_app(call: Call) -> Answer:
    """One app."""
    return Answer(200, await _view(call.marketplace, await call.app()))


async def put_app(call: Call) -> Answer:
    """Register an app. 201, or 200 if it is there."""
    space = await call.space()
    await call.body(NewApp)
    places = call.marketplace.places
    try:
        app, status = await places.create_app(space.guid, call.name("app")), 201
    except NameTaken:
        app, status = await places.find_app(space.guid, call.name("app")), 200
    return Answer(status, await _view(call.marketplace, app))


async def delete_app(call: Call) -> Answer:
    """Remove an app; its bindings are revoked first."""
    app = await call.app()
    bindings = call.marketplace.bindings
    for binding in await bindings.list_for_app(app.guid):
        try:
            await bindings.unbind(binding.guid, binding.instance_guid)
        except BindingNotFound:
            continue  # unbound by another just now
    await call.marketplace.places.delete_app(app.guid)
    return Answer(204)


async def env(call: Call) -> Answer:
    """`{"VCAP_SERVICES": {…}}` with credentials, as Cloud Foundry gives it to the app."""
    app = await call.app()
    services: dict[str, list[dict[str, Any]]] = {}
    for binding, instance in await bound_instances(call.marketplace, app):
        entry = await _vcap_entry(call.marketplace, binding, instance)
        services.setdefault(entry["label"], []).append(entry)
    return Answer(200, {"VCAP_SERVICES": services})


async def bound_instances(marketplace: Marketplace, app: App) -> list[tuple[Binding, Instance]]:
    """The bindings of an app with their instances, the oldest first."""
    found = await marketplace.bindings.list_for_app(app.guid)
    return [(binding, await marketplace.instances.get(binding.instance_guid)) for binding in found]


async def _vcap_entry(marketplace: Marketplace, binding: Binding, instance: Instance) -> dict[str, Any]:
    """One entry of VCAP_SERVICES. docs.cloudfoundry.org/devguide/deploy-apps/environment-variable.html#VCAP-SERVICES"""
    service = marketplace.catalog.service(instance.service_guid)
    plan = marketplace.catalog.plan(instance.service_guid, instance.plan_guid)
    offering_tags = service.tags if service else ()
    return {
        "label": service.name if service else instance.service_guid,
        "name": binding.name or instance.name,
        "tags": list(dict.fromkeys([*offering_tags, *instance.tags])),
        "instance_name": instance.name,
        "instance_guid": instance.guid,
        "binding_guid": binding.guid,
        "binding_name": binding.name or None,
        "plan": plan.name if plan else instance.plan_guid,
        "provider": None,
        "syslog_drain_url": None,
        "volume_mounts": [],
        "credentials": await marketplace.bindings.credentials(binding),
    }


async def _view(marketplace: Marketplace, app: App) -> AppView:
    services = [instance.name for _, instance in await bound_instances(marketplace, app)]
    return AppView(app.guid, app.name, services, moment(app.created_ms))
