"""Orders that a crash or an engine's failure left unfinished, and how each comes to a clear end.

Every order is recorded before the engine is asked, and nobody was told of one that is still open. So:

    creating, failed   undone: the bucket removed if it is empty, the record with it
    updating           taken back: what was to change is configured as the record says, which changes at the end alone
    deleting           finished; a bucket that got content meanwhile is kept, and the instance is ready again
    bindings creating or deleting   their identity and keys removed, then the record

A repeat of the same order goes on instead (instances.py, bindings.py). Each step is idempotent, so a crash in the
middle of settling is settled the same way. What was promised to somebody is finished instead (finishing.py).
"""

from __future__ import annotations

from dataclasses import replace

from bucketry.kernel import logs
from bucketry.marketplace.domain import binding_rights
from bucketry.marketplace.domain.context import Context, before_upgrade
from bucketry.marketplace.domain.engine_ports import BucketNotEmpty, BucketSettings
from bucketry.marketplace.domain.errors import NotEmpty, UnknownPlan
from bucketry.marketplace.domain.granting import revoke
from bucketry.marketplace.domain.holds import Work, busy
from bucketry.marketplace.domain.values import (
    Binding,
    BindingState,
    EndedOperation,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
)

_log = logs.get("settling")
_TELLING_MS = 5_000  # between two words about how far an emptying is
_EMPTYING_ROUNDS = 3  # what is uploaded while a bucket is emptied needs another round


def as_pending(instance: Instance) -> Instance:
    """The instance as the update that is under way is making it."""
    pending = instance.pending
    if pending is None:
        return instance
    return replace(
        instance,
        name=pending.name,
        plan_guid=pending.plan_guid,
        parameters=pending.parameters,
        tags=pending.tags,
        maintenance_version=pending.maintenance_version,
        pending=None,
    )


def is_upgrade(instance: Instance) -> bool:
    """Whether the update that is under way configures all of the bucket anew, or may have: older records don't say."""
    return instance.pending is None or instance.pending.maintenance_version != instance.maintenance_version


class Settling:
    """Steps that orders and the keeper share. All need the hold of the instance, as `work`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def settle(self, work: Work, instance: Instance) -> Instance | None:
        """Bring the instance to a clear end: ready, or None where it is gone (the hold went with it).

        Raises Busy for what was promised and left by a crash: the keeper finishes it soon, and it may take long.
        """
        if instance.last_operation.is_promised:
            raise busy()
        match instance.state:
            case InstanceState.READY:
                return instance
            case InstanceState.UPDATING:
                last = instance.last_operation
                is_told = last.state is OperationState.FAILED
                reason = last.description if is_told else "The server stopped during the update."
                return await self.take_back_update(work, instance, reason)
            case InstanceState.DELETING:
                try:
                    await self.finish_deletion(work, instance)
                except NotEmpty as error:
                    return await work.save(self.failed(instance, OperationType.DELETE, str(error)))
                return None
            case _:
                await self.undo_creation(work, instance)
                return None

    async def undo_creation(self, work: Work, instance: Instance) -> None:
        """Leave no trace of an instance that nobody was given."""
        try:
            await self._context.engine(instance.engine).delete_bucket(instance.bucket)
        except BucketNotEmpty:
            # It was there before the order, of an instance whose record was lost. Its content is not ours to drop.
            _log.warning(
                "a bucket that holds something was left behind", bucket=instance.bucket, engine=instance.engine
            )
        await self.remove_bindings(work, instance)
        await work.delete(self.told_of(instance, OperationState.FAILED))

    async def take_back_update(self, work: Work, instance: Instance, reason: str) -> Instance:
        """Configure the bucket as the record says, and make the instance ready again."""
        settings, changed = self._context.settings_of(instance), self._on_its_way(instance)
        await self._context.engine(instance.engine).configure(instance.bucket, settings, since=changed)
        return await work.save(self.failed(replace(instance, pending=None), OperationType.UPDATE, reason))

    def _on_its_way(self, instance: Instance) -> BucketSettings | None:
        """What the update was making of the bucket; None: all of it. What it left alone is left alone now, too: CORS,
        say, may have been changed since the order by those who have credentials."""
        try:
            changed = self._context.settings_of(as_pending(instance))
        except UnknownPlan:
            return None
        return before_upgrade(changed, self._context.settings_of(instance)) if is_upgrade(instance) else changed

    async def finish_deletion(self, work: Work, instance: Instance) -> None:
        """Remove the bucket, the bindings, and the record at last.

        Credentials stay valid until the bucket is gone, since it may prove to be full; on plans that empty the bucket
        they go first. Raises NotEmpty with only the state changed.
        """
        engine = self._context.engine(instance.engine)
        plan = self._context.plan_of(instance)
        if plan is not None and plan.empties_on_delete:
            await self.remove_bindings(work, instance)
            await self._forget_beside(instance)
            await self._empty_and_delete(work, instance)
        else:
            try:
                await engine.delete_bucket(instance.bucket)
            except BucketNotEmpty:
                raise await self.not_empty(instance) from None
            await self.remove_bindings(work, instance)
            await self._forget_beside(instance)
        await work.delete(self.told_of(instance, OperationState.SUCCEEDED))

    async def not_empty(self, instance: Instance) -> NotEmpty:
        usage = await self._context.engine(instance.engine).usage(instance.bucket)
        bucket = "" if instance.is_local else instance.bucket
        return NotEmpty(instance.name, usage.objects, usage.size_bytes, usage.uploads, bucket)

    async def _empty_and_delete(self, work: Work, instance: Instance) -> None:
        engine = self._context.engine(instance.engine)
        told_ms = self._context.clock_ms()
        for _ in range(_EMPTYING_ROUNDS):
            async for progress in engine.empty_bucket(instance.bucket):
                now_ms = self._context.clock_ms()
                if instance.last_operation.is_promised and now_ms - told_ms >= _TELLING_MS:
                    told_ms = now_ms
                    removed = f"delete in progress: {progress.objects:,} objects removed"
                    last = replace(instance.last_operation, description=removed)
                    await work.save(replace(instance, last_operation=last))
            try:
                return await engine.delete_bucket(instance.bucket)
            except BucketNotEmpty:
                continue
        raise await self.not_empty(instance)

    async def _forget_beside(self, instance: Instance) -> None:
        """Bindings of other instances that reach this bucket too lose it: its name may be used again."""
        for binding in await self._context.records.list_bindings_beside(instance.guid):
            owner = await self._context.records.get_instance(binding.instance_guid)
            if owner is None:
                continue
            rest = [guid for guid in binding.additional_instances if guid != instance.guid]
            buckets = [owner.bucket, *await self.buckets(rest)]
            await self._context.engine(owner.engine).restrict(binding.guid, buckets, binding_rights.of_binding(binding))

    async def buckets(self, instance_guids: list[str]) -> list[str]:
        """The buckets of these instances, less those that are gone."""
        found = [await self._context.records.get_instance(guid) for guid in instance_guids]
        return [instance.bucket for instance in found if instance is not None]

    # ---- bindings

    async def settle_bindings(self, work: Work, instance: Instance) -> None:
        """Remove the unfinished bindings of the instance."""
        for binding in await self._context.records.list_bindings(work.guid):
            if binding.state is not BindingState.READY:
                await self.remove_binding(work, instance, binding)

    async def remove_bindings(self, work: Work, instance: Instance) -> None:
        """Revoke and remove all bindings of the instance."""
        for binding in await self._context.records.list_bindings(work.guid):
            await self.remove_binding(work, instance, binding)

    async def remove_binding(self, work: Work, instance: Instance, binding: Binding, last: bool = False) -> None:
        """Revoke a binding, then remove its record; what is left half done is finished by the next try."""
        if binding.state is BindingState.READY:
            binding = await work.save_binding(replace(binding, state=BindingState.DELETING))
        await revoke(self._context, instance, binding)
        await work.delete_binding(binding, last=last, told=self.told_of_binding(binding))

    # ---- last operations

    def succeeded(self, instance: Instance, operation: OperationType) -> Instance:
        """`instance`, ready, after a success."""
        done = replace(instance, pending=None)
        return self._ended(done, operation, OperationState.SUCCEEDED, f"{operation.value} succeeded")

    def failed(self, instance: Instance, operation: OperationType, reason: str) -> Instance:
        """`instance`, ready again, after an operation that left it as it was."""
        return self._ended(instance, operation, OperationState.FAILED, reason)

    def _ended(self, instance: Instance, type_: OperationType, state: OperationState, description: str) -> Instance:
        now_ms = self._context.clock_ms()
        last = LastOperation(type_, state, description, now_ms, instance.last_operation.id)
        return replace(instance, state=InstanceState.READY, last_operation=last, updated_ms=now_ms)

    def told_of(self, instance: Instance, state: OperationState) -> EndedOperation | None:
        """What is told of a promised operation of an instance that is gone by it; None if it was not promised."""
        last = instance.last_operation
        if not last.id:
            return None
        description = f"{last.type.value} succeeded" if state is OperationState.SUCCEEDED else last.description
        return EndedOperation(instance.guid, "", last.type, state, description, self._context.clock_ms())

    def told_of_binding(self, binding: Binding, failure: str = "") -> EndedOperation | None:
        """As told_of. `failure`: why a binding was not made."""
        if not binding.operation_id:
            return None
        type_ = OperationType.CREATE if failure else OperationType.DELETE
        state = OperationState.FAILED if failure else OperationState.SUCCEEDED
        description = failure or "delete succeeded"
        return EndedOperation(binding.instance_guid, binding.guid, type_, state, description, self._context.clock_ms())
