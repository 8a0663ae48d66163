"""Remove a service instance, or what its bucket holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from bucketry.marketplace.domain.engine_ports import Emptied
from bucketry.marketplace.domain.errors import (
    Busy,
    EngineRefused,
    HasBindings,
    InstanceNotFound,
    NotEmpty,
    TakesLong,
)
from bucketry.marketplace.domain.instance_reading import InstanceReading, begun
from bucketry.marketplace.domain.operations import Operation, UnderWay, was_promised
from bucketry.marketplace.domain.values import Instance, InstanceState, OperationType


class InstanceDeletion(InstanceReading):
    """All may raise InstanceNotFound, Busy, EngineUnavailable, EngineRefused."""

    async def delete(self, guid: str, with_bindings: bool = False) -> None:
        """Remove the instance. Raises NotEmpty, HasBindings (unless `with_bindings`: then they are revoked too)."""
        await self.begin_deletion(guid, None, with_bindings=with_bindings)

    async def begin_deletion(
        self, guid: str, operation: Operation | None, with_bindings: bool = False, most_at_once: int | None = None
    ) -> UnderWay | None:
        """As delete. Raises TakesLong, with nothing changed, where more than `most_at_once` objects are to be removed
        and there is no operation to follow."""
        try:
            await self._delete(guid, operation, with_bindings, most_at_once)
        except Busy:
            existing = await self._context.records.get_instance(guid)
            last = existing.last_operation if existing is not None else None
            if last is None or not last.is_promised or last.type is not OperationType.DELETE or operation is None:
                raise
            return UnderWay(last.id)
        return None

    async def _delete(
        self, guid: str, operation: Operation | None, with_bindings: bool, most_at_once: int | None
    ) -> None:
        async with self._context.holds.work(guid) as work:
            instance = await work.take()
            last = instance.last_operation if instance is not None else None
            if instance is not None and not (last and last.is_promised and last.type is not OperationType.UPDATE):
                instance = await self._settling.settle(work, instance)
            if instance is None:
                raise InstanceNotFound("There is no service instance with this id.")
            await self._settling.settle_bindings(work, instance)
            if not with_bindings and await self._context.records.list_bindings(guid):
                raise HasBindings(
                    f"Cannot delete service instance {instance.name}, service keys and bindings must first be deleted."
                )
            if operation is None and most_at_once is not None:
                await self._check_is_quick(instance, most_at_once)
            deleting = instance
            if instance.state is not InstanceState.DELETING:
                operation_begun = begun(OperationType.DELETE, self._context.clock_ms(), operation)
                deleting = await work.save(
                    replace(instance, state=InstanceState.DELETING, last_operation=operation_begun)
                )
            if operation is not None:
                operation.record(deleting.last_operation.id)
            try:
                await self._settling.finish_deletion(work, deleting)
            except NotEmpty as error:
                is_told = was_promised(operation)
                back = self._settling.failed(deleting, OperationType.DELETE, str(error)) if is_told else instance
                await work.save(back, last=True)
                raise
            except EngineRefused as error:
                was_promised(operation)
                await work.save(self._settling.failed(deleting, OperationType.DELETE, str(error)), last=True)
                raise

    async def _check_is_quick(self, instance: Instance, most: int) -> None:
        plan = self._context.plan_of(instance)
        if plan is not None and plan.empties_on_delete:
            usage = await self._context.engine(instance.engine).usage(instance.bucket, most)
            if usage.objects > most:
                raise TakesLong(
                    f"The bucket of service instance {instance.name} holds more than {most:,} objects, which takes too "
                    "long to wait for. Ask for it asynchronously, or empty the bucket first."
                )

    async def empty(self, guid: str) -> AsyncIterator[Emptied]:
        """Remove all that the bucket holds, versions and unfinished uploads too, telling the sums as it goes.

        The first value comes at once (zeros), so that a wrong id is told before anything else.
        """
        instance = await self.get(guid)
        yield Emptied(0, 0, 0)
        async for progress in self._context.engine(instance.engine).empty_bucket(instance.bucket):
            yield progress
