"""HTTP to an engine on plain connections: kept, found closed, broken in every way an other side can break it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.engines import connection as connections
from bucketry.marketplace.engines.connection import Connection, Endpoint

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
USERS = (
    b'<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><IsTruncated>false</IsTruncated>'
    b"<Users><member><Path>/</Path><UserName>bob</UserName><UserId>AIDABOB</UserId><Arn>arn:aws:iam::1:user/bob</Arn>"
    b"<CreateDate>2026-01-01T00:00:00Z</CreateDate></member></Users></ListUsersResult></ListUsersResponse>"
)
WHOLE = OK + f"Content-Length: {len(USERS)}\r\n\r\n".encode() + USERS
CHUNKED = (
    OK
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + f"{50:x};x=y\r\n".encode()
    + USERS[:50]
    + f"\r\n{len(USERS) - 50:X}\r\n".encode()
    + USERS[50:]
    + b"\r\n0\r\nTrailer: t\r\n\r\n"
)


class Scripted:
    """Accepts connections; each answers with the next of the given texts in turn, and closes where one is None."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._converse(connection)
            self.closed.set()

    def _converse(self, connection: socket.socket) -> None:
        while self._answers:
            if self._answers[0] is None:
                self._answers.pop(0)
                return
            request = _request(connection)
            if not request:
                return
            self.requests.append(request)
            connection.sendall(self._answers.pop(0) or b"")

    def close(self) -> None:
        self._listener.close()


def _request(connection: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(65536)
        if not piece:
            return b""
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


Ask = Callable[..., tuple[Scripted, Connection]]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """A connection to a server that answers as given."""
    monkeypatch.setattr(connections, "_READ_TIMEOUT_S", 0.2)
    with contextlib.ExitStack() as stack:

        def begin(*answers: bytes | None, attempts: int = 1) -> tuple[Scripted, Connection]:
            monkeypatch.setattr(connections, "ATTEMPTS", attempts)
            server = Scripted(*answers)
            stack.callback(server.close)
            url = f"http://127.0.0.1:{server.port}"
            made = Connection("tested", Endpoint(url, url, "us-east-1", "KEY", "SECRET"))
            assert made._wire is not None
            stack.callback(made._wire.close)
            return server, made

        yield begin


def names(connection: Connection) -> list[str]:
    with connection.doing("listing the users"):
        return [user["UserName"] for user in connection.iam.list_users()["Users"]]


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE])
def test_answers_are_read_in_every_framing_and_the_connection_is_kept(talk: Ask, answer: bytes) -> None:
    server, connection = talk(answer, answer)
    assert names(connection) == ["bob"]
    assert names(connection) == ["bob"]
    assert server.connections == 1


def test_an_answer_without_a_length_ends_with_its_connection(talk: Ask) -> None:
    server, connection = talk(OK + b"\r\n" + USERS, None, WHOLE)
    assert names(connection) == ["bob"]
    assert names(connection) == ["bob"]
    assert server.connections == 2


def test_an_answer_that_says_close_is_the_last_of_its_connection(talk: Ask) -> None:
    server, connection = talk(WHOLE.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n"), None, WHOLE)
    assert names(connection) == ["bob"]
    assert names(connection) == ["bob"]
    assert server.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_replaced_without_a_failure(talk: Ask) -> None:
    server, connection = talk(WHOLE, None, WHOLE)
    assert names(connection) == ["bob"]
    assert server.closed.wait(5)
    assert names(connection) == ["bob"]
    assert server.connections == 2


def test_requests_are_signed_and_say_where_they_go(talk: Ask) -> None:
    server, connection = talk(WHOLE)
    names(connection)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:2] == [b"POST / HTTP/1.1", f"Host: 127.0.0.1:{server.port}".encode()]
    assert b"Authorization: AWS4-HMAC-SHA256 Credential=KEY/" in head
    assert body == b"Action=ListUsers&Version=2010-05-08"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 twohundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_told_as_an_engine_that_did_not_answer(talk: Ask, answer: bytes) -> None:
    _, connection = talk(answer, None)
    with pytest.raises(EngineUnavailable, match="did not answer while listing the users"):
        names(connection)


def test_a_broken_answer_is_asked_for_again_on_another_connection(talk: Ask) -> None:
    server, connection = talk(b"HTTP/1.1 200", None, WHOLE, attempts=2)
    assert names(connection) == ["bob"]
    assert server.connections == 2


def test_silence_ends_after_the_timeout(talk: Ask) -> None:
    _, connection = talk(b"", b"")
    with pytest.raises(EngineUnavailable, match=r"ReadTimeoutError"):
        names(connection)


def test_nobody_there_is_told() -> None:
    with socket.socket() as deaf:  # bound, so that nobody else takes the port, and not listening
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        connection = Connection("tested", Endpoint(url, url, "us-east-1", "KEY", "SECRET"))
        with pytest.raises(EngineUnavailable, match="EndpointConnectionError"):
            names(connection)


def test_tls_and_proxies_are_left_to_the_sdk() -> None:
    for url, uses_proxies in (("https://s3.example", False), ("http://s3.example", True)):
        endpoint = Endpoint(url, url, "us-east-1", "KEY", "SECRET", uses_proxies=uses_proxies)
        assert Connection("tested", endpoint)._wire is None
