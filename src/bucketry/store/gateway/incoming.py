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
_NOWHERE = bytearray(64 * 1024)  # what is thrown away is read into it; nobody looks at it


class BrokenFraming(Exception):
    """The bytes after a header section are not the body that it announces."""


class Source(Protocol):
    """What a body comes from: connection.py's Connection."""

    def write(self, data: bytes) -> None:
        """Send to the client. ConnectionResetError when it has gone."""

    def adjust_reading(self) -> None:
        """Read on, or not, as the body has room."""

    def read_straight(self) -> None:
        """The body has room of its own: read into it, where that can be."""


class Body:
    """BodyReader over one request's bytes. `stall_s`: how long to wait while nothing comes."""

    __slots__ = (
        "_awaits_continue",
        "_failure",
        "_is_dropped",
        "_is_refused",
        "_patience_s",
        "_pieces",
        "_since_s",
        "_source",
        "_stall_s",
        "_timer",
        "_waiter",
        "buffered_bytes",
        "is_whole",
        "room",
    )

    def __init__(self, source: Source, stall_s: float) -> None:
        self.is_whole = False  # all of it has come, or broke off: nothing more will be fed
        self.buffered_bytes = 0
        self.room: memoryview | None = None  # of who waits for bytes: they are put there, not into the queue
        self._source = source
        self._stall_s = stall_s
        self._patience_s = stall_s  # what was left of it at `_since_s`
        self._since_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: deque[bytes] | None = None
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._awaits_continue = False
        self._is_refused = False
        self._is_dropped = False

    # The connection's side

    def feed(self, data: bytes) -> None:
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(data)
        self.buffered_bytes += len(data)
        if self._waiter is not None:
            self._credit(len(data))
            self._wake()

    def filled(self, count: int) -> None:
        """So many bytes were put into the room. Who waits is woken once it is full."""
        room = self.room
        assert room is not None, "nothing is read without room"
        if self._is_dropped:
            return
        self._credit(count)
        if count == len(room):
            self.room = None
            self._wake()
        else:
            self.room = room[count:]

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
        self._continue()
        while not self._pieces:
            if self._failure is not None:
                raise self._why_broken()
            if self.is_whole:
                return b""
            await self._wait()
        return self._take(self._pieces)

    async def fill(self, room: memoryview) -> int:
        """Put the next bytes into `room`: how many. Fewer than it holds are the last. IncompleteBody, RequestTimeout.

        Nothing may be read by `read_chunk` afterwards.
        """
        self._continue()
        left = room
        while left:
            if self._pieces:
                data = self._take(self._pieces)
                if len(data) > len(left):
                    self._pieces.appendleft(data[len(left) :])
                    self.buffered_bytes += len(data) - len(left)
                    data = data[: len(left)]
                left[: len(data)] = data
                left = left[len(data) :]
            elif self._failure is not None:
                raise self._why_broken()
            elif self.is_whole:
                break
            else:
                left = await self._wait_for_room(left)
        return len(room) - len(left)

    async def _wait_for_room(self, room: memoryview) -> memoryview:
        """Until `room` is full, or something came by the queue: what is left of it."""
        self.room = room
        try:
            self._source.read_straight()
            await self._wait()
            return self.room if self.room is not None else room[:0]
        finally:
            self.room = None

    def _continue(self) -> None:
        if self._awaits_continue:
            # Also where no body comes: botocore takes a final answer without it for a refusal, and then misreads the
            # next answer of the connection.
            self._awaits_continue = False
            self._source.write(_CONTINUE)

    def _take(self, pieces: deque[bytes]) -> bytes:
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
        if self.is_coming:
            self.is_whole, self._failure = False, None
        timer = asyncio.get_running_loop().call_later(within_s, self.fail, TimeoutError())
        self._is_dropped = True
        self.room = memoryview(_NOWHERE)
        self._source.adjust_reading()
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
    def is_coming(self) -> bool:
        """Whether the client may still be sending: cut off now, it would lose our answer."""
        return not self.is_whole or isinstance(self._failure, TimeoutError)

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
        self._since_s = loop.time()
        self._timer = loop.call_later(self._patience_s, self._look)
        try:
            await self._wait_for_bytes()
        finally:
            self._timer.cancel()
            self._credit(0)

    def _credit(self, count: int) -> None:
        """Time has passed since the last bytes, and `count` came."""
        now_s = asyncio.get_running_loop().time()
        left_s = self._patience_s - (now_s - self._since_s) + count / LEAST_BYTES_A_SECOND
        self._patience_s, self._since_s = min(self._stall_s, left_s), now_s

    def _look(self) -> None:
        """Patience may be over: it is, unless bytes came meanwhile that nobody was woken for."""
        self._credit(0)
        if self._patience_s <= 0:
            self.fail(TimeoutError())
        else:
            self._timer = asyncio.get_running_loop().call_later(self._patience_s, self._look)

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

    is_coming = False
    is_left = False
    buffered_bytes = 0

    async def read_chunk(self) -> bytes:
        return b""

    async def fill(self, room: memoryview) -> int:
        return 0

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
