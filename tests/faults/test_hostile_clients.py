"""Clients that hold, flood or starve: memory stays bounded, and others are served meanwhile.

Each test has a server of its own, as it is run, and asks of it what an ordinary client would while the attack goes on.
"""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.server import Server

CONNECTIONS = 10_000
PATIENCE_SECONDS = 15.0  # of the ordinary client; the server's own for a stalled one is 60 s and more


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("hostile") / "data").start()
    yield running
    assert running.stop() == 0


def connect(server: Server) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", server.port("s3")), 20)
    made.settimeout(20)
    return made


def is_served(server: Server) -> bool:
    """Whether each worker's share of new connections is answered soon."""
    for _ in range(8):
        client = http.client.HTTPConnection("127.0.0.1", server.port("s3"), timeout=PATIENCE_SECONDS)
        try:
            client.request("GET", "/_bucketry/health")
            if client.getresponse().read() != b"ok":
                return False
        finally:
            client.close()
    return True


def memory_mib(server: Server) -> dict[int, float]:
    """Resident memory of each worker."""
    status = {number: Path(f"/proc/{number}/status").read_text() for number in server.workers()}
    return {number: int(text.partition("VmRSS:")[2].split()[0]) / 1024 for number, text in status.items()}


def growth_mib(server: Server, before: dict[int, float]) -> float:
    """What the worker that grew most has grown since. None died."""
    now = memory_mib(server)
    assert now.keys() == before.keys(), "a worker died"
    return max(now[number] - before[number] for number in now)


def read_all(client: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            got += piece
    return got


def send_until_refused(client: socket.socket, piece: bytes, total_bytes: int) -> int:
    """Send `piece` again and again; how many bytes were taken before the server ended it."""
    sent = 0
    try:
        while sent < total_bytes:
            client.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n", b"X-Filler: " + b"v" * 65_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX-Filler: ", b"v" * 65_536),
        (b"GET /", b"k" * 65_536),
        (b"", b"X" * 65_536),
        (b"", b"\r\n" * 32_768),
    ],
    ids=["many fields", "one field", "a target", "a method", "empty lines"],
)
def test_100_mb_of_headers_are_not_kept(server: Server, begin: bytes, piece: bytes) -> None:
    before = memory_mib(server)
    with connect(server) as client:
        client.sendall(begin)
        send_until_refused(client, piece, 100 * 1024 * 1024)
        assert growth_mib(server, before) < 16
        assert is_served(server)


def test_who_sends_too_much_of_a_head_reads_why(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX-Filler: " + b"v" * 300_000)
        client.shutdown(socket.SHUT_WR)
        got = read_all(client)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in got


@pytest.mark.parametrize(
    "piece",
    [b"1\r\nx\r\n" * 4096, b"1000\r\n" + b"x" * 4096 + b"\r\n", b"1;" + b"e" * 65_536, b"0\r\nX: " + b"t" * 65_536],
    ids=["small", "large", "an extension", "a trailer"],
)
def test_endless_chunks_are_not_kept(server: Server, piece: bytes) -> None:
    before = memory_mib(server)
    with connect(server) as client:
        client.sendall(b"PUT /bucket/key HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        send_until_refused(client, piece, 50 * 1024 * 1024)
        assert growth_mib(server, before) < 16
        assert is_served(server)


def test_a_flood_of_pipelined_requests_is_not_kept(server: Server) -> None:
    """The client asks and asks, and reads no answer: what it may ask ahead is bounded, and what waits to be sent."""
    before = memory_mib(server)
    with connect(server) as client:
        client.setblocking(False)
        request = b"GET /no-such-bucket HTTP/1.1\r\nHost: h\r\n\r\n" * 1000
        stalled_at = None
        while stalled_at is None or time.monotonic() < stalled_at + 1:
            try:
                client.send(request)
                stalled_at = None
            except BlockingIOError:
                stalled_at = stalled_at or time.monotonic()
                assert is_served(server)
        assert growth_mib(server, before) < 24


def test_a_client_that_ends_its_side_gets_what_it_asked_for(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"GET /_bucketry/health HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(b"\r\n\r\nok") == 3


def test_a_client_that_ends_in_the_middle_of_a_body_is_let_go(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf")
        client.shutdown(socket.SHUT_WR)
        read_all(client)
    assert is_served(server)


@pytest.mark.slow
def test_10_000_connections_with_half_a_head_starve_nobody(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 1000:
        pytest.fail(f"this machine lets a process have {hard} files; the test needs {CONNECTIONS + 1000}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CONNECTIONS + 1000), hard))
    held: list[socket.socket] = []
    before = memory_mib(server)
    try:
        for _ in range(CONNECTIONS):
            client = connect(server)
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
            held.append(client)
        assert is_served(server)
        assert growth_mib(server, before) < 100
        for client in held[::100]:
            with contextlib.suppress(OSError):
                client.sendall(b"a")
        assert is_served(server)
    finally:
        for client in held:
            client.close()
    assert is_served(server)
