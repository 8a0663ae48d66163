"""Operations that go on after they were answered: promised to the one who ordered, finished whatever happens.

An order with an `Operation` is recorded with its id before the engine is asked. From then on it may be promised: the
orderer is given the id in place of the outcome, and polls. An operation that comes to its end first is closed, so that
it is either answered or promised, never both. What a crash leaves with an id is finished by the keeper (finishing.py),
since nobody knows whether it was promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from bucketry.kernel import ids, logs
from bucketry.marketplace.domain.errors import DomainError
from bucketry.marketplace.domain.record_ports import RecordsUnavailable

_log = logs.get("operations")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The same was ordered before, was promised, and goes on; or this order was promised just now."""

    operation_id: str


class Operation:
    """An order that may be promised. Used in one event loop, so that its questions need no lock."""

    def __init__(self) -> None:
        self.id = ids.hex_id(16)
        self._recorded = asyncio.Event()
        self._is_promised = False
        self._is_closed = False

    def record(self, earlier_id: str = "") -> None:
        """It is on the disk, by now under the id that it had before a crash, if any."""
        self.id = earlier_id or self.id
        self._recorded.set()

    def close(self) -> bool:
        """It failed, and its outcome is to be answered: no promise any more. True if it was promised already."""
        self._is_closed = True
        return self._is_promised

    async def outcome(self, task: asyncio.Task[_Result], patience_s: float) -> _Result | UnderWay:
        """What came of it within that time; else its promise, once it can be given."""
        await asyncio.wait({task}, timeout=patience_s)
        recorded = asyncio.ensure_future(self._recorded.wait())
        try:
            await asyncio.wait({task, recorded}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            recorded.cancel()
        if not task.done() and not self._is_closed:
            self._is_promised = True
            return UnderWay(self.id)
        return await asyncio.shield(task)


def was_promised(operation: Operation | None) -> bool:
    """Close it, and tell whether its orderer has a promise."""
    return operation is not None and operation.close()


class Background:
    """The tasks of promised operations."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Break off what is under way; the next start of a server finishes it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()  # asked, so that it is not reported as forgotten
        if isinstance(error, RecordsUnavailable):
            _log.warning("an order was broken off and will be finished later", reason=str(error))
        elif error is not None and not isinstance(error, DomainError):
            _log.error("an order failed", exc_info=error)
