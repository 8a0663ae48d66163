"""One worker at a time on an instance: in this process by a queue, across processes by a hold in the records.

A hold has an end and is renewed while its work lasts, so that one left by a crash runs out within seconds and the next
order, or the keeper, goes on with what was left. Who waits for work that was promised to others, and may take hours,
is told so after a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from bucketry.kernel import ids
from bucketry.kernel.clock import ClockMs, system_clock_ms
from bucketry.marketplace.domain.engine_ports import Fence
from bucketry.marketplace.domain.errors import Busy
from bucketry.marketplace.domain.record_ports import Duplicate, Held, Hold, HoldLost, Records, RecordsUnavailable
from bucketry.marketplace.domain.values import Binding, EndedOperation, Instance

LEASE_MS = 15_000
WAIT_MS = 20_000  # longer than a lease: a repeat after a crash waits it out. Platforms give up after 60 s.
MOMENT_MS = 2_000  # what is promised and lasts longer is not waited for
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25
IsLong = Callable[[], Awaitable[bool]]


class Work:
    """The work on one instance. Writes go through it, so that none is made without the hold: each may raise HoldLost,
    which ends the work and leaves it as Busy."""

    def __init__(
        self,
        guid: str,
        records: Records,
        clock_ms: ClockMs,
        lease_ms: int,
        wait_ms: int,
        moment_ms: int,
        is_long: IsLong,
    ) -> None:
        self.guid = guid
        self._records = records
        self._clock_ms = clock_ms
        self._lease_ms = lease_ms
        self._wait_ms = wait_ms
        self._moment_ms = moment_ms
        self._is_long = is_long
        self._holder = ids.hex_id()
        self._is_held = False
        self._confirmed = self._moment()
        self._renewal: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def insert(self, instance: Instance) -> bool:
        """Write a new instance, held. False if its guid is taken; raises Duplicate("name"), StillReferenced."""
        asked = self._moment()
        try:
            await self._records.insert_instance(instance, self._hold())
        except Duplicate as duplicate:
            if duplicate.what == "guid":
                return False
            raise
        self._held(asked)
        return True

    async def take(self, is_patient: bool = True) -> Instance | None:
        """Hold the instance and read it; None if there is none. Raises Busy if others keep it for too long."""
        end_ms = self._clock_ms() + (self._wait_ms if is_patient else 0)
        pause_s = _FIRST_PAUSE_S
        moment = asyncio.get_running_loop().time() + self._moment_ms / 1000
        while True:
            asked = self._moment()
            taken = await self._records.hold_instance(self.guid, self._hold(), self._clock_ms())
            if isinstance(taken, Instance):
                self._held(asked)
                return taken
            if taken is Held.MISSING:
                return None
            if self._clock_ms() >= end_ms:
                raise busy()
            if asyncio.get_running_loop().time() >= moment:
                moment += self._moment_ms / 1000
                if await self._is_long():
                    raise busy()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def save(self, instance: Instance, last: bool = False) -> Instance:
        """Write the instance; with `last`, the hold is given back in the same step."""
        await self._records.save_instance(instance, self._holder, release=last)
        if last:
            self._let_go()
        return instance

    async def delete(self, told: EndedOperation | None = None) -> None:
        """Remove the instance's record, and the hold with it. `told`: what is told of it from now on."""
        await self._records.delete_instance(self.guid, self._holder, told)
        self._let_go()

    async def insert_binding(self, binding: Binding) -> None:
        """Raises Duplicate, StillReferenced."""
        await self._records.insert_binding(binding, self._holder)

    async def save_binding(self, binding: Binding, last: bool = False) -> Binding:
        await self._records.save_binding(binding, self._holder, release=last)
        if last:
            self._let_go()
        return binding

    async def delete_binding(self, binding: Binding, last: bool = False, told: EndedOperation | None = None) -> None:
        await self._records.delete_binding(binding, self._holder, release=last, told=told)
        if last:
            self._let_go()

    async def check_held(self) -> None:
        """Raises HoldLost; to be asked before the engine is made to undo something after a failure."""
        asked = self._moment()
        if not await self._records.renew_hold(self.guid, self._hold()):
            raise HoldLost
        self._confirmed = asked

    def fence(self) -> Fence:
        """For threads of this process that work for the hold: raises HoldLost unless it surely is had still, which the
        records are asked for only where a renewal is long ago, or may be: clocks of paused machines stand still."""
        loop = asyncio.get_running_loop()

        def check() -> None:
            passed_ms = max(now - then for now, then in zip(self._moment(), self._confirmed, strict=True))
            if passed_ms * 3 > self._lease_ms * 2:
                asking = asyncio.run_coroutine_threadsafe(self.check_held(), loop)
                try:
                    asking.result(self._lease_ms / 1000)
                except TimeoutError:
                    raise HoldLost from None

        return check

    def _moment(self) -> tuple[float, int, int]:
        """Milliseconds by each clock there is."""
        return time.monotonic() * 1000, self._clock_ms(), system_clock_ms()

    @property
    def is_held(self) -> bool:
        return self._is_held

    async def close(self) -> None:
        """Give the hold back if it is still had."""
        if self._is_held:
            self._let_go()
            with contextlib.suppress(RecordsUnavailable):  # then it runs out by itself
                await self._records.release_instance(self.guid, self._holder)

    def _hold(self) -> Hold:
        return Hold(self._holder, self._clock_ms() + self._lease_ms)

    def _held(self, asked: tuple[float, int, int]) -> None:
        self._is_held, self._confirmed = True, asked
        self._renewal = asyncio.get_running_loop().call_later(self._lease_ms / 3000, self._begin_to_renew)

    def _begin_to_renew(self) -> None:
        """Most work ends long before, and needs no task."""
        self._renewing = asyncio.create_task(self._renew())

    def _let_go(self) -> None:
        self._is_held = False
        if self._renewal is not None:
            self._renewal.cancel()
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def _renew(self) -> None:
        while True:
            with contextlib.suppress(RecordsUnavailable):  # the lease outlasts a short failure
                asked = self._moment()
                if not await self._records.renew_hold(self.guid, self._hold()):
                    return  # lost: the next write says so
                self._confirmed = asked
            await asyncio.sleep(self._lease_ms / 3000)


def busy() -> Busy:
    return Busy("Another operation on this service instance is in progress; try again when it is done.")


class _Queue:
    """Those of this process who want the same instance, first come, first served."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Holds:
    """Gives out work, by the clock of the records. `lease_ms`, `wait_ms` and `moment_ms` are for tests."""

    def __init__(
        self,
        records: Records,
        clock_ms: ClockMs,
        lease_ms: int = LEASE_MS,
        wait_ms: int = WAIT_MS,
        moment_ms: int = MOMENT_MS,
    ) -> None:
        self.clock_ms = clock_ms
        self._records = records
        self._lease_ms = lease_ms
        self._wait_ms = wait_ms
        self._moment_ms = moment_ms
        self._queues: dict[str, _Queue] = {}

    @contextlib.asynccontextmanager
    async def work(self, guid: str, is_long: IsLong | None = None) -> AsyncIterator[Work]:
        """Work on an instance: call insert() or take() first. The hold is given back at the end, whatever happens.

        `is_long`, asked now and then while others have it, says that waiting is no use; by default, that a promised
        operation on the instance is under way. Raises Busy.
        """

        async def is_promised() -> bool:
            instance = await self._records.get_instance(guid)
            return instance is not None and instance.last_operation.is_promised

        is_long = is_long or is_promised
        queue = self._queues.setdefault(guid, _Queue())
        queue.waiting += 1
        try:
            await self._wait(queue, is_long)
            try:
                work = Work(guid, self._records, self.clock_ms, self._lease_ms, self._wait_ms, self._moment_ms, is_long)
                try:
                    yield work
                except HoldLost:
                    raise Busy(
                        "Another operation took this service instance over; try again when it is done."
                    ) from None
                finally:
                    if work.is_held:
                        await asyncio.shield(work.close())
            finally:
                queue.lock.release()
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[guid]

    async def _wait(self, queue: _Queue, is_long: IsLong) -> None:
        lock = queue.lock
        if queue.waiting == 1:
            await lock.acquire()  # at once: nobody else is here
            return
        left_ms = self._wait_ms
        # One attempt for all of it keeps the place in the queue.
        turn = asyncio.ensure_future(lock.acquire())
        try:
            while left_ms > 0:
                step_ms = min(left_ms, self._moment_ms)
                left_ms -= step_ms
                await asyncio.wait({turn}, timeout=step_ms / 1000)
                if turn.done():
                    return
                if await is_long():
                    break
            raise busy()
        except BaseException:
            if turn.done() and not turn.cancelled():
                lock.release()
            else:
                turn.cancel()
            raise
