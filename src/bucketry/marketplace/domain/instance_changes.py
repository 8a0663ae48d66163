"""Change a service instance: its plan, parameters, tags, name, the version of its plan.

The record changes at the end alone, so that a change that fails, or a crash, takes the bucket back to what it was; a
promised one is recorded with what it is to be, and is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bucketry.kernel import logs
from bucketry.marketplace.domain import schemas
from bucketry.marketplace.domain.context import before_upgrade, check_name, check_order
from bucketry.marketplace.domain.errors import Busy, DomainError, NameTaken, PlanChangeRefused
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.instance_reading import InstanceReading, begun, unpromised
from bucketry.marketplace.domain.operations import Operation, UnderWay, was_promised
from bucketry.marketplace.domain.record_ports import Duplicate
from bucketry.marketplace.domain.values import Instance, InstanceState, OperationType, Parameters, PendingChange

_log = logs.get("instances")


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """What an update asks for; None: as it is. `is_upgrade`: to the version of the plan's maintenance_info."""

    plan_guid: str | None = None
    parameters: Parameters | None = None
    name: str | None = None
    tags: Sequence[str] | None = None
    is_upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    instance: Instance


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The instance was that way already."""

    instance: Instance


class InstanceChanging(InstanceReading):
    """All may raise InstanceNotFound, Busy, EngineUnavailable, EngineRefused."""

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
        outcome = await self.begin_update(guid, InstanceChange(plan_guid, parameters, name, tags), None)
        assert not isinstance(outcome, UnderWay), "nothing is promised without an operation"
        return outcome

    async def begin_update(
        self, guid: str, change: InstanceChange, operation: Operation | None
    ) -> Updated | Unchanged | UnderWay:
        """As update."""
        schemas.check_instance_update(change.parameters or {})
        try:
            async with self._context.holds.work(guid) as work:
                instance = await self._taken(work)
                if change.plan_guid is not None and change.plan_guid != instance.plan_guid:
                    await self._check_plan_change(instance, change.plan_guid)
                changed = self._changed(instance, change)
                if changed == instance:
                    return Unchanged(instance)
                return Updated(await self._change(work, instance, changed, operation))
        except Busy:
            existing = await self._context.records.get_instance(guid)
            if existing is None or operation is None or existing.pending is None:
                raise
            if not existing.last_operation.is_promised:
                raise
            if existing.pending != _pending(self._changed(existing, change)):
                raise
            return UnderWay(existing.last_operation.id)

    def _changed(self, instance: Instance, change: InstanceChange) -> Instance:
        return replace(
            instance,
            name=instance.name if change.name is None or instance.is_local else change.name,
            plan_guid=change.plan_guid or instance.plan_guid,
            parameters=_merged(instance.parameters, change.parameters or {}),
            tags=instance.tags if change.tags is None else tuple(change.tags),
            maintenance_version=self._version_after(instance, change),
            pending=None,
        )

    def _version_after(self, instance: Instance, change: InstanceChange) -> str:
        """An upgrade, or another plan, brings the plan's version; other changes leave what is."""
        if change.is_upgrade or change.plan_guid not in (None, instance.plan_guid):
            plan = self._context.catalog.plan(instance.service_guid, change.plan_guid or instance.plan_guid)
            return plan.maintenance_version if plan is not None else instance.maintenance_version
        return instance.maintenance_version

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

    async def _change(self, work: Work, instance: Instance, changed: Instance, operation: Operation | None) -> Instance:
        """Configure the bucket where it is to differ. The record changes at the end alone, so it can be taken back."""
        before, after = self._context.settings_of(instance), self._context.settings_of(changed)
        is_upgrade = instance.maintenance_version != changed.maintenance_version
        if before != after or is_upgrade:
            plan = self._context.plan_of(changed)
            assert plan is not None, "its settings were made by it"
            check_order(self._context.engine(instance.engine), plan, changed.parameters)
            operation_begun = begun(OperationType.UPDATE, self._context.clock_ms(), operation)
            marked = replace(instance, state=InstanceState.UPDATING, last_operation=operation_begun)
            instance = await work.save(replace(marked, pending=_pending(changed)))
            changed = replace(changed, last_operation=operation_begun)
            if operation is not None:
                operation.record()
            try:
                since = before_upgrade(before, after) if is_upgrade else before
                await self._context.engine(instance.engine).configure(instance.bucket, after, since=since)
            except DomainError as error:
                is_promised = was_promised(operation)
                if not is_promised or not self._finishing.is_to_go_on(instance, error):
                    await self._take_back(work, instance if is_promised else unpromised(instance), error)
                raise
        return await work.save(self._settling.succeeded(changed, OperationType.UPDATE), last=True)

    async def _take_back(self, work: Work, instance: Instance, reason: DomainError) -> None:
        await work.check_held()
        try:
            await self._settling.take_back_update(work, instance, str(reason))
        except DomainError as error:
            _log.warning("a failed update will be taken back later", instance=instance.guid, reason=str(error))
            await work.save(instance)  # without its promise, or it would be finished


def _pending(changed: Instance) -> PendingChange:
    return PendingChange(
        changed.name, changed.plan_guid, changed.parameters, list(changed.tags), changed.maintenance_version
    )


def _merged(old: Parameters, new: Parameters) -> Parameters:
    return {name: value for name, value in {**old, **new}.items() if value is not None}
