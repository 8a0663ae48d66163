"""The words of the disk: object versions, parts, uploads, and what a change of them may ask.

The disk knows keys, bytes and small documents of headers; what HTTP, XML or a permission is, it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import msgspec

from bucketry.store.s3.object_lock import Lock

NULL_VERSION = "null"


# (segment, record, record_size, offset, length, checksums) of a row of `extents`
Extent = tuple[str, int, int, int, int, bytes]


class Version(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One version of an object, or a delete marker, as the index holds it. A Struct, since each look-up makes one: a
    tenth of the cost of a frozen dataclass."""

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
    part_count: int  # 0: not made by a multipart upload
    upload_id: str = ""  # of the upload that made it, so that a repeated completion can be answered alike
    place: int = 0  # where the bytes are: > 0 an extent, < 0 an inline row, 0 none, or a list of pieces
    acl: str = ""  # as it was given: a document that means something to others; "": none
    lock: Lock | None = None  # what protects it from removal
    encryption: str = ""  # as disk/sealing.py has it; "": none
    # What came with the row: the bytes themselves, checked, of a small object; where they are, of one in one piece.
    inline: bytes | None = None
    extent: Extent | None = None

    def __eq__(self, other: object) -> bool:
        """Whether all is the same but what came with the rows."""
        return isinstance(other, Version) and _described(self) == _described(other)

    __hash__ = None  # type: ignore[assignment]  # it holds mappings

    def __repr__(self) -> str:
        # Not what came with the row: bytes of others have no place in a log.
        return f"Version({', '.join(f'{name}={getattr(self, name)!r}' for name in _DESCRIBED)})"


_DESCRIBED = tuple(name for name in Version.__struct_fields__ if name not in ("inline", "extent"))
_described = attrgetter(*_DESCRIBED)


class Listed(NamedTuple):
    """A row of a listing. A tuple, since a page makes a thousand of them: a third of the cost of a frozen dataclass."""

    key: str
    size: int
    etag: str
    modified_ms: int
    owner: str
    checksum_algorithms: tuple[str, ...]
    checksum_type: str


class ListedVersion(NamedTuple):
    """A row of a listing of versions: an object or a delete marker."""

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size: int
    etag: str
    modified_ms: int
    owner: str
    checksum_algorithms: tuple[str, ...]
    checksum_type: str


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A page of versions by key, the newest of a key first. To go on: `next_key` and `next_version_id` as markers."""

    entries: Sequence[ListedVersion]
    common_prefixes: Sequence[str]
    next_key: str | None  # None: there is no more
    next_version_id: str  # "" after a common prefix


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
    is_versioned: bool = False  # gets an id of its own, and what was current is kept; else it is the null version
    acl: str = ""
    lock: Lock | None = None
    encryption: str = ""  # how its bytes were written


@dataclass(frozen=True, slots=True)
class Marker:
    """A delete marker to be made. `is_versioned`: as of NewObject."""

    owner: str
    modified_ms: int
    is_versioned: bool


class Doomed(NamedTuple):
    """What is to be removed: a key's current version (hidden, where the bucket is versioned), or the one named."""

    key: str
    version_id: str | None = None
    bypasses: bool = False  # by one who may bypass a governance lock


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
    acl: str = ""  # of the object that it will be
    lock: Lock | None = None  # likewise
    encryption: str = ""  # of its parts


@dataclass(frozen=True, slots=True)
class UploadPage:
    """A page of unfinished uploads by key, then upload id. To go on: `next_key` and `next_upload_id` as markers."""

    entries: Sequence[Upload]
    common_prefixes: Sequence[str]
    next_key: str | None  # None: there is no more
    next_upload_id: str  # "" after a common prefix


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an unfinished upload, or of an object that an upload made."""

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
    byte_seconds: int  # of `bytes` and `upload_bytes`, up to the moment of asking


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of a bucket found wrong."""

    bucket: str  # NAME.ID, as its folder is called
    kind: str  # index, reference, refcount, totals, freed, segment, data
    subject: str  # the key, row or file concerned
    message: str


# The bytes of an object as they are handed over; never changed afterwards.
Data = bytes | bytearray | memoryview

# Called inside the transaction with the current version of the key (None: there is none); raises to refuse the write.
# It runs in a thread that holds the bucket's lock: quick, and without side effects, since it may run twice.
Guard = Callable[[Version | None], None]

# What becomes of a version's lock at this moment (epoch milliseconds); raises to refuse. Otherwise as Guard.
Relock = Callable[[Version, int], Lock | None]
