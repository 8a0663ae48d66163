"""The HTTP server of the store: a connection's messages on one side, our Request and Response on the other.

RFC 9110 and 9112. aiohttp's parser (llhttp) reads the messages; nothing of it goes beyond this module and
connection.py. An answer is written to the transport as one piece, head and body together, so that a small one is one
system call and one packet.

What is refused before anybody is asked: two Host or Content-Length fields and Content-Length beside Transfer-Encoding
(by the parser), a header section beyond 8 KiB ("Amazon S3 User Guide: Object metadata"), request targets that are not
paths. `100 Continue` is sent when a handler first reads the body, so that a refused upload costs nobody its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_urlsafe

from aiohttp.http_exceptions import InvalidURLError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from bucketry.kernel import ids, logs
from bucketry.kernel.clock import ClockMs
from bucketry.store.gateway import wire
from bucketry.store.gateway.connection import MAX_HEADER_SECTION_BYTES, PATIENCE, Body, Connection, Patience
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

JOIN_LIMIT_BYTES = 64 * 1024  # up to here copying a body behind its head is cheaper than a second buffer

_log = logs.get("gateway.server")

Answer = Callable[[Request], Awaitable[Response]]


def _parse_error(error: BaseException | None, status: int) -> S3Error:
    if isinstance(error, LineTooLong) or "Too many headers" in str(error):
        return RequestHeaderSectionTooLarge(fields={"MaxSizeAllowed": str(MAX_HEADER_SECTION_BYTES)})
    if isinstance(error, InvalidURLError):
        return InvalidURI()
    return BadRequest() if status < 500 else InternalError()


class HttpServer:
    """A protocol factory for `loop.create_server(server, sock=…)`, and the end of its connections. Made in the loop.

    `answer` is called once a request and raises nothing but CancelledError; `host_id` is what x-amz-id-2 says.
    """

    def __init__(self, answer: Answer, clock_ms: ClockMs, host_id: str = "", patience: Patience = PATIENCE) -> None:
        self.patience = patience
        self.connections: set[Connection] = set()
        self.host_id = host_id or token_urlsafe(36)
        self._answer = answer
        self._clock_ms = clock_ms
        self._loop = asyncio.get_running_loop()
        self._fixed = f"Server: bucketry\r\nx-amz-id-2: {self.host_id}"
        self._is_stopping = False

    def __call__(self) -> Connection:
        return Connection(self, self._loop)

    async def stop(self, grace_s: float = 15.0) -> None:
        """End idle connections now, busy ones after their request; what runs after `grace_s` is cut.

        The listening sockets are the caller's: close them first.
        """
        self._is_stopping = True
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()  # not the busy ones: what still comes of their bodies would be dropped
        busy = {connection.task for connection in self.connections if connection.task is not None}
        if busy:
            await asyncio.wait(busy, timeout=grace_s)
        for task in busy:
            task.cancel()
        for connection in list(self.connections):
            connection.close()
        await asyncio.gather(*busy, return_exceptions=True)

    async def refuse(self, connection: Connection, error: Exception, status: int) -> None:
        """Answer what the parser refused (`status` 400) or what went wrong in this module (500)."""
        request_id = ids.request_id()
        if status >= 500:
            _log.error("request failed", request_id=request_id, exc_info=error)
        else:
            _log.debug("request refused", request_id=request_id, remote=connection.remote, reason=type(error).__name__)
        response = error_response(_parse_error(error, status), "", request_id, self.host_id)
        response.close = True
        await self._send(connection, None, response, request_id)

    async def handle(self, connection: Connection, message: RawRequestMessage, stream: StreamReader) -> bool:
        """Answer a request; whether the connection may carry another one."""
        request_id = ids.request_id()
        body: Body | None = None
        try:
            body = Body(connection, stream, "Expect" in message.headers and _expects_continue(message))
            request = self._request(connection, message, body, request_id)
        except S3Error as error:
            response = error_response(error, message.path.partition("?")[0], request_id, self.host_id)
            response.close = True
        else:
            response = await self._answer(request)
        if body is None or body.is_left or message.should_close:
            response.close = True
        await self._send(connection, message, response, request_id)
        if response.close and not stream.is_eof():
            connection.half_close()
        return not response.close and not self._is_stopping

    def _request(self, connection: Connection, message: RawRequestMessage, body: Body, request_id: str) -> Request:
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
            remote_ip=connection.remote,
            is_secure=connection.is_secure,
            request_id=request_id,
            parameters=parse_query(query) if query else {},
        )

    async def _send(
        self, connection: Connection, message: RawRequestMessage | None, response: Response, request_id: str
    ) -> None:
        """Write an answer. ConnectionError when the client has gone, or the answer broke off and so did the connection.

        `message` None: there was no request to speak of.
        """
        body = response.body
        has_content = wire.has_content(response.status)
        is_head = message is not None and message.method == "HEAD"
        length = response.content_length
        if length is None and isinstance(body, (bytes, bytearray, memoryview)):
            length = len(body)
        if not connection.is_open:
            await _discard(body)
            raise ConnectionResetError("the client has gone")
        fixed = f"Date: {http_date(self._clock_ms())}\r\nx-amz-request-id: {request_id}\r\n{self._fixed}"
        fate = "close" if response.close else _keep_alive_1_0(message)
        try:
            head = wire.response_head(response.status, response.headers, fixed, length if has_content else None, fate)
        except wire.UnsafeHeader as error:
            _log.error("answer withheld", request_id=request_id, reason=str(error))
            await _discard(body)
            response.close = True
            body, is_head = b"", True
            head = wire.response_head(500, (), fixed, 0, "close")
        if is_head or not has_content:
            await _discard(body)
            connection.write(head)
        elif isinstance(body, (bytes, bytearray, memoryview)):
            _write_whole(connection, head, body)
        elif not await self._send_stream(connection, head, body, length or 0, request_id):
            response.close = True
            failure = error_response(
                InternalError(), message.path[:1024] if message is not None else "", request_id, self.host_id
            )
            failure.close = True
            return await self._send(connection, message, failure, request_id)
        return await connection.drain()

    async def _send_stream(
        self, connection: Connection, head: bytes, body: AsyncIterator[Data], length: int, request_id: str
    ) -> bool:
        """Whether anything was sent: an iterator that fails before its first byte leaves room for an error document."""
        sent = 0
        try:
            async for chunk in body:
                sent += len(chunk)
                if sent > length:
                    break
                if head:
                    _write_whole(connection, head, chunk)
                    head = b""
                else:
                    connection.write(chunk)
                await connection.drain()
        except ConnectionError:
            raise
        except Exception as error:
            _log.error("answer broken off", request_id=request_id, exc_info=error)
            if head:
                return False
            connection.abort()
            raise ConnectionResetError("the answer broke off") from None
        finally:
            await _discard(body)
        if sent != length:
            _log.error("answer of a wrong length", request_id=request_id, announced_bytes=length, sent_bytes=sent)
            connection.abort()
            raise ConnectionResetError("the answer has another length than announced")
        if head:
            connection.write(head)
        return True


def _write_whole(connection: Connection, head: bytes, body: Data) -> None:
    """Head and body in one write: one system call and, for small answers, one packet."""
    if len(body) <= JOIN_LIMIT_BYTES:
        connection.write(b"".join((head, body)))
    else:
        # uvloop gathers what is written in one turn of the loop into one writev
        connection.write(head)
        connection.write(body)


async def _discard(body: Data | AsyncIterator[Data]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


def _expects_continue(message: RawRequestMessage) -> bool:
    return message.headers["Expect"].lower() == "100-continue" and message.version >= (1, 1)


def _keep_alive_1_0(message: RawRequestMessage | None) -> str | None:
    return "keep-alive" if message is not None and message.version == (1, 0) and not message.should_close else None
