"""A large body, read from the socket straight into the memory of who wants it: no parser, no copies on the way.

The parser makes two copies of what comes, and a call for every piece. Where it is known how many bytes of a body still
come, and nothing stands between the socket and us (TLS does), the connection lets this protocol take its place until
the last of them: the system writes them where they are to be. Decision 0110 has the figures.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

STRAIGHT_FROM_BYTES = 256 * 1024  # what is left of a body: less is not worth the change of protocols


class Incoming(Protocol):
    """Where a body's bytes go: intake.py's Intake."""

    def room(self) -> memoryview:
        """Where the next bytes of the body are to be put, and no other bytes."""

    def filled(self, count: int) -> None:
        """So many were put there."""


class Held(Protocol):
    """Whose place is taken: connection.py's Connection."""

    def adjust_reading(self) -> None:
        """Read on, or not, as there is room; the parser's way once the body has come whole."""

    def eof_received(self) -> bool:
        """As of asyncio.Protocol, and so the others."""

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class Straight(asyncio.BufferedProtocol):
    """Takes the place of `held` while a body comes."""

    __slots__ = ("_held", "_intake")

    def __init__(self, held: Held, intake: Incoming) -> None:
        self._held = held
        self._intake = intake

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._intake.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._intake.filled(nbytes)
        self._held.adjust_reading()

    def eof_received(self) -> bool:
        return self._held.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.connection_lost(exc)

    def pause_writing(self) -> None:
        self._held.pause_writing()

    def resume_writing(self) -> None:
        self._held.resume_writing()
