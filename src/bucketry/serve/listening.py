"""Listening sockets that several processes share, accepted from a few at a time.

The supervisor binds; every worker of a kind accepts from the same socket. A loop's own accept takes all that wait at
once, so one worker would get a whole burst of connections and the others none. Here each wake-up takes one connection,
and one more for every sixteen that are open: the burst spreads over the workers. The more are open, the longer a turn
of the loop takes; by one a turn, the last of 256 clients that came at once were taken after a second (p99 of a GET of
1 KiB: 505 ms).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections.abc import Callable

from bucketry.kernel import logs
from bucketry.serve.errors import ServeError
from bucketry.serve.settings import split_address

BACKLOG = 4096
OPEN_FOR_ONE_MORE = 16
MOST_AT_ONCE = 32
MAX_CONNECTIONS = 10_000  # of one process
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE_SECONDS = 0.2
_DESCRIPTORS = 1_048_576  # wanted at most
log = logs.get("listening")


def bind(address: str, name: str) -> socket.socket:
    """A listening TCP socket at `HOST:PORT`, not yet accepted from."""
    host, port = split_address(address, f"[server] {name}")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as problem:
        raise ServeError(f"[server] {name} = {address} can't be listened at: {problem.strerror}.") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRINUSE:
            flag = f"--{name.replace('_', '-')}"
            raise ServeError(f"The address {address} is in use. Choose another with {flag}.") from None
        raise ServeError(f"[server] {name} = {address} can't be listened at: {problem.strerror}.") from None
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """`HOST:PORT` as bound, the port that the system chose among it; IPv6 in brackets."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Acceptor:
    """Accepts from one shared socket into a protocol factory, until closed. `open_count`: how many are open now."""

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None = None,
        open_count: Callable[[], int] = lambda: 0,
    ) -> None:
        self._listener = listener
        self._factory = factory
        self._tls = tls
        self._open_count = open_count
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._loop.add_reader(listener.fileno(), self._accept)

    def _accept(self) -> None:
        count = min(1 + self._open_count() // OPEN_FOR_ONE_MORE, MOST_AT_ONCE)
        while count and self._accept_one():
            count -= 1

    def _accept_one(self) -> bool:
        """Whether there may be more."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another worker took it, or the client has gone
        except OSError as problem:
            if problem.errno not in _OUT_OF_DESCRIPTORS:
                raise
            # The socket stays readable: asking at once again would spin until a descriptor is free.
            self._loop.remove_reader(self._listener.fileno())
            self._loop.call_later(PAUSE_SECONDS, self._resume)
            return False
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task: asyncio.Task[object] = self._loop.create_task(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _resume(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection, ssl=self._tls)
        except OSError:
            connection.close()  # a client that left, or failed the TLS handshake

    def close(self) -> None:
        """Accept no more. Connections that were accepted go on."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()


def raise_descriptor_limit() -> None:
    """Use all open files that the system lets this process have: each connection and each open bucket takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit than it tells
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connection_limit() -> int:
    """How many connections one process may hold: half of its descriptors, the rest is for files."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)


def reload_tls(context: ssl.SSLContext | None, certificate: str, key: str) -> None:
    """Make a context in use present what the files hold now. Files that can't be used change nothing."""
    if context is None:
        return
    try:
        tls_context(certificate, key)  # a half-written pair is found here, not in the context that serves
    except ServeError as problem:
        log.error("the certificates were not reloaded; the old ones stay in use", error=str(problem))
        return
    context.load_cert_chain(certificate, key)
    log.info("the certificates were reloaded", certificate=certificate)


def tls_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """A server context of the two PEM files; None where none are set."""
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        reason = problem.strerror or str(problem)
        raise ServeError(f"[server] tls_certificate {certificate} and tls_key {key} can't be used: {reason}.") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
