"""Headers that are kept with an object and given back with it: an allow list, nothing else of a request is stored.

Amazon S3 API Reference, PutObject; User Guide, "Working with object metadata": content headers, user metadata
(x-amz-meta-*, 2 KB in all), the website redirect. Names are kept in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import InvalidArgument, MetadataTooLarge
from .headers import HeaderView

MAX_METADATA_BYTES = 2048  # "user-defined metadata is limited to 2 KB", names and values in UTF-8
MAX_REDIRECT_CHARACTERS = 2048  # "x-amz-website-redirect-location: the length limit is 2 KB"
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
META_PREFIX = "x-amz-meta-"
REDIRECT = "x-amz-website-redirect-location"

# as they are written in answers
NAMES: dict[str, str] = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-type": "Content-Type",
    "expires": "Expires",
    REDIRECT: REDIRECT,
}


def stored_headers(headers: HeaderView) -> dict[str, str]:
    """What of a request's headers is kept with the object that it writes.

    Raises MetadataTooLarge, and InvalidArgument for a value that isn't UTF-8 or a redirect to nowhere.
    """
    kept: dict[str, str] = {}
    metadata_bytes = 0
    for name, _ in headers.items():
        if name in NAMES:
            kept[name] = headers.get(name) or ""
        elif name.startswith(META_PREFIX) and name not in kept:
            value = headers.get(name) or ""
            kept[name] = value
            metadata_bytes += len(name) - len(META_PREFIX) + len(value.encode("utf-8", "surrogateescape"))
    for name, value in kept.items():
        if not value.isascii():
            _check_unicode(name, value)
    if metadata_bytes > MAX_METADATA_BYTES:
        raise MetadataTooLarge(fields={"Size": str(metadata_bytes), "MaxSizeAllowed": str(MAX_METADATA_BYTES)})
    encoding = kept.get("content-encoding")
    if encoding is not None:
        _keep_encoding(kept, encoding)
    redirect = kept.get(REDIRECT)
    if redirect is not None:
        check_redirect(redirect)
    if not kept.get("content-type"):
        kept["content-type"] = DEFAULT_CONTENT_TYPE
    return kept


def check_redirect(location: str) -> None:
    """InvalidArgument unless objects may redirect a website's visitor to `location`."""
    if not location.startswith(("/", "http://", "https://")) or len(location) > MAX_REDIRECT_CHARACTERS:
        raise InvalidArgument(
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
            {"ArgumentName": REDIRECT, "ArgumentValue": location[:128]},
        )


def answer_headers(stored: Mapping[str, str]) -> list[tuple[str, str]]:
    """The kept headers as fields of an answer."""
    return [(NAMES.get(name, name), value) for name, value in stored.items()]


def _keep_encoding(kept: dict[str, str], encoding: str) -> None:
    """aws-chunked is how the body came, not what the object is."""
    codings = [coding.strip() for coding in encoding.split(",")]
    left = [coding for coding in codings if coding and coding.lower() != "aws-chunked"]
    if len(left) == len(codings):
        return
    if left:
        kept["content-encoding"] = ",".join(left)
    else:
        del kept["content-encoding"]


def _check_unicode(name: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgument(
            "The value of a header that is kept with an object must be UTF-8.", {"ArgumentName": name}
        ) from None
