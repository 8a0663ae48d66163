"""The pages that websites show where the owner has none: an error in the shape of AWS's, everything in it escaped.

Amazon S3 User Guide, "Configuring a custom error document" (status and code in a list, then the ids).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from bucketry.store.s3.errors import S3Error

Parts = Sequence[tuple[str, str]]


def error_parts(error: S3Error) -> Parts:
    """What a page tells of an error: its code, its text, its own fields."""
    return [("Code", error.code), ("Message", error.text), *error.fields.items()]


def error_page(status: int, parts: Iterable[tuple[str, str]], nested: Iterable[tuple[str, str]] = ()) -> bytes:
    """A page for an error; `nested` is why the owner's own error document could not be shown."""
    title = f"{status} {HTTPStatus(status).phrase}"
    rows = _list(parts)
    inside = _list(nested)
    if inside:
        rows += f"<h3>The site's own error document could not be shown either</h3>\n{inside}"
    return (
        f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{rows}"
        "<hr>\n</body>\n</html>\n"
    ).encode("utf-8", "replace")


def _list(parts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<li>{html.escape(name)}: {html.escape(text)}</li>\n" for name, text in parts)
    return f"<ul>\n{rows}</ul>\n" if rows else ""
