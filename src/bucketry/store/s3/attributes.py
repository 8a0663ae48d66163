"""GetObjectAttributes: which attributes a request asks for, and their document.

Amazon S3 API Reference, GetObjectAttributes. The names and the page of parts come in headers, not in the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import xml
from .errors import InvalidArgument
from .headers import HeaderView
from .list_query import parse_limit
from .multipart import UploadedPart, checksum_elements

HEADER = "x-amz-object-attributes"
NAMES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
_MAX_PARTS, _MARKER = "x-amz-max-parts", "x-amz-part-number-marker"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    names: frozenset[str]
    part_number_marker: int
    max_parts: int


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an object has. `part_count` 0: no upload made it; `parts` is a page of them."""

    etag: str
    size: int
    checksums: Mapping[str, str]
    checksum_type: str
    part_count: int
    parts: Sequence[UploadedPart]
    is_truncated: bool


def parse_asked(headers: HeaderView) -> Asked:
    """The attributes that the headers name. InvalidArgument: none, or one that there is not."""
    text = headers.get(HEADER) or ""
    asked = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not asked or not asked <= frozenset(NAMES):
        raise InvalidArgument(
            "Invalid attribute name specified.", {"ArgumentName": HEADER, "ArgumentValue": text[:256]}
        )
    values = {name: headers.get(name) or "" for name in (_MAX_PARTS, _MARKER)}
    return Asked(asked, parse_limit(values, _MARKER, 0, 10_000), parse_limit(values, _MAX_PARTS))


def attributes_document(asked: Asked, found: Attributes) -> bytes:
    """GetObjectAttributesResponse."""
    pieces: list[str] = []
    if "ETag" in asked.names:
        pieces.append(xml.element("ETag", found.etag))
    if "Checksum" in asked.names and found.checksums:
        pieces.append(xml.wrap("Checksum", checksum_elements(found.checksums, found.checksum_type)))
    if "ObjectParts" in asked.names and found.part_count:
        pieces.append(xml.wrap("ObjectParts", _parts(asked, found)))
    if "StorageClass" in asked.names:
        pieces.append(xml.element("StorageClass", "STANDARD"))
    if "ObjectSize" in asked.names:
        pieces.append(xml.element("ObjectSize", found.size))
    return xml.document("GetObjectAttributesResponse", pieces)


def _parts(asked: Asked, found: Attributes) -> str:
    last = found.parts[-1].part_number if found.parts else 0
    head = xml.elements(
        [
            ("IsTruncated", found.is_truncated),
            ("MaxParts", asked.max_parts),
            ("NextPartNumberMarker", last),
            ("PartNumberMarker", asked.part_number_marker),
        ]
    )
    rows = [
        xml.wrap("Part", checksum_elements(_of_kind(part.checksums, found.checksums)) + _place(part))
        for part in found.parts
    ]
    return head + "".join(rows) + xml.element("PartsCount", found.part_count)


def _of_kind(sums: Mapping[str, str], of_object: Mapping[str, str]) -> dict[str, str]:
    """A part's checksum of the kind that the object has."""
    return {name: value for name, value in sums.items() if name in of_object}


def _place(part: UploadedPart) -> str:
    return xml.elements([("PartNumber", part.part_number), ("Size", part.size)])
