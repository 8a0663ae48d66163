"""Tags of objects and buckets: the Tagging document and the x-amz-tagging header, read, checked and written.

Amazon S3 User Guide, "Categorizing your objects using tags" (10 tags, keys to 128 and values to 256 characters:
letters, digits, spaces and `+ - = . _ : / @`); API Reference, PutObjectTagging, PutBucketTagging (50 tags). `aws:` is
kept for the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from . import xml
from .errors import InvalidArgument, InvalidTag, MalformedXML

MAX_OBJECT_TAGS = 10
MAX_BUCKET_TAGS = 50
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 256
MAX_TAGGING_BYTES = 128 * 1024  # 50 tags of the longest, each character as a reference, stay below

_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_tag_header(text: str) -> dict[str, str]:
    """Tags of an x-amz-tagging header (`key=value&key2=value2`, encoded as HTML forms are), at most ten.

    Raises InvalidArgument when it isn't that form or a key comes twice, InvalidTag when a tag breaks a rule.
    """
    tags: dict[str, str] = {}
    for pair in text.split("&") if text else ():
        name, _, value = pair.partition("=")
        key = _decode_form(name, text)
        if key in tags:
            raise _malformed_header(text)
        tags[key] = _decode_form(value, text)
    check_tags(tags.items(), MAX_OBJECT_TAGS, "Object")
    return tags


def parse_object_tagging(body: bytes) -> dict[str, str]:
    """Tags of a PutObjectTagging document. Raises MalformedXML or InvalidTag."""
    return _parse_document(body, MAX_OBJECT_TAGS, "Object")


def parse_bucket_tagging(body: bytes) -> dict[str, str]:
    """Tags of a PutBucketTagging document. Raises MalformedXML or InvalidTag."""
    return _parse_document(body, MAX_BUCKET_TAGS, "Bucket")


def parse_bucket_tags(tags: xml.Element) -> dict[str, str]:
    """Tags of the Tags element of a CreateBucket document. Raises MalformedXML or InvalidTag."""
    return _parse_set(tags, MAX_BUCKET_TAGS, "Bucket")


def tagging_document(tags: Mapping[str, str]) -> bytes:
    """The Tagging document, by key, so that equal tags make equal documents."""
    rows = "".join(
        f"<Tag><Key>{xml.escape(key)}</Key><Value>{xml.escape(tags[key])}</Value></Tag>" for key in sorted(tags)
    )
    return xml.document("Tagging", f"<TagSet>{rows}</TagSet>")


def _decode_form(piece: str, whole: str) -> str:
    if _BAD_ESCAPE.search(piece):
        raise _malformed_header(whole)
    try:
        return unquote_to_bytes(piece.replace("+", " ").encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise _malformed_header(whole) from None


def _malformed_header(text: str) -> InvalidArgument:
    return InvalidArgument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
        "duplicates.",
        {"ArgumentName": "x-amz-tagging", "ArgumentValue": text},
    )


def _parse_document(body: bytes, limit: int, kind: str) -> dict[str, str]:
    root = xml.parse(body, "Tagging", max_bytes=MAX_TAGGING_BYTES)
    tag_set = root.find("TagSet")
    if tag_set is None or len(root.children) != 1:
        raise MalformedXML
    return _parse_set(tag_set, limit, kind)


def _parse_set(tag_set: xml.Element, limit: int, kind: str) -> dict[str, str]:
    pairs: list[tuple[str, str]] = []
    for tag in tag_set:
        key, value = tag.text_of("Key"), tag.text_of("Value")
        if tag.name != "Tag" or key is None or value is None or len(tag.children) != 2:
            raise MalformedXML
        pairs.append((key, value))
    check_tags(pairs, limit, kind)
    return dict(pairs)


def check_tags(pairs: Iterable[tuple[str, str]], limit: int, kind: str) -> None:
    """InvalidTag for a tag that breaks a rule, or more than `limit` of them."""
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            raise InvalidTag("Cannot provide multiple Tags with the same key", {"TagKey": key})
        seen.add(key)
        if not key or len(key) > MAX_KEY_CHARACTERS or not _ALLOWED.fullmatch(key):
            raise InvalidTag("The TagKey you have provided is invalid", {"TagKey": key})
        if key.lower().startswith("aws:"):
            raise InvalidTag("System tags cannot be added/updated by requester", {"TagKey": key})
        if len(value) > MAX_VALUE_CHARACTERS or not _ALLOWED.fullmatch(value):
            raise InvalidTag("The TagValue you have provided is invalid", {"TagKey": key, "TagValue": value})
    if len(seen) > limit:
        raise InvalidTag(f"{kind} tags cannot be greater than {limit}")
