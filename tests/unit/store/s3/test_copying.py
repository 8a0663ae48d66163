"""Copy sources, ranges and directives."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.copying import CopySource, copy_conditions, parse_copy_range, parse_copy_source, replaces
from bucketry.store.s3.errors import InvalidArgument, InvalidRange, S3Error
from bucketry.store.s3.headers import Headers


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=100))
def test_encoded_key_reads_back(key: str) -> None:
    for text in (f"bucket/{quote(key)}", f"/bucket/{quote(key)}", quote(f"bucket/{key}", safe="")):
        assert parse_copy_source(text) == CopySource("bucket", key, None)
    assert parse_copy_source(f"bucket/{quote(key)}?versionId=null") == CopySource("bucket", key, "null")


@pytest.mark.parametrize(
    ("text", "key", "version_id"),
    [
        ("bucket/a+b", "a+b", None),
        ("bucket/a?b", "a?b", None),
        ("bucket/a%3FversionId=1", "a?versionId=1", None),
        ("bucket//a", "/a", None),
        ("bucket/../x", "../x", None),
        ("bucket/a%2F..%2Fb", "a/../b", None),
        ("bucket/k?versionId=a%2Bb", "k", "a+b"),
        ("bucket/é", "é", None),
    ],
)
def test_sources_that_are_read_as_they_stand(text: str, key: str, version_id: str | None) -> None:
    assert parse_copy_source(text) == CopySource("bucket", key, version_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "bucket",
        "bucket/",
        "/bucket/",
        "/bucket",
        "//bucket/key",
        "?versionId=1",
        "bucket/k?versionId=",
        "../k",
        "BUCKET/k",
        "bucket/%",
        "bucket/%ff",
        "bucket/" + "k" * 1025,
        "arn:aws:s3:us-east-1:111122223333:accesspoint/a/object/k",
        "bucket\x00/k",
    ],
)
def test_sources_that_name_nothing_are_refused(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_copy_source(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(("text", "run"), [("bytes=0-0", (0, 1)), ("bytes=3-9", (3, 7)), ("bytes=0-9", (0, 10))])
def test_ranges_inside_the_source(text: str, run: tuple[int, int]) -> None:
    assert parse_copy_range(text, 10) == run


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("bytes=0-10", InvalidRange),
        ("bytes=10-11", InvalidRange),
        ("bytes=5-4", InvalidArgument),
        ("bytes=5-", InvalidArgument),
        ("bytes=-5", InvalidArgument),
        ("bytes=0-1,3-4", InvalidArgument),
        ("bytes 0-1", InvalidArgument),
        ("0-1", InvalidArgument),
        ("", InvalidArgument),
        ("bytes=٠-١", InvalidArgument),
        ("bytes=" + "9" * 5000 + "-1", InvalidArgument),
    ],
)
def test_other_ranges_are_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_copy_range(text, 10)


def test_conditions_lose_their_prefix() -> None:
    headers = Headers([("x-amz-copy-source-if-match", '"e"'), ("if-none-match", "*")])
    assert copy_conditions(headers) == {
        "if-match": '"e"',
        "if-none-match": None,
        "if-modified-since": None,
        "if-unmodified-since": None,
    }


def test_directives() -> None:
    name = "x-amz-metadata-directive"
    assert not replaces(Headers(), name, "metadata")
    assert not replaces(Headers([(name, "COPY")]), name, "metadata")
    assert replaces(Headers([(name, "REPLACE")]), name, "metadata")
    with pytest.raises(InvalidArgument, match="metadata directive"):
        replaces(Headers([(name, "MERGE")]), name, "metadata")
