"""Requests that wrk can't make: each exactly once, large bodies from a file, connections that only wait."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

_TIMEOUT_S = 600.0


class Talk:
    """One kept connection."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 80), _TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self.socket.makefile("rb")

    def ask(self, method: str, target: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        """Status and body. `headers`: lines, each with its end."""
        self.socket.sendall(self.head(method, target, len(body), headers) + body)
        status, _, answered = self._read(has_body=method != "HEAD")
        return status, answered

    def send_file(self, method: str, target: str, file: Path, offset: int, size: int) -> tuple[int, dict[str, str]]:
        """A body of `size` bytes of a file from `offset` on; status and headers by lower-case name."""
        self.socket.sendall(self.head(method, target, size))
        with file.open("rb") as source:
            end = offset + size
            self.socket.setblocking(True)
            while offset < end:
                offset += os.sendfile(self.socket.fileno(), source.fileno(), offset, end - offset)
        self.socket.settimeout(_TIMEOUT_S)
        status, headers, _ = self._read()
        return status, headers

    def head(self, method: str, target: str, length: int, headers: str = "") -> bytes:
        has_length = f"Content-Length: {length}\r\n" if method in ("PUT", "POST") else ""
        return f"{method} {target} HTTP/1.1\r\nHost: {self.host}\r\n{has_length}{headers}\r\n".encode()

    def _read(self, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        status = int(self._reader.readline().split(b" ", 2)[1])
        headers = {}
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0)) if has_body and status != 204 else 0
        return status, headers, self._reader.read(length)

    def close(self) -> None:
        self._reader.close()
        self.socket.close()


def in_threads(endpoint: str, count: int, work: Callable[[Talk, int], None], numbers: Iterable[int]) -> None:
    """Call `work` with each number once, over `count` connections."""
    waiting: Iterator[int] = iter(numbers)
    lock = threading.Lock()

    def one(_: int) -> None:
        talk = Talk(endpoint)
        try:
            while True:
                with lock:
                    number = next(waiting, None)
                if number is None:
                    return
                work(talk, number)
        finally:
            talk.close()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))


def ask_heads(endpoint: str, targets: Sequence[str], at_once: int) -> list[tuple[int, float]]:
    """HEAD of each target once, over `at_once` connections by one thread that never waits for one of them: status and
    milliseconds of each. A thread a connection would measure how they take turns."""
    waiting, answered = iter(targets), list[tuple[int, float]]()
    talks = [Talk(endpoint) for _ in range(at_once)]
    with selectors.DefaultSelector() as selector:
        for talk in talks:
            selector.register(talk.socket, selectors.EVENT_READ, talk)
        begun = dict.fromkeys(talks, 0.0)
        came = dict.fromkeys(talks, b"")
        idle = talks
        while True:
            for talk in idle:
                target = next(waiting, None)
                if target is None:
                    selector.unregister(talk.socket)
                    talk.close()
                    continue
                begun[talk] = time.perf_counter()
                talk.socket.sendall(talk.head("HEAD", target, 0))
            idle = []
            if not selector.get_map():
                break
            ready = selector.select(_TIMEOUT_S)
            if not ready:
                raise TimeoutError("the server answers none of its connections")
            for key, _ in ready:
                talk = key.data
                data = talk.socket.recv(65_536)
                if not data:
                    raise ConnectionResetError("the server closed a connection that is kept")
                came[talk] += data
                if came[talk].endswith(b"\r\n\r\n"):
                    answered.append((int(came[talk][9:12]), (time.perf_counter() - begun[talk]) * 1e3))
                    came[talk] = b""
                    idle.append(talk)
    return answered


def put_all(endpoint: str, targets: Sequence[str], body: bytes, at_once: int = 8) -> None:
    """Each target once, with the same small body."""

    def put(talk: Talk, number: int) -> None:
        status, text = talk.ask("PUT", targets[number], body)
        if status != 200:
            raise SystemExit(f"a fill of {endpoint} was refused: {status} {text[:300]!r}")

    in_threads(endpoint, at_once, put, range(len(targets)))
