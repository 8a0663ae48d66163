"""The documents of versioning: whether a bucket keeps versions, and which it has.

API Reference, PutBucketVersioning, GetBucketVersioning, ListObjectVersions; User Guide, "Retaining multiple versions of
objects with S3 Versioning". A bucket that was once enabled is enabled or suspended from then on, never again neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from . import errors, xml
from .dates import iso8601
from .errors import IllegalVersioningConfigurationException, MalformedXML
from .list_query import VersionsQuery
from .listing import checksum_names, name_writer, prefix_elements

ENABLED = "Enabled"
SUSPENDED = "Suspended"
MAX_DOCUMENT_BYTES = 64 * 1024


class VersionRow(Protocol):
    """What a listing says of a version or a delete marker. `etag` is without quotes, `owner` an account's id."""

    @property
    def key(self) -> str: ...
    @property
    def version_id(self) -> str: ...
    @property
    def is_latest(self) -> bool: ...
    @property
    def is_delete_marker(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def modified_ms(self) -> int: ...
    @property
    def owner(self) -> str: ...
    @property
    def checksum_algorithms(self) -> Sequence[str]: ...
    @property
    def checksum_type(self) -> str: ...


def parse_versioning(body: bytes) -> str:
    """The status of a VersioningConfiguration: ENABLED or SUSPENDED.

    Raises MalformedXML, IllegalVersioningConfigurationException where it names no status, and NotImplemented where it
    asks for MFA on deletion.
    """
    root = xml.parse(body, "VersioningConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    found: dict[str, str] = {}
    for child in root:
        if child.name not in ("Status", "MfaDelete") or child.name in found:
            raise MalformedXML
        found[child.name] = child.text.strip()
    status, mfa = found.get("Status"), found.get("MfaDelete", "Disabled")
    if status not in (None, ENABLED, SUSPENDED) or mfa not in ("Enabled", "Disabled"):
        raise MalformedXML
    if mfa == "Enabled":
        raise errors.NotImplemented(
            "This store knows no multi-factor authentication: MfaDelete cannot be enabled.", {"Header": "MfaDelete"}
        )
    if status is None:
        raise IllegalVersioningConfigurationException
    return status


def versioning_document(status: str) -> bytes:
    """The VersioningConfiguration document; empty where versioning was never enabled."""
    return xml.document("VersioningConfiguration", xml.element("Status", status) if status else "")


def list_versions_document(
    bucket: str,
    query: VersionsQuery,
    rows: Sequence[VersionRow],
    common_prefixes: Sequence[str],
    next_markers: tuple[str, str] | None,
    owners: Mapping[str, str],
) -> bytes:
    """ListVersionsResult. `next_markers` are key and version id to go on from; None: there is no more. `owners` gives
    the Owner element of an account id."""
    write = name_writer(query.is_url_encoded)
    head = [
        f"<Name>{bucket}</Name><Prefix>{write(query.prefix)}</Prefix><KeyMarker>{write(query.key_marker)}</KeyMarker>",
        xml.element("VersionIdMarker", query.version_id_marker),
    ]
    if next_markers is not None:
        key, version_id = next_markers
        head.append(f"<NextKeyMarker>{write(key)}</NextKeyMarker>")
        if version_id:
            head.append(xml.element("NextVersionIdMarker", version_id))
    head.append(xml.element("MaxKeys", query.max_keys))
    if query.delimiter:
        head.append(f"<Delimiter>{write(query.delimiter)}</Delimiter>")
    if query.is_url_encoded:
        head.append("<EncodingType>url</EncodingType>")
    head.append(xml.element("IsTruncated", next_markers is not None))
    versions = [_version(row, write(row.key), owners.get(row.owner, "")) for row in rows]
    return xml.document("ListVersionsResult", (*head, *versions, *prefix_elements(common_prefixes, write)))


def _version(row: VersionRow, key: str, owner: str) -> str:
    start = (
        f"<Key>{key}</Key><VersionId>{row.version_id}</VersionId>"
        f"<IsLatest>{'true' if row.is_latest else 'false'}</IsLatest>"
        f"<LastModified>{iso8601(row.modified_ms)}</LastModified>"
    )
    if row.is_delete_marker:
        return f"<DeleteMarker>{start}{owner}</DeleteMarker>"
    sums = checksum_names(row.checksum_algorithms, row.checksum_type)
    return (
        f"<Version>{start}<ETag>&quot;{row.etag}&quot;</ETag>{sums}<Size>{row.size}</Size>{owner}"
        "<StorageClass>STANDARD</StorageClass></Version>"
    )
