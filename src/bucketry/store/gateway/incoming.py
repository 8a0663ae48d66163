"""A request on its way in: its head as it came, and its body as it comes, with back-pressure and patience.

RFC 9112, sections 2 to 7. connection.py feeds these from the parser; server.py makes a Request of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from bucketry.store.gateway.heads import Head
from bucketry.store.s3.errors import IncompleteBody, RequestTimeout

READ_BUFFER_BYTES = 256 * 1024  # of a body: nothing more is read from the client until somebody takes it
LEAST_BYTES_A_SECOND = 512  # of a body, on average; what is slower uses up its patience bit by bit
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BrokenFraming(Exception):
    """The bytes after a header section are not the body that it announces."""


class Source(Protocol):
    """What a body comes from: connection.py's Connection."""

    def write(self, data: bytes) -> None:
        """Send to the client. ConnectionResetError when it has gone."""

    def adjust_reading(self) -> None:
        """Read on, or not, as the body has room."""


class Body:
    """BodyReader over one request's bytes. `stall_s`: how long to wait while nothing comes."""

    __slots__ = (
        "_awaits_continue",
        "_failure",
        "_is_refused",
        "_patience_s",
        "_pieces",
        "_source",
        "_stall_s",
        "_waiter",
        "buffered_bytes",
        "is_whole",
    )

    def __init__(self, source: Source, stall_s: float) -> None:
        self.is_whole = False  # all of it has come, or broke off: nothing more will be fed
        self.buffered_bytes = 0
        self._source = source
        self._stall_s = stall_s
        self._patience_s = stall_s
        self._pieces: deque[bytes] | None = None
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._awaits_continue = False
        self._is_refused = False

    # The connection's side

    def feed(self, data: bytes) -> None:
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(data)
        self.buffered_bytes += len(data)
        if self._waiter is not None:
            self._wake()

    def finish(self) -> None:
        self.is_whole = True
        if self._waiter is not None:
            self._wake()

    def fail(self, failure: Exception) -> None:
        """No more comes: `failure` is why. Without effect on a body that was whole."""
        if not self.is_whole:
            self._failure = failure
            self.finish()

    def expect_continue(self) -> None:
        """The client waits for 100 Continue before it sends anything."""
        self._awaits_continue = True

    # The reader's side

    async def read_chunk(self) -> bytes:
        """The next bytes, b"" at the end. IncompleteBody, RequestTimeout."""
        if self._awaits_continue:
            # Also where no body comes: botocore takes a final answer without it for a refusal, and then misreads the
            # next answer of the connection.
            self._awaits_continue = False
            self._source.write(_CONTINUE)
        while not self._pieces:
            if self._failure is not None:
                raise self._why_broken()
            if self.is_whole:
                return b""
            await self._wait()
        pieces = self._pieces
        data = pieces.popleft()
        was_full = self.buffered_bytes > READ_BUFFER_BYTES
        self.buffered_bytes -= len(data)
        if was_full:
            self._source.adjust_reading()
        return data

    async def refuse_rest(self) -> None:
        self._is_refused = True

    async def drop(self, within_s: float) -> None:
        """Throw away what still comes, for at most `within_s` seconds."""
        timer = asyncio.get_running_loop().call_later(within_s, self.fail, TimeoutError())
        try:
            while not self.is_whole or self._pieces:
                if self._pieces:
                    self._pieces.clear()
                    self.buffered_bytes = 0
                    self._source.adjust_reading()
                else:
                    await self._wait_for_bytes()
        finally:
            timer.cancel()

    @property
    def is_left(self) -> bool:
        """Whether bytes may still come that nobody will read, or the client was left waiting for its 100 Continue:
        the connection can't carry another request.
        """
        return (
            self._is_refused
            or self._awaits_continue
            or not self.is_whole
            or self._failure is not None
            or bool(self._pieces)
        )

    async def _wait(self) -> None:
        """Until something comes. Waiting costs patience, bytes give it back: one byte a minute holds no connection for
        ever.
        """
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        before = self.buffered_bytes
        timer = loop.call_later(self._patience_s, self.fail, TimeoutError())
        try:
            await self._wait_for_bytes()
        finally:
            timer.cancel()
        came = self.buffered_bytes - before
        left_s = self._patience_s - (loop.time() - begun_s) + came / LEAST_BYTES_A_SECOND
        self._patience_s = min(self._stall_s, left_s)

    async def _wait_for_bytes(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _why_broken(self) -> Exception:
        if isinstance(self._failure, TimeoutError):
            return RequestTimeout()
        if isinstance(self._failure, BrokenFraming):
            return IncompleteBody("The request body is not framed as its headers announce.")
        return IncompleteBody()


class NoBody:
    """The body of a request that came whole without one. It has no state, so that one serves all."""

    is_whole = True
    is_left = False
    buffered_bytes = 0

    async def read_chunk(self) -> bytes:
        return b""

    async def refuse_rest(self) -> None:
        """There is no rest."""


NO_BODY = NoBody()


@dataclass(slots=True)
class Message:
    """The head of a request as it came, and its body. `fields` are (name, value) bytes in the order sent."""

    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    version: str  # "1.1"
    keeps_alive: bool  # as the client asked, by its version and its Connection field
    body: Body
    raw: bytes = b""  # the whole request, where it came alone and in one piece


@dataclass(slots=True)
class Repeated:
    """A request whose very bytes came before, and what they say."""

    head: Head
    body: NoBody = NO_BODY
