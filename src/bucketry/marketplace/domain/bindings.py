"""Bindings and service keys: one pair of credentials each, never shared, revoked by deleting it.

As with instances, an order is recorded before the engine is asked. The pair is kept sealed; the credentials document is
made from it and from where the engine is now.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bucketry.kernel import ids, logs
from bucketry.marketplace.domain import binding_rights, schemas
from bucketry.marketplace.domain.context import Context, check_name, is_alike
from bucketry.marketplace.domain.credentials import Credentials, document
from bucketry.marketplace.domain.errors import (
    AmbiguousName,
    AppNotFound,
    BindingNotFound,
    DomainError,
    InstanceNotFound,
    InvalidParameters,
    NotBindable,
    WrongService,
)
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.ports import AccessKey, Duplicate, StillReferenced
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
    `service_guid`: the service that the instance has to be of; None: any."""

    guid: str
    instance_guid: str
    kind: BindingKind
    name: str
    app_guid: str | None
    is_local: bool
    parameters: Parameters
    service_guid: str | None = None


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
    """It was ordered before, otherwise. `difference`: instance, application or parameters."""

    binding: Binding
    difference: str


BindOutcome = Bound | BoundAlike | BoundDifferently


class Bindings:
    """All may raise Busy, EngineUnavailable, EngineRefused; those that take an instance InstanceNotFound."""

    def __init__(self, context: Context, settling: Settling) -> None:
        self._context = context
        self._settling = settling

    # ---- reading

    async def get(self, guid: str, instance_guid: str | None = None) -> Binding:
        """A finished binding; with `instance_guid`, only one of that instance. Raises BindingNotFound."""
        binding = await self._context.records.get_binding(guid)
        if binding is None or binding.state is not BindingState.READY:
            raise BindingNotFound("There is no binding with this id.")
        if instance_guid is not None and binding.instance_guid != instance_guid:
            raise BindingNotFound("There is no binding with this id.")
        return binding

    async def find_key(self, instance: Instance, name: str) -> Binding:
        """A service key by name. Raises BindingNotFound."""
        binding = await self._context.records.find_key(instance.guid, name)
        if binding is None or binding.state is not BindingState.READY:
            raise BindingNotFound(f"No service key {name} found for service instance {instance.name}.")
        return binding

    async def find_key_in_space(self, space_guid: str, name: str) -> Binding:
        """A service key by its name alone. Raises BindingNotFound, AmbiguousName."""
        found = await self._context.records.find_keys(space_guid, name)
        found = [binding for binding in found if binding.state is BindingState.READY]
        if not found:
            raise BindingNotFound(f"No service key {name} found in this space.")
        if len(found) > 1:
            raise AmbiguousName(f"Several service instances have a key {name}; name the instance too.")
        return found[0]

    async def list_for_instance(self, instance_guid: str) -> list[Binding]:
        """Finished bindings and keys of an instance, the oldest first."""
        found = await self._context.records.list_bindings(instance_guid)
        return [binding for binding in found if binding.state is BindingState.READY]

    async def list_for_app(self, app_guid: str) -> list[Binding]:
        """Finished bindings of an app, the oldest first."""
        found = await self._context.records.list_app_bindings(app_guid)
        return [binding for binding in found if binding.state is BindingState.READY]

    async def credentials(self, binding: Binding) -> Credentials:
        """The credentials of a finished binding."""
        instance = await self._context.records.get_instance(binding.instance_guid)
        if instance is None or binding.sealed_key is None:
            raise BindingNotFound("There is no binding with this id (any more).")
        additional = await self._settling.buckets(list(binding.additional_instances))
        return self._document(instance, self._open(binding), additional)

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

        Raises InstanceNotFound, WrongService, InvalidParameters, NotBindable, AppNotFound; nothing is left then.
        """
        schemas.check_binding_create(order.parameters)
        binding_rights.check(order.parameters)
        additional = await self._additional(order)
        async with contextlib.AsyncExitStack() as stack:
            works: dict[str, tuple[Work, Instance]] = {}
            for guid in sorted({order.instance_guid, *additional}):  # in one order, so that none waits for another
                work = await stack.enter_async_context(self._context.holds.work(guid))
                works[guid] = (work, await self._taken(work))
            work, instance = works[order.instance_guid]
            if order.service_guid not in (None, instance.service_guid):
                raise WrongService("service_id is not that of this service instance.")
            plan = self._context.plan_of(instance)
            if plan is not None and not plan.is_bindable:
                raise NotBindable(f"Plan {plan.name} gives no credentials.")
            buckets = [works[guid][1].bucket for guid in additional]
            return await self._bind(work, instance, order, additional, buckets)

    async def _bind(
        self, work: Work, instance: Instance, order: BindingOrder, additional: Sequence[str], buckets: Sequence[str]
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
        )
        for _ in range(3):
            existing = await self._insert(work, binding)
            if existing is None:
                return await self._make(work, instance, binding, buckets)
            difference = _difference(existing, order)
            if existing.state is BindingState.READY:
                if difference:
                    return BoundDifferently(existing, difference)
                return BoundAlike(existing, await self.credentials(existing))
            if existing.instance_guid != work.guid:
                return BoundDifferently(existing, difference)
            if existing.state is BindingState.CREATING and not difference:
                again = replace(existing, additional_instances=tuple(additional))
                return await self._make(work, instance, again, buckets)
            await self._settling.remove_binding(work, instance, existing)
        raise AssertionError("a binding that was removed under its hold came back")

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

    async def _make(self, work: Work, instance: Instance, binding: Binding, buckets: Sequence[str]) -> Bound:
        """Make the key of a recorded order. If the engine fails it is undone, now or by the keeper."""
        engine = self._context.engine(instance.engine)
        try:
            key = await engine.grant(
                binding.guid,
                [instance.bucket, *buckets],
                binding_rights.of_binding(binding),
                _labels(instance, binding),
            )
            ready = replace(binding, state=BindingState.READY, sealed_key=self._seal(binding.guid, key))
            await work.save_binding(ready, last=True)
        except DomainError:
            try:
                await self._settling.remove_binding(work, instance, binding)
            except DomainError as error:
                _log.warning("a failed binding will be undone later", binding=binding.guid, reason=str(error))
            raise
        return Bound(ready, self._document(instance, key, buckets))

    async def _additional(self, order: BindingOrder) -> list[str]:
        """The guids of the additional instances, in the order of their names."""
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
        async with self._context.holds.work(instance_guid) as work:
            instance = await work.take()
            if instance is None:
                raise BindingNotFound("There is no binding with this id.")
            binding = await self._context.records.get_binding(guid)
            if binding is None or binding.instance_guid != instance_guid:
                raise BindingNotFound("There is no binding with this id.")
            await self._settling.remove_binding(work, instance, binding, last=True)

    # ---- the pair at rest

    def _seal(self, guid: str, key: AccessKey) -> bytes:
        pair = json.dumps([key.access_key_id, key.secret_access_key])
        return self._context.envelope.seal(pair, f"binding|{guid}")

    def _open(self, binding: Binding) -> AccessKey:
        assert binding.sealed_key is not None, "only finished bindings are opened"
        access_key_id, secret = json.loads(self._context.envelope.open(binding.sealed_key, f"binding|{binding.guid}"))
        return AccessKey(access_key_id, secret)

    def _document(self, instance: Instance, key: AccessKey, additional_buckets: Sequence[str]) -> Credentials:
        address = self._context.engine(instance.engine).address(instance.bucket)
        return document(key, address, additional_buckets)


def _labels(instance: Instance, binding: Binding) -> dict[str, str]:
    """What is written beside the identity, so that an operator finds whose it is."""
    labels = {
        "bucketry:instance": instance.guid,
        "bucketry:binding": binding.guid,
        "bucketry:organization": instance.org_guid,
        "bucketry:space": instance.space_guid,
    }
    if binding.app_guid:
        labels["bucketry:app"] = binding.app_guid
    return labels


def _difference(existing: Binding, order: BindingOrder) -> str:
    if existing.instance_guid != order.instance_guid:
        return "instance"
    if existing.app_guid != order.app_guid:
        return "application"
    return "" if is_alike(existing.parameters, order.parameters) else "parameters"
