"""If-Match and its like, as tables."""

from __future__ import annotations

import pytest

from bucketry.store.s3.conditions import (
    check_copy_source,
    check_delete,
    check_read,
    check_write,
    check_write_fields,
    matches,
)
from bucketry.store.s3.errors import InvalidArgument, NoSuchKey, NotModified, PreconditionFailed, S3Error

ETAG = "5d41402abc4b2a76b9719d911017c592"
MODIFIED_MS = 1_000_000_000_789  # Sun, 09 Sep 2001 01:46:40 GMT, and a bit
THEN, BEFORE, AFTER = (f"Sun, 09 Sep 2001 01:46:{second} GMT" for second in (40, 39, 41))

READS: list[tuple[dict[str, str], type[S3Error] | None]] = [
    ({}, None),
    ({"if-match": f'"{ETAG}"'}, None),
    ({"if-match": ETAG}, None),
    ({"if-match": "*"}, None),
    ({"if-match": f'"a", "{ETAG}"'}, None),
    ({"if-match": f'W/"{ETAG}"'}, PreconditionFailed),
    ({"if-match": '"a"'}, PreconditionFailed),
    ({"if-match": ""}, PreconditionFailed),
    ({"if-match": '"a'}, PreconditionFailed),
    ({"if-none-match": f'"{ETAG}"'}, NotModified),
    ({"if-none-match": f'W/"{ETAG}"'}, NotModified),
    ({"if-none-match": "*"}, NotModified),
    ({"if-none-match": '"a", "b"'}, None),
    ({"if-modified-since": BEFORE}, None),
    ({"if-modified-since": THEN}, NotModified),
    ({"if-modified-since": AFTER}, NotModified),
    ({"if-unmodified-since": BEFORE}, PreconditionFailed),
    ({"if-unmodified-since": THEN}, None),
    ({"if-unmodified-since": "never"}, None),
    ({"if-match": f'"{ETAG}"', "if-unmodified-since": BEFORE}, None),
    ({"if-match": '"a"', "if-unmodified-since": AFTER}, PreconditionFailed),
    ({"if-none-match": f'"{ETAG}"', "if-modified-since": BEFORE}, NotModified),
    ({"if-none-match": '"a"', "if-modified-since": AFTER}, None),
    ({"if-match": '"a"', "if-none-match": f'"{ETAG}"'}, PreconditionFailed),
]


@pytest.mark.parametrize(("fields", "refusal"), READS)
def test_reads(fields: dict[str, str], refusal: type[S3Error] | None) -> None:
    if refusal is None:
        check_read(fields, ETAG, MODIFIED_MS)
        check_copy_source(fields, ETAG, MODIFIED_MS)
        return
    with pytest.raises(refusal):
        check_read(fields, ETAG, MODIFIED_MS)
    with pytest.raises(PreconditionFailed):
        check_copy_source(fields, ETAG, MODIFIED_MS)


def test_a_304_takes_the_headers_it_is_given() -> None:
    with pytest.raises(NotModified) as error:
        check_read({"if-none-match": "*"}, ETAG, MODIFIED_MS, {"ETag": "x"})
    assert error.value.headers == {"ETag": "x"}


WRITES: list[tuple[str | None, str | None, str | None, type[S3Error] | None]] = [
    # if-match, if-none-match, the etag that is there, refusal
    (None, None, None, None),
    (None, None, ETAG, None),
    (None, "*", None, None),
    (None, "*", ETAG, PreconditionFailed),
    (ETAG, None, ETAG, None),
    (f'"{ETAG}"', None, ETAG, None),
    ('"a"', None, ETAG, PreconditionFailed),
    ('"a"', None, None, NoSuchKey),
    ("*", None, None, NoSuchKey),
    ("*", None, ETAG, None),
    (ETAG, "*", ETAG, PreconditionFailed),
    (None, ETAG, ETAG, PreconditionFailed),
    (None, f'"other", W/"{ETAG}"', ETAG, PreconditionFailed),
    (None, '"other"', ETAG, None),
    (None, ETAG, None, None),
]


@pytest.mark.parametrize(("if_match", "if_none_match", "etag", "refusal"), WRITES)
def test_writes(
    if_match: str | None, if_none_match: str | None, etag: str | None, refusal: type[S3Error] | None
) -> None:
    if refusal is None:
        check_write(if_match, if_none_match, "key", etag)
        return
    with pytest.raises(refusal):
        check_write(if_match, if_none_match, "key", etag)


def test_fields_of_writes() -> None:
    check_write_fields(None, None)
    check_write_fields('"a"', " * ")
    check_write_fields(None, '"a"')
    for empty in ((" ", None), (None, ""), ("*", " ")):
        with pytest.raises(InvalidArgument):
            check_write_fields(*empty)


def test_deletes() -> None:
    check_delete(None, ETAG)
    check_delete('"a"', None)
    check_delete(ETAG, ETAG)
    with pytest.raises(PreconditionFailed):
        check_delete('"a"', ETAG)


def test_a_long_list_of_tags_is_read_in_linear_time() -> None:
    assert not matches('"a",' * 2000, ETAG, weakly=True)
    assert matches('"a",' * 2000 + ETAG, ETAG, weakly=True)
