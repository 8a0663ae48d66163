"""Questions about service instances, that change nothing; and what all orders of them share."""

from __future__ import annotations

from dataclasses import replace

from bucketry.marketplace.domain.catalog import Plan
from bucketry.marketplace.domain.context import Context
from bucketry.marketplace.domain.engine_ports import Usage
from bucketry.marketplace.domain.errors import AmbiguousName, InstanceNotFound
from bucketry.marketplace.domain.finishing import Finishing
from bucketry.marketplace.domain.holds import Work
from bucketry.marketplace.domain.operations import Operation
from bucketry.marketplace.domain.places import Places
from bucketry.marketplace.domain.settling import Settling
from bucketry.marketplace.domain.values import (
    EndedOperation,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
)

_PAGE = 1000


class InstanceReading:
    """Those that take a guid or name raise InstanceNotFound; usage EngineUnavailable, too."""

    def __init__(self, context: Context, settling: Settling, finishing: Finishing, places: Places) -> None:
        self._context = context
        self._settling = settling
        self._finishing = finishing
        self._places = places

    def plan_to_order(self, service_guid: str, plan_guid: str) -> Plan:
        """The plan of the catalog. Raises UnknownService, UnknownPlan."""
        return self._context.plan_to_order(service_guid, plan_guid)

    async def get(self, guid: str, is_unfinished_too: bool = False) -> Instance:
        """The instance; one that is being made, or could not be made, only if asked for."""
        instance = await self._context.records.get_instance(guid)
        is_unfinished = instance is not None and instance.state in (InstanceState.CREATING, InstanceState.FAILED)
        if instance is None or (is_unfinished and not is_unfinished_too):
            raise InstanceNotFound("There is no service instance with this id.")
        return instance

    async def find(self, space_guid: str, name: str) -> Instance:
        """By name. Raises AmbiguousName where a foreign platform gave a name twice."""
        found = await self._context.records.find_instances(space_guid, name)
        found = [instance for instance in found if instance.state is not InstanceState.FAILED]
        if not found:
            raise InstanceNotFound(f"Service instance '{name}' not found.")
        if len(found) > 1:
            raise AmbiguousName(f"Several service instances of this space are called {name}.")
        return found[0]

    async def list_in_space(self, space_guid: str, after_name: str = "", limit: int = _PAGE) -> list[Instance]:
        """A page, by name, those under way among them; the next begins after the last one's name."""
        return await self._context.records.list_instances(space_guid, after_name, limit)

    async def usage(self, guid: str) -> Usage:
        """What the bucket holds now."""
        instance = await self.get(guid)
        return await self._context.engine(instance.engine).usage(instance.bucket)

    async def last_operation(self, guid: str) -> LastOperation | EndedOperation:
        """How the last order ended, or how far it is; for what is gone, how a promised one ended."""
        instance = await self._context.records.get_instance(guid)
        if instance is not None:
            last = instance.last_operation
            if last.id or instance.state not in (InstanceState.CREATING, InstanceState.FAILED):
                return last
        ended = await self._context.records.get_ended(guid, "")
        if instance is not None or ended is None:
            raise InstanceNotFound("There is no service instance with this id.")
        return ended

    async def _taken(self, work: Work) -> Instance:
        taken = await work.take()
        settled = await self._settling.settle(work, taken) if taken is not None else None
        if settled is None:
            raise InstanceNotFound("There is no service instance with this id.")
        return settled


def begun(type_: OperationType, now_ms: int, operation: Operation | None) -> LastOperation:
    id_ = operation.id if operation is not None else ""
    return LastOperation(type_, OperationState.IN_PROGRESS, f"{type_.value} in progress", now_ms, id_)


def unpromised(instance: Instance) -> Instance:
    """Of an order whose outcome is answered at once, so that nobody polls."""
    return replace(instance, last_operation=replace(instance.last_operation, id=""))
