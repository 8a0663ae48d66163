"""Clients that stall: the server in this process, with little patience, and an answer that a test chooses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bucketry.kernel.clock import system_clock_ms
from bucketry.store.gateway.connection import Patience
from bucketry.store.gateway.error_documents import error_response
from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.server import HttpServer
from bucketry.store.s3.errors import S3Error

IMPATIENT = Patience(keep_alive_s=0.3, stall_s=0.3, linger_s=0.3)
HEAD = b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
Answer = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = HttpServer(answer, system_clock_ms, "host", IMPATIENT)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.close()
        listener.close()
        await server.stop(1)


async def read_all(request: Request) -> Response:
    try:
        while await request.body.read_chunk():
            pass
    except S3Error as error:
        return error_response(error, "", request.request_id, "host")
    return Response(body=b"all of it")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n"])
async def test_a_header_section_that_does_not_end_is_cut_off(sent: bytes) -> None:
    async with serving(read_all) as (reader, writer):
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_header_section_that_trickles_is_cut_off() -> None:
    async with serving(read_all) as (reader, writer):

        async def trickle() -> None:
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX-A: ")
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.02)  # the client's own pace: this is what is tested

        trickling = asyncio.create_task(trickle())
        try:
            with contextlib.suppress(ConnectionResetError):  # where a byte came at the same moment
                assert await asyncio.wait_for(reader.read(), 5) == b""
        finally:
            trickling.cancel()


async def test_a_stalled_body_is_a_request_timeout() -> None:
    async with serving(read_all) as (reader, writer):
        writer.write(HEAD + b"x" * 50)
        got = await asyncio.wait_for(reader.read(), 5)
        assert got.startswith(b"HTTP/1.1 400 ")
        assert b"<Code>RequestTimeout</Code>" in got
        assert b"\r\nConnection: close\r\n" in got


async def test_a_trickling_body_is_a_request_timeout() -> None:
    async with serving(read_all) as (reader, writer):
        writer.write(HEAD)

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)  # the client's own pace: this is what is tested

        trickling = asyncio.create_task(trickle())
        try:
            assert b"<Code>RequestTimeout</Code>" in await asyncio.wait_for(reader.read(), 5)
        finally:
            trickling.cancel()


async def test_an_idle_connection_is_closed_after_its_answer() -> None:
    async with serving(read_all) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        got = await asyncio.wait_for(reader.read(), 5)
        assert got.endswith(b"all of it")


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            ended.set()

    async def answer(_request: Request) -> Response:
        return Response(body=endless(), content_length=1 << 40)

    async with serving(answer) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(ended.wait(), 10)


async def test_an_answer_that_fails_midway_breaks_the_connection() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"x" * 10
        raise OSError("the disk is gone")

    async def answer(_request: Request) -> Response:
        return Response(body=failing(), content_length=20)

    async with serving(answer) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        try:
            got = await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            got = b""
        assert b"the disk" not in got
        assert not got.endswith(b"x" * 20)


async def test_an_answer_that_fails_before_its_first_byte_is_an_error() -> None:
    async def failing() -> AsyncIterator[bytes]:
        raise OSError("the disk is gone")
        yield b""

    async def answer(_request: Request) -> Response:
        return Response(body=failing(), content_length=20)

    async with serving(answer) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        got = await asyncio.wait_for(reader.read(), 5)
        assert got.startswith(b"HTTP/1.1 500 ")
        assert b"<Code>InternalError</Code>" in got
        assert b"the disk" not in got


async def test_a_header_that_would_break_out_is_withheld() -> None:
    async def answer(_request: Request) -> Response:
        return Response(headers=[("X-A", "b\r\nSet-Cookie: c=d")], body=b"secret")

    async with serving(answer) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        got = await asyncio.wait_for(reader.read(), 5)
        assert got.startswith(b"HTTP/1.1 500 ")
        assert b"Set-Cookie" not in got
        assert b"secret" not in got


async def test_stopping_finishes_what_is_in_flight() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def answer(_request: Request) -> Response:
        begun.set()
        await go.wait()
        return Response(body=b"finished")

    server = HttpServer(answer, system_clock_ms, "host")
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await begun.wait()
    listener.close()
    stopping = asyncio.create_task(server.stop(5))
    assert await asyncio.wait_for(idle_reader.read(), 5) == b""
    assert not stopping.done()
    go.set()
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"finished")
    await asyncio.wait_for(stopping, 5)
    for each in (writer, idle_writer):
        each.close()


async def test_stopping_cuts_what_outlasts_its_grace() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer(_request: Request) -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError("nobody sets that event")

    server = HttpServer(answer, system_clock_ms, "host")
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await begun.wait()
    listener.close()
    await asyncio.wait_for(server.stop(0.05), 5)
    assert ended.is_set()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_an_answer_may_wait_for_several_things() -> None:
    async def answer(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        found = await loop.run_in_executor(None, lambda: b"from a thread")
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        async with asyncio.timeout(5):  # the task is there since the first wait
            await request.body.read_chunk()
        return Response(body=found)

    async with serving(answer) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert await asyncio.wait_for(reader.readexactly(13), 5) == b"from a thread"


async def test_a_body_that_breaks_behind_a_waiting_request_is_refused_in_its_turn() -> None:
    go = asyncio.Event()

    async def answer(request: Request) -> Response:
        if request.method == "GET":
            await go.wait()
        return await read_all(request)

    chunked = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(answer) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + chunked + b"3\r\nabc\r\n")
        await asyncio.sleep(0.05)  # no event tells that the server has parsed it
        writer.write(b"no length\r\n")
        await asyncio.sleep(0.05)
        go.set()
        got = await asyncio.wait_for(reader.read(), 5)
        assert got.count(b"HTTP/1.1 ") == 2
        assert b"all of it" in got
        assert b"<Code>IncompleteBody</Code>" in got


@asynccontextmanager
async def crowded(answer: Answer, max_connections: int) -> AsyncIterator[int]:
    """The port of a server that holds so many connections and no more."""
    server = HttpServer(answer, system_clock_ms, "host", max_connections=max_connections)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        await server.stop(0.05)


async def test_beyond_the_limit_the_longest_idle_connection_is_closed() -> None:
    async with crowded(read_all, 4) as port:
        opened = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"all of it"), 5)
            opened.append((reader, writer))
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(opened[0][0].read(), 5) == b""
        for reader, writer in opened[1:]:
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"all of it"), 5)
        for _, writer in opened:
            writer.close()


async def test_where_all_connections_are_busy_a_new_one_is_told_to_slow_down() -> None:
    begun = asyncio.Semaphore(0)

    async def answer(_request: Request) -> Response:
        begun.release()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")

    async with crowded(answer, 2) as port:
        busy = []
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await asyncio.wait_for(begun.acquire(), 5)
            busy.append(writer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        got = await asyncio.wait_for(reader.read(), 5)
        assert got.startswith(b"HTTP/1.1 503 ")
        assert b"<Code>SlowDown</Code>" in got
        for each in (*busy, writer):
            each.close()
