"""The head of an HTTP/1.1 response as bytes: status line and fields, each checked against injection.

RFC 9112, section 4, and RFC 9110, sections 6.4.1 and 8.6 (which answers have no content and no Content-Length).
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}


class UnsafeHeader(Exception):
    """A field that would break out of its line. Its value came from a client; it is named, never shown."""


def response_head(
    status: int, fields: Iterable[tuple[str, str]], fixed: str, content_length: int | None, connection: str | None
) -> bytes:
    """The head of an answer, with the empty line after it.

    `fixed` are lines made beforehand (Date, Server, request ids), joined by CRLF, without one at the end.
    `content_length` None: the field is left out. `connection`: "close", "keep-alive" or None.
    Raises UnsafeHeader when a name or value holds CR, LF or NUL.
    """
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown"]
    lines += [f"{name}: {value}" for name, value in fields]
    if content_length is not None:
        lines.append(f"Content-Length: {content_length}")
    if connection is not None:
        lines.append(f"Connection: {connection}")
    own = "\r\n".join(lines)
    line_ends = len(lines) - 1
    # Three scans in C of the whole instead of one match a field.
    if own.count("\n") != line_ends or own.count("\r") != line_ends or "\0" in own:
        raise UnsafeHeader(f"a header of the answer holds a line end: {_unsafe_name(fields)}")
    return f"{own}\r\n{fixed}\r\n\r\n".encode("utf-8", "surrogateescape")


def has_content(status: int) -> bool:
    """Whether an answer of `status` may have content and a Content-Length."""
    return status >= 200 and status not in (204, 304)


def _unsafe_name(fields: Iterable[tuple[str, str]]) -> str:
    for name, value in fields:
        if any(character in name + value for character in "\r\n\0"):
            return repr(name[:64])
    return "?"
