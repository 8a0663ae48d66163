"""What the domain's services share: the catalog, the ports and small questions to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bucketry.kernel.clock import ClockMs
from bucketry.kernel.envelope import Envelope
from bucketry.marketplace.domain import bucket_quota
from bucketry.marketplace.domain.adoption_ports import AdoptingEngine
from bucketry.marketplace.domain.catalog import Catalog, Plan
from bucketry.marketplace.domain.engine_ports import BucketSettings, Engine
from bucketry.marketplace.domain.errors import (
    EngineRefused,
    EngineUnavailable,
    InvalidName,
    UnknownPlan,
    UnknownService,
)
from bucketry.marketplace.domain.holds import Holds
from bucketry.marketplace.domain.record_ports import Records
from bucketry.marketplace.domain.values import Instance, Parameters

_NAME_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Context:
    catalog: Catalog
    records: Records
    engines: Mapping[str, Engine]
    envelope: Envelope
    clock_ms: ClockMs
    holds: Holds

    def engine(self, name: str) -> Engine:
        engine = self.engines.get(name)
        if engine is None:
            raise EngineUnavailable(f"The engine {name} is not configured on this server; add it to its configuration.")
        return engine

    def adopting_engine(self, name: str) -> AdoptingEngine:
        """The engine, if what another broker made can be taken over on it. Raises EngineRefused."""
        engine = self.engine(name)
        if not isinstance(engine, AdoptingEngine):
            raise EngineRefused(f"On the engine {name} nothing can be taken over that another broker made.")
        return engine

    def plan_to_order(self, service_guid: str, plan_guid: str) -> Plan:
        """The plan of the catalog. Raises UnknownService, UnknownPlan."""
        service = self.catalog.service(service_guid)
        if service is None:
            raise UnknownService("There is no service with this id in the catalog; `bucketry marketplace` lists them.")
        plan = service.plan(plan_guid)
        if plan is None:
            names = ", ".join(plan.name for plan in service.plans)
            raise UnknownPlan(f"Service {service.name} has no plan with this id; its plans are {names}.")
        return plan

    def plan_of(self, instance: Instance) -> Plan | None:
        """The instance's plan; None where an operator has taken it out of the catalog."""
        return self.catalog.plan(instance.service_guid, instance.plan_guid)

    def settings_of(self, instance: Instance) -> BucketSettings:
        plan = self.plan_of(instance)
        if plan is None:
            raise UnknownPlan(
                f"The plan of service instance {instance.name} is no longer in the catalog; "
                "the operator has to put it back before the instance can be changed."
            )
        return settings(plan, instance.parameters)


def settings(plan: Plan, parameters: Parameters) -> BucketSettings:
    """How a bucket of this plan with these parameters is to be."""
    return BucketSettings(
        is_public=plan.is_public,
        object_ownership=parameters.get("object_ownership"),
        cors=parameters.get("cors"),
        website=parameters.get("website"),
        quota=bucket_quota.within(plan.quota, bucket_quota.of_parameter(parameters.get("quota"))),
    )


def check_order(engine: Engine, plan: Plan, parameters: Parameters) -> None:
    """Raises InvalidParameters, EngineRefused for a bucket that neither the plan nor its engine gives."""
    bucket_quota.check(plan.quota, bucket_quota.of_parameter(parameters.get("quota")), plan.name)
    engine.check(settings(plan, parameters))


def before_upgrade(before: BucketSettings, after: BucketSettings) -> BucketSettings:
    """What an upgrade from `before` to `after` takes the bucket for: all is set anew, but for the documents that those
    who have credentials may have changed since."""
    return replace(before, is_public=not after.is_public, object_ownership=None, quota=None)


def check_name(name: str, what: str) -> None:
    """Names of instances, keys and places: 1 to 255 characters, no control characters. Raises InvalidName."""
    if not name or len(name) > _NAME_CHARACTERS or not name.isprintable() or name != name.strip():
        raise InvalidName(
            f"A {what}'s name must be 1 to {_NAME_CHARACTERS} printable characters, without spaces at its ends."
        )


def is_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two JSON objects say the same; the order of keys is no difference, true and 1 are."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
