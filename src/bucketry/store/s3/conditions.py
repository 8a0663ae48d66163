"""If-Match and its like: whether a request goes on, given the object that is there now.

RFC 9110, section 13, in the order of 13.2.2, which is also what Amazon S3 says of pairs ("GetObject": If-Match true and
If-Unmodified-Since false is 200; If-None-Match false and If-Modified-Since true is 304). Entity tags without quotes
count too, since many S3 clients send them so. Writes: Amazon S3 User Guide, "Conditional writes" and "Conditional
deletes".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .dates import parse_http_date
from .errors import InvalidArgument, NoSuchKey, NotModified, PreconditionFailed

_TAG = re.compile(r'\s*(?:(W/)?"([^"]*)"|([^\s",]+))\s*(?:,|$)')


def _tags(field: str) -> list[tuple[bool, str]]:
    """The entity tags of a field as (is weak, tag without quotes); what can't be read is no tag."""
    found = []
    position = 0
    while position < len(field):
        match = _TAG.match(field, position)
        if match is None:
            break
        weak, quoted, bare = match.groups()
        found.append((weak is not None, quoted if bare is None else bare))
        position = match.end()
    return found


def matches(field: str, etag: str, *, weakly: bool) -> bool:
    """Whether an existing object with `etag` (no quotes) is named by If-Match (strong) or If-None-Match (weak)."""
    if field.strip() == "*":
        return True
    return any(tag == etag and (weakly or not is_weak) for is_weak, tag in _tags(field))


def check_read(
    fields: Mapping[str, str | None], etag: str, modified_ms: int, answer_headers: Mapping[str, str] | None = None
) -> None:
    """PreconditionFailed or NotModified unless a read of this object is wanted.

    `fields` holds `if-match`, `if-none-match`, `if-modified-since`, `if-unmodified-since`; those that are absent may be
    missing or None. `answer_headers` go with a NotModified (ETag, Last-Modified: RFC 9110, 15.4.5).
    """
    modified_s = modified_ms // 1000
    if_match = fields.get("if-match")
    if if_match is not None:
        if not matches(if_match, etag, weakly=False):
            raise PreconditionFailed(fields={"Condition": "If-Match"})
    else:
        since_s = _seconds(fields.get("if-unmodified-since"))
        if since_s is not None and modified_s > since_s:
            raise PreconditionFailed(fields={"Condition": "If-Unmodified-Since"})
    if_none_match = fields.get("if-none-match")
    if if_none_match is not None:
        if matches(if_none_match, etag, weakly=True):
            raise NotModified(headers=answer_headers)
    else:
        since_s = _seconds(fields.get("if-modified-since"))
        if since_s is not None and modified_s <= since_s:
            raise NotModified(headers=answer_headers)


def check_copy_source(fields: Mapping[str, str | None], etag: str, modified_ms: int) -> None:
    """The same of a copy's source, from the four fields without their prefix `x-amz-copy-source-`; 412 in each case."""
    try:
        check_read(fields, etag, modified_ms)
    except NotModified:
        name = "If-None-Match" if fields.get("if-none-match") is not None else "If-Modified-Since"
        raise PreconditionFailed(fields={"Condition": f"x-amz-copy-source-{name}"}) from None


def check_write_fields(if_match: str | None, if_none_match: str | None) -> None:
    """Refuse fields of a write that say nothing, before anything is read. Of If-None-Match S3 documents `*` alone; an
    entity tag means here what it does in RFC 9110: not over that object."""
    for name, field in (("If-Match", if_match), ("If-None-Match", if_none_match)):
        if field is not None and not field.strip():
            raise InvalidArgument(f"{name} is empty.", fields={"ArgumentName": name, "ArgumentValue": ""})


def check_write(if_match: str | None, if_none_match: str | None, key: str, etag: str | None) -> None:
    """NoSuchKey or PreconditionFailed unless a write over the object with `etag` (None: there is none) is wanted."""
    if if_none_match is not None and etag is not None and matches(if_none_match, etag, weakly=True):
        raise PreconditionFailed(fields={"Condition": "If-None-Match"})
    if if_match is not None:
        if etag is None:
            raise NoSuchKey(fields={"Key": key})
        if not matches(if_match, etag, weakly=False):
            raise PreconditionFailed(fields={"Condition": "If-Match"})


def check_delete(if_match: str | None, etag: str | None) -> None:
    """PreconditionFailed unless a removal is wanted; that of a missing object always is ("DeleteObject", If-Match)."""
    if if_match is not None and etag is not None and not matches(if_match, etag, weakly=False):
        raise PreconditionFailed(fields={"Condition": "If-Match"})


def _seconds(field: str | None) -> int | None:
    if field is None:
        return None
    moment_ms = parse_http_date(field)
    return None if moment_ms is None else moment_ms // 1000
