"""One worker at a time on an instance: in this process by a queue, across processes by a hold in the records.

A hold has an end and is renewed while its work lasts, so that one left by a crash runs out within seconds and the next
order, or the keeper, goes on with what was left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from bucketry.kernel import ids
from bucketry.kernel.clock import ClockMs
from bucketry.marketplace.domain.errors import Busy
from bucketry.marketplace.domain.ports import Duplicate, Held, Hold, HoldLost, Records
from bucketry.marketplace.domain.values import Binding, Instance

LEASE_MS = 15_000
WAIT_MS = 20_000  # longer than a lease: a repeat after a crash waits it out. Platforms give up after 60 s.
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25


class Work:
    """The work on one instance. Writes go through it, so that none is made without the hold."""

    def __init__(self, guid: str, records: Records, clock_ms: ClockMs, lease_ms: int, wait_ms: int) -> None:
        self.guid = guid
        self._records = records
        self._clock_ms = clock_ms
        self._lease_ms = lease_ms
        self._wait_ms = wait_ms
        self._holder = ids.hex_id()
        self._is_held = False
        self._renewing: asyncio.Task[None] | None = None

    async def insert(self, instance: Instance) -> bool:
        """Write a new instance, held. False if its guid is taken; raises Duplicate("name"), StillReferenced."""
        try:
            await self._records.insert_instance(instance, self._hold())
        except Duplicate as duplicate:
            if duplicate.what == "guid":
                return False
            raise
        self._held()
        return True

    async def take(self, is_patient: bool = True) -> Instance | None:
        """Hold the instance and read it; None if there is none. Raises Busy if others keep it for too long."""
        end_ms = self._clock_ms() + (self._wait_ms if is_patient else 0)
        pause_s = _FIRST_PAUSE_S
        while True:
            taken = await self._records.hold_instance(self.guid, self._hold(), self._clock_ms())
            if isinstance(taken, Instance):
                self._held()
                return taken
            if taken is Held.MISSING:
                return None
            if self._clock_ms() >= end_ms:
                raise Busy("Another operation on this service instance is in progress; try again when it is done.")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def save(self, instance: Instance, last: bool = False) -> Instance:
        """Write the instance; with `last`, the hold is given back in the same step."""
        with _lost_is_busy():
            await self._records.save_instance(instance, self._holder, release=last)
        if last:
            self._let_go()
        return instance

    async def delete(self) -> None:
        """Remove the instance's record, and the hold with it."""
        with _lost_is_busy():
            await self._records.delete_instance(self.guid, self._holder)
        self._let_go()

    async def insert_binding(self, binding: Binding) -> None:
        """Raises Duplicate, StillReferenced."""
        with _lost_is_busy():
            await self._records.insert_binding(binding, self._holder)

    async def save_binding(self, binding: Binding, last: bool = False) -> Binding:
        with _lost_is_busy():
            await self._records.save_binding(binding, self._holder, release=last)
        if last:
            self._let_go()
        return binding

    async def delete_binding(self, binding: Binding, last: bool = False) -> None:
        with _lost_is_busy():
            await self._records.delete_binding(binding, self._holder, release=last)
        if last:
            self._let_go()

    async def close(self) -> None:
        """Give the hold back if it is still had."""
        if self._is_held:
            self._let_go()
            await self._records.release_instance(self.guid, self._holder)

    def _hold(self) -> Hold:
        return Hold(self._holder, self._clock_ms() + self._lease_ms)

    def _held(self) -> None:
        self._is_held = True
        self._renewing = asyncio.create_task(self._renew())

    def _let_go(self) -> None:
        self._is_held = False
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            if not await self._records.renew_hold(self.guid, self._hold()):
                return  # lost: the next write says so


@contextlib.contextmanager
def _lost_is_busy() -> Iterator[None]:
    try:
        yield
    except HoldLost:
        raise Busy("Another operation took this service instance over; try again when it is done.") from None


class _Queue:
    """Those of this process who want the same instance, first come, first served."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Holds:
    """Gives out work. `lease_ms` and `wait_ms` are for tests."""

    def __init__(self, records: Records, clock_ms: ClockMs, lease_ms: int = LEASE_MS, wait_ms: int = WAIT_MS) -> None:
        self._records = records
        self._clock_ms = clock_ms
        self._lease_ms = lease_ms
        self._wait_ms = wait_ms
        self._queues: dict[str, _Queue] = {}

    @contextlib.asynccontextmanager
    async def work(self, guid: str) -> AsyncIterator[Work]:
        """Work on an instance: call insert() or take() first. The hold is given back at the end, whatever happens."""
        queue = self._queues.setdefault(guid, _Queue())
        queue.waiting += 1
        try:
            async with _within(queue.lock, self._wait_ms):
                work = Work(guid, self._records, self._clock_ms, self._lease_ms, self._wait_ms)
                try:
                    yield work
                finally:
                    await asyncio.shield(work.close())
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[guid]


@contextlib.asynccontextmanager
async def _within(lock: asyncio.Lock, wait_ms: int) -> AsyncIterator[None]:
    try:
        await asyncio.wait_for(lock.acquire(), wait_ms / 1000)
    except TimeoutError:
        raise Busy("Another operation on this service instance is in progress; try again when it is done.") from None
    try:
        yield
    finally:
        lock.release()
