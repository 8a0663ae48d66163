"""DeleteObjects: up to a thousand keys in one document, and what became of each.

API Reference, DeleteObjects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import xml
from .dates import parse_http_date
from .errors import MalformedXML, S3Error
from .multipart import unquote_etag

MAX_KEYS = 1000
# A thousand keys of 1,024 bytes, each byte a character reference (`&#x7f;`), and their elements.
MAX_DELETE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AskedRemoval:
    """An object to remove, and what must hold of it. None where nothing was said."""

    key: str
    version_id: str | None = None
    etag: str | None = None  # without quotes; "*": any
    modified_s: int | None = None  # epoch seconds
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one: `error` is None when it is gone, or hidden by a delete marker."""

    asked: AskedRemoval
    error: S3Error | None = None
    marker_id: str | None = None  # of the delete marker that was made, or that was what was removed


def parse_delete(body: bytes) -> tuple[list[AskedRemoval], bool]:
    """The removals of a Delete document, and whether only errors are to be told. Raises MalformedXML."""
    root = xml.parse(body, "Delete", max_bytes=MAX_DELETE_BYTES)
    removals: list[AskedRemoval] = []
    is_quiet = False
    for child in root:
        if child.name == "Object":
            removals.append(_asked(child))
        elif child.name == "Quiet":
            is_quiet = child.text.strip().lower() == "true"
        else:
            raise MalformedXML
    if not 0 < len(removals) <= MAX_KEYS:
        raise MalformedXML
    return removals, is_quiet


def _asked(element: xml.Element) -> AskedRemoval:
    key = element.text_of("Key")
    if not key:
        raise MalformedXML
    etag, modified, size = (element.text_of(name) for name in ("ETag", "LastModifiedTime", "Size"))
    modified_ms = None if modified is None else parse_http_date(modified)
    if modified is not None and modified_ms is None:
        raise MalformedXML
    if size is not None and not (size.strip().isascii() and size.strip().isdigit() and len(size.strip()) < 20):
        raise MalformedXML
    return AskedRemoval(
        key=key,
        version_id=element.text_of("VersionId") or None,
        etag=None if etag is None else unquote_etag(etag),
        modified_s=None if modified_ms is None else modified_ms // 1000,
        size=None if size is None else int(size),
    )


def holds(asked: AskedRemoval, etag: str, modified_ms: int, size: int) -> bool:
    """Whether an object is the one that a removal means."""
    return (
        asked.etag in (None, "*", etag)
        and asked.modified_s in (None, modified_ms // 1000)
        and asked.size in (None, size)
    )


def delete_document(removals: Sequence[Removal], is_quiet: bool) -> bytes:
    """DeleteResult, in the order asked."""
    return xml.document("DeleteResult", _results(removals, is_quiet))


def _results(removals: Iterable[Removal], is_quiet: bool) -> Iterable[str]:
    for removal in removals:
        asked = removal.asked
        named = xml.elements([("Key", asked.key), ("VersionId", asked.version_id)])
        if removal.error is not None:
            detail = xml.elements([("Code", removal.error.code), ("Message", removal.error.text)])
            yield f"<Error>{named}{detail}</Error>"
        elif not is_quiet:
            marker = ""
            if removal.marker_id is not None:
                marker = xml.elements([("DeleteMarker", True), ("DeleteMarkerVersionId", removal.marker_id)])
            yield f"<Deleted>{named}{marker}</Deleted>"
