"""The documents of ListObjects, ListObjectsV2 and ListBuckets.

API Reference, "Response Syntax" of each. A page of a thousand keys is the commonest large answer of a
store, so rows are joined from f-strings and names are escaped only where they need it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from .dates import iso8601
from .list_query import ListQuery
from .names import encode_listed
from .xml import document, element, escape, is_writable

_PLAIN = re.compile(r"[A-Za-z0-9/_.*-]*", re.ASCII)


class Row(Protocol):
    """What a listing says of an object. `etag` is without quotes, `owner` an account's id."""

    @property
    def key(self) -> str: ...
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


class BucketRow(Protocol):
    """What ListBuckets says of a bucket."""

    @property
    def name(self) -> str: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def region(self) -> str: ...


def name_writer(is_url_encoded: bool) -> Callable[[str], str]:
    """How a listing writes keys, prefixes and markers: percent-encoded where asked, else as XML text."""
    return _encode if is_url_encoded else escape


def _encode(name: str) -> str:
    # What encoding leaves is letters, digits and `%+-_.*/`: nothing to escape. Most names are all that already.
    return name if _PLAIN.fullmatch(name) else encode_listed(name)


def owner_element(canonical_id: str, display_name: str, name: str = "Owner") -> str:
    """An Owner or Initiator element."""
    return f"<{name}><ID>{escape(canonical_id)}</ID><DisplayName>{escape(display_name)}</DisplayName></{name}>"


def _contents(rows: Sequence[Row], owners: Mapping[str, str], write: Callable[[str], str]) -> list[str]:
    """The Contents elements. `owners` gives the Owner element of an account id; none is written where it has none."""
    keys = [row.key for row in rows]
    if not _PLAIN.fullmatch("".join(keys)):  # asked once for all: mostly there is nothing to write otherwise
        keys = list(map(write, keys))
    ends: dict[tuple[Sequence[str], str, str], tuple[str, str]] = {}
    seconds: dict[int, str] = {}
    parts: list[str] = []
    for key, row in zip(keys, rows, strict=True):
        kind = (row.checksum_algorithms, row.checksum_type, row.owner)
        end = ends.get(kind)
        if end is None:
            owner = owners.get(row.owner, "")
            end = ends[kind] = (
                checksum_names(*kind[:2]),
                f"{owner}<StorageClass>STANDARD</StorageClass></Contents>",
            )
        modified_ms = row.modified_ms
        second = seconds.get(modified_ms // 1000)
        if second is None:
            second = seconds[modified_ms // 1000] = iso8601(modified_ms)[:-4]
        parts.append(
            f"<Contents><Key>{key}</Key><LastModified>{second}{modified_ms % 1000:03d}Z</LastModified>"
            f"<ETag>&quot;{row.etag}&quot;</ETag>{end[0]}<Size>{row.size}</Size>{end[1]}"
        )
    return parts


def checksum_names(algorithms: Sequence[str], kind: str) -> str:
    """The ChecksumAlgorithm and ChecksumType elements of an object's row."""
    names = "".join(f"<ChecksumAlgorithm>{name.upper()}</ChecksumAlgorithm>" for name in algorithms)
    return f"{names}<ChecksumType>{kind}</ChecksumType>" if names and kind else names


def prefix_elements(prefixes: Iterable[str], write: Callable[[str], str]) -> list[str]:
    """The CommonPrefixes elements."""
    return [f"<CommonPrefixes><Prefix>{write(prefix)}</Prefix></CommonPrefixes>" for prefix in prefixes]


def list_objects_document(
    bucket: str,
    query: ListQuery,
    rows: Sequence[Row],
    common_prefixes: Sequence[str],
    next_name: str | None,
    owners: Mapping[str, str],
) -> bytes:
    """ListBucketResult of V1. NextMarker comes only with a delimiter, as AWS does: else the last key is the marker."""
    write = name_writer(query.is_url_encoded)
    # V1's encoding-type is documented for keys; SDKs don't decode its Prefix, which they know anyway.
    prefix = escape(query.prefix) if is_writable(query.prefix) else write(query.prefix)
    head = [f"<Name>{bucket}</Name><Prefix>{prefix}</Prefix><Marker>{write(query.marker)}</Marker>"]
    if next_name is not None and query.delimiter:
        head.append(f"<NextMarker>{write(next_name)}</NextMarker>")
    head.append(_head_end(query, next_name is not None, write))
    body = _contents(rows, owners, write)
    return document("ListBucketResult", "".join((*head, *body, *prefix_elements(common_prefixes, write))))


def list_objects_v2_document(
    bucket: str,
    query: ListQuery,
    rows: Sequence[Row],
    common_prefixes: Sequence[str],
    next_token: str | None,
    owners: Mapping[str, str],
) -> bytes:
    """ListBucketResult of V2."""
    write = name_writer(query.is_url_encoded)
    head = [f"<Name>{bucket}</Name><Prefix>{write(query.prefix)}</Prefix>"]
    if query.token is not None:
        head.append(element("ContinuationToken", query.token))
    if query.start_after:
        head.append(f"<StartAfter>{write(query.start_after)}</StartAfter>")
    if next_token is not None:
        head.append(f"<NextContinuationToken>{next_token}</NextContinuationToken>")
    head.append(f"<KeyCount>{len(rows) + len(common_prefixes)}</KeyCount>")
    head.append(_head_end(query, next_token is not None, write))
    body = _contents(rows, owners, write)
    return document("ListBucketResult", "".join((*head, *body, *prefix_elements(common_prefixes, write))))


def _head_end(query: ListQuery, is_truncated: bool, write: Callable[[str], str]) -> str:
    delimiter = f"<Delimiter>{write(query.delimiter)}</Delimiter>" if query.delimiter else ""
    encoding = "<EncodingType>url</EncodingType>" if query.is_url_encoded else ""
    truncated = "true" if is_truncated else "false"
    return f"<MaxKeys>{query.max_keys}</MaxKeys>{delimiter}{encoding}<IsTruncated>{truncated}</IsTruncated>"


def list_buckets_document(
    rows: Iterable[BucketRow], owner: str, *, prefix: str | None, next_token: str | None, with_region: bool
) -> bytes:
    """ListAllMyBucketsResult. `owner` is the Owner element; regions are told to who asked for a page, as AWS does."""
    buckets = "".join(
        f"<Bucket><Name>{row.name}</Name><CreationDate>{iso8601(row.created_ms)}</CreationDate>"
        + (f"<BucketRegion>{escape(row.region)}</BucketRegion>" if with_region else "")
        + "</Bucket>"
        for row in rows
    )
    tail = "" if next_token is None else f"<ContinuationToken>{next_token}</ContinuationToken>"
    if prefix is not None:
        tail += element("Prefix", prefix)
    return document("ListAllMyBucketsResult", f"{owner}<Buckets>{buckets}</Buckets>{tail}")
