"""How the domain's values look in JSON. No secrets here: credentials are an answer of their own (keys, env)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from bucketry.marketplace.domain.catalog import Catalog, Plan, Service
from bucketry.marketplace.domain.values import Binding, Instance, LastOperation


class OperationView(msgspec.Struct, frozen=True):
    """`type` create, update, delete; `state` in progress, succeeded, failed."""

    type: str
    state: str
    description: str
    updated_at: str


class InstanceView(msgspec.Struct, frozen=True):
    """A service instance. `org` and `space` are names, null for an instance that a foreign platform ordered."""

    guid: str
    name: str
    org: str | None
    space: str | None
    service: str
    plan: str
    tags: Sequence[str]
    offering_tags: Sequence[str]
    description: str
    documentation_url: str | None
    dashboard_url: str | None
    bucket: str
    engine: str
    parameters: dict[str, Any]
    bound_apps: Sequence[str]
    last_operation: OperationView
    created_at: str
    updated_at: str


class BindingView(msgspec.Struct, frozen=True):
    """A service key (`kind` key) or the binding of an app (`kind` app, then `app` is its name)."""

    guid: str
    kind: str
    name: str | None
    instance: str
    instance_guid: str
    app: str | None
    parameters: dict[str, Any]
    last_operation: OperationView
    created_at: str


class NameView(msgspec.Struct, frozen=True):
    """An org or a space."""

    guid: str
    name: str
    created_at: str


class AppView(msgspec.Struct, frozen=True):
    """An app; `services` are the names of the instances that it is bound to."""

    guid: str
    name: str
    services: Sequence[str]
    created_at: str


class CostView(msgspec.Struct, frozen=True):
    amount: dict[str, float]
    unit: str


class PlanView(msgspec.Struct, frozen=True):
    """A plan; `price` is for people, `costs` as the broker API has them."""

    guid: str
    name: str
    description: str
    free: bool
    public: bool
    price: str
    costs: Sequence[CostView]
    bullets: Sequence[str]
    schemas: dict[str, Any]


class ServiceView(msgspec.Struct, frozen=True):
    guid: str
    name: str
    description: str
    tags: Sequence[str]
    plans: Sequence[PlanView]


def moment(time_ms: int) -> str:
    """Epoch milliseconds as RFC 3339 in UTC, to the second: 2026-01-31T12:00:00Z."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def operation(last: LastOperation) -> OperationView:
    return OperationView(last.type.value, last.state.value, last.description, moment(last.time_ms))


def service(value: Service, schemas: dict[str, Any]) -> ServiceView:
    return ServiceView(
        guid=value.guid,
        name=value.name,
        description=value.description,
        tags=value.tags,
        plans=[_plan(plan, schemas) for plan in value.plans],
    )


def _plan(value: Plan, schemas: dict[str, Any]) -> PlanView:
    return PlanView(
        guid=value.guid,
        name=value.name,
        description=value.description,
        free=value.is_free,
        public=value.is_public,
        price=value.price,
        costs=[CostView(dict(cost.amounts), cost.unit) for cost in value.costs],
        bullets=value.bullets,
        schemas=schemas,
    )


def instance(
    value: Instance, catalog: Catalog, org: str | None, space: str | None, bound_apps: Sequence[str]
) -> InstanceView:
    """`org`, `space` and `bound_apps` are names. A service or plan that left the catalog is shown by its id."""
    offering = catalog.service(value.service_guid)
    plan = offering.plan(value.plan_guid) if offering else None
    return InstanceView(
        guid=value.guid,
        name=value.name,
        org=org,
        space=space,
        service=offering.name if offering else value.service_guid,
        plan=plan.name if plan else value.plan_guid,
        tags=value.tags,
        offering_tags=offering.tags if offering else [],
        description=offering.description if offering else "",
        documentation_url=offering.metadata.get("documentationUrl") if offering else None,
        dashboard_url=None,
        bucket=value.bucket,
        engine=value.engine,
        parameters=dict(value.parameters),
        bound_apps=bound_apps,
        last_operation=operation(value.last_operation),
        created_at=moment(value.created_ms),
        updated_at=moment(value.updated_ms),
    )


def binding(value: Binding, instance_name: str, app: str | None = None) -> BindingView:
    """A finished binding: those under way are not shown."""
    created_at = moment(value.created_ms)
    return BindingView(
        guid=value.guid,
        kind=value.kind.value,
        name=value.name or None,
        instance=instance_name,
        instance_guid=value.instance_guid,
        app=app,
        parameters=dict(value.parameters),
        last_operation=OperationView("create", "succeeded", "", created_at),
        created_at=created_at,
    )
