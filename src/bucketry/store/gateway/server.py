"""The HTTP server of the store: aiohttp's low-level protocol on one side, our Request and Response on the other.

RFC 9110 and 9112. aiohttp parses (llhttp), keeps back-pressure and the life of a connection; nothing of it goes beyond
this module and connection.py. An answer is written to the transport as one piece, head and body together, so that a
small one is one system call and one packet.

What is refused before anybody is asked: two Host or Content-Length fields and Content-Length beside Transfer-Encoding
(by the parser), a header section beyond 8 KiB ("Amazon S3 User Guide: Object metadata"), request targets that are not
paths. `100 Continue` is sent when a handler first reads the body, so that a refused upload costs nobody its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from secrets import token_urlsafe

from aiohttp import web
from aiohttp.http_exceptions import InvalidURLError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from bucketry.kernel import ids, logs
from bucketry.kernel.clock import ClockMs
from bucketry.store.gateway import wire
from bucketry.store.gateway.connection import CLOSE, KEEP, PATIENCE, Body, Connection, Exchange, Outcome, Patience
from bucketry.store.gateway.error_documents import error_response
from bucketry.store.gateway.http import Data, Request, Response
from bucketry.store.s3.dates import http_date
from bucketry.store.s3.errors import (
    BadRequest,
    InternalError,
    InvalidURI,
    RequestHeaderSectionTooLarge,
    S3Error,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.query import parse_query

MAX_HEADER_SECTION_BYTES = 8192  # "PUT requests: the header section is limited to 8 KB"
MAX_TARGET_BYTES = 16_384  # a key of 1,024 bytes percent-encoded, and a presigned query with its token
MAX_FIELDS = 256  # 2 KiB of metadata in the shortest fields there are
READ_BUFFER_BYTES = 128 * 1024  # aiohttp stops reading a connection at twice that
JOIN_LIMIT_BYTES = 64 * 1024  # up to here copying a body behind its head is cheaper than a second buffer

_log = logs.get("gateway.server")

Answer = Callable[[Request], Awaitable[Response]]


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

    def __init__(self, answer: Answer, clock_ms: ClockMs, host_id: str = "", patience: Patience = PATIENCE) -> None:
        super().__init__(
            self._handle,  # type: ignore[arg-type]  # aiohttp asks of its classes only what ours have
            request_factory=partial(Exchange, patience.stall_s),  # type: ignore[arg-type]  # likewise
            access_log=None,
            auto_decompress=False,  # an object with Content-Encoding is stored as it came
            keepalive_timeout=patience.keep_alive_s,
            max_line_size=MAX_TARGET_BYTES,
            max_field_size=MAX_HEADER_SECTION_BYTES,
            max_headers=MAX_FIELDS,
            lingering_time=patience.linger_s,
            read_bufsize=READ_BUFFER_BYTES,
        )
        self._answer = answer
        self._clock_ms = clock_ms
        self._fixed = f"Server: bucketry\r\nx-amz-id-2: {host_id or token_urlsafe(36)}"
        self.host_id = self._fixed.rpartition(" ")[2]
        self._is_stopping = False

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    async def stop(self, grace_s: float = 15.0) -> None:
        """End idle connections now, busy ones after their request; what runs after `grace_s` is cut.

        The listening sockets are the caller's: close them first.
        """
        self._is_stopping = True
        connections = [connection for connection in self.connections if isinstance(connection, Connection)]
        for connection in connections:
            if connection.is_idle:
                connection.force_close()  # not the busy ones: what still comes of their bodies would be dropped
        busy = {connection.task for connection in connections if connection.task is not None}
        if busy:
            await asyncio.wait(busy, timeout=grace_s)
        await self.shutdown(0)

    async def refuse(self, exchange: Exchange, error: BaseException | None, status: int) -> None:
        """Answer what the parser refused (`status` 400) or what went wrong in this module (500)."""
        request_id = ids.request_id()
        if status >= 500:
            _log.error("request failed", request_id=request_id, exc_info=error)
        else:
            _log.debug("request refused", request_id=request_id, remote=exchange.remote, reason=type(error).__name__)
        response = error_response(_parse_error(error, status), "", request_id, self.host_id)
        response.close = True
        await self._send(exchange, response, request_id, is_head=False)

    async def _handle(self, exchange: Exchange) -> Outcome:
        request_id = ids.request_id()
        body: Body | None = None
        try:
            message = exchange.message
            body = Body(exchange, "Expect" in message.headers and _expects_continue(message))
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
            return CLOSE
        return CLOSE if response.close or self._is_stopping else KEEP

    def _request(self, exchange: Exchange, body: Body, request_id: str) -> Request:
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

    async def _send(self, exchange: Exchange, response: Response, request_id: str, is_head: bool) -> None:
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
        elif not await self._send_stream(exchange, head, body, length or 0, request_id):
            response.close = True
            failure = error_response(InternalError(), exchange.message.path[:1024], request_id, self.host_id)
            failure.close = True
            return await self._send(exchange, failure, request_id, is_head)
        await exchange.drain()
        if response.close and not exchange.stream.is_eof():
            _half_close(exchange)
        return None

    async def _send_stream(
        self, exchange: Exchange, head: bytes, body: AsyncIterator[Data], length: int, request_id: str
    ) -> bool:
        """Whether anything was sent: an iterator that fails before its first byte leaves room for an error document."""
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
        except ConnectionError:
            raise
        except Exception as error:
            _log.error("answer broken off", request_id=request_id, exc_info=error)
            if head:
                return False
            exchange.abort()
            raise ConnectionResetError("the answer broke off") from None
        finally:
            await _discard(body)
        if sent != length:
            _log.error("answer of a wrong length", request_id=request_id, announced_bytes=length, sent_bytes=sent)
            exchange.abort()
            raise ConnectionResetError("the answer has another length than announced")
        if head:
            exchange.transport_write(head)
        return True


def _write_whole(exchange: Exchange, head: bytes, body: Data) -> None:
    """Head and body in one write: one system call and, for small answers, one packet."""
    if len(body) <= JOIN_LIMIT_BYTES:
        exchange.transport_write(b"".join((head, body)))
    else:
        # uvloop gathers what is written in one turn of the loop into one writev
        exchange.transport_write(head)
        exchange.transport_write(body)


def _half_close(exchange: Exchange) -> None:
    """Tell the client that nothing more comes, while aiohttp throws away what it still sends (Patience.linger_s)."""
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
