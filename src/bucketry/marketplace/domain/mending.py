"""Mend what a comparison of records and engines found (reconciling.py), where that harms nobody.

Each finding is looked at again under the hold of its instance. A bucket without an order is taken over as an order that
failed and is undone as any other: removed only if it holds nothing, and never while somebody orders it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bucketry.kernel import ids
from bucketry.kernel.envelope import EnvelopeError
from bucketry.marketplace.domain import binding_rights
from bucketry.marketplace.domain.context import Context
from bucketry.marketplace.domain.engine_ports import BucketSettings
from bucketry.marketplace.domain.errors import Busy, DomainError
from bucketry.marketplace.domain.granting import open_key
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.reconciling import OF_USERS, Finding, Kind, reachable
from bucketry.marketplace.domain.record_ports import Duplicate
from bucketry.marketplace.domain.settling import Settling
from bucketry.marketplace.domain.values import (
    Binding,
    BindingState,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
)

_GUID_CHARACTERS = 36
_UNDER_WAY = "An order for it is under way; run the command again."


class Mending:
    def __init__(self, context: Context, settling: Settling) -> None:
        self._context = context
        self._settling = settling

    async def mend(self, finding: Finding) -> str:
        """ "" where it is mended; else why not, a sentence."""
        if not finding.is_mendable:
            return finding.remedy
        try:
            match finding.kind:
                case Kind.EXTRA_BUCKET:
                    return await self._remove_bucket(finding)
                case Kind.EXTRA_IDENTITY:
                    return await self._remove_identity(finding)
                case _:
                    return await self._mend_held(finding)
        except Busy:
            return _UNDER_WAY
        except DomainError as error:
            return str(error)

    async def _mend_held(self, finding: Finding) -> str:
        async with self._context.holds.work(finding.instance_guid) as work:
            instance = await work.take(is_patient=False)
            if instance is None or instance.state is not InstanceState.READY:
                return _UNDER_WAY
            if finding.kind is Kind.SETTINGS:
                return await self._configure(instance)
            binding = await self._context.records.get_binding(finding.binding_guid)
            if binding is None or binding.state is not BindingState.READY:
                return _UNDER_WAY
            return await self._mend_identity(instance, binding, finding.kind)

    async def _configure(self, instance: Instance) -> str:
        engine, wanted = self._context.engine(instance.engine), self._context.settings_of(instance)
        names = _ours(await engine.deviations(instance.bucket, wanted))
        if names:
            await engine.configure(instance.bucket, wanted, since=_differing(wanted, names))
            names = _ours(await engine.deviations(instance.bucket, wanted))
        return f"The engine does not take {', '.join(names)}; look at the bucket there." if names else ""

    async def _mend_identity(self, instance: Instance, binding: Binding, kind: Kind) -> str:
        engine = self._context.engine(instance.engine)
        buckets = await reachable(self._context, instance, binding)
        if buckets is None:
            return _UNDER_WAY
        rights = binding_rights.of_binding(binding)
        if kind is Kind.RIGHTS:
            await engine.restrict(binding.guid, buckets, rights)
            found = await engine.find_identity(binding.guid, buckets, rights)
            return (
                "" if found is not None and found.has_rights else "It has more policies or groups: remove them by hand."
            )
        try:
            access_key_id = open_key(self._context, binding).access_key_id
        except EnvelopeError as error:
            return f"Its secret can't be opened: {error}."
        found = await engine.find_identity(binding.guid, buckets, rights)
        if found is not None and access_key_id in found.access_key_ids:  # or none would be left
            await engine.keep_key(binding.guid, access_key_id)
        return ""

    # ---- what nobody ordered

    async def _remove_bucket(self, finding: Finding) -> str:
        engine = self._context.engine(finding.engine)
        guid = _guid_of(engine.bucket_name, finding.name) or ids.guid()
        async with self._context.holds.work(guid) as work:
            adopted = _adopted(guid, finding, self._context.clock_ms())
            if not await self._insert(work, adopted):
                return _UNDER_WAY
            await self._settling.undo_creation(work, adopted)
        if await engine.deviations(finding.name, BucketSettings()) is not None:
            return "It holds something by now, and stays."
        return ""

    async def _insert(self, work: Work, adopted: Instance) -> bool:
        try:
            return await work.insert(adopted)
        except Duplicate:
            return False

    async def _remove_identity(self, finding: Finding) -> str:
        engine = self._context.engine(finding.engine)
        guid = finding.binding_guid
        if engine.identity_name(guid) != finding.name:  # labels may be cut, or another's
            guid = _guid_of(engine.identity_name, finding.name)
        async with self._context.holds.work(finding.instance_guid) as work:
            instance = await work.take(is_patient=False)  # bindings are made under it; None: it is gone as well
            bindings = await self._context.records.list_bindings(work.guid) if instance is not None else []
            names = {binding.identity or engine.identity_name(binding.guid) for binding in bindings}
            if finding.name in names or (guid and await self._context.records.get_binding(guid) is not None):
                return _UNDER_WAY
            await engine.remove_identity(finding.name)
        return ""


def _ours(names: Sequence[str] | None) -> list[str]:
    return [name for name in names or () if name not in OF_USERS]


def _differing(wanted: BucketSettings, names: Sequence[str]) -> BucketSettings:
    """Settings that differ from `wanted` in these names alone, so that nothing else is set anew."""
    nothing = BucketSettings()
    changes = {name: getattr(nothing, name) for name in names if name != "public"}
    if "public" in names:
        changes["is_public"] = not wanted.is_public
    return replace(wanted, **changes)


def _guid_of(name_of: Callable[[str], str], name: str) -> str:
    """The id that a name was made from, where it ends with it; "" if it can't be told."""
    guid = name[-_GUID_CHARACTERS:]
    return guid if name_of(guid) == name else ""


def _adopted(guid: str, finding: Finding, now_ms: int) -> Instance:
    """An order that failed, of the bucket that nobody ordered."""
    return Instance(
        guid=guid,
        name="",
        org_guid="",
        space_guid="",
        is_local=False,
        service_guid="",
        plan_guid="",
        parameters={},
        tags=(),
        state=InstanceState.FAILED,
        engine=finding.engine,
        bucket=finding.name,
        last_operation=LastOperation(OperationType.CREATE, OperationState.FAILED, "belongs to no order", now_ms),
        created_ms=now_ms,
        updated_ms=now_ms,
    )
