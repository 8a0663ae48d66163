"""What the families of calls that make up `store.Identity` share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import apsw

from bucketry.kernel.clock import ClockMs

T = TypeVar("T")


class Writing(Protocol):
    """A change: one durable transaction in the writer's thread."""

    def __call__(self, work: Callable[[apsw.Connection], T], /) -> Awaitable[T]: ...


class Part:
    """Calls about one family of things, on the reader of the event loop's thread and by changes of the store's."""

    def __init__(self, reader: apsw.Connection, write: Writing, clock_ms: ClockMs) -> None:
        self._reader = reader
        self._write = write
        self._clock_ms = clock_ms
