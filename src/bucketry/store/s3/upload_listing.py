"""The documents of ListMultipartUploads and ListParts.

API Reference, "Response Syntax" of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from . import xml
from .dates import iso8601
from .list_query import PartsQuery, UploadsQuery
from .listing import name_writer, prefix_elements
from .multipart import UploadedPart, checksum_elements


class UploadRow(Protocol):
    """What a listing says of an unfinished upload."""

    @property
    def key(self) -> str: ...
    @property
    def upload_id(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def initiator(self) -> str: ...
    @property
    def initiated_ms(self) -> int: ...
    @property
    def checksum_algorithm(self) -> str: ...
    @property
    def checksum_type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class People:
    """The Initiator and Owner elements of uploads: from an ARN, from an account's id."""

    initiator: Callable[[str], str]
    owner: Callable[[str], str]


def _checksum_kind(row: UploadRow) -> str:
    return xml.elements(
        [("ChecksumAlgorithm", row.checksum_algorithm or None), ("ChecksumType", row.checksum_type or None)]
    )


def list_uploads_document(
    bucket: str,
    query: UploadsQuery,
    rows: Sequence[UploadRow],
    common_prefixes: Sequence[str],
    next_markers: tuple[str, str] | None,
    people: People,
) -> bytes:
    """ListMultipartUploadsResult. `next_markers` are key and upload id to go on from; None: there is no more."""
    write = name_writer(query.is_url_encoded)
    head = [
        f"<Bucket>{bucket}</Bucket><KeyMarker>{write(query.key_marker)}</KeyMarker>",
        xml.element("UploadIdMarker", query.upload_id_marker),
    ]
    if next_markers:
        key, upload_id = next_markers
        head.append(f"<NextKeyMarker>{write(key)}</NextKeyMarker>{xml.element('NextUploadIdMarker', upload_id)}")
    if query.prefix:
        head.append(f"<Prefix>{write(query.prefix)}</Prefix>")
    if query.delimiter:
        head.append(f"<Delimiter>{write(query.delimiter)}</Delimiter>")
    if query.is_url_encoded:
        head.append("<EncodingType>url</EncodingType>")
    head.append(xml.elements([("MaxUploads", query.max_uploads), ("IsTruncated", next_markers is not None)]))
    uploads = [
        f"<Upload><Key>{write(row.key)}</Key><UploadId>{xml.escape(row.upload_id)}</UploadId>"
        f"{people.initiator(row.initiator)}{people.owner(row.owner)}<StorageClass>STANDARD</StorageClass>"
        f"<Initiated>{iso8601(row.initiated_ms)}</Initiated>{_checksum_kind(row)}</Upload>"
        for row in rows
    ]
    return xml.document("ListMultipartUploadsResult", (*head, *uploads, *prefix_elements(common_prefixes, write)))


def list_parts_document(
    bucket: str,
    upload: UploadRow,
    query: PartsQuery,
    parts: Sequence[UploadedPart],
    is_truncated: bool,
    people: People,
) -> bytes:
    """ListPartsResult."""
    last = parts[-1].part_number if parts else 0
    head = xml.elements([("Bucket", bucket), ("Key", upload.key), ("UploadId", upload.upload_id)])
    middle = xml.elements(
        [
            ("StorageClass", "STANDARD"),
            ("PartNumberMarker", query.part_number_marker),
            ("NextPartNumberMarker", last),
            ("MaxParts", query.max_parts),
            ("IsTruncated", is_truncated),
        ]
    )
    rows = "".join(
        f"<Part><PartNumber>{part.part_number}</PartNumber><LastModified>{iso8601(part.modified_ms)}</LastModified>"
        f"<ETag>&quot;{part.etag}&quot;</ETag><Size>{part.size}</Size>{checksum_elements(part.checksums)}</Part>"
        for part in parts
    )
    who = people.initiator(upload.initiator) + people.owner(upload.owner)
    return xml.document("ListPartsResult", (head, who, middle, _checksum_kind(upload), rows))
