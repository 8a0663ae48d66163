"""From the bytes of one connection to its requests, in a queue. RFC 9112; httptools (llhttp, strict) parses.

What a client can make us hold is bounded: a queue of requests behind the one that is answered, a buffer of its body,
and so many bytes of a head, a chunk's extensions or trailers that don't end. A request whose very bytes came before is
not parsed again (heads.py).
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import httptools

from bucketry.store.gateway.heads import Head
from bucketry.store.gateway.incoming import READ_BUFFER_BYTES, Body, BrokenFraming, Message, Repeated
from bucketry.store.gateway.straight import STRAIGHT_FROM_BYTES

MAX_HEADER_SECTION_BYTES = 8192  # "PUT requests: the header section is limited to 8 KB"
MAX_TARGET_BYTES = 16_384  # a key of 1,024 bytes percent-encoded, and a presigned query with its token
MAX_FIELDS = 256  # 2 KiB of metadata in the shortest fields there are
_MAX_SILENT_BYTES = 2 * (MAX_HEADER_SECTION_BYTES + MAX_TARGET_BYTES)  # that are neither a whole head nor of a body
_PIPELINED = 8  # requests that may wait behind the one that is answered; then nothing more is read
_STEP_BYTES = 16 * 1024  # parsed at a time where requests may begin in it


class HeadTooLarge(Exception):
    """A head, or what goes with a body, that is longer than anybody needs."""


class Client(Protocol):
    """Where the bytes come from: connection.py's Connection."""

    def write(self, data: bytes) -> None:
        """Send to the client. ConnectionResetError when it has gone."""

    def adjust_reading(self) -> None:
        """Read on, or not, as `Intake.is_full` says."""

    def read_straight(self) -> None:
        """Read into the body's own room, where that can be."""


class Intake:
    """The queue of one connection's requests, and the parser that fills it. `heads` are those that came before."""

    __slots__ = (
        "_backlog",
        "_body_left",
        "_client",
        "_fields",
        "_has_progressed",
        "_heads",
        "_is_between",
        "_parser",
        "_silent_bytes",
        "_stall_s",
        "_target",
        "body",
        "is_closed",
        "is_straight",
        "messages",
    )

    def __init__(self, client: Client, heads: dict[bytes, Head], stall_s: float) -> None:
        self.messages: deque[Message | Repeated | Exception] = deque()
        self.body: Body | None = None  # that is still coming
        self.is_closed = False  # nothing that still comes is a request
        self.is_straight = False  # what comes is of the body, and goes to where that has room
        self._client = client
        self._heads = heads
        self._stall_s = stall_s
        self._parser = httptools.HttpRequestParser(self)
        self._is_between = True  # the next byte is the first of a request
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] | None = None  # None: not in a head
        self._body_left = 0  # bytes of it, where that is known
        self._has_progressed = False
        self._silent_bytes = 0
        self._backlog = b""  # came, but waits for the queue to have room

    def take(self, data: bytes) -> None:
        """Put what has come whole into the queue; bodies are fed on the way."""
        if self.is_closed:
            return None
        if not self._is_between or self._backlog:
            return self._parse(data)
        head = self._heads.get(data)
        if head is not None:
            return self.messages.append(Repeated(head))
        self._parse(data)
        if self._is_between and len(self.messages) == 1:
            self._mark_whole(data)
        return None

    def go_straight(self) -> bool:
        """Whether what still comes of the body may come by `room` and `filled`, which it has to from now on."""
        if self.is_straight:
            return True
        if self.body is None or self._backlog or self._body_left < STRAIGHT_FROM_BYTES:
            return False
        self.is_straight = True
        self._parser = httptools.HttpRequestParser(self)  # for the next request: the old one waits for the body
        return True

    def room(self) -> memoryview:
        """Where the next bytes of the body are to be put. There is some, while this is not full."""
        assert self.body is not None, "it comes straight"
        assert self.body.room is not None, "reading pauses without room"
        return self.body.room[: self._body_left]

    def filled(self, count: int) -> None:
        """So many bytes of the body were put there."""
        assert self.body is not None, "room was its own"
        self._body_left -= count
        self.body.filled(count)
        if not self._body_left:
            self.is_straight = False
            self.on_message_complete()

    @property
    def is_full(self) -> bool:
        """Whether the client has to wait."""
        if self.is_straight:
            return self.body is not None and self.body.room is None
        return bool(self._backlog) or (self.body is not None and self.body.buffered_bytes > READ_BUFFER_BYTES)

    def next(self) -> Message | Repeated | Exception:
        """The first of the queue, taken out of it; what had no room is parsed then."""
        message = self.messages.popleft()
        if self._backlog and len(self.messages) <= _PIPELINED // 2 and not self.is_closed:
            data, self._backlog = self._backlog, b""
            self._parse(data)
            self._client.adjust_reading()
        return message

    def expect_bytes(self, message: Message, length: int) -> None:
        """The body of `message` is `length` bytes: they need no parsing step by step."""
        if message.body is self.body:
            self._body_left = length - message.body.buffered_bytes

    def end(self, reason: Exception) -> None:
        """No more comes."""
        self.is_closed = True
        if self.body is not None:
            self.body.fail(reason)

    def _parse(self, data: bytes) -> None:
        while data:
            if len(self.messages) >= _PIPELINED:
                self._backlog = data
                break
            if len(data) <= _STEP_BYTES or self._body_left >= len(data):
                piece, data = data, b""
            else:
                piece, data = data[:_STEP_BYTES], data[_STEP_BYTES:]
            self._has_progressed = False
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                data = piece[upgrade.args[0] :] + data  # no other protocol is spoken here: what follows are requests
                continue
            except httptools.HttpParserError as error:
                self._break(error)
                break
            if self._has_progressed:
                self._silent_bytes = 0
            else:
                self._silent_bytes += len(piece)
                if self._silent_bytes > _MAX_SILENT_BYTES:
                    self._break(HeadTooLarge())
                    break
        if self._backlog or (self.body is not None and self.body.buffered_bytes > READ_BUFFER_BYTES):
            self._client.adjust_reading()

    def _mark_whole(self, data: bytes) -> None:
        """One request has come in one piece, and nothing else."""
        message = self.messages[0]
        if isinstance(message, Message) and data.endswith(b"\r\n\r\n") and message.body.buffered_bytes == 0:
            message.raw = data

    def _break(self, error: Exception) -> None:
        """What came is not HTTP as we speak it. Nothing that follows can be told apart any more."""
        self.end(BrokenFraming())
        self.body = None
        self.messages.append(error)

    # What the parser calls

    def on_message_begin(self) -> None:
        self._is_between = False
        self._fields = []

    def on_url(self, target: bytes) -> None:
        self._target = self._target + target if self._target else target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._fields is not None:  # trailers are not looked at: the signed ones are inside of aws-chunked bodies
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_progressed = True
        parser = self._parser
        self.body = body = Body(self._client, self._stall_s)
        target, fields = self._target, self._fields or []
        self._target, self._fields = b"", None
        self.messages.append(
            Message(parser.get_method(), target, fields, parser.get_http_version(), parser.should_keep_alive(), body)
        )

    def on_body(self, data: bytes) -> None:
        self._has_progressed = True
        self._body_left -= len(data)
        if self.body is not None:
            self.body.feed(data)

    def on_message_complete(self) -> None:
        self._has_progressed = True
        self._is_between = True
        self._body_left = 0
        body, self.body = self.body, None
        if body is not None:
            body.finish()
