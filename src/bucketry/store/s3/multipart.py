"""Multipart uploads: what a completion asks, whether the uploaded parts answer it, and the documents of the family.

API Reference, CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload; User Guide, "Amazon S3
multipart upload limits" and "Checking object integrity" for checksums of whole objects. The ETag of an object made of N
parts is the MD5 of the parts' MD5s, and `-N`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Protocol

from . import xml
from .checksums import Algorithm, ChecksumType, combine, composite, decode, encode
from .dates import iso8601
from .errors import (
    BadDigest,
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    MalformedXML,
)
from .headers import HeaderView

MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * 1024 * 1024
MAX_PART_BYTES = 5 * 1024 * 1024 * 1024
# 10,000 parts, each with number, ETag and SHA-256, indented, are about 2.5 MB.
MAX_COMPLETE_BYTES = 4 * 1024 * 1024

_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_ELEMENTS = {algorithm.element: algorithm for algorithm in Algorithm}


class UploadedPart(Protocol):
    """What is known of a part that was uploaded; `etag` is hex without quotes, checksums are base64 by algorithm."""

    @property
    def part_number(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def modified_ms(self) -> int: ...
    @property
    def checksums(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class AskedPart:
    """A part that a completion names."""

    part_number: int
    etag: str  # without quotes, lower case
    checksums: Mapping[Algorithm, str]


@dataclass(frozen=True, slots=True)
class Assembled:
    """What parts make together."""

    etag: str
    size: int
    checksums: Mapping[str, str]
    checksum_type: str


def parse_part_number(text: str) -> int:
    """1 to 10,000. Raises InvalidArgument."""
    if _NUMBER.fullmatch(text) and 1 <= int(text) <= MAX_PARTS:
        return int(text)
    raise InvalidArgument(
        f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive",
        {"ArgumentName": "partNumber", "ArgumentValue": text[:64]},
    )


def parse_complete(body: bytes, upload_id: str) -> list[AskedPart]:
    """The parts of a CompleteMultipartUpload document. Raises MalformedXML, InvalidArgument or InvalidPartOrder."""
    root = xml.parse(body, "CompleteMultipartUpload", max_bytes=MAX_COMPLETE_BYTES)
    if not root.children or len(root.children) > MAX_PARTS:
        raise MalformedXML
    parts = [_asked(element) for element in root]
    previous = 0
    for part in parts:
        if part.part_number <= previous:
            raise InvalidPartOrder(fields={"UploadId": upload_id})
        previous = part.part_number
    return parts


def _asked(element: xml.Element) -> AskedPart:
    number, etag = element.text_of("PartNumber"), element.text_of("ETag")
    if element.name != "Part" or number is None or etag is None:
        raise MalformedXML
    checksums = {_ELEMENTS[child.name]: child.text.strip() for child in element if child.name in _ELEMENTS}
    return AskedPart(parse_part_number(number.strip()), unquote_etag(etag), checksums)


def unquote_etag(text: str) -> str:
    """An entity tag without white space and quotes, in lower case: clients send it either way."""
    return text.strip().removeprefix('"').removesuffix('"').lower()


def assemble(
    asked: Sequence[AskedPart],
    uploaded: Mapping[int, UploadedPart],
    upload_id: str,
    algorithm: Algorithm,
    checksum_type: ChecksumType,
) -> Assembled:
    """What the asked parts make, of those uploaded by their numbers. A part whose checksum is not given is told by its
    ETag alone. Raises InvalidPart, EntityTooSmall.
    """
    chosen: list[UploadedPart] = []
    for part in asked:
        found = uploaded.get(part.part_number)
        if found is None or found.etag != part.etag:
            raise _invalid_part(part, upload_id)
        if any(found.checksums.get(given.value) != value for given, value in part.checksums.items()):
            raise _invalid_part(part, upload_id)
        chosen.append(found)
    for found in chosen[:-1]:
        if found.size < MIN_PART_BYTES:
            raise EntityTooSmall(
                fields={
                    "ETag": found.etag,
                    "PartNumber": str(found.part_number),
                    "MinSizeAllowed": str(MIN_PART_BYTES),
                    "ProposedSize": str(found.size),
                }
            )
    value = _whole_checksum(chosen, algorithm, checksum_type)
    return Assembled(
        etag=assembled_etag([part.etag for part in asked]),
        size=sum(found.size for found in chosen),
        checksums={algorithm.value: value} if value else {},
        checksum_type=checksum_type.value if value else "",
    )


def assembled_etag(etags: Sequence[str]) -> str:
    """The ETag of an object made of parts with these."""
    joined = b"".join(map(bytes.fromhex, etags))
    return f"{md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _invalid_part(part: AskedPart, upload_id: str) -> InvalidPart:
    return InvalidPart(fields={"UploadId": upload_id, "PartNumber": str(part.part_number), "ETag": part.etag})


def _whole_checksum(parts: Sequence[UploadedPart], algorithm: Algorithm, checksum_type: ChecksumType) -> str | None:
    """None where a part has no checksum to make it of."""
    digests: list[bytes] = []
    for part in parts:
        digest = decode(algorithm, part.checksums.get(algorithm.value, ""))
        if digest is None:
            return None
        digests.append(digest)
    if checksum_type is ChecksumType.COMPOSITE:
        return composite(algorithm, digests)
    return encode(combine(algorithm, ((digest, part.size) for digest, part in zip(digests, parts, strict=True))))


def check_completion_checksum(headers: HeaderView) -> None:
    """BadDigest for an x-amz-checksum-* of a completion that no object can have, whatever its parts."""
    for candidate in Algorithm:
        value = headers.get(candidate.header)
        if value is not None and decode(candidate, value.partition("-")[0]) is None:
            raise BadDigest(f"The {candidate.value.lower()} you specified did not match the calculated checksum.")


def check_completion_headers(
    headers: HeaderView, assembled: Assembled, algorithm: Algorithm, checksum_type: ChecksumType
) -> None:
    """Compare what a completion's headers say of the whole object: x-amz-checksum-*, -type, x-amz-mp-object-size.

    Raises BadDigest for another checksum, InvalidRequest for another mode or size, or where no checksum is known.
    """
    mode = headers.get("x-amz-checksum-type")
    if mode is not None and mode.upper() != checksum_type.value:
        raise InvalidRequest(
            f"The upload was created using the {checksum_type.value} checksum mode. "
            "The complete request must use the same checksum mode."
        )
    for candidate in Algorithm:
        value = headers.get(candidate.header)
        if value is None:
            continue
        known = assembled.checksums.get(candidate.value)
        if candidate is not algorithm or known is None or value not in (known, known.partition("-")[0]):
            raise BadDigest(f"The {candidate.value.lower()} you specified did not match the calculated checksum.")
    size = headers.get("x-amz-mp-object-size")
    if size is not None and size.strip() != str(assembled.size):
        raise InvalidRequest(
            f"The provided 'x-amz-mp-object-size' header value {size[:32]} does not match what was computed: "
            f"{assembled.size}"
        )


# --- documents


def initiated_document(bucket: str, key: str, upload_id: str) -> bytes:
    """InitiateMultipartUploadResult."""
    return xml.document(
        "InitiateMultipartUploadResult", xml.elements([("Bucket", bucket), ("Key", key), ("UploadId", upload_id)])
    )


def completed_document(
    location: str, bucket: str, key: str, etag: str, checksums: Mapping[str, str], checksum_type: str
) -> bytes:
    """CompleteMultipartUploadResult."""
    head = xml.elements([("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", f'"{etag}"')])
    return xml.document("CompleteMultipartUploadResult", head + checksum_elements(checksums, checksum_type))


def copied_document(
    root: str, etag: str, modified_ms: int, checksums: Mapping[str, str], checksum_type: str = ""
) -> bytes:
    """CopyObjectResult or CopyPartResult."""
    head = xml.elements([("LastModified", iso8601(modified_ms)), ("ETag", f'"{etag}"')])
    return xml.document(root, head + checksum_elements(checksums, checksum_type))


def checksum_elements(checksums: Mapping[str, str], checksum_type: str = "") -> str:
    """The Checksum… elements of values by algorithm, and their ChecksumType where there is one."""
    values = "".join(xml.element(f"Checksum{name}", value) for name, value in checksums.items())
    return values + xml.element("ChecksumType", checksum_type) if values and checksum_type else values
