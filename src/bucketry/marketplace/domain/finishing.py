"""What the keeper does: settle what crashes and failures left, and finish what was promised.

A promised operation (operations.py) that a crash broke off, or that an unreachable engine did, is taken up again until
it succeeds, until the engine refuses it, or until it is too old; then it has failed, the instance is as it was, and
whoever polls is told why. Deletions have no age: they go on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from bucketry.kernel import logs
from bucketry.marketplace.domain.context import Context, before_upgrade
from bucketry.marketplace.domain.errors import Busy, DomainError, EngineUnavailable
from bucketry.marketplace.domain.granting import grant, revoke
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.settling import Settling, as_pending, is_upgrade
from bucketry.marketplace.domain.values import (
    Binding,
    BindingState,
    Instance,
    InstanceState,
    OperationState,
    OperationType,
)

_log = logs.get("finishing")
_PAGE = 100
_AT_ONCE = 4  # a deletion that takes an hour does not keep the others waiting
_FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30_000, 300_000
_LONGEST_MS = 3_600_000
TOLD_FOR_MS = 7 * 24 * 3_600_000  # as long as platforms poll


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why an instance could not be settled, and when it is tried again."""

    reason: str
    pause_ms: int
    next_ms: int


class Finishing:
    """Needs the hold of the instance, as `work`, for all but resume_unfinished()."""

    def __init__(self, context: Context, settling: Settling) -> None:
        self._context = context
        self._settling = settling
        self._troubles: dict[str, _Trouble] = {}

    async def resume_unfinished(self) -> int:
        """Settle or finish what was left, as the keeper does at start and regularly.

        Answers how many instances were looked after. A failure of one is logged once, and it is tried again: at once,
        then after pauses that grow while the reason stays the same.
        """
        records = self._context.records
        now_ms = self._context.clock_ms()
        await records.forget_ended(now_ms - TOLD_FOR_MS)
        most = _PAGE + len(self._troubles)  # those that wait after failures keep no place from the others
        guids = await records.unfinished_instances(self._context.holds.clock_ms(), most)
        self._troubles = {guid: trouble for guid, trouble in self._troubles.items() if guid in guids}
        guids = [guid for guid in guids if self._is_due(guid, now_ms)]
        turns = asyncio.Semaphore(_AT_ONCE)

        async def resume(guid: str) -> None:
            async with turns:
                await self._resume(guid)

        await asyncio.gather(*(resume(guid) for guid in guids))
        return len(guids)

    async def _resume(self, guid: str) -> None:
        try:
            async with self._context.holds.work(guid) as work:
                instance = await work.take(is_patient=False)
                if instance is None:
                    return
                settled = await self.finish(work, instance)
                if settled is not None:
                    await self._finish_bindings(work, settled)
        except Busy:
            return  # another has it
        except DomainError as error:
            self._failed(guid, str(error))
        except Exception as error:  # of one instance; the others go on
            self._failed(guid, f"{type(error).__name__}: {error}")
        else:
            if self._troubles.pop(guid, None) is not None:
                _log.info("an unfinished order is settled", instance=guid)

    def _is_due(self, guid: str, now_ms: int) -> bool:
        trouble = self._troubles.get(guid)
        return trouble is None or trouble.next_ms <= now_ms

    def _failed(self, guid: str, reason: str) -> None:
        """Tell a reason once, and try again later and later while it stays."""
        before = self._troubles.get(guid)
        pause_ms = 0
        if before is not None and before.reason == reason:
            pause_ms = min(max(before.pause_ms * 2, _FIRST_PAUSE_MS), LONGEST_PAUSE_MS)
        else:
            _log.warning(
                "an unfinished order could not be settled yet; it is tried again", instance=guid, reason=reason
            )
        self._troubles[guid] = _Trouble(reason, pause_ms, self._context.clock_ms() + pause_ms)

    async def finish(self, work: Work, instance: Instance) -> Instance | None:
        """Bring the instance to a clear end: ready, or None where it is gone (the hold went with it).

        Raises EngineUnavailable where it is to be tried again.
        """
        if not instance.last_operation.is_promised:
            return await self._settling.settle(work, instance)
        match instance.last_operation.type:
            case OperationType.CREATE:
                return await self._finish_creation(work, instance)
            case OperationType.UPDATE:
                return await self._finish_update(work, instance)
            case _:
                return await self._finish_deletion(work, instance)

    async def _finish_creation(self, work: Work, instance: Instance) -> Instance | None:
        try:
            engine, wanted = self._context.engine(instance.engine), self._context.settings_of(instance)
            await engine.create_bucket(instance.bucket, wanted)
            await engine.configure(instance.bucket, wanted, since=None)
            return await work.save(self._settling.succeeded(instance, OperationType.CREATE))
        except DomainError as error:
            if self.is_to_go_on(instance, error):
                raise
            await self.fail_creation(work, instance, error)
            return None

    async def fail_creation(self, work: Work, instance: Instance, reason: DomainError) -> None:
        """Undo a promised order, now or later; its failure is told from now on."""
        failed = self._settling.failed(instance, OperationType.CREATE, str(reason))
        failed = await work.save(replace(failed, state=InstanceState.FAILED))
        await self._settling.undo_creation(work, failed)

    async def _finish_update(self, work: Work, instance: Instance) -> Instance:
        changed = as_pending(instance)
        try:
            settings, since = self._context.settings_of(changed), self._context.settings_of(instance)
            if is_upgrade(instance):
                since = before_upgrade(since, settings)
            await self._context.engine(instance.engine).configure(instance.bucket, settings, since)
            return await work.save(self._settling.succeeded(changed, OperationType.UPDATE))
        except DomainError as error:
            if self.is_to_go_on(instance, error):
                raise
            failed = self._settling.failed(replace(instance, pending=None), OperationType.UPDATE, str(error))
            failed = await work.save(
                replace(failed, state=InstanceState.UPDATING)
            )  # told now, taken back when it can be
            return await self._settling.take_back_update(work, failed, str(error))

    async def _finish_deletion(self, work: Work, instance: Instance) -> Instance | None:
        try:
            await self._settling.finish_deletion(work, instance)
        except EngineUnavailable:
            raise
        except DomainError as error:
            return await work.save(self._settling.failed(instance, OperationType.DELETE, str(error)))
        return None

    def is_to_go_on(self, instance: Instance, error: DomainError) -> bool:
        """Whether a promised operation that met this error is tried again."""
        age_ms = self._context.clock_ms() - instance.last_operation.time_ms
        return isinstance(error, EngineUnavailable) and age_ms < _LONGEST_MS

    # ---- bindings

    async def _finish_bindings(self, work: Work, instance: Instance) -> None:
        for binding in await self._context.records.list_bindings(work.guid):
            if binding.state is BindingState.CREATING and binding.operation_id:
                await self._finish_binding(work, instance, binding)
            elif binding.state is not BindingState.READY:
                await self._settling.remove_binding(work, instance, binding)

    async def _finish_binding(self, work: Work, instance: Instance, binding: Binding) -> None:
        try:
            buckets = await self._settling.buckets(list(binding.additional_instances))
            await grant(self._context, work, instance, binding, buckets)
        except DomainError as error:
            if self.is_binding_to_go_on(binding, error):
                raise
            await self.fail_binding(work, instance, binding, error)

    async def fail_binding(self, work: Work, instance: Instance, binding: Binding, reason: DomainError) -> None:
        """Undo a promised binding; its failure is told from now on."""
        await work.check_held()
        await revoke(self._context, instance, binding)
        await work.delete_binding(binding, told=self._settling.told_of_binding(binding, str(reason)))

    def is_binding_to_go_on(self, binding: Binding, error: DomainError) -> bool:
        """As is_to_go_on."""
        age_ms = self._context.clock_ms() - binding.created_ms
        return isinstance(error, EngineUnavailable) and age_ms < _LONGEST_MS


def operation_of_binding(binding: Binding) -> tuple[OperationType, OperationState]:
    """What a binding's state says of its last operation."""
    match binding.state:
        case BindingState.CREATING:
            return OperationType.CREATE, OperationState.IN_PROGRESS
        case BindingState.DELETING:
            return OperationType.DELETE, OperationState.IN_PROGRESS
        case _:
            return OperationType.CREATE, OperationState.SUCCEEDED
