"""Rows of the index as values, and back: which column means what is known here alone.

What is seldom asked for alone (headers, tags, the upload that made the object) is one JSON document a row; fields that
later features add (locks, encryption) get a name of their own in it, absent where they are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import msgspec

from bucketry.store.disk import segments, version_ids
from bucketry.store.disk.errors import IndexDamaged
from bucketry.store.disk.types import NULL_VERSION, Extent, Listed, ListedVersion, NewObject, Part, Upload, Version
from bucketry.store.s3.object_lock import Lock

Row = tuple[Any, ...]

VERSION_COLUMNS = (
    "key, sequence, version_id, modified_ms, size, etag, owner, "
    "place, part_count, is_delete_marker, checksums, document"
)
_VERSION_WIDTH = 12
# A current version together with its bytes, if they are inline, or where they are, if that is one place.
FIND = (
    f"SELECT {', '.join(f'objects.{column}' for column in VERSION_COLUMNS.split(', '))}, "
    "crc, data, segment, record, record_size, offset, length, extents.checksums "
    "FROM objects LEFT JOIN inline ON inline.id = -place LEFT JOIN extents ON extents.id = place WHERE key = ?"
)
LISTED_COLUMNS = "key, size, etag, modified_ms, owner, checksums"
LISTED_VERSION_COLUMNS = "key, sequence, version_id, is_delete_marker, size, etag, modified_ms, owner, checksums"
UPLOAD_COLUMNS = "key, upload_id, owner, initiator, initiated_ms, checksum_algorithm, checksum_type, document"
PART_COLUMNS = "part_number, size, etag, modified_ms, checksums"


def fetch(connection: apsw.Connection, sql: str, bindings: tuple[object, ...] = ()) -> list[Row]:
    """All rows of a query."""
    found: list[Any] = connection.execute(sql, bindings).fetchall()
    return found


class Document(msgspec.Struct, omit_defaults=True, frozen=True):
    """What a row holds as JSON. Unknown fields are another's, of the same format: never written over."""

    headers: dict[str, str] = msgspec.field(default_factory=dict, name="h")
    tags: dict[str, str] = msgspec.field(default_factory=dict, name="t")
    upload_id: str = msgspec.field(default="", name="u")
    acl: str = msgspec.field(default="", name="a")
    lock: Lock | None = msgspec.field(default=None, name="l")
    encryption: str = msgspec.field(default="", name="e")


class Checksums(msgspec.Struct, omit_defaults=True, frozen=True, array_like=True):
    """Checksums of a whole object or part, and how they were made."""

    values: dict[str, str]
    type: str = ""


_encode = msgspec.json.Encoder().encode
_document = msgspec.json.Decoder(Document).decode
_checksums = msgspec.json.Decoder(Checksums).decode
_NO_CHECKSUMS = Checksums({})


def encode_document(described: Version | NewObject | Upload, upload_id: str = "") -> str:
    """The document of a row. `upload_id`: of the upload that made the object."""
    return _encode(
        Document(
            dict(described.headers),
            dict(described.tags),
            upload_id,
            described.acl,
            described.lock,
            described.encryption,
        )
    ).decode()


def encode_checksums(values: Mapping[str, str], kind: str = "") -> str | None:
    """None where there are none: most rows, and no bytes for them."""
    return _encode(Checksums(dict(values), kind)).decode() if values else None


def decode_document(text: str, of: str) -> Document:
    try:
        return _document(text)
    except msgspec.DecodeError as error:
        raise IndexDamaged(f"the index row of {of!r} can't be read: {error}; run `bucketry fsck`") from None


def decode_checksums(text: str | None, of: str) -> Checksums:
    if text is None:
        return _NO_CHECKSUMS
    try:
        return _checksums(text)
    except msgspec.DecodeError as error:
        raise IndexDamaged(f"the index row of {of!r} can't be read: {error}; run `bucketry fsck`") from None


def version(row: Row, inline: bytes | None = None, extent: Extent | None = None) -> Version:
    """A row of VERSION_COLUMNS, with its bytes or where they are, if that is known."""
    key, sequence, version_id, modified_ms, size, etag, owner, place, part_count, is_marker, checksums, text = row
    document = decode_document(text, key)
    sums = _NO_CHECKSUMS if checksums is None else decode_checksums(checksums, key)
    return Version(
        key,
        version_id or NULL_VERSION,
        sequence,
        modified_ms,
        size,
        etag,
        owner,
        document.headers,
        sums.values,
        sums.type,
        document.tags,
        is_marker != 0,
        part_count,
        document.upload_id,
        place,
        document.acl,
        document.lock,
        document.encryption,
        inline,
        extent,
    )


def found(row: Row) -> Version:
    """A row of FIND. Damaged bytes stay out: who reads the version looks at them once more, and says so."""
    crc, data, segment, *rest = row[_VERSION_WIDTH:]
    inline = data if data is not None and segments.crc32c(data) == crc else None
    return version(row[:_VERSION_WIDTH], inline, None if segment is None else (segment, *rest))


def new_row(new: NewObject, sequence: int, size: int, place: int, part_count: int = 0, upload_id: str = "") -> Row:
    """The row of VERSION_COLUMNS for a new current version."""
    return (
        new.key,
        sequence,
        version_ids.make(sequence) if new.is_versioned else None,
        new.modified_ms,
        size,
        new.etag,
        new.owner,
        place,
        part_count,
        0,
        encode_checksums(new.checksums, new.checksum_type),
        encode_document(new, upload_id),
    )


def listed(row: Row) -> Listed:
    """A row of LISTED_COLUMNS."""
    return listed_all((row,))[0]


def listed_all(found: Sequence[Row]) -> list[Listed]:
    """Rows of LISTED_COLUMNS. One loop, since a thousand calls cost as much as what they do."""
    entries: list[Listed] = []
    append = entries.append
    key = ""
    try:
        for key, size, etag, modified_ms, owner, checksums in found:
            if checksums is None:
                append(Listed(key, size, etag, modified_ms, owner, (), ""))
            else:
                sums = _checksums(checksums)
                append(Listed(key, size, etag, modified_ms, owner, tuple(sums.values), sums.type))
    except msgspec.DecodeError as error:
        raise IndexDamaged(f"the index row of {key!r} can't be read: {error}; run `bucketry fsck`") from None
    return entries


def listed_version(row: Row, is_latest: bool) -> ListedVersion:
    """A row of LISTED_VERSION_COLUMNS."""
    key, _, version_id, is_marker, size, etag, modified_ms, owner, checksums = row
    sums = decode_checksums(checksums, key)
    return ListedVersion(
        key,
        version_id or NULL_VERSION,
        is_latest,
        is_marker != 0,
        size,
        etag,
        modified_ms,
        owner,
        tuple(sums.values),
        sums.type,
    )


def upload(row: Row) -> Upload:
    """A row of UPLOAD_COLUMNS."""
    key, upload_id, owner, initiator, initiated_ms, algorithm, kind, text = row
    document = decode_document(text, key)
    return Upload(
        upload_id,
        key,
        owner,
        initiator,
        initiated_ms,
        document.headers,
        document.tags,
        algorithm,
        kind,
        document.acl,
        document.lock,
        document.encryption,
    )


def upload_row(value: Upload) -> Row:
    document = encode_document(value)
    return (
        value.key,
        value.upload_id,
        value.owner,
        value.initiator,
        value.initiated_ms,
        value.checksum_algorithm,
        value.checksum_type,
        document,
    )


def part(row: Row) -> Part:
    """A row of PART_COLUMNS."""
    part_number, size, etag, modified_ms, checksums = row
    return Part(part_number, size, etag, modified_ms, decode_checksums(checksums, f"part {part_number}").values)
