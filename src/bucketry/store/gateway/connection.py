"""One HTTP connection: bytes become requests, answered one after the other; how long it waits for what, and its end.

RFC 9112. There is no task, no stream and no writer a request: most requests are answered without waiting for anything,
so the first step of answering is made at once, inside `data_received`, and only what has to wait becomes a task.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from bucketry.store.gateway.heads import Heads
from bucketry.store.gateway.http import Data
from bucketry.store.gateway.incoming import Body, Message, Repeated
from bucketry.store.gateway.intake import Intake
from bucketry.store.gateway.straight import Straight


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a client, in seconds."""

    keep_alive_s: float = 75.0  # between requests; also the time in which a whole header section must have come
    stall_s: float = 60.0  # while nothing of a body comes, or nothing of an answer is taken
    linger_s: float = 5.0  # after a refusal, throwing away what the client still sends, so that it reads the answer


PATIENCE = Patience()


class Handler(Protocol):
    """What answers the requests of connections: server.py's HttpServer."""

    patience: Patience
    heads: Heads

    def opened(self, connection: Connection) -> None:
        """A client has connected."""

    def closed(self, connection: Connection) -> None:
        """It has gone."""

    async def handle(self, connection: Connection, message: Message | Repeated) -> bool:
        """Answer a request; whether the connection may carry another one."""

    async def refuse(self, connection: Connection, error: Exception, status: int) -> None:
        """Answer what is no request (`status` 400), or one that failed in an unforeseen way (500)."""


class Connection(asyncio.Protocol):
    """The protocol of one connection, and the callbacks of its parser."""

    __slots__ = (
        "_client_end",
        "_current",
        "_handler",
        "_intake",
        "_is_busy",
        "_is_reading",
        "_loop",
        "_straight",
        "_timer",
        "_writable",
        "closes_at_s",
        "is_secure",
        "patience",
        "remote",
        "task",
        "transport",
    )

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self.patience = handler.patience
        self.transport: Any = None
        self.remote = ""
        self.is_secure = False
        self.task: asyncio.Task[None] | None = None  # what answers, once it had to wait for something
        self.closes_at_s = 0.0  # while idle: when waiting for a request ends
        self._loop = loop
        self._handler = handler
        self._intake = Intake(self, handler.heads.kept, self.patience.stall_s)
        self._current: Body | None = None  # the body of the request that is answered
        self._is_busy = False
        self._is_reading = True
        self._straight: Straight | None = None  # reads the body in place of this
        self._writable: asyncio.Future[None] | None = None  # set: the client takes nothing at the moment
        self._client_end: asyncio.Future[None] | None = None  # waited for after a refusal
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, none of which has come whole yet."""
        return not self._is_busy

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if isinstance(peer, (tuple, list)) and peer else ""
        self.is_secure = transport.get_extra_info("sslcontext") is not None
        self._await_request()
        self._handler.opened(self)

    def data_received(self, data: bytes) -> None:
        intake = self._intake
        intake.take(data)
        if intake.messages and not self._is_busy:
            self._begin()

    def eof_received(self) -> bool:
        """The client sends no more. What it has asked for whole is answered; True leaves our side open for that."""
        self._intake.end(ConnectionResetError("the client ended in the middle of a body"))
        self._end_lingering()
        return self._is_busy and not self.is_secure

    def connection_lost(self, exc: Exception | None) -> None:
        self._handler.closed(self)
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
        gone = ConnectionResetError("the client has gone")
        self._intake.end(gone)
        if self._current is not None:
            self._current.fail(gone)
        self.resume_writing()
        self._end_lingering()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def adjust_reading(self) -> None:
        """Read on, or not, as queue and body have room."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._straight is not None and not self._intake.is_straight:
            self._straight = None
            transport.set_protocol(self)
        is_full = self._intake.is_full
        if is_full is self._is_reading:
            self._is_reading = not is_full
            if is_full:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def read_straight(self) -> None:
        """Have the body read into its own room, where it is large and no TLS stands between."""
        transport = self.transport
        if transport is None or transport.is_closing() or self.is_secure:
            return
        if self._intake.go_straight():
            if self._straight is None:
                self._straight = Straight(self, self._intake)
                transport.set_protocol(self._straight)
            self.adjust_reading()

    # Answering

    def expect_bytes(self, message: Message, length: int) -> None:
        """The body of `message` is `length` bytes."""
        self._intake.expect_bytes(message, length)

    def _begin(self) -> None:
        """Answer what is queued: until it first has to wait at once, then in a task.

        Python has this as eager tasks from 3.12 on. What is answered at once has no current task: asyncio.timeout is
        not for handlers.
        """
        self._is_busy = True
        answering = self._answer_all()
        try:
            awaited = answering.send(None)
        except StopIteration:
            return
        self.task = self._loop.create_task(_go_on(answering, awaited))

    async def _answer_all(self) -> None:
        intake = self._intake
        may_go_on = True
        try:
            while intake.messages and may_go_on and self.transport is not None:
                message = intake.next()
                if isinstance(message, Exception):
                    await self._handler.refuse(self, message, 400)
                    await self._linger()
                    may_go_on = False
                    continue
                if isinstance(message, Repeated):
                    may_go_on = await self._answer(message)
                    continue
                self._current = message.body
                may_go_on = await self._answer(message)
                self._current = None
                if not may_go_on and message.body.is_coming:
                    await message.body.drop(self.patience.linger_s)
        except ConnectionError:
            may_go_on = False  # the client has gone
        finally:
            self._current = None
            self._is_busy = False
            self.task = None
        if may_go_on and not self._intake.is_closed:
            self._await_request()
        else:
            self.close()

    async def _answer(self, message: Message | Repeated) -> bool:
        try:
            return await self._handler.handle(self, message)
        except ConnectionError:
            raise
        except Exception as error:
            await self._handler.refuse(self, error, 500)
            return False

    # Its end

    def _await_request(self) -> None:
        self.closes_at_s = self._loop.time() + self.patience.keep_alive_s
        if self._timer is None:
            self._timer = self._loop.call_at(self.closes_at_s, self._give_up)

    def _give_up(self) -> None:
        """One timer a connection: it is set anew when it goes off, not with each request."""
        self._timer = None
        if self._is_busy:
            return
        if self._loop.time() < self.closes_at_s:
            self._timer = self._loop.call_at(self.closes_at_s, self._give_up)
        else:
            self.close()

    async def _linger(self) -> None:
        """After what was no request: a connection cut while the client still sends would cost it our answer. So what
        it sends is thrown away (by `data_received`), until it ends or time is up.
        """
        self._intake.is_closed = True
        if not self.is_secure:
            self.half_close()
        self._client_end = self._loop.create_future()
        timer = self._loop.call_later(self.patience.linger_s, self._end_lingering)
        try:
            await self._client_end
        finally:
            timer.cancel()

    def _end_lingering(self) -> None:
        if self._client_end is not None and not self._client_end.done():
            self._client_end.set_result(None)

    def close(self) -> None:
        """End it once all that was written is sent."""
        self._intake.is_closed = True
        if self.transport is not None:
            self.transport.close()

    # What answers do

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: Data) -> None:
        """ConnectionResetError when the client has gone."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(data)

    @property
    def is_clogged(self) -> bool:
        """Whether `drain` would wait."""
        return self._writable is not None

    async def drain(self) -> None:
        """Wait until the client has taken enough; one that takes nothing for long is cut off."""
        if self._writable is None:
            return
        timer = self._loop.call_later(self.patience.stall_s, self.abort)
        try:
            await asyncio.shield(self._writable)
        finally:
            timer.cancel()
        if self.transport is None:
            raise ConnectionResetError("the client takes nothing, or has gone")

    def half_close(self) -> None:
        """Tell the client that nothing more comes, while what it still sends is thrown away."""
        transport = self.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def abort(self) -> None:
        """Cut the connection, so that a short answer can't pass for a whole one."""
        if self.transport is not None:
            self.transport.abort()


@types.coroutine
def _go_on(begun: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """A coroutine that has begun and waits for `awaited`, made fit for a task."""
    step: Callable[[Any], Any]
    while True:
        try:
            value = yield awaited
        except BaseException as error:
            step, value = begun.throw, error
        else:
            step = begun.send
        try:
            awaited = step(value)
        except StopIteration:
            return
