"""Bindings and service keys: one pair of credentials each, never shared, revoked by deleting it.

As with instances, an order is recorded before the engine is asked. The pair is kept sealed; the credentials document is
made from it and from where the engine is now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bucketry.kernel import ids, logs
from bucketry.marketplace.domain import binding_rights, schemas
from bucketry.marketplace.domain.binding_reading import BindingReading
from bucketry.marketplace.domain.context import Context, check_name, is_alike
from bucketry.marketplace.domain.credentials import Credentials
from bucketry.marketplace.domain.errors import (
    AppNotFound,
    BindingNotFound,
    Busy,
    DomainError,
    InstanceNotFound,
    InvalidParameters,
    InvalidPredecessor,
    NotBindable,
    WrongService,
)
from bucketry.marketplace.domain.finishing import Finishing
from bucketry.marketplace.domain.granting import grant
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.operations import Operation, UnderWay, was_promised
from bucketry.marketplace.domain.record_ports import Duplicate, StillReferenced
from bucketry.marketplace.domain.settling import Settling
from bucketry.marketplace.domain.values import (
    Binding,
    BindingKind,
    BindingState,
    Instance,
    InstanceState,
    Parameters,
)

_log = logs.get("bindings")


@dataclass(frozen=True, slots=True)
class BindingOrder:
    """An order of credentials. A key has a name, an app binding an `app_guid`; foreign platforms' may have neither.
    `service_guid`: the service that the instance has to be of; None: any. `predecessor_guid`: the binding to rotate:
    its app and parameters count, those of the order do not."""

    guid: str
    instance_guid: str
    kind: BindingKind
    name: str
    app_guid: str | None
    is_local: bool
    parameters: Parameters
    service_guid: str | None = None
    predecessor_guid: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    binding: Binding
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class BoundAlike:
    """It was ordered before in the same words; the credentials are the same."""

    binding: Binding
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class BoundDifferently:
    """It was ordered before, otherwise. `difference`: instance, predecessor, application, parameters, or
    origin: another broker made it."""

    binding: Binding
    difference: str


BindOutcome = Bound | BoundAlike | BoundDifferently


class Bindings(BindingReading):
    """All may raise Busy, EngineUnavailable, EngineRefused; those that take an instance InstanceNotFound."""

    def __init__(self, context: Context, settling: Settling, finishing: Finishing) -> None:
        super().__init__(context, settling)
        self._finishing = finishing

    # ---- ordering

    async def create_key(self, instance_guid: str, name: str, parameters: Parameters | None = None) -> BindOutcome:
        """Order a service key by name. A name that is taken: BoundAlike if it was ordered alike."""
        check_name(name, "service key")
        order = BindingOrder(ids.guid(), instance_guid, BindingKind.KEY, name, None, True, parameters or {})
        return await self.bind(order)

    async def bind_app(
        self, instance_guid: str, app_guid: str, name: str = "", parameters: Parameters | None = None
    ) -> BindOutcome:
        """Bind an app of this server. Bound already: BoundAlike if it was ordered alike. Raises AppNotFound."""
        if name:
            check_name(name, "binding")
        order = BindingOrder(ids.guid(), instance_guid, BindingKind.APP, name, app_guid, True, parameters or {})
        return await self.bind(order)

    async def bind(self, order: BindingOrder) -> BindOutcome:
        """Order by id: the same order again is BoundAlike, a half made one goes on.

        Raises InstanceNotFound, WrongService, InvalidParameters, InvalidPredecessor, NotBindable, AppNotFound; nothing
        is left then.
        """
        outcome = await self.begin_bind(order, None)
        assert not isinstance(outcome, UnderWay), "nothing is promised without an operation"
        return outcome

    async def begin_bind(self, order: BindingOrder, operation: Operation | None) -> BindOutcome | UnderWay:
        """As bind, and it may be promised: see instances.Instances."""
        schemas.check_binding_create(order.parameters)
        binding_rights.check(order.parameters)
        if order.predecessor_guid == order.guid:
            raise InvalidPredecessor("A binding can't be its own predecessor; give the new one another id.")
        additional = await self._additional(order)
        try:
            return await self._bind_held(order, additional, operation)
        except Busy:
            existing = await self._context.records.get_binding(order.guid)
            if not _is_being(BindingState.CREATING, existing):
                raise
            assert existing is not None, "it was asked just now"
            if difference := _difference(existing, order):
                return BoundDifferently(existing, difference)
            if operation is None:
                raise
            return UnderWay(existing.operation_id)

    async def _bind_held(
        self, order: BindingOrder, additional: Sequence[str], operation: Operation | None
    ) -> BindOutcome:
        async def is_long() -> bool:
            return await self._is_under_way(order.guid, order.instance_guid)

        async with contextlib.AsyncExitStack() as stack:
            works: dict[str, tuple[Work, Instance]] = {}
            for guid in sorted({order.instance_guid, *additional}):  # in one order, so that none waits for another
                work = await stack.enter_async_context(self._context.holds.work(guid, is_long))
                works[guid] = (work, await self._taken(work))
            work, instance = works[order.instance_guid]
            if order.service_guid not in (None, instance.service_guid):
                raise WrongService("service_id is not that of this service instance.")
            plan = self._context.plan_of(instance)
            if plan is not None and not plan.is_bindable:
                raise NotBindable(f"Plan {plan.name} gives no credentials.")
            buckets = [works[guid][1].bucket for guid in additional]
            return await self._bind(work, instance, order, additional, buckets, operation)

    async def _bind(
        self,
        work: Work,
        instance: Instance,
        order: BindingOrder,
        additional: Sequence[str],
        buckets: Sequence[str],
        operation: Operation | None,
    ) -> BindOutcome:
        binding = Binding(
            guid=order.guid,
            kind=order.kind,
            name=order.name,
            instance_guid=order.instance_guid,
            app_guid=order.app_guid,
            is_local=order.is_local,
            parameters=order.parameters,
            additional_instances=tuple(additional),
            state=BindingState.CREATING,
            created_ms=self._context.clock_ms(),
            operation_id=operation.id if operation is not None else "",
        )
        if order.predecessor_guid is not None and await self._context.records.get_binding(order.guid) is None:
            binding = await self._rotated(binding, instance, order.predecessor_guid)
        for _ in range(3):
            existing = await self._insert(work, binding)
            if existing is None:
                return await self._make(work, instance, binding, buckets, operation)
            difference = _difference(existing, order)
            if existing.state is BindingState.READY:
                if difference or existing.identity:
                    return BoundDifferently(existing, difference or "origin")
                return BoundAlike(existing, await self.credentials(existing))
            if existing.instance_guid != work.guid:
                return BoundDifferently(existing, difference)
            if existing.state is BindingState.CREATING and not difference:
                is_told = bool(existing.operation_id)  # before a crash, perhaps
                again = replace(existing, additional_instances=tuple(additional))
                if binding.operation_id and not is_told:
                    again = await work.save_binding(replace(again, operation_id=binding.operation_id))
                return await self._make(work, instance, again, buckets, operation, is_told)
            await self._settling.remove_binding(work, instance, existing)
            if order.predecessor_guid is not None:
                binding = await self._rotated(binding, instance, order.predecessor_guid)
        raise AssertionError("a binding that was removed under its hold came back")

    async def _rotated(self, binding: Binding, instance: Instance, predecessor_guid: str) -> Binding:
        """`binding` with what it has of its predecessor."""
        plan = self._context.plan_of(instance)
        if plan is not None and not plan.is_rotatable:
            raise InvalidPredecessor(f"Bindings of plan {plan.name} can't be rotated; make another binding instead.")
        predecessor = await self._predecessor(predecessor_guid, instance.guid)
        if predecessor is None or predecessor.guid == binding.guid:
            raise InvalidPredecessor(
                "predecessor_binding_id is not that of another binding of this service instance that still is valid."
            )
        return replace(
            binding,
            kind=predecessor.kind,
            app_guid=predecessor.app_guid,
            parameters=predecessor.parameters,
            predecessor_guid=predecessor.guid,
        )

    async def _predecessor(self, guid: str, instance_guid: str) -> Binding | None:
        """A binding of the instance that can be rotated: made, and not expired."""
        binding = await self._context.records.get_binding(guid)
        if binding is None or binding.state is not BindingState.READY or binding.instance_guid != instance_guid:
            return None
        ends_ms = binding_rights.of_binding(binding).ends_ms
        return None if ends_ms is not None and ends_ms <= self._context.clock_ms() else binding

    async def _insert(self, work: Work, binding: Binding) -> Binding | None:
        """Write a new binding; the one that is in its way, if any."""
        try:
            await work.insert_binding(binding)
        except StillReferenced:
            raise AppNotFound("The app does not exist (any more).") from None
        except Duplicate as duplicate:
            return await self._in_the_way(binding, duplicate.what)
        return None

    async def _in_the_way(self, binding: Binding, what: str) -> Binding:
        existing: Binding | None
        if what == "guid":
            existing = await self._context.records.get_binding(binding.guid)
        elif what == "name":
            existing = await self._context.records.find_key(binding.instance_guid, binding.name)
        else:
            bindings = await self._context.records.list_bindings(binding.instance_guid)
            existing = next((other for other in bindings if other.app_guid == binding.app_guid), None)
        if existing is None:
            raise BindingNotFound("The binding was removed by another just now; try again.")
        return existing

    async def _make(
        self,
        work: Work,
        instance: Instance,
        binding: Binding,
        buckets: Sequence[str],
        operation: Operation | None,
        is_told: bool = False,
    ) -> Bound:
        """Make the key of a recorded order. If the engine fails it is undone, now or by the keeper; what was promised
        goes on where the engine was only out of reach."""
        if operation is not None:
            operation.record(binding.operation_id)
        try:
            ready, key = await grant(self._context, work, instance, binding, buckets, last=True)
        except DomainError as error:
            if was_promised(operation) or is_told:
                if not self._finishing.is_binding_to_go_on(binding, error):
                    await self._finishing.fail_binding(work, instance, binding, error)
                raise
            await work.check_held()
            try:
                await self._settling.remove_binding(work, instance, replace(binding, operation_id=""))
            except DomainError as problem:
                _log.warning("a failed binding will be undone later", binding=binding.guid, reason=str(problem))
                if binding.operation_id:  # or it would be finished
                    await work.save_binding(replace(binding, operation_id=""))
            raise
        return Bound(ready, self._document(instance, key, buckets))

    async def _additional(self, order: BindingOrder) -> list[str]:
        """The guids of the additional instances, in the order of their names."""
        if order.predecessor_guid is not None:
            begun = await self._context.records.get_binding(order.guid)
            source = begun or await self._predecessor(order.predecessor_guid, order.instance_guid)
            return list(source.additional_instances) if source is not None else []
        names = order.parameters.get("additional_instances", [])
        if not names:
            return []
        records = self._context.records
        instance = await records.get_instance(order.instance_guid)
        if instance is None:
            raise InstanceNotFound("There is no service instance with this id.")
        guids = []
        for name in names:
            found = await records.find_instances(instance.space_guid, name)
            found = [other for other in found if other.state in (InstanceState.READY, InstanceState.UPDATING)]
            if not found:
                raise InvalidParameters(f"Parameter additional_instances: there is no service instance {name} here.")
            if len(found) > 1:
                raise InvalidParameters(f"Parameter additional_instances: several instances are called {name}.")
            if found[0].guid == instance.guid:
                raise InvalidParameters(f"Parameter additional_instances: {name} is the instance itself.")
            if found[0].engine != instance.engine:
                raise InvalidParameters(
                    f"Parameter additional_instances: the bucket of {name} is kept elsewhere "
                    f"(engine {found[0].engine}), out of reach of these credentials."
                )
            guids.append(found[0].guid)
        return guids

    async def _taken(self, work: Work) -> Instance:
        taken = await work.take()
        settled = await self._settling.settle(work, taken) if taken is not None else None
        if settled is None:
            raise InstanceNotFound("There is no service instance with this id.")
        return settled

    # ---- removing

    async def unbind(self, guid: str, instance_guid: str) -> None:
        """Revoke and remove. Raises BindingNotFound, also for a binding of another instance."""
        await self.begin_unbind(guid, instance_guid, None)

    async def begin_unbind(self, guid: str, instance_guid: str, operation: Operation | None) -> UnderWay | None:
        """As unbind."""

        async def is_long() -> bool:
            return await self._is_under_way(guid, instance_guid)

        try:
            async with self._context.holds.work(instance_guid, is_long) as work:
                await self._unbind(work, guid, operation)
        except Busy:
            binding = await self._context.records.get_binding(guid)
            if operation is None or not _is_being(BindingState.DELETING, binding):
                raise
            assert binding is not None, "it was asked just now"
            return UnderWay(binding.operation_id)
        return None

    async def _is_under_way(self, guid: str, instance_guid: str) -> bool:
        """Whether something promised is under way on the binding, or on its instance."""
        instance = await self._context.records.get_instance(instance_guid)
        if instance is not None and instance.last_operation.is_promised:
            return True
        binding = await self._context.records.get_binding(guid)
        return _is_being(BindingState.DELETING, binding) or _is_being(BindingState.CREATING, binding)

    async def _unbind(self, work: Work, guid: str, operation: Operation | None) -> None:
        instance = await work.take()
        binding = await self._context.records.get_binding(guid) if instance is not None else None
        if instance is None or binding is None or binding.instance_guid != work.guid:
            raise BindingNotFound("There is no binding with this id.")
        is_begun = binding.state is BindingState.DELETING
        if not is_begun or (operation is not None and not binding.operation_id):
            operation_id = operation.id if operation is not None else ""
            binding = replace(binding, state=BindingState.DELETING, operation_id=operation_id)
            await work.save_binding(binding)
        if operation is not None:
            operation.record(binding.operation_id)
        await self._settling.remove_binding(work, instance, binding, last=True)


def _is_being(state: BindingState, binding: Binding | None) -> bool:
    """Whether a promised operation is under way that leaves a binding in this state meanwhile."""
    return binding is not None and binding.state is state and bool(binding.operation_id)


def _difference(existing: Binding, order: BindingOrder) -> str:
    if existing.instance_guid != order.instance_guid:
        return "instance"
    if existing.predecessor_guid != order.predecessor_guid:
        return "predecessor"
    if order.predecessor_guid is not None:
        return ""
    if existing.app_guid != order.app_guid:
        return "application"
    return "" if is_alike(existing.parameters, order.parameters) else "parameters"
