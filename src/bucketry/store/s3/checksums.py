"""Checksums of objects and parts: the algorithms, what a request announces, and what becomes of several parts.

Amazon S3 User Guide, "Checking object integrity"; API Reference, PutObject (x-amz-checksum-*), CreateMultipartUpload
(x-amz-checksum-algorithm, x-amz-checksum-type), CompleteMultipartUpload. A checksum is kept and sent as base64 of its
big-endian bytes. A COMPOSITE one is the checksum of the parts' checksums, written `BASE64-N`; a FULL_OBJECT one is that
of all bytes, computed from the parts' values without reading them again.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from anycrc import Model

from bucketry.store.s3.chunked import trailer_names
from bucketry.store.s3.errors import BadDigest, InvalidDigest, InvalidRequest
from bucketry.store.s3.headers import HeaderView

_PREFIX = "x-amz-checksum-"
_CONTROLS = frozenset(("x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"))


class ChecksumType(Enum):
    """How the checksum of a multipart object is made."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


class Algorithm(Enum):
    """A checksum algorithm by S3's name of it."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"

    header: str  # x-amz-checksum-crc32, also the name of the trailer
    element: str  # ChecksumCRC32, in documents
    size_bytes: int

    def hasher(self) -> Hasher:
        """A new, empty incremental computation."""
        if self in _CRC_MODELS:
            return _Crc(_CRC_MODELS[self], self.size_bytes)
        return hashlib.new(self.value, usedforsecurity=False)

    def allows(self, checksum_type: ChecksumType) -> bool:
        """Whether a multipart object may have this algorithm's checksum in that form."""
        if checksum_type is ChecksumType.COMPOSITE:
            return self is not Algorithm.CRC64NVME
        return self in _CRC_MODELS

    @property
    def default_type(self) -> ChecksumType:
        return ChecksumType.FULL_OBJECT if self is Algorithm.CRC64NVME else ChecksumType.COMPOSITE


_SIZES_BYTES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
for _algorithm in Algorithm:
    _algorithm.header = _PREFIX + _algorithm.value.lower()
    _algorithm.element = "Checksum" + _algorithm.value
    _algorithm.size_bytes = _SIZES_BYTES[_algorithm.value]

_CRC_MODELS = {
    Algorithm.CRC32: Model("CRC32"),
    Algorithm.CRC32C: Model("CRC32C"),
    Algorithm.CRC64NVME: Model("CRC64-NVME"),
}
BY_HEADER = {algorithm.header: algorithm for algorithm in Algorithm}
BY_NAME = {algorithm.value: algorithm for algorithm in Algorithm}


class Hasher(Protocol):
    """An incremental checksum; hashlib's objects are such."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """The checksum of all bytes taken so far, big-endian."""


class _Crc:
    """A CRC as bytes come. anycrc does CRC32 too, at more than three times zlib's speed where measured."""

    __slots__ = ("_model", "_size_bytes", "_value")

    def __init__(self, model: Model, size_bytes: int) -> None:
        self._model = model
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._value = self._model.calc(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


def md5() -> Hasher:
    """For ETags and Content-MD5."""
    return hashlib.md5(usedforsecurity=False)


def encode(digest: bytes) -> str:
    """A checksum in the form of headers and documents."""
    return b64encode(digest).decode()


def is_of_nothing(header: str, text: str) -> bool:
    """Whether that header with that value is the checksum of an empty body."""
    algorithm = BY_HEADER.get(header)
    return algorithm is not None and text == encode(algorithm.hasher().digest())


def decode(algorithm: Algorithm, text: str) -> bytes | None:
    """The bytes of a checksum in that form; None when it isn't one of this algorithm."""
    try:
        digest = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == algorithm.size_bytes and encode(digest) == text else None


# --- what a request announces


@dataclass(frozen=True, slots=True)
class Announced:
    """The checksum that a request gives for its body; `expected` is None when it comes in the trailer."""

    algorithm: Algorithm
    expected: bytes | None

    @property
    def is_in_trailer(self) -> bool:
        return self.expected is None


def announced(headers: HeaderView) -> Announced | None:
    """The one checksum that the request's headers give or announce; None when there is none.

    InvalidRequest for more than one, for an unknown algorithm, and for x-amz-sdk-checksum-algorithm without the
    checksum it names; BadDigest for a value that isn't base64 of the right length.
    """
    given = [name for name, _ in headers.items() if name.startswith(_PREFIX) and name not in _CONTROLS]
    in_trailer = [name for name in trailer_names(headers) if name.startswith(_PREFIX)]
    sdk_algorithm = headers.get("x-amz-sdk-checksum-algorithm")
    if not given and not in_trailer:
        if sdk_algorithm:
            raise InvalidRequest(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                "headers were found."
            )
        return None
    if len(given) + len(in_trailer) > 1:
        raise InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    name = (given or in_trailer)[0]
    algorithm = BY_HEADER.get(name)
    if algorithm is None:
        raise InvalidRequest(f"The algorithm of {name} is not supported. Use one of {_names()}.")
    if sdk_algorithm and sdk_algorithm.upper() != algorithm.value:
        raise InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if in_trailer:
        return Announced(algorithm, None)
    return Announced(algorithm, _checked(algorithm, headers.get(name) or ""))


def _names() -> str:
    return ", ".join(BY_NAME)


def _checked(algorithm: Algorithm, text: str) -> bytes:
    digest = decode(algorithm, text)
    if digest is None:  # no body has that checksum: told before it is read
        raise BadDigest(f"The {algorithm.value} you specified is no {algorithm.value} checksum in base64.")
    return digest


def check(announcement: Announced, computed: bytes, trailers: dict[str, str] | None = None) -> None:
    """Compare what was announced, or came in the trailers, with what was computed: BadDigest when they differ."""
    expected = announcement.expected
    if expected is None:
        expected = _checked(announcement.algorithm, (trailers or {}).get(announcement.algorithm.header, ""))
    if expected != computed:
        raise BadDigest(f"The {announcement.algorithm.value} you specified did not match the calculated checksum.")


def content_md5(headers: HeaderView) -> bytes | None:
    """The 16 bytes of Content-MD5; None when not given, InvalidDigest when it is no base64 of 16 bytes."""
    text = headers.get("content-md5")
    if text is None:
        return None
    try:
        digest = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise InvalidDigest(fields={"Content-MD5": text})
    return digest


def check_md5(expected: bytes, computed: bytes) -> None:
    """BadDigest when a body's MD5 isn't the one of Content-MD5."""
    if expected != computed:
        raise BadDigest(
            "The Content-MD5 you specified did not match what we received.",
            {"ExpectedDigest": encode(expected), "CalculatedDigest": encode(computed)},
        )


# --- multipart


def upload_checksum(headers: HeaderView) -> tuple[Algorithm, ChecksumType] | None:
    """What CreateMultipartUpload asks for by x-amz-checksum-algorithm and x-amz-checksum-type; None when nothing."""
    name, type_name = headers.get("x-amz-checksum-algorithm"), headers.get("x-amz-checksum-type")
    if name is None:
        if type_name is not None:
            raise InvalidRequest(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return None
    algorithm = algorithm_named(name)
    if type_name is None:
        return algorithm, algorithm.default_type
    return algorithm, _type_for(algorithm, type_name)


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of a name as in x-amz-checksum-algorithm; InvalidRequest for another."""
    algorithm = BY_NAME.get(name.upper())
    if algorithm is None:
        raise InvalidRequest(
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{_names()}]"
        )
    return algorithm


def _type_for(algorithm: Algorithm, type_name: str) -> ChecksumType:
    try:
        checksum_type = ChecksumType(type_name.upper())
    except ValueError:
        raise InvalidRequest("Value for x-amz-checksum-type header is invalid.") from None
    if not algorithm.allows(checksum_type):
        raise InvalidRequest(
            f"The {checksum_type.value} checksum type cannot be used with the {algorithm.value.lower()} "
            "checksum algorithm."
        )
    return checksum_type


def composite(algorithm: Algorithm, digests: Sequence[bytes]) -> str:
    """`BASE64-N`: the checksum of the parts' checksums one after the other, and how many there are."""
    hasher = algorithm.hasher()
    for digest in digests:
        hasher.update(digest)
    return f"{encode(hasher.digest())}-{len(digests)}"


def combine(algorithm: Algorithm, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The checksum of parts put together, from each one's (checksum, size in bytes); CRCs only."""
    model = _CRC_MODELS[algorithm]
    value = 0
    for digest, size_bytes in parts:
        value = model.combine(value, int.from_bytes(digest, "big"), size_bytes)
    return int(value).to_bytes(algorithm.size_bytes, "big")
