"""Lines of access logs that wait in this process to be delivered: by bucket, bounded, and no longer than a while.

What a line says and where it goes is in gateway/access_logs.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bucketry.kernel import logs
from bucketry.store.identity.types import BucketRecord

FLUSH_BYTES = 1024 * 1024  # of one bucket's lines
MAX_BYTES = 16 * 1024 * 1024  # of all lines that wait; beyond it lines are lost
_log = logs.get("gateway.access_log")


class Waiting:
    """The lines of one bucket. `began_ms`: when the first of them came."""

    __slots__ = ("began_ms", "size", "source", "text")

    def __init__(self, source: BucketRecord, began_ms: int) -> None:
        self.source = source
        self.began_ms = began_ms
        self.text: list[str] = []
        self.size = 0


Deliver = Callable[[Waiting], Awaitable[None]]


class LogLines:
    """The lines of one process. `close` it when the process stops."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}  # bucket id →
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_lost = False

    def add(self, source: BucketRecord, text: str, now_ms: int, delay_seconds: float, deliver: Deliver) -> None:
        """A line of ASCII. It is handed to `deliver` with others, in the loop, after `delay_seconds` at the latest."""
        if self._size + len(text) > MAX_BYTES:
            if not self._has_lost:
                _log.warning("access log lines are lost: they come faster than they can be delivered")
            self._has_lost = True
            return
        waiting = self._waiting.get(source.bucket_id)
        if waiting is None:
            waiting = self._waiting[source.bucket_id] = Waiting(source, now_ms)
        waiting.source = source
        waiting.text.append(text)
        waiting.size += len(text)
        self._size += len(text)
        if waiting.size >= FLUSH_BYTES:
            self._begin(deliver)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._begin, deliver)

    async def close(self, deliver: Deliver) -> None:
        """Deliver what waits, and wait for what is under way."""
        self._begin(deliver)
        await asyncio.gather(*self._tasks)

    def _begin(self, deliver: Deliver) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        self._size = 0
        self._has_lost = False
        task = asyncio.get_running_loop().create_task(_deliver_all(list(waiting.values()), deliver))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _deliver_all(all_waiting: list[Waiting], deliver: Deliver) -> None:
    for waiting in all_waiting:
        try:
            await deliver(waiting)
        except Exception as error:
            _log.error("access log lines are lost", bucket=waiting.source.name, reason=str(error))
