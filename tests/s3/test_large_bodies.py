"""Bodies that are read straight into the memory of who wants them: the server in this process, an answer that reads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from bucketry.kernel.clock import system_clock_ms
from bucketry.store.gateway.connection import Patience
from bucketry.store.gateway.error_documents import error_response
from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.server import Answer, HttpServer
from bucketry.store.gateway.straight import Straight
from bucketry.store.s3.errors import S3Error
from tests.kit.files import MEBIBYTE, noise

ROOM = 512 * 1024
CONTENT = noise(3 * MEBIBYTE + 1234)
IMPATIENT = Patience(keep_alive_s=5, stall_s=0.3, linger_s=5)
GET = b"GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n"


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in the loop that the workers have: it is asked to change protocols in the middle of reading."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        uvloop.run(test(*arguments, **named))

    return run


def head(size: int, more: bytes = b"") -> bytes:
    return b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%s\r\n" % (size, more)


@asynccontextmanager
async def serving(
    answer: Answer, patience: Patience = IMPATIENT
) -> AsyncIterator[tuple[HttpServer, asyncio.StreamReader, asyncio.StreamWriter]]:
    server = HttpServer(answer, system_clock_ms, "host", patience)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
    try:
        yield server, reader, writer
    finally:
        writer.close()
        listener.close()
        await server.stop(1)


async def digest(request: Request) -> Response:
    """The MD5 of the body as it came; what a reader of too much memory would see is in it, too."""
    room, md5 = memoryview(bytearray(ROOM)), hashlib.md5(usedforsecurity=False)
    try:
        while count := await request.body.fill(room):
            md5.update(room[:count])
            room[:] = bytes(ROOM)
            await asyncio.sleep(0)
    except S3Error as error:
        return error_response(error, "", request.request_id, "host")
    return Response(body=md5.hexdigest().encode())


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer."""
    got = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = next(line for line in got.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return await asyncio.wait_for(reader.readexactly(int(length.split(b":")[1])), 10)


MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest().encode()
MD5_OF_NOTHING = hashlib.md5(usedforsecurity=False).hexdigest().encode()


@pytest.mark.parametrize("step", [len(CONTENT), 100_000, 65_537])
@on_uvloop
async def test_all_bytes_come_and_so_does_the_next_request(step: int) -> None:
    async with serving(digest) as (_, reader, writer):
        for _ in range(3):
            sent = head(len(CONTENT)) + CONTENT + GET + head(5) + b"12345"
            for at in range(0, len(sent), step):
                writer.write(sent[at : at + step])
                await writer.drain()
            assert await answered(reader) == MD5
            assert await answered(reader) == MD5_OF_NOTHING
            assert await answered(reader) == hashlib.md5(b"12345", usedforsecurity=False).hexdigest().encode()


@on_uvloop
async def test_a_large_body_goes_past_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = Straight.get_buffer

    def get_buffer(self: Straight, sizehint: int) -> memoryview:
        asked.append(sizehint)
        return original(self, sizehint)

    monkeypatch.setattr(Straight, "get_buffer", get_buffer)
    async with serving(digest) as (_, reader, writer):
        writer.write(head(1000) + CONTENT[:1000])
        await answered(reader)
        assert not asked
        writer.write(head(len(CONTENT)) + CONTENT)
        assert await answered(reader) == MD5
        assert asked


@on_uvloop
async def test_it_is_sent_after_100_continue() -> None:
    async with serving(digest) as (_, reader, writer):
        writer.write(head(len(CONTENT), b"Expect: 100-continue\r\n"))
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(CONTENT)
        assert await answered(reader) == MD5


@pytest.mark.parametrize("sent", [10, MEBIBYTE, 2 * MEBIBYTE + 7])
@on_uvloop
async def test_one_that_stalls_is_a_request_timeout(sent: int) -> None:
    async with serving(digest) as (_, reader, writer):
        writer.write(head(len(CONTENT)) + CONTENT[:sent])
        assert b"<Code>RequestTimeout</Code>" in await answered(reader)
        assert await asyncio.wait_for(reader.read(), 10) == b""


@on_uvloop
async def test_one_that_trickles_is_a_request_timeout_that_the_client_reads() -> None:
    async with serving(digest) as (_, reader, writer):
        writer.write(head(len(CONTENT)))

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)  # the client's own pace: this is what is tested

        trickling = asyncio.create_task(trickle())
        try:
            assert b"<Code>RequestTimeout</Code>" in await answered(reader)
        finally:
            trickling.cancel()


@on_uvloop
async def test_one_that_is_slow_but_steady_comes_whole() -> None:
    patience = Patience(keep_alive_s=5, stall_s=1, linger_s=5)
    async with serving(digest, patience) as (_, reader, writer):
        writer.write(head(len(CONTENT)))
        for at in range(0, len(CONTENT), 300_000):
            writer.write(CONTENT[at : at + 300_000])
            await asyncio.sleep(0.15)  # longer than patience in all, never at once
        assert await answered(reader) == MD5


@on_uvloop
async def test_one_whose_client_goes_away_is_incomplete() -> None:
    codes: asyncio.Queue[int] = asyncio.Queue()

    async def answer(request: Request) -> Response:
        response = await digest(request)
        codes.put_nowait(response.status)
        return response

    async with serving(answer) as (_, reader, writer):
        writer.write(head(len(CONTENT)) + CONTENT[: 2 * MEBIBYTE])
        writer.write_eof()
        assert b"<Code>IncompleteBody</Code>" in await answered(reader)
    async with serving(answer) as (server, _, writer):
        writer.write(head(len(CONTENT)) + CONTENT[: 2 * MEBIBYTE])
        await writer.drain()
        writer.transport.abort()
        assert [await asyncio.wait_for(codes.get(), 10) for _ in range(2)] == [400, 400]
        await server.stop(1)
        assert not server.connections


@on_uvloop
async def test_one_that_is_refused_midway_is_read_to_no_end_and_the_answer_arrives() -> None:
    async def answer(request: Request) -> Response:
        await request.body.fill(memoryview(bytearray(ROOM)))
        return Response(status=507, body=b"no space")

    async with serving(answer) as (_, reader, writer):
        writer.write(head(len(CONTENT)))
        for at in range(0, len(CONTENT), 100_000):
            writer.write(CONTENT[at : at + 100_000])
            await asyncio.sleep(0.001)  # it goes on sending while the answer is on its way
        assert await answered(reader) == b"no space"
        assert await asyncio.wait_for(reader.read(), 10) == b""


@on_uvloop
async def test_one_that_nobody_takes_makes_the_client_wait() -> None:
    go = asyncio.Event()

    async def answer(request: Request) -> Response:
        await request.body.fill(memoryview(bytearray(ROOM)))
        await go.wait()
        return await digest(request)

    size = 64 * MEBIBYTE  # more than the buffers of both sockets hold
    async with serving(answer) as (_, reader, writer):
        writer.write(head(size) + bytes(size))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.3)
        go.set()
        assert await answered(reader) == hashlib.md5(bytes(size - ROOM), usedforsecurity=False).hexdigest().encode()


@on_uvloop
async def test_stopping_cuts_one_that_outlasts_its_grace() -> None:
    server = HttpServer(digest, system_clock_ms, "host")
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
    writer.write(head(len(CONTENT)) + CONTENT[:MEBIBYTE])
    await writer.drain()
    listener.close()
    await asyncio.wait_for(server.stop(0.05), 5)
    with contextlib.suppress(ConnectionResetError):  # what it had sent was not read any more
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
