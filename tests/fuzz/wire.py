"""Targets on the wire: whatever bytes a connection brings, each answer is HTTP, none is a 500, and the server lives.

`messages` is the connection inside this process, over a transport in memory; `server` the program as it is run, asked
by somebody who has signed up, in a bucket where everybody may do everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import Any

from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.server import HttpServer
from bucketry.store.s3.errors import S3Error
from tests.fuzz.target import Target

PATIENCE_SECONDS = 60.0  # for a server that has stopped, not for a slow one: the machine may be busy
_REQUEST_ID = re.compile(rb"(x-amz-request-id: |<RequestId>)[0-9A-F]{16}")
_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) [^\r\n]+\r\n")
_REQUESTS = (
    b"GET /BUCKET/key HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PUT /BUCKET/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nx-amz-meta-a: b\r\n\r\nhello",
    b"PUT /BUCKET/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nx-amz-decoded-content-length: 5\r\n"
    b"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32\r\n\r\n"
    b"f\r\n5\r\nhello\r\n0\r\n\r\n\r\n0\r\n\r\n",
    b"GET /BUCKET?list-type=2&prefix=k&delimiter=/&max-keys=3 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b'GET /BUCKET/key?partNumber=1 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-3\r\nIf-None-Match: "x"\r\n\r\n',
    b"POST /BUCKET?delete HTTP/1.1\r\nHost: localhost\r\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nContent-Length: 52"
    b"\r\n\r\n"
    b"<Delete><Object><Key>absent</Key></Object></Delete>\r\n",
    b"POST /BUCKET HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
    b"Content-Length: 149"
    b'\r\n\r\n--xyz\r\nContent-Disposition: form-data; name="key"\r\n\r\nform\r\n--xyz\r\nContent-Disposition: '
    b'form-data; name="file"; filename="f"\r\n\r\nhello\r\n--xyz--\r\n',
    b"PUT /BUCKET/copy HTTP/1.1\r\nHost: localhost\r\nx-amz-copy-source: BUCKET/key\r\n\r\n",
    b"POST /BUCKET/up?uploads HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PUT /BUCKET?tagging HTTP/1.1\r\nHost: localhost\r\nContent-Length: 75\r\n\r\n<Tagging><TagSet><Tag><Key>a</Key>"
    b"<Value>1</Value></Tag></TagSet></Tagging>",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 41\r\n"
    b"\r\n"
    b"Action=GetCallerIdentity&Version=2011-06-15",
    b"OPTIONS /BUCKET/key HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a\r\n"
    b"Access-Control-Request-Method: GET\r\n\r\n",
)
_WORDS = (
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"?versionId=null",
    b"?uploadId=x",
    b"&partNumber=1",
    b"x-amz-",
    b"x-amz-server-side-encryption: AES256\r\n",
    b"x-amz-object-lock-mode: COMPLIANCE\r\n",
    b"If-Match: *\r\n",
    b"Range: bytes=0-\r\n",
    b"Host: a\r\n",
    b"Upgrade: h2c\r\n",
    b"?acl",
    b"?policy",
    b"?cors",
    b"?versions",
    b"?uploads",
    b"?lifecycle",
    b"?object-lock",
    b"?retention",
    b"?attributes",
    b"?torrent",
    b"Content-Encoding: aws-chunked\r\n",
    b"x-amz-tagging: a=b\r\n",
    b"Authorization: AWS4-HMAC-SHA256 Credential=",
)


class _Transport(asyncio.Transport):
    """Takes what is written; closes when told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Nothing more is written anyway."""

    def pause_reading(self) -> None:
        """All comes at once."""

    def resume_reading(self) -> None:
        """All comes at once."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default


async def _answer(request: Request) -> Response:
    """Reads the body, and says what came."""
    size = 0
    try:
        while piece := await request.body.read_chunk():
            size += len(piece)
    except S3Error as error:
        return Response(status=error.status)
    return Response(body=f"{request.method} {len(request.raw_path)} {sorted(request.headers)} {size}".encode())


async def _messages(data: bytes, step: int) -> bytes:
    server = HttpServer(_answer, lambda: 0, "host")
    connection = server()
    transport = _Transport()
    connection.connection_made(transport)
    for at in range(0, len(data), step):
        connection.data_received(data[at : at + step])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    connection.eof_received()
    if connection.task is not None:
        await asyncio.wait_for(connection.task, PATIENCE_SECONDS)
    connection.connection_lost(None)
    text = _REQUEST_ID.sub(rb"\1RRRRRRRRRRRRRRRR", bytes(transport.written))
    answers = _answers(text)
    assert not any(status == 500 for status in answers), text
    return text


def check_messages(data: bytes) -> None:
    async def both() -> None:
        data_whole, data_pieces = await _messages(data, len(data) or 1), await _messages(data, 5)
        assert data_whole == data_pieces, "the pieces in which requests come change their answers"

    asyncio.run(both())


def _answers(text: bytes) -> list[int]:
    """The statuses of answers that follow each other; AssertionError where the text is not made of answers."""
    statuses = []
    while text:
        found = _STATUS.match(text)
        assert found, f"this is no answer: {text[:200]!r}"
        status = int(found[1])
        statuses.append(status)
        head, separator, text = text.partition(b"\r\n\r\n")
        assert separator, "a head without an end"
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        if length and status >= 200:
            text = text[int(length[1]) :]
    return statuses


class LiveServer:
    """The target of a running program."""

    def __init__(self, port: int, bucket: str) -> None:
        self._port = port
        self._bucket = bucket.encode()

    def target(self) -> Target:
        return Target("server", self.check, [self._named(request) for request in _REQUESTS], _WORDS)

    def _named(self, request: bytes) -> bytes:
        return request.replace(b"BUCKET", self._bucket)

    def check(self, data: bytes) -> None:
        check_answer(exchange(self._port, data))


def exchange(port: int, data: bytes) -> bytes:
    """All that a server answers to `data` on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as client:
        client.settimeout(PATIENCE_SECONDS)
        got = b""
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                got += piece
    return got


def check_answer(got: bytes) -> None:
    """AssertionError for answers that say that the server failed."""
    # A HEAD's answer has the length of a body that is not there, so statuses alone are looked for.
    failures = re.findall(rb"HTTP/1\.1 (500|502|503|504|507) ", got)
    assert not failures, got


MESSAGES = Target("messages", check_messages, _REQUESTS, _WORDS)
