"""Decoder of aws-chunked bodies: bytes of the wire in, slices of the payload out, each chunk's signature verified.

Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"
and "… Including Trailing Headers". A body is chunks of `SIZE[;chunk-signature=HEX]CRLF DATA CRLF`, the last of size 0,
then trailers `name:value CRLF` (and `x-amz-trailer-signature`) where the mode has them, then an empty line. Signatures
form a chain that begins at the request's own, so chunks can't be altered, left out, repeated or put in another order.

Payload is handed out before the signature of its chunk is verified: nothing may count until `finish` has returned. As
AWS does, framing that is broken in any way is IncompleteBody.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from enum import Enum
from hashlib import sha256

from bucketry.store.s3.claims import Claim, PayloadMode
from bucketry.store.s3.errors import (
    IncompleteBody,
    InvalidChunkSizeError,
    InvalidRequest,
    MalformedTrailerError,
    MissingContentLength,
    S3Error,
    SignatureDoesNotMatch,
)
from bucketry.store.s3.headers import HeaderView

MIN_CHUNK_BYTES = 8192  # of all chunks with data but the last: "Transferring Payload in Multiple Chunks"
MAX_LINE_BYTES = (
    1024  # ours: the longest lines needed, a signed chunk's header and a checksum's trailer, take about 100
)
MAX_TRAILERS = 8  # ours: S3 knows one checksum a request

_TRAILER_SIGNATURE = "x-amz-trailer-signature"
_EMPTY_SHA256 = sha256(b"").hexdigest()
_SIGNED_HEADER = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})")
_UNSIGNED_HEADER = re.compile(rb"([0-9a-fA-F]{1,16})")
_TRAILER_LINE = re.compile(r"([A-Za-z0-9-]+):[ \t]*([!-~]+(?:[ \t]+[!-~]+)*)?[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_SIGNED_MODES = (PayloadMode.STREAMING_SIGNED, PayloadMode.STREAMING_SIGNED_TRAILER)
_TRAILER_MODES = (PayloadMode.STREAMING_SIGNED_TRAILER, PayloadMode.STREAMING_UNSIGNED_TRAILER)


class _State(Enum):
    HEADER = "header of a chunk"
    DATA = "data of a chunk"
    DATA_END = "line end after the data"
    TRAILER = "trailers"
    DONE = "end"
    BROKEN = "refused"


class Decoder:
    """One body. `feed` it what comes, use the slices it returns, then `finish`.

    `decoded_length` is x-amz-decoded-content-length, the payload's size in bytes; `trailer_names` the lower-case names
    that x-amz-trailer announced. `seed_signature`, `signing_key`, `scope` and `amz_date` are those of the request's own
    signature, needed in the signed modes.
    """

    __slots__ = (
        "_amz_date",
        "_bytes_left",
        "_chunk_hash",
        "_chunk_number",
        "_chunk_signature",
        "_is_after_bare",
        "_is_signed",
        "_last_size",
        "_line",
        "_payload_left",
        "_scope",
        "_signature",
        "_signing_key",
        "_state",
        "_trailer_names",
        "_trailer_text",
        "_trailers",
        "_with_trailers",
    )

    def __init__(
        self,
        mode: PayloadMode,
        *,
        decoded_length: int,
        trailer_names: Sequence[str] = (),
        seed_signature: str = "",
        signing_key: bytes = b"",
        scope: str = "",
        amz_date: str = "",
    ) -> None:
        if not mode.is_streaming:
            raise ValueError(f"{mode} is no aws-chunked body")
        self._is_signed = mode in _SIGNED_MODES
        if self._is_signed and not (seed_signature and signing_key and scope and amz_date):
            raise ValueError("a signed body needs the request's signature, key, scope and date")
        self._with_trailers = mode in _TRAILER_MODES
        self._payload_left = decoded_length
        self._trailer_names = frozenset(trailer_names)
        self._signature = seed_signature
        self._signing_key = signing_key
        self._scope = scope
        self._amz_date = amz_date
        self._state = _State.HEADER
        self._line = bytearray()
        self._bytes_left = 0
        self._last_size: int | None = None
        self._chunk_number = 0
        self._chunk_signature = ""
        self._chunk_hash = sha256()
        self._trailers: dict[str, str] = {}
        self._trailer_text = ""
        self._is_after_bare = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """The payload in `data`, as slices of it (no copies): they are valid as long as `data` is left alone.

        Raises IncompleteBody, SignatureDoesNotMatch, InvalidChunkSizeError, MalformedTrailerError; the decoder is of
        no more use then.
        """
        slices: list[memoryview] = []
        view = memoryview(data)
        position, end = 0, len(view)
        try:
            while position < end:
                if self._state is _State.DATA:
                    piece = view[position : position + self._bytes_left]
                    position += len(piece)
                    self._bytes_left -= len(piece)
                    if self._is_signed:
                        self._chunk_hash.update(piece)
                    slices.append(piece)
                    if not self._bytes_left:
                        self._end_chunk()
                        self._state = _State.DATA_END
                else:
                    position += self._feed_line(view[position : position + MAX_LINE_BYTES])
        except S3Error:
            self._state = _State.BROKEN
            raise
        return slices

    def finish(self) -> dict[str, str]:
        """The trailers by lower-case name, once the body is whole and all of it verified.

        Raises IncompleteBody when it ended early. The value of a checksum in a trailer is for the caller to compare.
        """
        if self._state is not _State.DONE:
            raise _broken("it ended early")
        return self._trailers

    # --- lines: chunk headers, the line end after data, trailers

    def _feed_line(self, view: memoryview) -> int:
        """Take bytes up to the end of a line and act on the line when it is whole; how many bytes were taken."""
        if self._state in (_State.DONE, _State.BROKEN):
            raise _broken("there are bytes after its end")
        longest = 2 if self._state is _State.DATA_END else MAX_LINE_BYTES
        window = bytes(view[:longest])
        newline = window.find(b"\n")
        taken = len(window) if newline < 0 else newline + 1
        self._line += window[:taken]
        if len(self._line) > longest or (newline < 0 and len(self._line) == longest):
            raise _broken("a line is too long, or data is not followed by a line end")
        if newline >= 0:
            line = bytes(self._line)
            self._line.clear()
            self._take_line(line)
        return taken

    def _take_line(self, line: bytes) -> None:
        is_bare = not line.endswith(b"\r\n")
        content = line[:-1] if is_bare else line[:-2]
        if self._state is _State.TRAILER:
            self._take_trailer_line(content, is_bare)
        elif is_bare:
            raise _broken("a line ends without CRLF")
        elif self._state is _State.HEADER:
            self._begin_chunk(content)
        else:  # the two bytes after data, CRLF
            self._state = _State.HEADER

    def _begin_chunk(self, header: bytes) -> None:
        match = (_SIGNED_HEADER if self._is_signed else _UNSIGNED_HEADER).fullmatch(header)
        if not match:
            raise _broken("a chunk header is malformed")
        size = int(match[1], 16)
        self._chunk_number += 1
        if size and self._last_size is not None and self._last_size < MIN_CHUNK_BYTES:
            raise InvalidChunkSizeError(fields={"Chunk": str(self._chunk_number), "BadChunkSize": str(self._last_size)})
        if size > self._payload_left:
            raise _broken("it is longer than x-amz-decoded-content-length")
        self._last_size = size
        self._payload_left -= size
        self._bytes_left = size
        if self._is_signed:
            self._chunk_signature = match[2].decode()
            self._chunk_hash = sha256()
        if size:
            self._state = _State.DATA
            return
        self._end_chunk()
        if self._payload_left:
            raise _broken("it is shorter than x-amz-decoded-content-length")
        self._state = _State.TRAILER

    def _end_chunk(self) -> None:
        """Verify the chunk just read; its signature becomes the one before the next."""
        if self._is_signed:
            self._verify("PAYLOAD", f"{_EMPTY_SHA256}\n{self._chunk_hash.hexdigest()}", self._chunk_signature)
            self._signature = self._chunk_signature

    # --- trailers

    def _take_trailer_line(self, content: bytes, is_bare: bool) -> None:
        # MinIO's Go client ends a trailer by the line feed of its signed form, and has CRLF after that
        if is_bare and (not content or not self._with_trailers):
            raise _broken("a line ends without CRLF")
        if content:
            self._is_after_bare = is_bare
            self._take_trailer(content)
        elif self._is_after_bare:
            self._is_after_bare = False
        else:
            self._end_trailers()

    def _take_trailer(self, content: bytes) -> None:
        if not self._with_trailers:
            raise _broken("there are bytes after the last chunk")
        match = _TRAILER_LINE.fullmatch(content.decode("latin-1"))
        if not match or len(self._trailers) > MAX_TRAILERS:
            raise MalformedTrailerError
        name, value = match[1].lower(), match[2] or ""
        if name in self._trailers or _TRAILER_SIGNATURE in self._trailers:
            raise MalformedTrailerError
        if name != _TRAILER_SIGNATURE:
            if name not in self._trailer_names:
                raise MalformedTrailerError
            self._trailer_text += f"{name}:{value}\n"
        self._trailers[name] = value

    def _end_trailers(self) -> None:
        signature = self._trailers.pop(_TRAILER_SIGNATURE, None)
        if self._trailers.keys() != self._trailer_names:
            raise _broken("a trailer that x-amz-trailer announces is missing")
        if self._with_trailers and self._is_signed:
            if signature is None:
                raise _broken("x-amz-trailer-signature is missing")
            self._verify("TRAILER", sha256(self._trailer_text.encode("latin-1")).hexdigest(), signature)
        elif signature is not None:
            raise MalformedTrailerError
        self._state = _State.DONE

    def _verify(self, kind: str, digests: str, provided: str) -> None:
        string_to_sign = f"AWS4-HMAC-SHA256-{kind}\n{self._amz_date}\n{self._scope}\n{self._signature}\n{digests}"
        expected = hmac.digest(self._signing_key, string_to_sign.encode(), "sha256").hex()
        if not (provided.isascii() and hmac.compare_digest(expected, provided)):
            raise SignatureDoesNotMatch(fields={"StringToSign": string_to_sign, "SignatureProvided": provided})


def decoder_for(mode: PayloadMode, headers: HeaderView, claim: Claim | None, signing_key: bytes) -> Decoder:
    """The decoder of a request whose own signature is verified already, or of an anonymous one (claim None).

    Raises MissingContentLength without x-amz-decoded-content-length, InvalidRequest when the request announces what its
    mode doesn't have.
    """
    length = headers.get("x-amz-decoded-content-length")
    if length is None or not _LENGTH.fullmatch(length):
        raise MissingContentLength("You must provide the x-amz-decoded-content-length HTTP header, a number of bytes.")
    names = trailer_names(headers)
    if names and mode not in _TRAILER_MODES:
        raise InvalidRequest("x-amz-trailer is given, but x-amz-content-sha256 announces a body without trailers.")
    if mode not in _SIGNED_MODES:
        return Decoder(mode, decoded_length=int(length), trailer_names=names)
    if claim is None:
        raise InvalidRequest("A body signed in chunks needs a signed request.")
    return Decoder(
        mode,
        decoded_length=int(length),
        trailer_names=names,
        seed_signature=claim.signature,
        signing_key=signing_key,
        scope=claim.scope,
        amz_date=claim.amz_date,
    )


def trailer_names(headers: HeaderView) -> tuple[str, ...]:
    """The names that x-amz-trailer announces, in lower case; InvalidRequest for a name given twice or malformed."""
    announced = headers.get("x-amz-trailer")
    if not announced:
        return ()
    names = tuple(name.strip().lower() for name in announced.split(","))
    if len(names) > MAX_TRAILERS or len(set(names)) != len(names) or not all(_is_trailer(name) for name in names):
        raise InvalidRequest("The value specified in the x-amz-trailer header is not supported")
    return names


def _is_trailer(name: str) -> bool:
    return name.startswith("x-amz-checksum-")


def _broken(what: str) -> IncompleteBody:
    return IncompleteBody(f"The request body terminated unexpectedly: {what}.")
