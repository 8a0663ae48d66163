"""Names in requests: bucket names, object keys, hosts and percent-encoding.

Amazon S3 User Guide, "Bucket naming rules", "Object key names", "Virtual hosting of buckets". A key is what the path
says after one decoding, byte for byte: `..`, `//` and `%2F` mean nothing, since a key never becomes a path on disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from bucketry.store.s3.errors import InvalidBucketName, InvalidURI, KeyTooLongError

MAX_KEY_BYTES = 1024  # "Object key names": at most 1,024 bytes of UTF-8

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_LIKE_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_valid_bucket_name(name: str) -> bool:
    """Whether AWS would let a general purpose bucket be created by this name."""
    return (
        _BUCKET.fullmatch(name) is not None
        and ".." not in name
        and ".-" not in name
        and "-." not in name
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
        and _LIKE_IPV4.fullmatch(name) is None
    )


def check_bucket_name(name: str) -> None:
    """InvalidBucketName unless `name` may name a new bucket."""
    if not is_valid_bucket_name(name):
        raise InvalidBucketName(fields={"BucketName": name})


def check_key(key: str) -> None:
    """InvalidURI for an empty key or one that isn't Unicode, KeyTooLongError beyond 1,024 bytes."""
    try:
        size_bytes = len(key) if key.isascii() else len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidURI("The key is not valid UTF-8.") from None
    if not size_bytes:
        raise InvalidURI("The key is empty.")
    if size_bytes > MAX_KEY_BYTES:
        raise KeyTooLongError(fields={"Size": str(size_bytes), "MaxSizeAllowed": str(MAX_KEY_BYTES)})


def decode_path(raw: str) -> str:
    """`raw` percent-decoded exactly once; `+` stays `+`. InvalidURI when an escape is broken or it isn't UTF-8."""
    if "%" not in raw and raw.isascii():
        return raw
    if _BAD_ESCAPE.search(raw):
        raise _invalid_uri(raw)
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise _invalid_uri(raw) from None


def split_path(raw_path: str) -> tuple[str, str]:
    """Bucket and key of a path-style request, decoded; an empty text where there is none (`/`, `/bucket`, `/bucket/`).

    The first raw slash after the leading one parts them, so that an encoded one can't move the border.
    """
    if not raw_path.startswith("/"):
        raise _invalid_uri(raw_path)
    bucket, _, key = raw_path[1:].partition("/")
    return decode_path(bucket), decode_path(key)


def split_host(host: str, domains: Iterable[str]) -> str | None:
    """The bucket that a virtual-host style request names by its Host header; None when the host names none.

    `domains` are the names the server answers to, in lower case (`localhost`, `s3.localhost`): the longest that fits
    counts, and a host equal to one of them is path-style. An address is never virtual-host style.
    """
    name = host_name(host)
    if not name or name[0] == "[" or _LIKE_IPV4.fullmatch(name):
        return None
    best = ""
    for domain in domains:
        if name == domain:
            return None
        if len(domain) > len(best) and name.endswith(domain) and name[-len(domain) - 1] == ".":
            best = domain
    return name[: -len(best) - 1] or None if best else None


def host_name(host: str) -> str:
    """The Host header without port and trailing dot, in lower case: `[::1]:9000` gives `[::1]`."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0].removesuffix(".")


def encode_listed(text: str) -> str:
    """A key or prefix as a listing with `encoding-type=url` gives it.

    `/` is kept for clients that split folders first. A space is `%20`, which decoders of forms and of URLs both read.
    """
    return quote(text, safe="/*").replace("~", "%7E")


def _invalid_uri(raw: str) -> InvalidURI:
    shown = raw[:MAX_KEY_BYTES].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return InvalidURI(fields={"URI": shown})
