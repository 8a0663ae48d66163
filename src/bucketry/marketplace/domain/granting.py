"""The key pair of a binding: asked of the engine, sealed, opened again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from bucketry.kernel import logs
from bucketry.marketplace.domain import binding_rights
from bucketry.marketplace.domain.context import Context
from bucketry.marketplace.domain.engine_ports import AccessKey, Engine
from bucketry.marketplace.domain.errors import DomainError
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.record_ports import HoldLost
from bucketry.marketplace.domain.values import Binding, BindingState, Instance

_log = logs.get("granting")


async def grant(
    context: Context,
    work: Work,
    instance: Instance,
    binding: Binding,
    additional_buckets: Sequence[str],
    last: bool = False,
) -> tuple[Binding, AccessKey]:
    """Make the binding's pair and record it: the binding as it is then, and the pair. A repeat makes another pair; the
    earlier one ends. `last` as in Work.save."""
    engine = context.engine(instance.engine)
    key = await engine.grant(
        binding.guid,
        [instance.bucket, *additional_buckets],
        binding_rights.of_binding(binding),
        _labels(instance, binding),
        work.fence(),
    )
    sealed_key = _seal(context, binding.guid, key)
    ready = replace(binding, state=BindingState.READY, sealed_key=sealed_key, operation_id="")
    try:
        await work.save_binding(ready, last=last)
    except HoldLost:
        await _drop(engine, binding, key)
        raise
    return ready, key


async def _drop(engine: Engine, binding: Binding, key: AccessKey) -> None:
    """Another took the order over and made its own pair: nobody was given this one."""
    try:
        await engine.drop_key(binding.guid, key.access_key_id)
    except DomainError as error:
        _log.warning(
            "a key that nobody was given is left; `bucketry reconcile --fix` revokes it",
            binding=binding.guid,
            access_key_id=key.access_key_id,
            reason=str(error),
        )


async def revoke(context: Context, instance: Instance, binding: Binding) -> None:
    """Remove the binding's identity, whoever made it."""
    if binding.identity:
        await context.adopting_engine(instance.engine).revoke_foreign(binding.identity, binding.guid)
    else:
        await context.engine(instance.engine).revoke(binding.guid)


def open_key(context: Context, binding: Binding) -> AccessKey:
    """The pair of a finished binding."""
    assert binding.sealed_key is not None, "only finished bindings are opened"
    access_key_id, secret = json.loads(context.envelope.open(binding.sealed_key, sealed_context(binding.guid)))
    return AccessKey(access_key_id, secret)


def _seal(context: Context, guid: str, key: AccessKey) -> bytes:
    pair = json.dumps([key.access_key_id, key.secret_access_key])
    return context.envelope.seal(pair, sealed_context(guid))


def sealed_context(guid: str) -> str:
    """What the sealed pair of a binding is bound to."""
    return f"binding|{guid}"


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
