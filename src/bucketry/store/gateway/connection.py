"""One HTTP connection as aiohttp keeps it: requests come in as exchanges, answers go out through them.

With server.py the only module that knows aiohttp. Its own request and response classes are not used: making and
serialising them costs as much as all the rest (measured: 40 µs of CPU a request with them, 22 µs without). What it asks
of those classes, a few attributes and two coroutines, `Exchange` and `Outcome` have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import set_exception
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from bucketry.store.gateway.http import Data
from bucketry.store.s3.errors import IncompleteBody, RequestTimeout

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a client, in seconds."""

    keep_alive_s: float = 75.0  # between requests; also the time in which a whole header section must have come
    stall_s: float = 60.0  # while nothing of a body comes, or nothing of an answer is taken
    linger_s: float = 5.0  # after a refusal, throwing away what the client still sends, so that it reads the answer


PATIENCE = Patience()
_LEAST_BYTES_A_SECOND = 512  # of a body, on average; what is slower uses up `stall_s` bit by bit


class Outcome:
    """What aiohttp takes for a response: all is sent already, only the connection's fate is left."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, _request: object) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Nothing is left to write."""


KEEP, CLOSE = Outcome(True), Outcome(False)


class Refusal(Outcome):
    """The answer to what the parser refused; aiohttp has it sent by `write_eof`."""

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[], Awaitable[object]]) -> None:
        super().__init__(False)
        self._send = send

    async def write_eof(self) -> None:
        await self._send()


class Body:
    """BodyReader over aiohttp's stream of one request."""

    __slots__ = ("_awaits_continue", "_exchange", "_is_refused", "_patience_s", "_stream")

    def __init__(self, exchange: Exchange, awaits_continue: bool) -> None:
        self._exchange = exchange
        self._stream = exchange.stream
        self._awaits_continue = awaits_continue
        self._is_refused = False
        self._patience_s = exchange.stall_s

    async def read_chunk(self) -> bytes:
        stream = self._stream
        if self._awaits_continue:
            # Also where no body comes: botocore takes a final answer without it for a refusal, and then misreads the
            # next answer of the connection.
            self._awaits_continue = False
            self._exchange.transport_write(_CONTINUE)
        try:
            data = stream.read_nowait()
            if data or stream.at_eof():
                return data
            return await self._wait(stream)
        except TimeoutError:
            raise RequestTimeout from None
        except (RequestPayloadError, BadHttpMessage):
            raise IncompleteBody("The request body is not framed as its headers announce.") from None
        except ConnectionError:
            raise IncompleteBody from None

    async def _wait(self, stream: StreamReader) -> bytes:
        """The next bytes, when none are here yet. Waiting costs patience, bytes give it back: one byte a minute
        holds no connection for ever.
        """
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        async with asyncio.timeout(self._patience_s):
            data = await stream.readany()
        left_s = self._patience_s - (clock() - begun_s) + len(data) / _LEAST_BYTES_A_SECOND
        self._patience_s = min(self._exchange.stall_s, left_s)
        return data

    async def refuse_rest(self) -> None:
        self._is_refused = True

    @property
    def is_left(self) -> bool:
        """Whether bytes may still come that nobody will read, or the client was left waiting for its 100 Continue:
        the connection can't carry another request.
        """
        return self._is_refused or self._awaits_continue or not self._stream.is_eof()


class Exchange:
    """One request and its answer. aiohttp keeps it as its request object, and asks no more of it than is here."""

    __slots__ = ("_task", "message", "protocol", "stall_s", "stream", "writer")

    def __init__(
        self,
        stall_s: float,
        message: RawRequestMessage,
        stream: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None] | None,
    ) -> None:
        self.stall_s = stall_s
        self.message = message
        self.stream = stream
        self.protocol = protocol
        self.writer = writer
        self._task = task

    def _finish(self) -> None:
        """aiohttp's end of a request: there are no files of forms to close."""

    def _cancel(self, error: BaseException) -> None:
        set_exception(self.stream, error)

    @property
    def remote(self) -> str:
        peer = self.protocol.peername
        return str(peer[0]) if isinstance(peer, (tuple, list)) and peer else ""

    @property
    def is_open(self) -> bool:
        transport = self.protocol.transport
        return transport is not None and not transport.is_closing()

    def transport_write(self, data: Data) -> None:
        transport = self.protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken enough; one that takes nothing for long is cut off."""
        if not self.protocol.writing_paused:
            return
        try:
            async with asyncio.timeout(self.stall_s):
                await self.writer.drain()
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the client takes nothing") from None

    def abort(self) -> None:
        """Cut the connection, so that a short answer can't pass for a whole one."""
        if self.protocol.transport is not None:
            self.protocol.transport.abort()


class Connection(RequestHandler):
    """aiohttp's protocol, with its own answers to what it can't parse replaced by ours."""

    __slots__ = ()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, none of which has come yet."""
        return self._current_request is None and not self._messages

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What answers its requests one after the other; it ends with the connection."""
        return self._task_handler

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A body whose framing breaks is reported as a new, broken request; tell the one that is reading it too.
        current: Any = self._current_request
        if self._messages and current is not None and not isinstance(self._messages[-1][0], RawRequestMessage):
            current._cancel(RequestPayloadError("broken framing"))

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> Any:
        manager: Any = self._manager
        self.close()
        return Refusal(lambda: manager.refuse(request, exc, status))
