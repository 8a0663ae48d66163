"""Work that many tasks ask for and one thread does at once for all who wait: syncs and commits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Group(Generic[Item]):
    """Items wait in a queue; while there are any, one thread of the pool (never two) runs `work`.

    `work(take)` calls `take()` when it is ready to begin, as late as it can: so the group is as large as it gets. It
    must not raise: what becomes of an item, it tells the item.
    """

    def __init__(self, pool: Executor, work: Callable[[Callable[[], list[Item]]], None], limit: int) -> None:
        self._pool = pool
        self._work = work
        self._limit = limit
        self._waiting: deque[Item] = deque()
        self._lock = threading.Lock()
        self._is_running = False
        self._idle = threading.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        return not self._is_running

    def add(self, item: Item) -> None:
        """Queue an item. Any thread."""
        self.add_all((item,))

    def add_all(self, items: Iterable[Item]) -> None:
        """Queue some items, one or more. Any thread."""
        with self._lock:
            self._waiting.extend(items)
            if self._is_running:
                return
            self._is_running = True
            self._idle.clear()
        self._pool.submit(self._run)

    def wait_idle(self) -> None:
        """Block until nothing is queued or under way."""
        self._idle.wait()

    def _take(self) -> list[Item]:
        with self._lock:
            count = min(len(self._waiting), self._limit)
            return [self._waiting.popleft() for _ in range(count)]

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_running = False
                    self._idle.set()
                    return
            self._work(self._take)
