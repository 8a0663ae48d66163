"""Service instances: order them by id or name.

Every order is recorded before the engine is asked, and each step of the engine is idempotent: a repeat after a crash
goes on or undoes (settling.py). What came of an order is a value; the faces make status codes and sentences of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bucketry.kernel import ids, logs
from bucketry.marketplace.domain import schemas
from bucketry.marketplace.domain.catalog import Plan
from bucketry.marketplace.domain.context import check_name, check_order, is_alike
from bucketry.marketplace.domain.engine_ports import BucketSettings
from bucketry.marketplace.domain.errors import (
    Busy,
    DomainError,
    NameTaken,
    SpaceNotFound,
)
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.instance_changes import InstanceChanging
from bucketry.marketplace.domain.instance_deletion import InstanceDeletion
from bucketry.marketplace.domain.instance_reading import begun, unpromised
from bucketry.marketplace.domain.operations import Operation, UnderWay, was_promised
from bucketry.marketplace.domain.record_ports import Duplicate, StillReferenced
from bucketry.marketplace.domain.values import (
    Instance,
    InstanceState,
    OperationType,
    Parameters,
)

_log = logs.get("instances")
_ROUNDS = 5  # of meeting a record, and finding it gone when it is our turn


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


Provisioned = Created | ExistsAlike | ExistsDifferently


class Instances(InstanceChanging, InstanceDeletion):
    """All may raise Busy, EngineUnavailable, EngineRefused; those that take a guid or name InstanceNotFound.

    Orders with an `operation` may be promised while they are under way (operations.py); the same order, repeated
    meanwhile with another operation, is UnderWay under the id of the first.
    """

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
        outcome = await self.begin_provision(order, None)
        assert not isinstance(outcome, UnderWay), "nothing is promised without an operation"
        return outcome

    async def begin_provision(self, order: InstanceOrder, operation: Operation | None) -> Provisioned | UnderWay:
        """As provision."""
        plan = self._context.plan_to_order(order.service_guid, order.plan_guid)
        schemas.check_instance_create(order.parameters)
        check_order(self._context.engine(plan.engine), plan, order.parameters)
        instance = self._new(order, plan, operation)
        try:
            return await self._provision(order, instance, operation)
        except Busy:
            existing = await self._context.records.get_instance(order.guid)
            last = existing.last_operation if existing is not None else None
            if existing is None or last is None or not last.is_promised or last.type is not OperationType.CREATE:
                raise
            if difference := _difference(existing, order):
                return ExistsDifferently(existing, difference)
            if operation is None:
                raise
            return UnderWay(last.id)

    async def _provision(self, order: InstanceOrder, instance: Instance, operation: Operation | None) -> Provisioned:
        async with self._context.holds.work(order.guid) as work:
            for _ in range(_ROUNDS):
                if await self._insert(work, instance):
                    return Created(await self._make(work, instance, operation))
                existing = await work.take()
                if existing is None:
                    continue  # removed just now
                difference = _difference(existing, order)
                if existing.state is InstanceState.CREATING and not difference:
                    return Created(await self._go_on(work, existing, operation))
                settled = await self._settling.settle(work, existing)
                if settled is None:
                    continue
                return ExistsDifferently(settled, difference) if difference else ExistsAlike(settled)
        raise Busy("This service instance is being made and removed by others; try again.")

    def _new(self, order: InstanceOrder, plan: Plan, operation: Operation | None) -> Instance:
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
            last_operation=begun(OperationType.CREATE, now_ms, operation),
            created_ms=now_ms,
            updated_ms=now_ms,
            maintenance_version=plan.maintenance_version,
        )

    async def _insert(self, work: Work, instance: Instance) -> bool:
        try:
            return await work.insert(instance)
        except Duplicate:
            raise NameTaken(f"Service instance {instance.name} already exists.") from None
        except StillReferenced:
            raise SpaceNotFound("The space of this service instance does not exist (any more).") from None

    async def _go_on(self, work: Work, instance: Instance, operation: Operation | None) -> Instance:
        """Make what a crash left half made. It may have been promised then, whatever the one who repeats it wants."""
        is_told = instance.last_operation.is_promised
        if operation is not None and not is_told:
            last = begun(OperationType.CREATE, self._context.clock_ms(), operation)
            instance = await work.save(replace(instance, last_operation=last))
        return await self._make(work, instance, operation, is_fresh=False, is_told=is_told)

    async def _make(
        self, work: Work, instance: Instance, operation: Operation | None, is_fresh: bool = True, is_told: bool = False
    ) -> Instance:
        """Make the bucket of a recorded order. If the engine fails it is undone, now or by the keeper; what was
        promised goes on where the engine was only out of reach."""
        if operation is not None:
            operation.record(instance.last_operation.id)
        try:
            engine, wanted = self._context.engine(instance.engine), self._context.settings_of(instance)
            is_new = await engine.create_bucket(instance.bucket, wanted)
            since = BucketSettings(object_ownership=wanted.object_ownership) if is_fresh and is_new else None
            await engine.configure(instance.bucket, wanted, since)
            return await work.save(self._settling.succeeded(instance, OperationType.CREATE), last=True)
        except DomainError as error:
            if not (was_promised(operation) or is_told):
                await self._undo(work, unpromised(instance), error)
            elif not self._finishing.is_to_go_on(instance, error):
                await self._finishing.fail_creation(work, instance, error)
            raise

    async def _undo(self, work: Work, instance: Instance, reason: DomainError) -> None:
        await work.check_held()
        try:
            await self._settling.undo_creation(work, instance)
        except DomainError as error:
            _log.warning("a failed order will be undone later", instance=instance.guid, reason=str(error))
            failed = self._settling.failed(instance, OperationType.CREATE, str(reason))
            await work.save(replace(failed, state=InstanceState.FAILED), last=True)


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
