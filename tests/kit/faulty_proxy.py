"""An HTTP proxy in front of a server, which answers some requests itself: overloaded, throttling, not knowing yet."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Seen:
    """A request. `operation`: the action of an IAM request, else method and sub-resource: `PUT ?policy`, `GET`."""

    operation: str
    access_key_id: str


@dataclass(frozen=True)
class Answer:
    """An error document of S3 or IAM, or any other body."""

    status: int
    code: str = ""
    message: str = ""
    body: str = ""

    def document(self) -> bytes:
        error = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        return (self.body or f"<ErrorResponse>{error}</ErrorResponse>").encode()

    def document_of_s3(self) -> bytes:
        return f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>".encode()


Fault = Callable[[Seen], Answer | None]


def times(count: int, operation: str, answer: Answer) -> Fault:
    """Answer an operation so many times, then let it through."""
    left = count

    def fault(seen: Seen) -> Answer | None:
        nonlocal left
        if seen.operation != operation or left <= 0:
            return None
        left -= 1
        return answer

    return fault


class FaultyProxy:
    """Serves at `url` what `upstream` answers, less what a fault of `faults` does."""

    def __init__(self, upstream: str) -> None:
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        proxy, parts = self, urlsplit(upstream)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                seen = _seen(self.command, self.path, body, self.headers.get("Authorization", ""))
                proxy.seen.append(seen)
                answer = next((found for fault in proxy.faults if (found := fault(seen)) is not None), None)
                if answer is not None:
                    is_s3 = " " in seen.operation or seen.operation in ("GET", "PUT", "HEAD", "DELETE", "POST")
                    self._reply(answer.status, {}, answer.document_of_s3() if is_s3 else answer.document())
                    return
                connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
                connection.request(self.command, self.path, body, dict(self.headers))
                reply = connection.getresponse()
                content = reply.read()
                connection.close()
                self._reply(reply.status, dict(reply.getheaders()), content)

            do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names of the library

            def _reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def count(self, operation: str) -> int:
        return sum(seen.operation == operation for seen in self.seen)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _seen(method: str, path: str, body: bytes, authorization: str) -> Seen:
    key = re.search(r"Credential=([^/]+)/", authorization)
    action = parse_qs(body.decode("latin-1")).get("Action") if method == "POST" and path == "/" else None
    query = urlsplit(path).query.partition("&")[0].partition("=")[0]
    operation = action[0] if action else f"{method} ?{query}" if query else method
    return Seen(operation, key[1] if key else "")
