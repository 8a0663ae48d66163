"""The words of the disk: object versions, parts, uploads, and what a change of them may ask.

The disk knows keys, bytes and small documents of headers; what HTTP, XML or a permission is, it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bucketry.store.disk.writing import Written

NULL_VERSION = "null"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of an object's bytes that was stored at once: a whole object, or a part of a multipart upload."""

    place: int  # > 0: extent id; < 0: inline row id (negated); 0: no bytes
    size: int
    part_number: int = 0  # 0: not a multipart object
    etag: str = ""  # hex MD5 of the part, "" where it is not a part
    checksums: Mapping[str, str] = field(default_factory=dict)  # algorithm → base64


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker, as the index holds it."""

    key: str
    version_id: str
    sequence: int  # grows with every write in the bucket: a unique name of these bytes
    modified_ms: int  # epoch milliseconds
    size: int
    etag: str  # without quotes; "" for a delete marker
    owner: str  # account id of the owner
    headers: Mapping[
        str, str
    ]  # lower-case: content-type, cache-control, …, x-amz-meta-*, x-amz-website-redirect-location
    checksums: Mapping[str, str]  # algorithm → base64 value, of the whole object (composite: `value-N`)
    checksum_type: str  # "FULL_OBJECT", "COMPOSITE" or ""
    tags: Mapping[str, str]
    is_delete_marker: bool
    pieces: Sequence[Piece]
    part_count: int  # 0: not made by a multipart upload


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of a listing."""

    key: str
    size: int
    etag: str
    modified_ms: int
    owner: str
    checksum_algorithms: tuple[str, ...]
    checksum_type: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing in key order. `next_key`: the last key or common prefix of the page, where there is more."""

    entries: Sequence[Listed]
    common_prefixes: Sequence[str]
    next_key: str | None


@dataclass(frozen=True, slots=True)
class NewObject:
    """What a PUT stores beside the bytes."""

    key: str
    etag: str
    owner: str
    modified_ms: int
    headers: Mapping[str, str]
    checksums: Mapping[str, str]
    checksum_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished multipart upload."""

    upload_id: str
    key: str
    owner: str
    initiator: str  # ARN
    initiated_ms: int
    headers: Mapping[str, str]
    tags: Mapping[str, str]
    checksum_algorithm: str  # "" where none was asked
    checksum_type: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was uploaded."""

    part_number: int
    size: int
    etag: str
    modified_ms: int
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a bucket holds now; exact, changed in the transaction that changes the content."""

    objects: int  # current objects (no delete markers)
    bytes: int  # of all versions
    versions: int  # all versions and delete markers
    uploads: int
    upload_bytes: int
    byte_seconds: int


# Called inside the transaction with the current version of the key (None: there is none); raises to refuse the write.
Guard = Callable[["Version | None"], None]

__all__ = [
    "NULL_VERSION",
    "Guard",
    "Listed",
    "NewObject",
    "Page",
    "Part",
    "Piece",
    "Totals",
    "Upload",
    "Version",
    "Written",
]
