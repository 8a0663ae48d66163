"""Compare the records with the engines: what should be there and isn't, what is there and shouldn't be, what differs.

Engines are listed first and the records read after them: whatever an order made has its record before. A finding is
looked at twice, so that orders under way are none; instances and bindings that are not ready are left alone.

What those who have credentials may change themselves (CORS, website, …) is theirs: where it differs from the order it
is noted and stays. mending.py does what can be done without harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bucketry.kernel.envelope import EnvelopeError
from bucketry.marketplace.domain import binding_rights
from bucketry.marketplace.domain.context import Context
from bucketry.marketplace.domain.engine_ports import Engine, Inventory
from bucketry.marketplace.domain.errors import DomainError, UnknownPlan
from bucketry.marketplace.domain.granting import open_key
from bucketry.marketplace.domain.values import Binding, BindingState, Instance, InstanceState

_PAGE = 200
_AT_ONCE = 8
OF_USERS = frozenset({"cors", "website", "versioning", "lifecycle", "tagging", "notification", "logging"})


class Kind(StrEnum):
    """What a finding is about, for programs."""

    NO_ENGINE = "no-engine"
    NO_PLAN = "no-plan"
    LOST_BUCKET = "lost-bucket"
    EXTRA_BUCKET = "extra-bucket"
    SETTINGS = "settings"
    USERS_SETTINGS = "users-settings"
    ADOPTED = "adopted"
    LOST_IDENTITY = "lost-identity"
    LOST_KEY = "lost-key"
    EXTRA_IDENTITY = "extra-identity"
    EXTRA_KEY = "extra-key"
    RIGHTS = "rights"
    SEALED_SECRET = "sealed-secret"  # noqa: S105 - a word, not a password


@dataclass(frozen=True, slots=True)
class Finding:
    """`text`: what is wrong, with what. `remedy`: what mending does or, unless `is_mendable`, what a person can do.

    `name` is the bucket or identity as its engine calls it. `settings`: those that differ.
    """

    kind: Kind
    engine: str
    name: str
    text: str
    remedy: str
    is_mendable: bool = False
    instance_guid: str = ""
    binding_guid: str = ""
    settings: tuple[str, ...] = ()

    @property
    def is_note(self) -> bool:
        """Whether it may be meant so, and is told for information alone."""
        return self.kind in (Kind.USERS_SETTINGS, Kind.ADOPTED, Kind.NO_PLAN)


class Reconciling:
    """Changes nothing; needs no hold."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def findings(self) -> AsyncIterator[Finding]:
        """All that differs, an engine that can't be asked among it."""
        inventories: dict[str, Inventory] = {}
        for name, engine in self._context.engines.items():
            try:
                inventories[name] = await engine.inventory()
            except DomainError as error:
                yield Finding(Kind.NO_ENGINE, name, name, str(error), "Nothing of this engine is compared.")
        buckets: dict[str, set[str]] = {name: set() for name in inventories}
        identities: dict[str, set[str]] = {name: set() for name in inventories}
        turns = asyncio.Semaphore(_AT_ONCE)

        async def compare(instance: Instance) -> list[Finding]:
            bindings = await self._context.records.list_bindings(instance.guid)
            if instance.engine in inventories:
                engine = self._context.engine(instance.engine)
                buckets[instance.engine].add(instance.bucket)
                identities[instance.engine].update(
                    binding.identity or engine.identity_name(binding.guid) for binding in bindings
                )
            async with turns:
                return await self._instance(instance, bindings, set(inventories))

        after = ""
        while page := await self._context.records.list_all_instances(after, _PAGE):
            after = page[-1].guid
            for found in await asyncio.gather(*(compare(instance) for instance in page)):
                for finding in found:
                    yield finding
        for name, inventory in inventories.items():
            extra = Inventory(inventory.buckets - buckets[name], inventory.identities - identities[name])
            try:
                for finding in await self._extra(self._context.engine(name), extra):
                    yield finding
            except DomainError as error:
                yield Finding(Kind.NO_ENGINE, name, name, str(error), "Run it again when the engine answers.")

    # ---- what was ordered

    async def _instance(self, instance: Instance, bindings: Sequence[Binding], engines: set[str]) -> list[Finding]:
        if instance.state is not InstanceState.READY:
            return []
        found: list[Finding] = []
        if instance.engine not in engines:
            if instance.engine not in self._context.engines:
                text = f"{_called(instance)} is kept on the engine {instance.engine}, which is not configured."
                remedy = "Add the engine to the settings again."
                found.append(_of(instance, Kind.NO_ENGINE, text, remedy))
            return found
        try:
            found += await self._bucket(instance)
            for binding in bindings:
                if binding.state is BindingState.READY:
                    found += await self._binding(instance, binding)
        except DomainError as error:
            text = f"{_called(instance)} could not be compared: {error}"
            found.append(_of(instance, Kind.NO_ENGINE, text, "Run it again when the engine answers."))
        if not found:
            return []
        # What changed meanwhile, or is under way by now, is no finding; the next run sees it as it is then.
        if await self._context.records.get_instance(instance.guid) != instance:
            return []
        known = {binding.guid: binding for binding in await self._context.records.list_bindings(instance.guid)}
        before = {binding.guid: binding for binding in bindings}
        return [one for one in found if known.get(one.binding_guid) == before.get(one.binding_guid)]

    async def _bucket(self, instance: Instance) -> list[Finding]:
        try:
            wanted = self._context.settings_of(instance)
        except UnknownPlan as error:
            return [_of(instance, Kind.NO_PLAN, str(error), "Put the plan back into the catalog to change it.")]
        engine = self._context.engine(instance.engine)
        names = await engine.deviations(instance.bucket, wanted)
        if names is None:
            text = f"{_called(instance)} has lost its bucket {instance.bucket}."
            remedy = (
                "Restore the engine's data from a backup. If it is lost for good, delete the service instance and "
                "order another."
            )
            return [_of(instance, Kind.LOST_BUCKET, text, remedy)]
        found = []
        ours = tuple(name for name in names if name not in OF_USERS)
        theirs = tuple(name for name in names if name in OF_USERS and getattr(wanted, name, None) is not None)
        if ours and instance.bucket != engine.bucket_name(instance.guid):
            text = f"{_called(instance)}: another broker made bucket {instance.bucket}, and left it otherwise in "
            remedy = "Left as it is: an update of the instance sets what it changes."
            found.append(replace(_of(instance, Kind.ADOPTED, f"{text}{', '.join(ours)}.", remedy), settings=ours))
        elif ours:
            text = f"{_called(instance)}: bucket {instance.bucket} is not as it was ordered in {', '.join(ours)}."
            mendable = replace(_of(instance, Kind.SETTINGS, text, "They are configured again."), is_mendable=True)
            found.append(replace(mendable, settings=ours))
        if theirs:
            text = f"{_called(instance)}: bucket {instance.bucket} has another {', '.join(theirs)} than was ordered."
            remedy = (
                "Left as it is: whoever has its credentials may have set it. An update of the instance sets it again."
            )
            found.append(replace(_of(instance, Kind.USERS_SETTINGS, text, remedy), settings=theirs))
        return found

    async def _binding(self, instance: Instance, binding: Binding) -> list[Finding]:
        engine = self._context.engine(instance.engine)
        named = f"{_credentials(binding)} of {_called(instance)}"
        anew = "The same key can't be made again: " + _how_to_rotate(binding)

        def of(kind: Kind, text: str, remedy: str, is_mendable: bool = False) -> Finding:
            name = engine.identity_name(binding.guid)
            return Finding(kind, engine.name, name, text, remedy, is_mendable, instance.guid, binding.guid)

        if binding.identity:
            return []  # another broker made it, with the rights that it gave, and its secret is not known
        try:
            access_key_id = open_key(self._context, binding).access_key_id
        except EnvelopeError as error:
            text = f"The secret of {named} can't be opened: {error}."
            return [of(Kind.SEALED_SECRET, text, f"Put the right master key back. Else: {_how_to_rotate(binding)}")]
        buckets = await reachable(self._context, instance, binding)
        if buckets is None:
            return []  # one of them is being changed just now
        identity = await engine.find_identity(binding.guid, buckets, binding_rights.of_binding(binding))
        if identity is None:
            return [of(Kind.LOST_IDENTITY, f"{named} no longer works: its identity is gone.", anew)]
        found = []
        if not identity.has_rights:
            text = f"{named} has other rights than those that were ordered."
            found.append(of(Kind.RIGHTS, text, "Its rights are set again.", is_mendable=True))
        if access_key_id not in identity.access_key_ids:
            found.append(of(Kind.LOST_KEY, f"{named} no longer works: its key {access_key_id} is gone.", anew))
        elif len(identity.access_key_ids) > 1:
            others = ", ".join(key for key in identity.access_key_ids if key != access_key_id)
            text = f"{named} has keys that nobody was given: {others}."
            found.append(of(Kind.EXTRA_KEY, text, "They are revoked.", is_mendable=True))
        return found

    # ---- what was not

    async def _extra(self, engine: Engine, extra: Inventory) -> list[Finding]:
        if not extra.buckets and not extra.identities:
            return []
        still = await engine.inventory()  # without what was being removed when it was listed first
        found = [await self._extra_bucket(engine, bucket) for bucket in sorted(extra.buckets & still.buckets)]
        for identity in sorted(extra.identities & still.identities):
            found.append(await self._extra_identity(engine, identity))
        return found

    async def _extra_bucket(self, engine: Engine, bucket: str) -> Finding:
        usage = await engine.usage(bucket, most=1)
        if usage.is_empty:
            text, remedy = f"Bucket {bucket} belongs to no service instance, and is empty.", "It is removed."
        else:
            text = f"Bucket {bucket} belongs to no service instance, and holds something."
            remedy = "Never removed by this command: look at what it holds, copy or empty it, and remove it by hand."
        return Finding(Kind.EXTRA_BUCKET, engine.name, bucket, text, remedy, usage.is_empty)

    async def _extra_identity(self, engine: Engine, identity: str) -> Finding:
        labels = await engine.labels_of(identity)
        instance_guid, binding_guid = labels.get("bucketry:instance", ""), labels.get("bucketry:binding", "")
        whose = f" (binding {binding_guid} of service instance {instance_guid})" if binding_guid else ""
        text = f"Identity {identity} belongs to no binding{whose}."
        return Finding(
            Kind.EXTRA_IDENTITY,
            engine.name,
            identity,
            text,
            "It is revoked with its keys.",
            True,
            instance_guid,
            binding_guid,
        )


async def reachable(context: Context, instance: Instance, binding: Binding) -> list[str] | None:
    """The buckets that a binding reaches; None while one of its additional instances is not ready."""
    buckets = [instance.bucket]
    for guid in binding.additional_instances:
        other = await context.records.get_instance(guid)
        if other is not None and other.state is not InstanceState.READY:
            return None
        if other is not None:
            buckets.append(other.bucket)
    return buckets


def _of(instance: Instance, kind: Kind, text: str, remedy: str) -> Finding:
    return Finding(kind, instance.engine, instance.bucket, text, remedy, instance_guid=instance.guid)


def _called(instance: Instance) -> str:
    return f"Service instance {instance.name or instance.guid} ({instance.guid})"


def _credentials(binding: Binding) -> str:
    return f"Service key {binding.name}" if binding.name else f"Binding {binding.guid}"


def _how_to_rotate(binding: Binding) -> str:
    if binding.is_local:
        return "delete the key or binding and make another (delete-service-key, create-service-key)."
    return "have the platform rotate the binding, or unbind and bind again."
