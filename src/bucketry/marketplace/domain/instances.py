"""Service instances: order, change, empty, remove.

Every order is recorded before the engine is asked, and each step of the engine is idempotent: a repeat after a crash
goes on or undoes (settling.py). What came of an order is a value; the faces make status codes and sentences of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from bucketry.kernel import ids, logs
from bucketry.marketplace.domain import schemas
from bucketry.marketplace.domain.catalog import Plan
from bucketry.marketplace.domain.context import Context, check_name, is_alike
from bucketry.marketplace.domain.errors import (
    AmbiguousName,
    Busy,
    DomainError,
    HasBindings,
    InstanceNotFound,
    NameTaken,
    NotEmpty,
    PlanChangeRefused,
    SpaceNotFound,
)
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.places import Places
from bucketry.marketplace.domain.ports import BucketSettings, Duplicate, Emptied, StillReferenced, Usage
from bucketry.marketplace.domain.settling import Settling
from bucketry.marketplace.domain.values import (
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
    Parameters,
)

_log = logs.get("instances")
_ROUNDS = 5  # of meeting a record, and finding it gone when it is our turn
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class InstanceOrder:
    """An order of an instance. Services and plans by their ids; `is_local` as in values.Instance."""

    guid: str
    name: str
    org_guid: str
    space_guid: str
    is_local: bool
    service_guid: str
    plan_guid: str
    parameters: Parameters
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Created:
    instance: Instance


@dataclass(frozen=True, slots=True)
class ExistsAlike:
    """It was ordered before, in the same words."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class ExistsDifferently:
    """It was ordered before, otherwise. `difference` is a word: service, plan, organization, space, parameters."""

    instance: Instance
    difference: str


@dataclass(frozen=True, slots=True)
class Updated:
    instance: Instance


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The instance was that way already."""

    instance: Instance


Provisioned = Created | ExistsAlike | ExistsDifferently


class Instances:
    """All may raise Busy, EngineUnavailable, EngineRefused; those that take a guid or name InstanceNotFound."""

    def __init__(self, context: Context, settling: Settling, places: Places) -> None:
        self._context = context
        self._settling = settling
        self._places = places

    # ---- reading

    def plan_to_order(self, service_guid: str, plan_guid: str) -> Plan:
        """The plan of the catalog. Raises UnknownService, UnknownPlan."""
        return self._context.plan_to_order(service_guid, plan_guid)

    async def get(self, guid: str, is_unfinished_too: bool = False) -> Instance:
        """The instance; one that is being made, or could not be made, only if asked for."""
        instance = await self._context.records.get_instance(guid)
        is_unfinished = instance is not None and instance.state in (InstanceState.CREATING, InstanceState.FAILED)
        if instance is None or (is_unfinished and not is_unfinished_too):
            raise InstanceNotFound("There is no service instance with this id.")
        return instance

    async def find(self, space_guid: str, name: str) -> Instance:
        """By name. Raises AmbiguousName where a foreign platform gave a name twice."""
        found = await self._context.records.find_instances(space_guid, name)
        found = [instance for instance in found if instance.state is not InstanceState.FAILED]
        if not found:
            raise InstanceNotFound(f"Service instance '{name}' not found.")
        if len(found) > 1:
            raise AmbiguousName(f"Several service instances of this space are called {name}.")
        return found[0]

    async def list_in_space(self, space_guid: str, after_name: str = "", limit: int = _PAGE) -> list[Instance]:
        """A page, by name, those under way among them; the next begins after the last one's name."""
        return await self._context.records.list_instances(space_guid, after_name, limit)

    async def usage(self, guid: str) -> Usage:
        """What the bucket holds now."""
        instance = await self.get(guid)
        return await self._context.engine(instance.engine).usage(instance.bucket)

    # ---- ordering

    async def create(
        self,
        space_guid: str,
        name: str,
        plan: Plan,
        parameters: Parameters | None = None,
        tags: Sequence[str] = (),
    ) -> Provisioned:
        """Order by name in a space of this server. A name that is taken: ExistsAlike if it was ordered alike.

        Raises InvalidName, InvalidParameters, SpaceNotFound, PaidPlansNotAllowed.
        """
        check_name(name, "service instance")
        space = await self._places.get_space(space_guid)
        order = InstanceOrder(
            guid=ids.guid(),
            name=name,
            org_guid=space.org_guid,
            space_guid=space_guid,
            is_local=True,
            service_guid=plan.service_guid,
            plan_guid=plan.guid,
            parameters=parameters or {},
            tags=tuple(tags),
        )
        for _ in range(_ROUNDS):
            for existing in await self._context.records.find_instances(space_guid, name):
                if existing.is_local:
                    return await self.provision(replace(order, guid=existing.guid))
            await self._places.check_plan_allowed(space.org_guid, plan)
            try:
                return await self.provision(order)
            except NameTaken:
                continue  # ordered by another just now
        raise Busy(f"Service instance {name} is being made and removed by others; try again.")

    async def provision(self, order: InstanceOrder) -> Provisioned:
        """Order by id: the same order again is ExistsAlike, a half made one goes on.

        Raises UnknownService, UnknownPlan, InvalidParameters, NameTaken, SpaceNotFound; nothing is left then.
        """
        plan = self._context.plan_to_order(order.service_guid, order.plan_guid)
        schemas.check_instance_create(order.parameters)
        instance = self._new(order, plan)
        async with self._context.holds.work(order.guid) as work:
            for _ in range(_ROUNDS):
                if await self._insert(work, instance):
                    return Created(await self._make(work, instance, is_fresh=True))
                existing = await work.take()
                if existing is None:
                    continue  # removed just now
                difference = _difference(existing, order)
                if existing.state is InstanceState.CREATING and not difference:
                    return Created(await self._make(work, existing, is_fresh=False))
                settled = await self._settling.settle(work, existing)
                if settled is None:
                    continue
                return ExistsDifferently(settled, difference) if difference else ExistsAlike(settled)
        raise Busy("This service instance is being made and removed by others; try again.")

    def _new(self, order: InstanceOrder, plan: Plan) -> Instance:
        engine = self._context.engine(plan.engine)
        now_ms = self._context.clock_ms()
        return Instance(
            guid=order.guid,
            name=order.name,
            org_guid=order.org_guid,
            space_guid=order.space_guid,
            is_local=order.is_local,
            service_guid=order.service_guid,
            plan_guid=order.plan_guid,
            parameters=order.parameters,
            tags=order.tags,
            state=InstanceState.CREATING,
            engine=plan.engine,
            bucket=engine.bucket_name(order.guid),
            last_operation=_begun(OperationType.CREATE, now_ms),
            created_ms=now_ms,
            updated_ms=now_ms,
        )

    async def _insert(self, work: Work, instance: Instance) -> bool:
        try:
            return await work.insert(instance)
        except Duplicate:
            raise NameTaken(f"Service instance {instance.name} already exists.") from None
        except StillReferenced:
            raise SpaceNotFound("The space of this service instance does not exist (any more).") from None

    async def _make(self, work: Work, instance: Instance, is_fresh: bool) -> Instance:
        """Make the bucket of a recorded order. If the engine fails it is undone, now or by the keeper."""
        engine = self._context.engine(instance.engine)
        wanted = self._context.settings_of(instance)
        since = BucketSettings(object_ownership=wanted.object_ownership) if is_fresh else None
        try:
            await engine.create_bucket(instance.bucket, wanted)
            await engine.configure(instance.bucket, wanted, since)
            return await work.save(self._settling.succeeded(instance, OperationType.CREATE), last=True)
        except DomainError as error:
            await self._undo(work, instance, error)
            raise

    async def _undo(self, work: Work, instance: Instance, reason: DomainError) -> None:
        try:
            await self._settling.undo_creation(work, instance)
        except DomainError as error:
            _log.warning("a failed order will be undone later", instance=instance.guid, reason=str(error))
            failed = self._settling.failed(instance, OperationType.CREATE, str(reason))
            await work.save(replace(failed, state=InstanceState.FAILED), last=True)

    # ---- changing

    async def update(
        self,
        guid: str,
        plan_guid: str | None = None,
        parameters: Parameters | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> Updated | Unchanged:
        """Change what is given. `parameters` replace those of the same name and leave the rest; null takes one back.
        `name` is what a foreign platform calls the instance now; local ones are renamed by rename().

        Raises UnknownPlan, PlanChangeRefused, PaidPlansNotAllowed, InvalidParameters, NameTaken; it is unchanged then.
        """
        schemas.check_instance_update(parameters or {})
        async with self._context.holds.work(guid) as work:
            instance = await self._taken(work)
            changed = replace(
                instance,
                parameters=_merged(instance.parameters, parameters or {}),
                name=instance.name if name is None or instance.is_local else name,
                tags=instance.tags if tags is None else tuple(tags),
            )
            if plan_guid is not None and plan_guid != instance.plan_guid:
                await self._check_plan_change(instance, plan_guid)
                changed = replace(changed, plan_guid=plan_guid)
            if changed == instance:
                return Unchanged(instance)
            return Updated(await self._change(work, instance, changed))

    async def rename(self, guid: str, name: str) -> Updated | Unchanged:
        """Raises InvalidName, NameTaken."""
        check_name(name, "service instance")
        async with self._context.holds.work(guid) as work:
            instance = await self._taken(work)
            if instance.name == name:
                return Unchanged(instance)
            try:
                renamed = replace(instance, name=name, updated_ms=self._context.clock_ms())
                return Updated(await work.save(renamed, last=True))
            except Duplicate:
                raise NameTaken(f"Service instance {name} already exists.") from None

    async def _check_plan_change(self, instance: Instance, plan_guid: str) -> None:
        new = self._context.plan_to_order(instance.service_guid, plan_guid)
        old = self._context.plan_of(instance)
        if old is None or not old.is_updateable:
            raise PlanChangeRefused(f"The plan of service instance {instance.name} can't be changed.")
        if new.engine != instance.engine:
            raise PlanChangeRefused(
                f"Plan {new.name} keeps its buckets elsewhere (engine {new.engine}, not {instance.engine}); "
                "order a new instance and copy the objects."
            )
        if new.empties_on_delete and not old.empties_on_delete:
            raise PlanChangeRefused(
                f"Plan {old.name} protects its content on deletion and {new.name} does not; this way is not open."
            )
        if instance.is_local:
            await self._places.check_plan_allowed(instance.org_guid, new)

    async def _change(self, work: Work, instance: Instance, changed: Instance) -> Instance:
        """Configure the bucket where it is to differ. The record changes at the end alone, so it can be taken back."""
        before, after = self._context.settings_of(instance), self._context.settings_of(changed)
        if before != after:
            begun = _begun(OperationType.UPDATE, self._context.clock_ms())
            await work.save(replace(instance, state=InstanceState.UPDATING, last_operation=begun))
            try:
                await self._context.engine(instance.engine).configure(instance.bucket, after, since=before)
            except DomainError as error:
                await self._take_back(work, instance, error)
                raise
        return await work.save(self._settling.succeeded(changed, OperationType.UPDATE), last=True)

    async def _take_back(self, work: Work, instance: Instance, reason: DomainError) -> None:
        try:
            await self._settling.take_back_update(work, instance, str(reason))
        except DomainError as error:
            _log.warning("a failed update will be taken back later", instance=instance.guid, reason=str(error))

    async def _taken(self, work: Work) -> Instance:
        taken = await work.take()
        settled = await self._settling.settle(work, taken) if taken is not None else None
        if settled is None:
            raise InstanceNotFound("There is no service instance with this id.")
        return settled

    # ---- removing

    async def delete(self, guid: str, with_bindings: bool = False) -> None:
        """Remove the instance. Raises NotEmpty, HasBindings (unless `with_bindings`: then they are revoked too)."""
        async with self._context.holds.work(guid) as work:
            instance = await self._taken(work)
            await self._settling.settle_bindings(work, instance)
            if not with_bindings and await self._context.records.list_bindings(guid):
                raise HasBindings(
                    f"Cannot delete service instance {instance.name}, service keys and bindings must first be deleted."
                )
            begun = _begun(OperationType.DELETE, self._context.clock_ms())
            deleting = await work.save(replace(instance, state=InstanceState.DELETING, last_operation=begun))
            try:
                await self._settling.finish_deletion(work, deleting)
            except NotEmpty:
                await work.save(instance, last=True)
                raise

    async def empty(self, guid: str) -> AsyncIterator[Emptied]:
        """Remove all that the bucket holds, versions and unfinished uploads too, telling the sums as it goes.

        The first value comes at once (zeros), so that a wrong id is told before anything else.
        """
        instance = await self.get(guid)
        yield Emptied(0, 0, 0)
        async for progress in self._context.engine(instance.engine).empty_bucket(instance.bucket):
            yield progress


def _begun(type_: OperationType, now_ms: int) -> LastOperation:
    return LastOperation(type_, OperationState.IN_PROGRESS, f"{type_.value} in progress", now_ms)


def _difference(existing: Instance, order: InstanceOrder) -> str:
    """The first thing in which an order differs from what is there; "" if it is the same."""
    if existing.service_guid != order.service_guid:
        return "service"
    if existing.plan_guid != order.plan_guid:
        return "plan"
    if existing.org_guid != order.org_guid:
        return "organization"
    if existing.space_guid != order.space_guid:
        return "space"
    return "" if is_alike(existing.parameters, order.parameters) else "parameters"


def _merged(old: Parameters, new: Parameters) -> Parameters:
    return {name: value for name, value in {**old, **new}.items() if value is not None}
