"""Reading bodies: whole documents, and the bytes of objects as they come, with everything verified that was announced.

Amazon S3 API Reference, "Signature Calculations" (x-amz-content-sha256 in all its modes) and "Checking object
integrity" (Content-MD5, x-amz-checksum-*, trailers). Nothing that came may be stored or acted upon before `finish` has
returned: it is what compares length, hashes, checksums and the last signature of the chain.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from bucketry.store.disk.piecewise import PiecewiseWriter
from bucketry.store.disk.sealed_writing import AnyWriter
from bucketry.store.disk.writing import ExtentWriter
from bucketry.store.gateway.context import Context
from bucketry.store.s3 import checksums, sigv4
from bucketry.store.s3.checksums import Hasher
from bucketry.store.s3.chunked import Decoder, decoder_for
from bucketry.store.s3.errors import (
    EntityTooLarge,
    IncompleteBody,
    InvalidRequest,
    MaxMessageLengthExceeded,
    MissingContentLength,
    XAmzContentSHA256Mismatch,
)
from bucketry.store.s3.sigv4 import PayloadMode

MAX_PUT_BYTES = 5 * 1024**3  # "Uploading objects": 5 GiB in a single PUT, and in a part
THREAD_FROM_BYTES = 64 * 1024  # hashing more than this at once would hold the loop for over 0.1 ms (MD5: 630 MB/s)
# Hashing keeps a processor busy: more threads than there are would only take turns.
_HASHING = ThreadPoolExecutor(os.cpu_count() or 1, "hashing")

Write = Callable[[bytes | memoryview], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Received:
    """A body that came whole and verified."""

    size: int
    md5_hex: str
    checksums: dict[str, str]  # algorithm name ("CRC32") → base64; what the request announced, none unless it did


class ObjectBody:
    """The body of one request, decoded, hashed and verified. Make it, `pour` it once, then `finish`.

    `size` is the number of payload bytes that are announced; None: the body comes chunked, and nothing is.
    The constructor raises what can be said without reading:
    MissingContentLength, EntityTooLarge, InvalidArgument, InvalidDigest, InvalidRequest.
    """

    __slots__ = (
        "_announced",
        "_checksum",
        "_content_md5",
        "_context",
        "_decoder",
        "_hashers",
        "_hashing",
        "_max_bytes",
        "_md5",
        "_mode",
        "_received",
        "_sha256",
        "size",
    )

    size: int | None

    def __init__(
        self,
        context: Context,
        max_bytes: int = MAX_PUT_BYTES,
        has_checksum: bool = True,
        needs_length: bool = True,
    ) -> None:
        request = context.request
        headers = request.headers
        self._context = context
        self._mode = _payload_mode(context)
        self._decoder: Decoder | None = None
        if self._mode.is_streaming:
            self._decoder = decoder_for(self._mode, headers, context.claim, context.signing_key)
            self.size = int(headers.get("x-amz-decoded-content-length") or 0)
        elif request.content_length is None and (needs_length or "transfer-encoding" not in headers):
            raise MissingContentLength
        else:
            self.size = request.content_length
        self._max_bytes = max_bytes
        if self.size is not None and self.size > max_bytes:
            raise EntityTooLarge(fields={"ProposedSize": str(self.size), "MaxSizeAllowed": str(max_bytes)})
        self._content_md5 = checksums.content_md5(headers)
        self._announced = checksums.announced(headers) if has_checksum else None
        self._md5 = checksums.md5()
        self._received = 0
        self._hashing: asyncio.Future[None] | None = None
        self._hashers: list[Hasher] = [self._md5]
        self._sha256: Hasher | None = None
        self._checksum: Hasher | None = None
        if self._mode is PayloadMode.HASH:
            self._sha256 = sha256()
            self._hashers.append(self._sha256)
        if self._announced is not None:
            if self._announced.algorithm is checksums.Algorithm.SHA256 and self._sha256 is not None:
                self._checksum = self._sha256
            else:
                self._checksum = self._announced.algorithm.hasher()
                self._hashers.append(self._checksum)

    async def pour(self, write: Write) -> None:
        """Read to the end and hand each piece to `write`, waiting for it: the client is slowed down to the disk's pace.

        IncompleteBody, RequestTimeout and what the decoder
        raises; what `write` raises passes.
        """
        read = self._context.request.body.read_chunk
        while data := await read():
            pieces: Sequence[bytes | memoryview]
            if self._decoder is None:
                self._received += len(data)
                if self.size is None and self._received > self._max_bytes:
                    raise EntityTooLarge(fields={"MaxSizeAllowed": str(self._max_bytes)})
                pieces = (data,)
            else:
                pieces = await self._decode(self._decoder, data)
            for piece in pieces:
                await self._begin_hashing(piece)
                await write(piece)
        await self._end_hashing()

    async def pour_to(self, writer: AnyWriter | PiecewiseWriter) -> None:
        """As `pour`, to a writer. What is to be stored as it comes is read into that one's memory, where it has any."""
        if self._decoder is not None or not isinstance(writer, ExtentWriter):
            return await self.pour(writer.write)
        fill = self._context.request.body.fill
        while room := writer.room():
            count = await fill(room)
            self._received += count
            await self._begin_hashing(room[:count])
            await writer.filled(count)
            if count < len(room):
                break
        return await self._end_hashing()

    def hash_also(self, hasher: Hasher) -> None:
        """Give `hasher` the payload, too."""
        self._hashers.append(hasher)

    async def _begin_hashing(self, piece: bytes | memoryview) -> None:
        """Hash a piece, a large one in a thread, while it is written and the next is read. One after the other."""
        await self._end_hashing()
        if len(piece) <= THREAD_FROM_BYTES:
            self._hash(piece)
        else:
            self._hashing = asyncio.get_running_loop().run_in_executor(_HASHING, self._hash, piece)

    async def _end_hashing(self) -> None:
        if self._hashing is not None:
            await self._hashing
            self._hashing = None

    async def _decode(self, decoder: Decoder, data: bytes) -> list[memoryview]:
        """The payload in `data`. The decoder hashes where chunks are signed, so then it goes to a thread too."""
        if len(data) <= THREAD_FROM_BYTES or self._mode is PayloadMode.STREAMING_UNSIGNED_TRAILER:
            pieces = decoder.feed(data)
        else:
            pieces = await asyncio.get_running_loop().run_in_executor(_HASHING, decoder.feed, data)
        self._received += sum(map(len, pieces))
        return pieces

    def _hash(self, piece: bytes | memoryview) -> None:
        for hasher in self._hashers:
            hasher.update(piece)

    def finish(self) -> Received:
        """What came, once all of it is verified.

        Raises IncompleteBody, XAmzContentSHA256Mismatch, BadDigest, SignatureDoesNotMatch, MalformedTrailerError,
        InvalidRequest.
        """
        if self.size is not None and self._received != self.size:
            raise IncompleteBody(
                fields={"NumberBytesExpected": str(self.size), "NumberBytesProvided": str(self._received)}
            )
        trailers = self._decoder.finish() if self._decoder is not None else None
        if self._sha256 is not None:
            self._check_sha256(self._sha256.digest().hex())
        md5 = self._md5.digest()
        if self._content_md5 is not None:
            checksums.check_md5(self._content_md5, md5)
        found: dict[str, str] = {}
        if self._announced is not None and self._checksum is not None:
            digest = self._checksum.digest()
            checksums.check(self._announced, digest, trailers)
            found[self._announced.algorithm.value] = checksums.encode(digest)
        return Received(self._received, md5.hex(), found)

    def _check_sha256(self, computed: str) -> None:
        claim = self._context.claim
        if claim is not None:
            sigv4.check_body_hash(claim, computed)
            return
        announced = self._context.request.headers.get("x-amz-content-sha256")
        if announced is not None and announced.lower() != computed:
            raise XAmzContentSHA256Mismatch(
                fields={"ClientComputedContentSHA256": announced, "S3ComputedContentSHA256": computed}
            )

    @property
    def is_announced(self) -> bool:
        """Whether the request came with a checksum of its body, of any kind but the signature's."""
        return self._content_md5 is not None or self._announced is not None


async def read_document(
    context: Context, limit_bytes: int, needs_digest: bool = False, has_checksum: bool = True
) -> bytes:
    """The whole body of a request with a document, verified; b"" when there is none.

    MaxMessageLengthExceeded beyond `limit_bytes`. `needs_digest`: InvalidRequest for one without Content-MD5 or
    x-amz-checksum-*, as of AWS for calls that delete or open much. `has_checksum` False: x-amz-checksum-* is about
    something else than this body (CompleteMultipartUpload: about the object).
    """
    if context.document is not None:
        return context.document
    if not has_body(context):
        _check_empty(context)
        return b""
    try:
        body = ObjectBody(context, limit_bytes, has_checksum)
    except EntityTooLarge:
        raise MaxMessageLengthExceeded(fields={"MaxMessageLengthBytes": str(limit_bytes)}) from None
    if needs_digest and not body.is_announced:
        raise _missing_digest()
    pieces: list[bytes | memoryview] = []

    async def keep(piece: bytes | memoryview) -> None:
        pieces.append(piece)

    await body.pour(keep)
    body.finish()
    context.document = b"".join(pieces)
    return context.document


def has_body(context: Context) -> bool:
    """Whether the request carries a body, by its framing."""
    return bool(context.request.content_length) or "transfer-encoding" in context.request.headers


def _check_empty(context: Context) -> None:
    """An empty body must be what was signed, too."""
    if context.claim is not None:
        sigv4.check_body_hash(context.claim, sigv4.EMPTY_SHA256)


def _missing_digest() -> InvalidRequest:
    return InvalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _payload_mode(context: Context) -> PayloadMode:
    """How the body comes: as it was signed, or as an anonymous request says."""
    if context.claim is not None:
        return context.claim.payload
    announced = context.request.headers.get("x-amz-content-sha256")
    return PayloadMode.UNSIGNED if announced is None else sigv4.payload_mode(announced)
