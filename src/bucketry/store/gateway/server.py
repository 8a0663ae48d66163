"""The HTTP server of the store: a connection's messages on one side, our Request and Response on the other.

RFC 9110 and 9112. An answer is written to the transport as one piece, head and body together, so that a small one is
one system call and one packet.

What is refused before anybody is asked: what the parser (intake.py) does not take for HTTP, two Host fields or
none, transfer codings other than chunked, a header section beyond 8 KiB ("Amazon S3 User Guide: Object metadata"),
request targets that are not paths. `100 Continue` is sent when a handler first reads the body, so that a refused upload
costs nobody its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_urlsafe

import httptools

from bucketry.kernel import ids, logs
from bucketry.kernel.clock import ClockMs
from bucketry.store.gateway import wire
from bucketry.store.gateway.connection import PATIENCE, Connection, Patience
from bucketry.store.gateway.error_documents import error_response
from bucketry.store.gateway.heads import Head, Heads
from bucketry.store.gateway.http import Data, Request, Response
from bucketry.store.gateway.incoming import Message, Repeated
from bucketry.store.gateway.intake import (
    MAX_FIELDS,
    MAX_HEADER_SECTION_BYTES,
    MAX_TARGET_BYTES,
    HeadTooLarge,
)
from bucketry.store.s3.dates import http_date
from bucketry.store.s3.errors import (
    BadRequest,
    InternalError,
    InvalidURI,
    RequestHeaderSectionTooLarge,
    S3Error,
    SlowDown,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.query import parse_query

MAX_CONNECTIONS = 10_000  # of one process; each costs some 6 KiB
JOIN_LIMIT_BYTES = 64 * 1024  # up to here copying a body behind its head is cheaper than a second buffer

_log = logs.get("gateway.server")

Answer = Callable[[Request], Awaitable[Response]]


def _parse_error(error: BaseException | None, status: int) -> S3Error:
    if isinstance(error, HeadTooLarge):
        return _head_too_large()
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return InvalidURI("The request target is no path, or holds what must be percent-encoded.")
    return BadRequest() if status < 500 else InternalError()


def _head_too_large() -> S3Error:
    return RequestHeaderSectionTooLarge(fields={"MaxSizeAllowed": str(MAX_HEADER_SECTION_BYTES)})


class HttpServer:
    """A protocol factory for `loop.create_server(server, sock=…)`, and the end of its connections. Made in the loop.

    `answer` is called once a request and raises nothing but CancelledError; `host_id` is what x-amz-id-2 says.
    Beyond `max_connections` those that wait longest for a request are closed; where none waits, a new one is told to
    slow down.
    """

    def __init__(
        self,
        answer: Answer,
        clock_ms: ClockMs,
        host_id: str = "",
        patience: Patience = PATIENCE,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.patience = patience
        self.connections: set[Connection] = set()
        self.heads = Heads()
        self._max_connections = max_connections
        self.host_id = host_id or token_urlsafe(36)
        self._answer = answer
        self._clock_ms = clock_ms
        self._loop = asyncio.get_running_loop()
        self._fixed = f"Server: bucketry\r\nx-amz-id-2: {self.host_id}"
        self._is_stopping = False

    def __call__(self) -> Connection:
        return Connection(self, self._loop)

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)
        if len(self.connections) > self._max_connections:
            self._make_room(connection)

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def _make_room(self, newest: Connection) -> None:
        """Close a sixteenth of all connections, the longest idle: who sends half a head and no more is among them."""
        idle = [connection for connection in self.connections if connection.is_idle and connection is not newest]
        idle.sort(key=lambda connection: connection.closes_at_s)
        for connection in idle[: max(1, self._max_connections // 16)]:
            connection.abort()
            self.connections.discard(connection)
        if not idle:
            newest.write(_refusal(SlowDown(), ids.request_id(), self.host_id, f"Date: {http_date(self._clock_ms())}"))
            newest.close()

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

    async def handle(self, connection: Connection, message: Message | Repeated) -> bool:
        """Answer a request; whether the connection may carry another one."""
        request_id = ids.request_id()
        head: Head | None = None
        body = message.body
        try:
            head = message.head if isinstance(message, Repeated) else self._head(connection, message)
        except S3Error as error:
            response = error_response(error, "", request_id, self.host_id)
            response.close = True
        else:
            request = Request(
                head.method,
                head.raw_path,
                head.raw_query,
                head.headers,
                body,
                head.content_length,
                connection.remote,
                connection.is_secure,
                request_id,
                head.parameters,
                head.known,
            )
            response = await self._answer(request)
            if body.is_left or not head.keeps_alive:
                response.close = True
        await self._send(connection, head, response, request_id)
        if response.close and body.is_coming:
            connection.half_close()
        return not response.close and not self._is_stopping

    def _head(self, connection: Connection, message: Message) -> Head:
        """The head of a message, if all in it is as it has to be; noted, for when it comes again."""
        head = parse_head(message)
        if head.content_length is not None:
            connection.expect_bytes(message, head.content_length)
        if head.expects_continue:
            message.body.expect_continue()
        elif message.raw and head.content_length is None:
            self.heads.note(message.raw, head)
        return head

    async def _send(self, connection: Connection, head: Head | None, response: Response, request_id: str) -> None:
        """Write an answer. ConnectionError when the client has gone, or the answer broke off and so did the connection.

        `head` None: there was no request to speak of.
        """
        body = response.body
        has_content = wire.has_content(response.status)
        has_no_body = not has_content or (head is not None and head.method == "HEAD")
        length = response.content_length
        if length is None and isinstance(body, (bytes, bytearray, memoryview)):
            length = len(body)
        if not connection.is_open:
            await _discard(body)
            raise ConnectionResetError("the client has gone")
        fixed = f"Date: {http_date(self._clock_ms())}\r\nx-amz-request-id: {request_id}\r\n{self._fixed}"
        fate = "close" if response.close else _keep_alive_1_0(head)
        try:
            answer = wire.response_head(response.status, response.headers, fixed, length if has_content else None, fate)
        except wire.UnsafeHeader as error:
            _log.error("answer withheld", request_id=request_id, reason=str(error))
            await _discard(body)
            response.close = True
            body, has_no_body = b"", True
            answer = wire.response_head(500, (), fixed, 0, "close")
        if has_no_body:
            await _discard(body)
            connection.write(answer)
        elif isinstance(body, (bytes, bytearray, memoryview)):
            _write_whole(connection, answer, body)
        elif not await self._send_stream(connection, answer, body, length or 0, request_id):
            response.close = True
            failure = error_response(InternalError(), "", request_id, self.host_id)
            failure.close = True
            return await self._send(connection, head, failure, request_id)
        if connection.is_clogged:
            await connection.drain()
        return None

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


def parse_head(message: Message) -> Head:
    """What the head of a message says. BadRequest, InvalidURI, RequestHeaderSectionTooLarge, InvalidArgument."""
    fields = message.fields
    size_bytes = 2 + 4 * len(fields)
    for name, value in fields:
        size_bytes += len(name) + len(value)
    target = message.target
    if size_bytes > MAX_HEADER_SECTION_BYTES or len(fields) > MAX_FIELDS or len(target) > MAX_TARGET_BYTES:
        raise _head_too_large()
    path, _, query = target.decode("ascii").partition("?")
    if not path.startswith("/"):
        raise InvalidURI("The request target must be a path.", {"URI": path[:1024]})
    headers = Headers.from_raw(fields)
    _check_framing(message.version, headers)
    length = headers.get("content-length")
    expectation = headers.get("expect")
    return Head(
        message.method.decode("ascii"),
        path,
        query,
        headers,
        parse_query(query) if query else {},
        None if length is None else int(length),
        expectation is not None and expectation.lower() == "100-continue" and message.version == "1.1",
        message.keeps_alive,
        message.version == "1.0",
    )


def _check_framing(version: str, headers: Headers) -> None:
    """What the parser leaves open. RFC 9112, sections 2.3, 3.2 and 6.1."""
    if version not in ("1.1", "1.0"):
        raise BadRequest
    if "host" not in headers:
        if version == "1.1":
            raise BadRequest
    elif headers.is_repeated("host"):
        raise BadRequest
    if "transfer-encoding" in headers:
        coding = headers.get("transfer-encoding") or ""
        if coding.lower() != "chunked" or version == "1.0":
            raise BadRequest


def _keep_alive_1_0(head: Head | None) -> str | None:
    return "keep-alive" if head is not None and head.is_1_0 and head.keeps_alive else None


def _refusal(error: S3Error, request_id: str, host_id: str, date: str) -> bytes:
    """A whole answer to a connection that is not served at all."""
    response = error_response(error, "", request_id, host_id)
    body = response.body
    assert isinstance(body, bytes)
    fixed = f"{date}\r\nServer: bucketry\r\nx-amz-request-id: {request_id}\r\nx-amz-id-2: {host_id}"
    return wire.response_head(response.status, response.headers, fixed, len(body), "close") + body
