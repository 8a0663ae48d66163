"""One HTTP connection: bytes become requests, answered one after the other; how long it waits for what, and its end.

With server.py the only module that knows aiohttp, of which it takes the parser (llhttp), the stream of a body and the
back-pressure between the two. aiohttp's own handling of a connection is not used: it makes two tasks, a writer, a
request and a response of each request (measured, all in memory: 70 µs of processor time a request with it, 22 without).

Most requests are answered without waiting for anything. So the first step of answering is made at once, inside
`data_received`; only what has to wait becomes a task.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from bucketry.store.gateway.http import Data
from bucketry.store.s3.errors import IncompleteBody, RequestTimeout

MAX_HEADER_SECTION_BYTES = 8192  # "PUT requests: the header section is limited to 8 KB"
MAX_TARGET_BYTES = 16_384  # a key of 1,024 bytes percent-encoded, and a presigned query with its token
MAX_FIELDS = 256  # 2 KiB of metadata in the shortest fields there are
READ_BUFFER_BYTES = 128 * 1024  # of a body: reading stops at twice that, until somebody takes it
_PIPELINED = 8  # requests that may wait behind the one that is answered; then nothing more is read
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a client, in seconds."""

    keep_alive_s: float = 75.0  # between requests; also the time in which a whole header section must have come
    stall_s: float = 60.0  # while nothing of a body comes, or nothing of an answer is taken
    linger_s: float = 5.0  # after a refusal, throwing away what the client still sends, so that it reads the answer


PATIENCE = Patience()
_LEAST_BYTES_A_SECOND = 512  # of a body, on average; what is slower uses up `stall_s` bit by bit


class BrokenFraming(Exception):
    """The bytes after a header section are not the body that it announces."""


class Handler(Protocol):
    """What answers the requests of connections: server.py's HttpServer."""

    patience: Patience
    connections: set[Connection]

    async def handle(self, connection: Connection, message: RawRequestMessage, stream: StreamReader) -> bool:
        """Answer a request; whether the connection may carry another one."""

    async def refuse(self, connection: Connection, error: Exception, status: int) -> None:
        """Answer what is no request (`status` 400), or one that failed in an unforeseen way (500)."""


class Body:
    """BodyReader over the stream of one request."""

    __slots__ = ("_awaits_continue", "_connection", "_is_refused", "_patience_s", "_stream")

    def __init__(self, connection: Connection, stream: StreamReader, awaits_continue: bool) -> None:
        self._connection = connection
        self._stream = stream
        self._awaits_continue = awaits_continue
        self._is_refused = False
        self._patience_s = connection.patience.stall_s

    async def read_chunk(self) -> bytes:
        stream = self._stream
        if self._awaits_continue:
            # Also where no body comes: botocore takes a final answer without it for a refusal, and then misreads the
            # next answer of the connection.
            self._awaits_continue = False
            self._connection.write(_CONTINUE)
        try:
            data = stream.read_nowait()
            if data or stream.at_eof():
                return data
            return await self._wait(stream)
        except TimeoutError:
            raise RequestTimeout from None
        except (BrokenFraming, BadHttpMessage):
            raise IncompleteBody("The request body is not framed as its headers announce.") from None
        except ConnectionError:
            raise IncompleteBody from None

    async def _wait(self, stream: StreamReader) -> bytes:
        """The next bytes, when none are here yet. Waiting costs patience, bytes give it back: one byte a minute
        holds no connection for ever.
        """
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        timer = loop.call_later(self._patience_s, stream.set_exception, TimeoutError())
        try:
            data = await stream.readany()
        finally:
            timer.cancel()
        left_s = self._patience_s - (loop.time() - begun_s) + len(data) / _LEAST_BYTES_A_SECOND
        self._patience_s = min(self._connection.patience.stall_s, left_s)
        return data

    async def refuse_rest(self) -> None:
        self._is_refused = True

    @property
    def is_left(self) -> bool:
        """Whether bytes may still come that nobody will read, or the client was left waiting for its 100 Continue:
        the connection can't carry another request.
        """
        return self._is_refused or self._awaits_continue or not self._stream.is_eof()


class Connection(BaseProtocol):
    """The protocol of one connection."""

    __slots__ = (
        "_closes_at_s",
        "_current",
        "_handler",
        "_is_busy",
        "_is_closing",
        "_messages",
        "_timer",
        "is_secure",
        "patience",
        "remote",
        "task",
    )

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        parser = HttpRequestParser(
            self,
            loop,
            READ_BUFFER_BYTES,
            max_line_size=MAX_TARGET_BYTES,
            max_headers=MAX_FIELDS,
            max_field_size=MAX_HEADER_SECTION_BYTES,
            payload_exception=BrokenFraming,
            auto_decompress=False,  # an object with Content-Encoding is stored as it came
            max_msg_queue_size=_PIPELINED,
        )
        super().__init__(loop, parser)
        self.patience = handler.patience
        self.remote = ""
        self.is_secure = False
        self.task: asyncio.Task[None] | None = None  # what answers, once it had to wait for something
        self._handler = handler
        self._messages: deque[tuple[RawRequestMessage | Exception, StreamReader]] = deque()
        self._current: StreamReader | None = None  # the body of the request that is answered
        self._is_busy = False
        self._is_closing = False  # nothing that still comes is a request
        self._timer: asyncio.TimerHandle | None = None
        self._closes_at_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, none of which has come yet."""
        return not self._is_busy

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if isinstance(peer, (tuple, list)) and peer else ""
        self.is_secure = transport.get_extra_info("sslcontext") is not None
        self._handler.connections.add(self)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        if self._is_closing or self._parser is None:
            return
        self._parse(data)
        if len(self._messages) >= _PIPELINED and not self._buffer_paused:
            self._pause_reading_for_buffer()
        if self._messages and not self._is_busy:
            self._begin()

    def eof_received(self) -> None:
        """The transport closes: a client that only half closed is not waited for."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self._handler.connections.discard(self)
        self._is_closing = True
        super().connection_lost(exc)
        self._parser = None
        if self._timer is not None:
            self._timer.cancel()
        if self._current is not None:
            self._current.set_exception(ConnectionResetError("the client has gone"))

    # From bytes to requests

    def _parse(self, data: bytes) -> None:
        """Put what has come whole into the queue; the bodies' streams are fed on the way."""
        parser: Any = self._parser
        try:
            messages, is_upgraded, rest = parser.feed_data(data)
            self._messages.extend(messages)
            while is_upgraded:  # no other protocol is spoken here: what follows are requests
                parser.set_upgraded(False)
                messages, is_upgraded, rest = parser.feed_data(rest)
                self._messages.extend(messages)
        except HttpProcessingError as error:
            self._is_closing = True
            latest = self._messages[-1][1] if self._messages else self._current
            if latest is not None and not latest.is_eof():
                latest.set_exception(BrokenFraming())  # it was its body that broke off
            self._messages.append((error, EMPTY_PAYLOAD))

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
                message, stream = messages.popleft()
                self._take_more()
                self._current = stream
                may_go_on = await self._answer(message, stream)
                self._current = None
                if not may_go_on and not stream.is_eof():
                    await self._linger(stream)
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

    async def _answer(self, message: RawRequestMessage | Exception, stream: StreamReader) -> bool:
        if isinstance(message, Exception):
            await self._handler.refuse(self, message, 400)
            return False
        try:
            return await self._handler.handle(self, message, stream)
        except ConnectionError:
            raise
        except Exception as error:
            await self._handler.refuse(self, error, 500)
            return False

    def _take_more(self) -> None:
        """A request has left the queue: where it was full, read on."""
        if self._parser is None:
            return
        self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= _PIPELINED // 2:
            self.data_received(b"")
            if len(self._messages) < _PIPELINED:
                self._resume_reading_for_buffer()

    # Its end

    def _await_request(self) -> None:
        self._closes_at_s = self._loop.time() + self.patience.keep_alive_s
        if self._timer is None:
            self._timer = self._loop.call_at(self._closes_at_s, self._give_up)

    def _give_up(self) -> None:
        """One timer a connection: it is set anew when it goes off, not with each request."""
        self._timer = None
        if self._is_busy:
            return
        if self._loop.time() < self._closes_at_s:
            self._timer = self._loop.call_at(self._closes_at_s, self._give_up)
        else:
            self.close()

    async def _linger(self, stream: StreamReader) -> None:
        """Throw away what the client still sends of a body that nobody wants, so that it comes to read the answer."""
        timer = self._loop.call_later(self.patience.linger_s, stream.set_exception, TimeoutError())
        try:
            while not stream.is_eof():
                await stream.readany()
        except Exception:  # too late, broken or gone: it ends either way
            return
        finally:
            timer.cancel()

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
        if not self._paused:
            return
        timer = self._loop.call_later(self.patience.stall_s, self.abort)
        try:
            await self._drain_helper()
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
