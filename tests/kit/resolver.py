"""Names below localhost, which browsers and curl resolve by themselves (RFC 6761, 6.3) and Python does not."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from unittest import mock


@contextlib.contextmanager
def localhost_names() -> Iterator[None]:
    """While in here, NAME.localhost is 127.0.0.1 for this process, as it is for a browser."""
    resolve = socket.getaddrinfo

    def resolve_localhost(host: Any, *arguments: Any, **options: Any) -> Any:
        is_below = isinstance(host, str) and host.endswith(".localhost")
        return resolve("127.0.0.1" if is_below else host, *arguments, **options)

    with mock.patch("socket.getaddrinfo", resolve_localhost):
        yield
