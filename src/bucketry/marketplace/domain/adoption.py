"""Taking over what another broker made: its buckets and identities stay as they are, and the records get to know them.

An instance is taken with all its bindings or not at all, and only where everything that is said of it is there: the
plan in the catalog, the bucket on the plan's engine, an identity with a key for the bucket for each binding. Repeated,
it takes what came since and says of the rest that it was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bucketry.marketplace.domain.adoption_ports import AdoptingEngine, ForeignInventory
from bucketry.marketplace.domain.context import Context
from bucketry.marketplace.domain.errors import DomainError
from bucketry.marketplace.domain.record_ports import Duplicate, StillReferenced
from bucketry.marketplace.domain.values import (
    Binding,
    BindingKind,
    BindingState,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
)


@dataclass(frozen=True, slots=True)
class ForeignBinding:
    """`app_guid` None: a service key. `identity`: what the engine calls it."""

    guid: str
    app_guid: str | None
    name: str
    identity: str


@dataclass(frozen=True, slots=True)
class ForeignInstance:
    """An instance as its platform knows it, and the bucket that the other broker made for it."""

    guid: str
    name: str
    org_guid: str
    space_guid: str
    service_guid: str
    plan_guid: str
    bucket: str
    tags: Sequence[str]
    bindings: Sequence[ForeignBinding]


class Verdict(StrEnum):
    ADOPT = "adopt"  # the instance and its bindings, or those that came since
    DONE = "adopted already"
    REFUSE = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of an instance. `reasons`: why it is refused, each as a sentence. `instance` None: it is recorded
    already; `bindings` are those to be recorded."""

    order: ForeignInstance
    verdict: Verdict
    reasons: Sequence[str] = ()
    instance: Instance | None = None
    bindings: Sequence[Binding] = ()


class Adoption:
    """Looks first (look), changes only the records (adopt). Never anything on an engine."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def look(self, order: ForeignInstance) -> Finding:
        """What would become of it now."""
        try:
            plan = self._context.plan_to_order(order.service_guid, order.plan_guid)
            engine = self._context.adopting_engine(plan.engine)
            bucket = await engine.find_foreign_bucket(order.bucket)
            if bucket is None:
                return _refused(
                    order, f"There is no bucket {order.bucket} of this account on the engine {plan.engine}."
                )
            reasons = []
            if bucket.is_public != plan.is_public:
                said, found = ("public", "not") if plan.is_public else ("private", "public")
                reasons.append(f"Plan {plan.name} is {said}, bucket {order.bucket} is {found}.")
            reasons += [
                reason for binding in order.bindings for reason in await self._misses(plan.engine, order, binding)
            ]
            now_ms = self._context.clock_ms()
            instance = Instance(
                guid=order.guid,
                name=order.name,
                org_guid=order.org_guid,
                space_guid=order.space_guid,
                is_local=False,
                service_guid=order.service_guid,
                plan_guid=order.plan_guid,
                parameters={"object_ownership": bucket.object_ownership} if bucket.object_ownership else {},
                tags=tuple(order.tags),
                state=InstanceState.READY,
                engine=plan.engine,
                bucket=order.bucket,
                last_operation=LastOperation(OperationType.CREATE, OperationState.SUCCEEDED, "adopted", now_ms),
                created_ms=now_ms,
                updated_ms=now_ms,
                maintenance_version="",
            )
            return await self._compare(order, instance, reasons)
        except DomainError as error:
            return _refused(order, str(error))

    async def _misses(self, engine: str, order: ForeignInstance, binding: ForeignBinding) -> list[str]:
        found = await self._context.adopting_engine(engine).find_foreign_identity(binding.identity)
        if found is None:
            return [f"Binding {binding.guid}: there is no user {binding.identity}."]
        reasons = []
        if not found.active_keys:
            reasons.append(f"Binding {binding.guid}: the user {binding.identity} has no active key.")
        if order.bucket not in found.reaches:
            reasons.append(f"Binding {binding.guid}: no policy of the user {binding.identity} names {order.bucket}.")
        return reasons

    async def _compare(self, order: ForeignInstance, instance: Instance, reasons: list[str]) -> Finding:
        """With what is recorded."""
        records = self._context.records
        owner = await records.find_bucket(instance.engine, instance.bucket)
        if owner not in (None, order.guid):
            reasons.append(f"Bucket {order.bucket} is that of the instance {owner} already.")
        existing = await records.get_instance(order.guid)
        if existing is not None and (differing := _differing(existing, instance)):
            reasons.append(f"An instance with this id is recorded with another {differing}.")
        new = []
        for foreign in order.bindings:
            binding = _binding(foreign, instance)
            recorded = await records.get_binding(foreign.guid)
            if recorded is None:
                new.append(binding)
            elif (recorded.instance_guid, recorded.identity) != (order.guid, foreign.identity):
                reasons.append(f"A binding with the id {foreign.guid} is recorded otherwise.")
        if reasons:
            return _refused(order, *reasons)
        if existing is not None and not new:
            return Finding(order, Verdict.DONE)
        return Finding(order, Verdict.ADOPT, (), instance if existing is None else None, tuple(new))

    async def adopt(self, order: ForeignInstance) -> Finding:
        """Look, and take it if nothing is in the way: the instance and its bindings in one step."""
        finding = await self.look(order)
        if finding.verdict is Verdict.ADOPT:
            try:
                await self._context.records.adopt(finding.instance, finding.bindings)
            except (Duplicate, StillReferenced):
                return _refused(order, "It was changed by another just now. Try again.")
        return finding

    async def inventories(self, bucket_prefix: str, identity_prefix: str, iam_path: str) -> ForeignInventory:
        """What is named so on the engines of the catalog, and not recorded for an instance or binding."""
        buckets: set[str] = set()
        identities: set[str] = set()
        for name in sorted(self._context.catalog.engine_names()):
            if not isinstance(self._context.engine(name), AdoptingEngine):
                continue
            found = await self._context.adopting_engine(name).foreign_inventory(
                bucket_prefix, identity_prefix, iam_path
            )
            for bucket in found.buckets:
                if await self._context.records.find_bucket(name, bucket) is None:
                    buckets.add(bucket)
            for identity in found.identities:
                if await self._context.records.get_binding(identity.removeprefix(identity_prefix)) is None:
                    identities.add(identity)
        return ForeignInventory(frozenset(buckets), frozenset(identities))


def _refused(order: ForeignInstance, *reasons: str) -> Finding:
    return Finding(order, Verdict.REFUSE, reasons)


def _differing(existing: Instance, wanted: Instance) -> str:
    for what in ("bucket", "engine"):
        if getattr(existing, what) != getattr(wanted, what):
            return what
    return "state" if existing.state is not InstanceState.READY else ""


def _binding(foreign: ForeignBinding, instance: Instance) -> Binding:
    return Binding(
        guid=foreign.guid,
        kind=BindingKind.APP if foreign.app_guid else BindingKind.KEY,
        name=foreign.name,
        instance_guid=instance.guid,
        app_guid=foreign.app_guid,
        is_local=False,
        parameters={},
        additional_instances=(),
        state=BindingState.READY,
        created_ms=instance.created_ms,
        identity=foreign.identity,
    )
