"""What the gateway knows of HTTP: a request as it came, and an answer. No library's types go beyond the server module.

RFC 9110 and 9112. The raw path and query are kept byte for byte, since Signature V4 signs them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bucketry.store.gateway.heads import Known
from bucketry.store.s3.headers import Headers

Data = bytes | bytearray | memoryview


class BodyReader(Protocol):
    """A request's body, read once, with back-pressure."""

    async def read_chunk(self) -> bytes:
        """The next bytes as they came, `b""` at the end. A body that breaks off raises IncompleteBody."""

    async def fill(self, room: memoryview) -> int:
        """Put the next bytes into `room`: how many. Fewer than it holds are the last; otherwise as `read_chunk`.

        Large bodies come so without a copy. The memory is the caller's own again when this returns or raises.
        """

    async def refuse_rest(self) -> None:
        """The rest is not wanted: nothing more is read and the connection closes after the answer."""


@dataclass(slots=True)
class Request:
    """One HTTP request, before anything is known of who asks."""

    method: str
    raw_path: str  # percent-encoded as sent, without the query; bytes above 0x7f by surrogateescape
    raw_query: str  # without the question mark
    headers: Headers
    body: BodyReader
    content_length: int | None  # None: chunked transfer or no body
    remote_ip: str
    is_secure: bool
    request_id: str
    parameters: Mapping[str, str]  # decoded query, first value of each name; a name without `=` has ""
    known: Known = field(default_factory=Known)  # what follows from the head alone


@dataclass(slots=True)
class Response:
    """One HTTP answer. `body` is bytes, or an iterator whose total is `content_length`.

    Header names are written as given. The server adds Date, Server, x-amz-request-id, x-amz-id-2 and Content-Length.
    An iterator that raises after the first byte breaks the connection: the client sees a short body, never a wrong one.
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Data | AsyncIterator[Data] = b""
    content_length: int | None = None  # needed with an iterator, and for HEAD
    close: bool = False
