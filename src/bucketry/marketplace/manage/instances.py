"""Service instances: order, list, show, change, remove."""

from __future__ import annotations

from typing import Any

import msgspec

from bucketry.marketplace.domain.catalog import Plan
from bucketry.marketplace.domain.errors import UnknownPlan, UnknownService
from bucketry.marketplace.domain.instance_changes import Unchanged
from bucketry.marketplace.domain.instances import Created, ExistsDifferently
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import Instance
from bucketry.marketplace.manage import views
from bucketry.marketplace.manage.call import Answer, Call
from bucketry.marketplace.manage.errors import ApiError, bad_request


class NewInstance(msgspec.Struct, forbid_unknown_fields=True):
    """Service and plan by name."""

    service: str
    plan: str
    name: str
    parameters: dict[str, Any] = {}
    tags: list[str] = []


class InstanceChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What is given changes. Parameters are merged, null takes one back. A new `name` comes alone."""

    plan: str | None = None
    parameters: dict[str, Any] | None = None
    tags: list[str] | None = None
    name: str | None = None


async def list_instances(call: Call) -> Answer:
    """All instances of a space, by name."""
    org = await call.org()
    space = await call.marketplace.places.find_space(org.guid, call.name("space"))
    apps_by_instance: dict[str, list[str]] = {}
    for app in await call.marketplace.places.list_apps(space.guid):
        for binding in await call.marketplace.bindings.list_for_app(app.guid):
            apps_by_instance.setdefault(binding.instance_guid, []).append(app.name)
    found: list[views.InstanceView] = []
    after = ""
    while page := await call.marketplace.instances.list_in_space(space.guid, after):
        after = page[-1].name
        found += [
            views.instance(value, call.marketplace.catalog, org.name, space.name, apps_by_instance.get(value.guid, []))
            for value in page
        ]
    return Answer(200, found)


async def create_instance(call: Call) -> Answer:
    """Order an instance. 201; 200 if it was ordered alike; 409 if otherwise."""
    space = await call.space()
    wanted = await call.body(NewInstance)
    plan = _plan_named(call.marketplace, wanted.service, wanted.plan)
    outcome = await call.marketplace.instances.create(
        space.guid, wanted.name, plan, wanted.parameters, tuple(wanted.tags)
    )
    if isinstance(outcome, ExistsDifferently):
        raise _exists_differently(call.marketplace, outcome)
    return Answer(201 if isinstance(outcome, Created) else 200, await view(call.marketplace, outcome.instance))


async def get_instance(call: Call) -> Answer:
    """One instance."""
    return Answer(200, await view(call.marketplace, await call.instance()))


async def update_instance(call: Call) -> Answer:
    """Change plan, parameters, tags, or the name. `changed` is false if it was that way already."""
    instance = await call.instance()
    changes = await call.body(InstanceChanges)
    instances = call.marketplace.instances
    if changes.name is not None:
        if changes.plan is not None or changes.parameters is not None or changes.tags is not None:
            raise bad_request("A new name can't come with other changes.", "Send two requests.")
        if not instance.is_local:
            raise bad_request("This instance was ordered by a foreign platform, which names it.", "Rename it there.")
        outcome = await instances.rename(instance.guid, changes.name)
    else:
        plan_guid = _other_plan(call.marketplace, instance, changes.plan).guid if changes.plan is not None else None
        outcome = await instances.update(
            instance.guid, plan_guid=plan_guid, parameters=changes.parameters, tags=changes.tags
        )
    shown = msgspec.to_builtins(await view(call.marketplace, outcome.instance))
    return Answer(200, {**shown, "changed": not isinstance(outcome, Unchanged)})


async def delete_instance(call: Call) -> Answer:
    """Remove an instance with its keys and bindings. 409 while the bucket holds anything, on plans that keep it."""
    instance = await call.instance()
    await call.marketplace.instances.delete(instance.guid, with_bindings=True)
    return Answer(204)


async def view(marketplace: Marketplace, instance: Instance) -> views.InstanceView:
    """An instance with the names of what is around it."""
    org = space = None
    if instance.is_local:
        space_record = await marketplace.places.get_space(instance.space_guid)
        org = (await marketplace.places.get_org(space_record.org_guid)).name
        space = space_record.name
    apps = []
    for binding in await marketplace.bindings.list_for_instance(instance.guid):
        if binding.app_guid is not None:
            apps.append(
                (await marketplace.places.get_app(binding.app_guid)).name if binding.is_local else binding.app_guid
            )
    return views.instance(instance, marketplace.catalog, org, space, apps)


def _plan_named(marketplace: Marketplace, service_name: str, plan_name: str) -> Plan:
    service = marketplace.catalog.service_named(service_name)
    if service is None:
        names = ", ".join(service.name for service in marketplace.catalog.services)
        raise UnknownService(
            f"There is no service {service_name}. `bucketry marketplace` lists what there is: {names}."
        )
    plan = service.plan_named(plan_name)
    if plan is None:
        names = ", ".join(plan.name for plan in service.plans)
        raise UnknownPlan(f"Service {service_name} has no plan {plan_name}. Its plans are: {names}.")
    return plan


def _other_plan(marketplace: Marketplace, instance: Instance, plan_name: str) -> Plan:
    """The plan of the instance's own service by this name."""
    service = marketplace.catalog.service(instance.service_guid)
    if service is None:
        raise UnknownService(
            f"The service of {instance.name} is no longer in the catalog, so its plan can't be changed."
        )
    return _plan_named(marketplace, service.name, plan_name)


def _exists_differently(marketplace: Marketplace, outcome: ExistsDifferently) -> ApiError:
    existing = outcome.instance
    plan = marketplace.catalog.plan(existing.service_guid, existing.plan_guid)
    what = f"with another {outcome.difference}" if outcome.difference != "parameters" else "with other parameters"
    if outcome.difference == "plan" and plan is not None:
        what = f"with plan {plan.name}"
    option = "-p PLAN" if outcome.difference == "plan" else "-c PARAMETERS"
    remedy = f"Choose another name, or change it: bucketry update-service {existing.name} {option}"
    if outcome.difference not in ("plan", "parameters"):
        remedy = "Choose another name."
    return ApiError(409, "ExistsDifferently", f"Service instance {existing.name} already exists {what}.", remedy)
