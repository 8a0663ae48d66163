"""One at a time at what can only be changed by reading it, changing it and writing it: the policy of a bucket on Ceph.

A turn lasts milliseconds, and whoever has one waits for no other turn and for no hold (holds.py). So no two can wait
for each other, and a key is revoked while others work on the instances that it reaches, for hours perhaps.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Turns(Protocol):
    """Turns between threads, and between all processes that share the records."""

    def turn(self, name: str) -> AbstractContextManager[None]:
        """Wait for the turn, and have it inside. Blocks: for the threads of engines. Raises Busy, RecordsUnavailable;
        the latter at its end, too, where it is not sure that nobody else had the turn meanwhile."""
        ...


class TurnsHere:
    """Turns between the threads of this process alone."""

    def __init__(self) -> None:
        self._taken: dict[str, _Turn] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        with self._lock:
            turn = self._taken.setdefault(name, _Turn())
            turn.waiting += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._taken[name]


class _Turn:
    """Those who want the same one."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting = 0
