"""Parser of the forms that browsers post: bytes of the wire in, fields and the bytes of the one file out.

RFC 7578 (multipart/form-data) and RFC 2046, section 5.1.1; Amazon S3 API Reference, "POST Object". Fields compare
without case; each may carry a `filename`, as some clients send them all, and the one that is called `file` is the file,
whatever it carries. Fields after it are not read ("fields below it are ignored"). What stands before the file is kept
in memory and bounded; of the file no more is than what a delimiter could still be part of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote_to_bytes

from bucketry.store.s3.errors import InvalidArgument
from bucketry.store.s3.form_errors import (
    IncorrectNumberOfFilesInPostRequest,
    MalformedPOSTRequest,
    MaxPostPreDataLengthExceeded,
)

MAX_FIELDS_BYTES = 20 * 1024  # "the form data and boundaries (excluding the contents of the file) cannot exceed 20K"
MAX_FIELDS = 256
FILE = "file"
_MAX_BOUNDARY_CHARACTERS = 70
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:\\"|[^"])*)"|([^\s;"]*))\s*')
_LINE_END = b"\r\n"


@dataclass(frozen=True, slots=True)
class File:
    """What the form says of its file."""

    name: str  # without folders
    content_type: str  # "" where it is not said


class _State(Enum):
    PREAMBLE = "before the first part"
    DELIMITED = "after a delimiter"
    HEADERS = "fields of a part"
    VALUE = "value of a field"
    FILE = "file"
    REST = "after the file"


def boundary_of(content_type: str) -> str | None:
    """The boundary of a Content-Type of multipart/form-data; None: it is no such. MalformedPOSTRequest: it has none."""
    media_type, semicolon, rest = content_type.partition(";")
    if media_type.strip().lower() != "multipart/form-data":
        return None
    boundary = _parameters(semicolon + rest).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedPOSTRequest("The Content-Type of the form names no boundary that RFC 2046 allows.")
    return boundary


class FormParser:
    """One form. `feed` it what comes; the file's bytes are what it returns. Then `finish`.

    `fields` is all there is of fields once `file` is there. Raises MalformedPOSTRequest, MaxPostPreDataLengthExceeded,
    InvalidArgument (a field given twice).
    """

    __slots__ = ("_buffer", "_delimiter", "_fields_left", "_is_ended", "_name", "_state", "fields", "file")

    def __init__(self, boundary: str) -> None:
        self.fields: dict[str, str] = {}
        self.file: File | None = None
        self._delimiter = b"\r\n--" + boundary.encode()
        self._buffer = bytearray(_LINE_END)  # which the first delimiter needs not have before it
        self._state = _State.PREAMBLE
        self._name = ""
        self._fields_left = MAX_FIELDS_BYTES + len(_LINE_END)
        self._is_ended = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the body: those of the file among them."""
        self._buffer += data
        while self._state is not _State.FILE and self._state is not _State.REST:
            if not self._step():
                if len(self._buffer) > self._fields_left:
                    raise _too_long()
                return b""
        if self._state is _State.FILE:
            return self._take_file()
        self._drop_rest()
        return b""

    def finish(self) -> None:
        """The body has ended."""
        if self.file is None and self._state is _State.REST:
            raise IncorrectNumberOfFilesInPostRequest
        if self._state is not _State.REST or not self._is_ended:
            raise MalformedPOSTRequest

    def _step(self) -> bool:
        """Take one piece before the file; False: it is not here as a whole yet."""
        if self._state is _State.DELIMITED:
            return self._take_delimiter_end()
        end = _LINE_END * 2 if self._state is _State.HEADERS else self._delimiter
        at = self._buffer.find(end)
        if at < 0:
            return False
        piece = bytes(self._buffer[:at])
        self._drop(at + len(end))
        if self._state is _State.HEADERS:
            self._begin_part(piece)
            return True
        if self._state is _State.VALUE:
            self.fields[self._name] = _text(piece)
        self._state = _State.DELIMITED
        return True

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._fields_left -= size
        if self._fields_left < 0:
            raise _too_long()

    def _take_delimiter_end(self) -> bool:
        """White space and a line end, or the two hyphens of the last delimiter.

        Anything else is refused as soon as it is here, so that the answer is the same in whatever pieces a form comes.
        """
        padding = len(self._buffer) - len(self._buffer.lstrip(b" \t"))
        end = bytes(self._buffer[padding : padding + 2])
        is_begun = end[:1] == b"\r" or (end[:1] == b"-" and not padding)
        if padding + is_begun > self._fields_left:
            raise _too_long()
        if end == b"--" and not padding:
            self._state = _State.REST
            return True
        if end == _LINE_END:
            self._drop(padding + len(_LINE_END))
            self._state = _State.HEADERS
            return True
        if not end or (len(end) == 1 and is_begun):
            return False
        raise MalformedPOSTRequest

    def _begin_part(self, section: bytes) -> None:
        name, filename, content_type = _part_of(section)
        self._name = name.lower()
        if self._name == FILE:
            self.file = File(re.split(r"[/\\]", filename)[-1], content_type)
            self._state = _State.FILE
            return
        if self._name in self.fields:
            raise InvalidArgument("A field of the form is given twice.", {"ArgumentName": name[:64]})
        if len(self.fields) >= MAX_FIELDS:
            raise _too_long()
        self._state = _State.VALUE

    def _take_file(self) -> bytes:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            # The last bytes may be the beginning of the delimiter.
            size = max(0, len(self._buffer) - len(self._delimiter) + 1)
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
            return data
        data = bytes(self._buffer[:at])
        del self._buffer[: at + len(self._delimiter)]
        self._state = _State.REST
        self._fields_left = MAX_FIELDS_BYTES
        self._drop_rest()
        return data

    def _drop_rest(self) -> None:
        """What follows is not read, but it must begin as the end of a delimiter does, and have an end."""
        start = bytes(self._buffer[:2])
        if self._is_ended or start in (b"--", _LINE_END):
            self._is_ended = True
            self._drop(len(self._buffer))
        elif len(start) == 2:
            raise MalformedPOSTRequest


def _too_long() -> MaxPostPreDataLengthExceeded:
    return MaxPostPreDataLengthExceeded(fields={"MaxPostPreDataLengthBytes": str(MAX_FIELDS_BYTES)})


def _part_of(section: bytes) -> tuple[str, str, str]:
    """(name, filename, content type) of a part by its header fields. MalformedPOSTRequest: it has no name."""
    disposition = content_type = ""
    for line in _text(section).split("\r\n"):
        field, colon, value = line.partition(":")
        if not colon or "\n" in line or "\r" in line:
            raise MalformedPOSTRequest
        field = field.strip().lower()
        if field == "content-disposition":
            disposition = value.strip()
        elif field == "content-type":
            content_type = value.strip()
    kind, semicolon, rest = disposition.partition(";")
    if kind.strip().lower() != "form-data":
        raise MalformedPOSTRequest
    parameters = _parameters(semicolon + rest)
    name = parameters.get("name", "")
    if not name:
        raise MalformedPOSTRequest
    filename = parameters.get("filename", "")
    extended = parameters.get("filename*", "")
    if extended.lower().startswith("utf-8'"):  # RFC 5987; not of RFC 7578, but some clients send it
        filename = _text(unquote_to_bytes(extended.split("'", 2)[-1]))
    return name, filename, content_type


def _parameters(text: str) -> dict[str, str]:
    """The parameters of `;name=value;name="value"`. MalformedPOSTRequest: something else, or a name twice."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None or match[1].lower() in found:
            if text[position:].strip(" \t;"):
                raise MalformedPOSTRequest
            break
        quoted = match[2]
        found[match[1].lower()] = match[3] if quoted is None else quoted.replace('\\"', '"').replace("%22", '"')
        position = match.end()
    return found


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeError:
        raise MalformedPOSTRequest("The fields of the form must be UTF-8.") from None
