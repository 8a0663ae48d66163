"""One HTTP connection: bytes become requests, answered one after the other; how long it waits for what, and its end.

RFC 9112. httptools (llhttp, strict) reads the messages; with it nothing but this module has to do. There is no task, no
stream and no writer a request: most requests are answered without waiting for anything, so the first step of answering
is made at once, inside `data_received`, and only what has to wait becomes a task.

What a client can make us hold is bounded: a queue of requests behind the one that is answered, a buffer of its body,
and so many bytes of a head, a chunk's extensions or trailers that don't end.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import httptools

from bucketry.store.gateway.http import Data
from bucketry.store.gateway.incoming import READ_BUFFER_BYTES, Body, BrokenFraming, Message

MAX_HEADER_SECTION_BYTES = 8192  # "PUT requests: the header section is limited to 8 KB"
MAX_TARGET_BYTES = 16_384  # a key of 1,024 bytes percent-encoded, and a presigned query with its token
MAX_FIELDS = 256  # 2 KiB of metadata in the shortest fields there are
_MAX_SILENT_BYTES = 2 * (MAX_HEADER_SECTION_BYTES + MAX_TARGET_BYTES)  # that are neither a whole head nor of a body
_PIPELINED = 8  # requests that may wait behind the one that is answered; then nothing more is read
_STEP_BYTES = 16 * 1024  # parsed at a time where requests may begin in it


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a client, in seconds."""

    keep_alive_s: float = 75.0  # between requests; also the time in which a whole header section must have come
    stall_s: float = 60.0  # while nothing of a body comes, or nothing of an answer is taken
    linger_s: float = 5.0  # after a refusal, throwing away what the client still sends, so that it reads the answer


PATIENCE = Patience()


class HeadTooLarge(Exception):
    """A head, or what goes with a body, that is longer than anybody needs."""


class Handler(Protocol):
    """What answers the requests of connections: server.py's HttpServer."""

    patience: Patience

    def opened(self, connection: Connection) -> None:
        """A client has connected."""

    def closed(self, connection: Connection) -> None:
        """It has gone."""

    async def handle(self, connection: Connection, message: Message) -> bool:
        """Answer a request; whether the connection may carry another one."""

    async def refuse(self, connection: Connection, error: Exception, status: int) -> None:
        """Answer what is no request (`status` 400), or one that failed in an unforeseen way (500)."""


class Connection(asyncio.Protocol):
    """The protocol of one connection, and the callbacks of its parser."""

    __slots__ = (
        "_backlog",
        "_body",
        "_body_left",
        "_client_end",
        "_current",
        "_fields",
        "_handler",
        "_has_progressed",
        "_is_busy",
        "_is_closing",
        "_is_reading",
        "_loop",
        "_messages",
        "_parser",
        "_silent_bytes",
        "_target",
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
        self._parser = httptools.HttpRequestParser(self)
        # what is being parsed
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] | None = None  # None: not in a head
        self._body: Body | None = None  # that is still coming
        self._body_left = 0  # bytes of it, where that is known
        self._has_progressed = False
        self._silent_bytes = 0
        self._backlog = b""  # came, but waits for the queue to have room
        # what waits for its answer
        self._messages: deque[Message | Exception] = deque()
        self._current: Body | None = None  # the body of the request that is answered
        self._is_busy = False
        self._is_closing = False  # nothing that still comes is a request
        self._is_reading = True
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
        if self._is_closing:
            return
        self._parse(data)
        if self._messages and not self._is_busy:
            self._begin()

    def eof_received(self) -> bool:
        """The client sends no more. What it has asked for whole is answered; True leaves our side open for that."""
        self._is_closing = True
        if self._body is not None:
            self._body.fail(ConnectionResetError("the client ended in the middle of a body"))
        self._end_lingering()
        return self._is_busy and not self.is_secure

    def connection_lost(self, exc: Exception | None) -> None:
        self._handler.closed(self)
        self._is_closing = True
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
        gone = ConnectionResetError("the client has gone")
        if self._body is not None:
            self._body.fail(gone)
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

    # From bytes to requests

    def _parse(self, data: bytes) -> None:
        """Put what has come whole into the queue; bodies are fed on the way."""
        while data:
            if len(self._messages) >= _PIPELINED:
                self._backlog = data
                break
            if len(data) <= _STEP_BYTES or self._body_left >= len(data):
                piece, data = data, b""
            else:
                piece, data = data[:_STEP_BYTES], data[_STEP_BYTES:]
            self._has_progressed = False
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                data = piece[upgrade.args[0] :] + data  # no other protocol is spoken here: what follows are requests
                continue
            except httptools.HttpParserError as error:
                self._break(error)
                break
            if self._has_progressed:
                self._silent_bytes = 0
            else:
                self._silent_bytes += len(piece)
                if self._silent_bytes > _MAX_SILENT_BYTES:
                    self._break(HeadTooLarge())
                    break
        if self._backlog or (self._body is not None and self._body.buffered_bytes > READ_BUFFER_BYTES):
            self.adjust_reading()

    def _break(self, error: Exception) -> None:
        """What came is not HTTP as we speak it. Nothing that follows can be told apart any more."""
        self._is_closing = True
        body, self._body = self._body, None
        if body is not None:
            body.fail(BrokenFraming())
        self._messages.append(error)

    def adjust_reading(self) -> None:
        """Read on, or not, as queue and body have room."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        body = self._body
        is_full = bool(self._backlog) or (body is not None and body.buffered_bytes > READ_BUFFER_BYTES)
        if is_full is self._is_reading:
            self._is_reading = not is_full
            if is_full:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _take_backlog(self) -> None:
        """A request has left the queue: parse on."""
        if len(self._messages) <= _PIPELINED // 2 and not self._is_closing:
            data, self._backlog = self._backlog, b""
            self._parse(data)
            self.adjust_reading()

    # What the parser calls

    def on_message_begin(self) -> None:
        self._fields = []

    def on_url(self, target: bytes) -> None:
        self._target = self._target + target if self._target else target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._fields is not None:  # trailers are not looked at: the signed ones are inside of aws-chunked bodies
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_progressed = True
        parser = self._parser
        self._body = body = Body(self, self.patience.stall_s)
        target, fields = self._target, self._fields or []
        self._target, self._fields = b"", None
        self._messages.append(
            Message(parser.get_method(), target, fields, parser.get_http_version(), parser.should_keep_alive(), body)
        )

    def on_body(self, data: bytes) -> None:
        self._has_progressed = True
        self._body_left -= len(data)
        if self._body is not None:
            self._body.feed(data)

    def on_message_complete(self) -> None:
        self._has_progressed = True
        self._body_left = 0
        body, self._body = self._body, None
        if body is not None:
            body.finish()

    # Answering

    def expect_bytes(self, message: Message, length: int) -> None:
        """The body of `message` is `length` bytes: they need no parsing step by step."""
        if message.body is self._body:
            self._body_left = length - message.body.buffered_bytes

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
        messages = self._messages
        may_go_on = True
        try:
            while messages and may_go_on and self.transport is not None:
                message = messages.popleft()
                if self._backlog:
                    self._take_backlog()
                if isinstance(message, Exception):
                    await self._handler.refuse(self, message, 400)
                    await self._linger()
                    may_go_on = False
                    continue
                self._current = message.body
                may_go_on = await self._answer(message)
                self._current = None
                if not may_go_on and not message.body.is_whole:
                    await message.body.drop(self.patience.linger_s)
        except ConnectionError:
            may_go_on = False  # the client has gone
        finally:
            self._current = None
            self._is_busy = False
            self.task = None
        if may_go_on and not self._is_closing:
            self._await_request()
        else:
            self.close()

    async def _answer(self, message: Message) -> bool:
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
        self._is_closing = True
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
        self._is_closing = True
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
