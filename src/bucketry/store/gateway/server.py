"""The HTTP server of the store: aiohttp's low-level protocol on one side, our Request and Response on the other.

RFC 9110 and 9112. aiohttp parses (llhttp), keeps back-pressure and the life of a connection; nothing of it goes beyond
this module. Its own request and response classes are not used: making and serialising them costs as much as all the
rest (measured: 40 µs of CPU a request with them, 23 µs without). A request becomes an `_Exchange`, and the answer is
written to the transport as one piece, head and body together, so that a small answer is one packet.

What is refused before anybody is asked: two Host or Content-Length fields and Content-Length beside Transfer-Encoding
(by the parser), a header section beyond 8 KiB ("Amazon S3 User Guide: Object metadata"), request targets that are not
paths. `100 Continue` is sent when a handler first reads the body, so that a refused upload costs nobody its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_urlsafe
from typing import Any, ClassVar

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import set_exception
from aiohttp.http_exceptions import BadHttpMessage, InvalidURLError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from bucketry.kernel import ids, logs
from bucketry.kernel.clock import ClockMs
from bucketry.store.gateway import wire
from bucketry.store.gateway.error_documents import error_response
from bucketry.store.gateway.http import Data, Request, Response
from bucketry.store.s3.dates import http_date
from bucketry.store.s3.errors import (
    BadRequest,
    IncompleteBody,
    InternalError,
    InvalidURI,
    RequestHeaderSectionTooLarge,
    RequestTimeout,
    S3Error,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.query import parse_query

MAX_HEADER_SECTION_BYTES = 8192  # "PUT requests: the header section is limited to 8 KB"
MAX_TARGET_BYTES = 16_384  # a key of 1,024 bytes percent-encoded, and a presigned query with its token
MAX_FIELDS = 256  # 2 KiB of metadata in the shortest fields there are
KEEP_ALIVE_S = 75.0  # also the time in which a whole header section must have come
STALL_S = 60.0  # a body of which nothing comes, an answer of which nothing is taken
LINGER_S = 5.0  # after a refusal: how long what the client still sends is thrown away, so that it reads the answer
READ_BUFFER_BYTES = 128 * 1024  # aiohttp stops reading a connection at twice that
JOIN_LIMIT_BYTES = 64 * 1024  # up to here copying a body behind its head is cheaper than a second buffer

_log = logs.get("gateway.server")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Answer = Callable[[Request], Awaitable[Response]]


class _Outcome:
    """What aiohttp takes for a response: all is sent already, only the connection's fate is left."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, _request: object) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Nothing is left to write."""


_KEEP, _CLOSE = _Outcome(True), _Outcome(False)


class _Refusal(_Outcome):
    """The answer to what the parser refused; aiohttp has it sent by `write_eof`."""

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[], Awaitable[object]]) -> None:
        super().__init__(False)
        self._send = send

    async def write_eof(self) -> None:
        await self._send()


class _Body:
    """BodyReader over aiohttp's stream of one request."""

    __slots__ = ("_awaits_continue", "_exchange", "_is_refused", "_stream")

    def __init__(self, exchange: _Exchange, awaits_continue: bool) -> None:
        self._exchange = exchange
        self._stream = exchange.stream
        self._awaits_continue = awaits_continue
        self._is_refused = False

    async def read_chunk(self) -> bytes:
        stream = self._stream
        if self._awaits_continue:
            self._awaits_continue = False
            if not stream.is_eof():
                self._exchange.transport_write(_CONTINUE)
        try:
            data = stream.read_nowait()
            if data or stream.at_eof():
                return data
            async with asyncio.timeout(STALL_S):
                return await stream.readany()
        except TimeoutError:
            raise RequestTimeout from None
        except (RequestPayloadError, BadHttpMessage):
            raise IncompleteBody("The request body is not framed as its headers announce.") from None
        except ConnectionError:
            raise IncompleteBody from None

    async def refuse_rest(self) -> None:
        self._is_refused = True

    @property
    def is_left(self) -> bool:
        """Whether bytes may still come that nobody will read: the connection can't carry another request."""
        return self._is_refused or not self._stream.is_eof()


class _Exchange:
    """One request and its answer. aiohttp keeps it as its request object, and asks no more of it than is here."""

    __slots__ = ("_task", "message", "protocol", "stream", "writer")

    def __init__(
        self,
        message: RawRequestMessage,
        stream: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None] | None,
    ) -> None:
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
            async with asyncio.timeout(STALL_S):
                await self.writer.drain()
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the client takes nothing") from None

    def abort(self) -> None:
        """Cut the connection, so that a short answer can't pass for a whole one."""
        if self.protocol.transport is not None:
            self.protocol.transport.abort()


class _Connection(RequestHandler):
    """aiohttp's protocol, with its own answers to what it can't parse replaced by ours."""

    __slots__ = ()

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
        return _Refusal(lambda: manager.refuse(request, exc, status))


def _parse_error(error: BaseException | None, status: int) -> S3Error:
    if isinstance(error, LineTooLong) or "Too many headers" in str(error):
        return RequestHeaderSectionTooLarge(fields={"MaxSizeAllowed": str(MAX_HEADER_SECTION_BYTES)})
    if isinstance(error, InvalidURLError):
        return InvalidURI()
    return BadRequest() if status < 500 else InternalError()


class HttpServer(web.Server):
    """A protocol factory for `loop.create_server(server, sock=…)`, and the end of its connections.

    `answer` is called once a request and raises nothing but CancelledError; `host_id` is what x-amz-id-2 says.
    """

    _CONNECTION: ClassVar[type[RequestHandler]] = _Connection

    def __init__(self, answer: Answer, clock_ms: ClockMs, host_id: str = "") -> None:
        super().__init__(
            self._handle,  # type: ignore[arg-type]  # aiohttp asks of its classes only what ours have
            request_factory=_Exchange,  # type: ignore[arg-type]  # likewise
            access_log=None,
            auto_decompress=False,  # an object with Content-Encoding is stored as it came
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=MAX_TARGET_BYTES,
            max_field_size=MAX_HEADER_SECTION_BYTES,
            max_headers=MAX_FIELDS,
            lingering_time=LINGER_S,
            read_bufsize=READ_BUFFER_BYTES,
        )
        self._answer = answer
        self._clock_ms = clock_ms
        self._fixed = f"Server: bucketry\r\nx-amz-id-2: {host_id or token_urlsafe(36)}"
        self.host_id = self._fixed.rpartition(" ")[2]

    def __call__(self) -> RequestHandler:
        return self._CONNECTION(self, loop=self._loop, **self._kwargs)

    async def stop(self, grace_s: float = 15.0) -> None:
        """End idle connections now, busy ones after their request; what runs after `grace_s` is cut.

        The listening sockets are the caller's: close them first.
        """
        self.pre_shutdown()
        await self.shutdown(grace_s)

    async def refuse(self, exchange: _Exchange, error: BaseException | None, status: int) -> None:
        """Answer what the parser refused (`status` 400) or what went wrong in this module (500)."""
        request_id = ids.request_id()
        if status >= 500:
            _log.error("request failed", request_id=request_id, exc_info=error)
        else:
            _log.debug("request refused", request_id=request_id, remote=exchange.remote, reason=type(error).__name__)
        response = error_response(_parse_error(error, status), "", request_id, self.host_id)
        response.close = True
        await self._send(exchange, response, request_id, is_head=False)

    async def _handle(self, exchange: _Exchange) -> _Outcome:
        request_id = ids.request_id()
        body: _Body | None = None
        try:
            message = exchange.message
            body = _Body(exchange, "Expect" in message.headers and _expects_continue(message))
            request = self._request(exchange, body, request_id)
        except S3Error as error:
            response = error_response(error, exchange.message.path.partition("?")[0], request_id, self.host_id)
            response.close = True
        else:
            response = await self._answer(request)
        if body is None or body.is_left or exchange.message.should_close:
            response.close = True
        is_head = exchange.message.method == "HEAD"
        try:
            await self._send(exchange, response, request_id, is_head)
        except ConnectionError:
            return _CLOSE
        return _CLOSE if response.close else _KEEP

    def _request(self, exchange: _Exchange, body: _Body, request_id: str) -> Request:
        message, protocol = exchange.message, exchange.protocol
        headers = Headers(message.headers.items())
        size_bytes = 2
        for name, value in message.raw_headers:
            size_bytes += len(name) + len(value) + 4
        if size_bytes > MAX_HEADER_SECTION_BYTES:
            raise RequestHeaderSectionTooLarge(fields={"MaxSizeAllowed": str(MAX_HEADER_SECTION_BYTES)})
        path, _, query = message.path.partition("?")
        if not path.startswith("/"):
            raise InvalidURI("The request target must be a path.", {"URI": path[:1024]})
        length = None if message.chunked else headers.get("content-length")
        return Request(
            method=message.method,
            raw_path=path,
            raw_query=query,
            headers=headers,
            body=body,
            content_length=None if length is None else int(length),
            remote_ip=exchange.remote,
            is_secure=protocol.ssl_context is not None,
            request_id=request_id,
            parameters=parse_query(query) if query else {},
        )

    async def _send(self, exchange: _Exchange, response: Response, request_id: str, is_head: bool) -> None:
        body = response.body
        has_content = wire.has_content(response.status)
        length = response.content_length
        if length is None and isinstance(body, (bytes, bytearray, memoryview)):
            length = len(body)
        if not exchange.is_open:
            await _discard(body)
            raise ConnectionResetError("the client has gone")
        fixed = f"Date: {http_date(self._clock_ms())}\r\nx-amz-request-id: {request_id}\r\n{self._fixed}"
        connection = "close" if response.close else _keep_alive_1_0(exchange.message)
        try:
            head = wire.response_head(
                response.status, response.headers, fixed, length if has_content else None, connection
            )
        except wire.UnsafeHeader as error:
            _log.error("answer withheld", request_id=request_id, reason=str(error))
            await _discard(body)
            response.close = True
            body, is_head = b"", True
            head = wire.response_head(500, (), fixed, 0, "close")
        if is_head or not has_content:
            await _discard(body)
            exchange.transport_write(head)
        elif isinstance(body, (bytes, bytearray, memoryview)):
            _write_whole(exchange, head, body)
        else:
            await self._send_stream(exchange, head, body, length or 0, request_id)
        await exchange.drain()
        if response.close and not exchange.stream.is_eof():
            _half_close(exchange)

    async def _send_stream(
        self, exchange: _Exchange, head: bytes, body: AsyncIterator[Data], length: int, request_id: str
    ) -> None:
        sent = 0
        try:
            async for chunk in body:
                sent += len(chunk)
                if sent > length:
                    break
                if head:
                    _write_whole(exchange, head, chunk)
                    head = b""
                else:
                    exchange.transport_write(chunk)
                await exchange.drain()
            if head:
                exchange.transport_write(head)
        except ConnectionError:
            raise
        except Exception as error:
            _log.error("answer broken off", request_id=request_id, exc_info=error)
            exchange.abort()
            raise ConnectionResetError("the answer broke off") from None
        finally:
            await _discard(body)
        if sent != length:
            _log.error("answer of a wrong length", request_id=request_id, announced_bytes=length, sent_bytes=sent)
            exchange.abort()
            raise ConnectionResetError("the answer has another length than announced")


def _write_whole(exchange: _Exchange, head: bytes, body: Data) -> None:
    """Head and body in one write: one system call and, for small answers, one packet."""
    if len(body) <= JOIN_LIMIT_BYTES:
        exchange.transport_write(b"".join((head, body)))
    else:
        # uvloop gathers what is written in one turn of the loop into one writev
        exchange.transport_write(head)
        exchange.transport_write(body)


def _half_close(exchange: _Exchange) -> None:
    """Tell the client that nothing more comes, while aiohttp throws away what it still sends (LINGER_S)."""
    transport = exchange.protocol.transport
    if transport is not None and not transport.is_closing() and transport.can_write_eof():
        transport.write_eof()


async def _discard(body: Data | AsyncIterator[Data]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


def _expects_continue(message: RawRequestMessage) -> bool:
    return message.headers["Expect"].lower() == "100-continue" and message.version >= (1, 1)


def _keep_alive_1_0(message: RawRequestMessage) -> str | None:
    return "keep-alive" if message.version == (1, 0) and not message.should_close else None
