"""What a copy asks: x-amz-copy-source, its range, its conditions, and the directives for metadata and tags.

API Reference, CopyObject and UploadPartCopy. The source is `/bucket/key` or `bucket/key`, percent-encoded, with an
optional `?versionId=`; it is decoded once, as the path of a request is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from .errors import InvalidArgument, InvalidRange
from .headers import HeaderView
from .names import check_key, decode_path, is_valid_bucket_name

MAX_COPY_BYTES = 5 * 1024 * 1024 * 1024  # larger objects are copied by parts

_VERSION = re.compile(r"\?versionId=([^?&/]*)\Z")
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})", re.ASCII)
_PREFIX = "x-amz-copy-source-"


@dataclass(frozen=True, slots=True)
class CopySource:
    """What is copied. `version_id` is None where the current version is meant."""

    bucket: str
    key: str
    version_id: str | None


def parse_copy_source(text: str) -> CopySource:
    """The source that x-amz-copy-source names. Raises InvalidArgument, InvalidURI or KeyTooLongError."""
    version_id: str | None = None
    match = _VERSION.search(text)
    if match:
        text, version_id = text[: match.start()], unquote(match[1])
        if not version_id:
            raise _invalid("Version id cannot be the empty string", "versionId", "")
    path = decode_path(text)
    bucket, slash, key = path.removeprefix("/").partition("/")
    if not slash or not bucket or not key:
        raise _invalid(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", text
        )
    if not is_valid_bucket_name(bucket):
        raise _invalid("Invalid copy source bucket name", "x-amz-copy-source", text)
    check_key(key)
    return CopySource(bucket, key, version_id)


def parse_copy_range(text: str, size: int) -> tuple[int, int]:
    """(first byte, length) of x-amz-copy-source-range of a source of `size` bytes: both ends given, both inside.

    Raises InvalidArgument or InvalidRange.
    """
    match = _RANGE.fullmatch(text)
    if not match or int(match[1]) > int(match[2]):
        raise _invalid(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            text,
        )
    first, last = int(match[1]), int(match[2])
    if last >= size:
        raise InvalidRange(
            f"Range specified is not valid for source object of size: {size}",
            {"RangeRequested": text, "ActualObjectSize": str(size)},
        )
    return first, last - first + 1


def copy_conditions(headers: HeaderView) -> dict[str, str | None]:
    """The conditions on a copy's source by the names that reads use, as conditions.check_copy_source takes them."""
    return {
        name: headers.get(_PREFIX + name)
        for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    }


def replaces(headers: HeaderView, name: str, noun: str) -> bool:
    """Whether a directive (x-amz-metadata-directive, x-amz-tagging-directive) says REPLACE; COPY is the default."""
    text = headers.get(name)
    if text is None or text == "COPY":
        return False
    if text == "REPLACE":
        return True
    raise _invalid(f"Unknown {noun} directive.", name, text)


def _invalid(message: str, name: str, value: str) -> InvalidArgument:
    shown = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:1024]
    return InvalidArgument(message, {"ArgumentName": name, "ArgumentValue": shown})
