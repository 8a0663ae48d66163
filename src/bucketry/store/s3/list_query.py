"""What the query of a listing asks: limits, markers, encodings, and the opaque token that continues a page.

API Reference, ListObjects, ListObjectsV2, ListBuckets, ListObjectVersions, ListMultipartUploads, ListParts. A token is
the last name of the page with a digest before it: it gives no right that `start-after` would not, the digest only tells
a damaged one.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from .errors import InvalidArgument

MAX_PAGE = 1000
_MAX_INTEGER = 2**31 - 1
_TOKEN_VERSION = b"\x01"
_DIGEST_BYTES = 8
_LONGEST_TOKEN = 2048  # a key of 1,024 bytes makes 1,378


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A listing of objects, V1 or V2. `start` is the name after which the page begins, whatever parameter gave it."""

    prefix: str
    delimiter: str
    start: str
    max_keys: int
    is_url_encoded: bool
    marker: str = ""  # V1
    start_after: str = ""  # V2
    token: str | None = None  # V2, as given
    wants_owner: bool = True


@dataclass(frozen=True, slots=True)
class UploadsQuery:
    """A listing of unfinished uploads."""

    prefix: str
    delimiter: str
    key_marker: str
    upload_id_marker: str  # counts only with a key marker
    max_uploads: int
    is_url_encoded: bool


@dataclass(frozen=True, slots=True)
class VersionsQuery:
    """A listing of versions and delete markers."""

    prefix: str
    delimiter: str
    key_marker: str
    version_id_marker: str
    max_keys: int
    is_url_encoded: bool


@dataclass(frozen=True, slots=True)
class PartsQuery:
    """A listing of an upload's parts."""

    part_number_marker: int
    max_parts: int


def parse_list_objects(parameters: Mapping[str, str]) -> ListQuery:
    """The query of ListObjects (V1). Raises InvalidArgument."""
    prefix, delimiter = parameters.get("prefix", ""), parameters.get("delimiter", "")
    marker = parameters.get("marker", "")
    return ListQuery(
        prefix=prefix,
        delimiter=delimiter,
        start=_after_folder(marker, prefix, delimiter),
        max_keys=parse_limit(parameters, "max-keys"),
        is_url_encoded=_is_url_encoded(parameters),
        marker=marker,
    )


def _after_folder(marker: str, prefix: str, delimiter: str) -> str:
    """Where V1 goes on: a marker inside a common prefix is past all of it (V2's start-after is not, as in AWS)."""
    cut = marker.find(delimiter, len(prefix)) if delimiter and marker.startswith(prefix) else -1
    return marker if cut < 0 else marker[: cut + len(delimiter)]


def parse_list_objects_v2(parameters: Mapping[str, str]) -> ListQuery:
    """The query of ListObjectsV2. Raises InvalidArgument."""
    if parameters.get("list-type") != "2":
        raise _invalid("list-type", parameters.get("list-type", ""), "Invalid List Type specified in Request")
    token = parameters.get("continuation-token")
    start_after = parameters.get("start-after", "")
    return ListQuery(
        prefix=parameters.get("prefix", ""),
        delimiter=parameters.get("delimiter", ""),
        start=read_token(token) if token else start_after,
        max_keys=parse_limit(parameters, "max-keys"),
        is_url_encoded=_is_url_encoded(parameters),
        start_after=start_after,
        token=token,
        wants_owner=parameters.get("fetch-owner", "").lower() == "true",
    )


def parse_list_uploads(parameters: Mapping[str, str]) -> UploadsQuery:
    """The query of ListMultipartUploads. Raises InvalidArgument."""
    return UploadsQuery(
        prefix=parameters.get("prefix", ""),
        delimiter=parameters.get("delimiter", ""),
        key_marker=parameters.get("key-marker", ""),
        upload_id_marker=parameters.get("upload-id-marker", "") if parameters.get("key-marker") else "",
        max_uploads=parse_limit(parameters, "max-uploads"),
        is_url_encoded=_is_url_encoded(parameters),
    )


def parse_list_versions(parameters: Mapping[str, str]) -> VersionsQuery:
    """The query of ListObjectVersions. Raises InvalidArgument."""
    key_marker, version_id_marker = parameters.get("key-marker", ""), parameters.get("version-id-marker", "")
    if version_id_marker and not key_marker:
        text = "A version-id marker cannot be specified without a key marker."
        raise _invalid("version-id-marker", version_id_marker[:128], text)
    return VersionsQuery(
        prefix=parameters.get("prefix", ""),
        delimiter=parameters.get("delimiter", ""),
        key_marker=key_marker,
        version_id_marker=version_id_marker,
        max_keys=parse_limit(parameters, "max-keys"),
        is_url_encoded=_is_url_encoded(parameters),
    )


def parse_list_parts(parameters: Mapping[str, str]) -> PartsQuery:
    """The query of ListParts. Raises InvalidArgument."""
    return PartsQuery(
        part_number_marker=_parse_integer(parameters, "part-number-marker", 0),
        max_parts=parse_limit(parameters, "max-parts"),
    )


def parse_limit(parameters: Mapping[str, str], name: str, default: int = MAX_PAGE, highest: int = MAX_PAGE) -> int:
    """A page limit: `highest` where more is asked. Raises InvalidArgument when it isn't a number or is negative."""
    return min(_parse_integer(parameters, name, default), highest)


def make_token(name: str) -> str:
    """The token that continues after `name`: ASCII, safe in a URL."""
    data = name.encode("utf-8", "surrogateescape")
    return urlsafe_b64encode(_TOKEN_VERSION + _digest(data) + data).decode("ascii").rstrip("=")


def read_token(token: str) -> str:
    """The name in a token. Raises InvalidArgument when it isn't one that this store made."""
    if len(token) > _LONGEST_TOKEN:
        raise _invalid_token(token)
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        name = raw[1 + _DIGEST_BYTES :].decode("utf-8")
        if make_token(name) == token:  # version and digest, and base64's spare bits: one name has one token
            return name
    except (UnicodeError, binascii.Error, ValueError):
        pass
    raise _invalid_token(token)


def _invalid_token(token: str) -> InvalidArgument:
    return _invalid("continuation-token", token[:_LONGEST_TOKEN], "The continuation token provided is incorrect")


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES, person=b"s3 page").digest()


def _is_url_encoded(parameters: Mapping[str, str]) -> bool:
    encoding = parameters.get("encoding-type", "")
    if encoding and encoding != "url":
        raise _invalid("encoding-type", encoding, "Invalid Encoding Method specified in Request")
    return encoding == "url"


def _parse_integer(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10) or int(digits) > _MAX_INTEGER:
        raise _invalid(name, text, f"Provided {name} not an integer or within integer range")
    value = int(text)
    if value < 0:
        raise _invalid(name, text, f"Argument {name} must be an integer between 0 and {_MAX_INTEGER}")
    return value


def _invalid(name: str, value: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"ArgumentName": name, "ArgumentValue": value})
