"""HTTP/1.1 to an engine without TLS and proxies, over kept connections: in place of botocore's own session, whose
layers cost more than the embedded store's answer. See docs/decisions/0041-light-wire.md.

Botocore makes, signs, repeats and reads requests as always; its event `before-send` hands them over here. The few that
light.py makes come here directly. Answers are documents, never objects: they are read whole.
Reference: RFC 9112, sections 6, 7.1 and 9.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

_MOST_BYTES = 64 * 1024 * 1024  # a page of a listing has some hundred kilobytes
_MOST_HEADERS = 200
_LINE_BYTES = 64 * 1024


class _Broken(Exception):
    """The other side stopped in the middle, or says something that is not HTTP."""


class Wire:
    """Connections to the address of `url`, one a thread."""

    def __init__(self, url: str, connect_timeout_s: float, read_timeout_s: float) -> None:
        parts = urlsplit(url)
        self._root = f"{parts.scheme}://{parts.netloc}"
        self.host = parts.netloc
        self._address = (parts.hostname or "", parts.port or 80)
        self._timeouts_s = (connect_timeout_s, read_timeout_s)
        self._of_thread = threading.local()
        self._channels: set[_Channel] = set()
        self._changing = threading.Lock()

    def send(self, request: Any, **_named: Any) -> Any:
        """A handler of botocore's `before-send`: the answer, or None for what botocore should send itself."""
        from botocore.awsrequest import AWSResponse

        body = request.body or b""
        if isinstance(body, str):  # a form, percent-encoded
            body = body.encode()
        target = request.url.removeprefix(self._root)
        if not target.startswith("/") or not isinstance(body, bytes) or "Expect" in request.headers:
            return None
        headers = {name: v if isinstance(v, str) else v.decode() for name, v in request.headers.items()}
        status, answered, content = self.ask(request.method, target, {"Host": self.host, **headers}, body)
        return AWSResponse(request.url, status, answered, _Read(content))  # type: ignore[arg-type]  # any mapping

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, body. Raises botocore's HTTPClientError, of the kind that it is."""
        from botocore import exceptions

        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        url = self._root + target
        try:
            status, answered, content = self._channel().ask(head + body, has_body=method != "HEAD")
        except TimeoutError as error:
            self._drop()
            raise exceptions.ReadTimeoutError(endpoint_url=url, error=error) from None
        except (OSError, _Broken, ValueError) as error:
            self._drop()
            raise exceptions.ConnectionClosedError(endpoint_url=url, error=error) from None
        if answered.get("connection", "").lower() == "close":
            self._drop()
        return status, answered, content

    def close(self) -> None:
        """Close all connections; for the end, when nothing is under way."""
        with self._changing:
            for channel in self._channels:
                channel.close()
            self._channels.clear()

    def _channel(self) -> _Channel:
        from botocore import exceptions

        channel: _Channel | None = getattr(self._of_thread, "channel", None)
        if channel is not None and channel.is_quiet():
            return channel
        self._drop()
        try:
            channel = _Channel(self._address, *self._timeouts_s)
        except TimeoutError as error:
            raise exceptions.ConnectTimeoutError(endpoint_url=self._root, error=error) from None
        except OSError as error:
            raise exceptions.EndpointConnectionError(endpoint_url=self._root, error=error) from None
        self._of_thread.channel = channel
        with self._changing:
            self._channels.add(channel)
        return channel

    def _drop(self) -> None:
        channel: _Channel | None = getattr(self._of_thread, "channel", None)
        if channel is not None:
            self._of_thread.channel = None
            channel.close()
            with self._changing:
                self._channels.discard(channel)


class _Channel:
    """One connection: a request, its answer, the next."""

    def __init__(self, address: tuple[str, int], connect_timeout_s: float, read_timeout_s: float) -> None:
        self._socket = socket.create_connection(address, connect_timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reading_s = read_timeout_s
        self._socket.settimeout(read_timeout_s)
        self._reader = self._socket.makefile("rb")

    def is_quiet(self) -> bool:
        """Whether it is still open, with nothing said that nobody asked for."""
        try:
            self._socket.setblocking(False)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(self._reading_s)
        return False

    def ask(self, request: bytes, has_body: bool) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, body. Raises OSError (TimeoutError), _Broken, ValueError."""
        self._socket.sendall(request)
        status = 100
        while status < 200:  # 1xx are only announcements
            version, _, rest = self._line().partition(" ")
            if version != "HTTP/1.1":
                raise _Broken(f"an answer begins with {version[:40]!r}")
            status = int(rest[:3])
            headers = dict(self._headers())
        if not has_body or status in (204, 304):
            return status, headers, b""
        return status, headers, self._body(headers)

    def _headers(self) -> Iterator[tuple[str, str]]:
        for _ in range(_MOST_HEADERS):
            line = self._line()
            if not line:
                return
            name, _, value = line.partition(":")
            yield name.lower(), value.strip()
        raise _Broken("an answer has too many headers")

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        headers["connection"] = "close"
        return self._reader.read(_MOST_BYTES)

    def _chunks(self) -> Iterator[bytes]:
        left = _MOST_BYTES
        while size := int(self._line().partition(";")[0], 16):
            left -= size
            if left < 0:
                raise _Broken("an answer is too large")
            yield self._exactly(size)
            self._line()
        while self._line():
            pass  # trailers

    def _exactly(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_BYTES:
            raise _Broken("an answer is too large")
        data = self._reader.read(size)
        if len(data) != size:
            raise _Broken("an answer ended too soon")
        return data

    def _line(self) -> str:
        line = self._reader.readline(_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise _Broken("an answer ended too soon")
        return line.decode("latin-1").rstrip("\r\n")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


class _Read(io.BytesIO):
    """A body that was read, in the form that botocore reads bodies."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()
