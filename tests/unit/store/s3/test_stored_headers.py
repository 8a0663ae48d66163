"""Which headers of a request are kept with its object."""

from __future__ import annotations

import pytest

from bucketry.store.s3.errors import InvalidArgument, MetadataTooLarge, S3Error
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.stored_headers import answer_headers, stored_headers


def test_an_allow_list_is_kept() -> None:
    given = [
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-store"),
        ("X-Amz-Meta-A", "1"),
        ("x-amz-website-redirect-location", "https://elsewhere"),
        ("Authorization", "secret"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-minio-replication-status", "REPLICA"),
        ("ETag", '"forged"'),
        ("Last-Modified", "never"),
        ("Content-Length", "3"),
    ]
    assert stored_headers(Headers(given)) == {
        "content-type": "text/plain",
        "cache-control": "no-store",
        "x-amz-meta-a": "1",
        "x-amz-website-redirect-location": "https://elsewhere",
    }


def test_repeated_metadata_is_one_field() -> None:
    assert stored_headers(Headers([("x-amz-meta-a", "1"), ("X-Amz-Meta-A", "2")]))["x-amz-meta-a"] == "1,2"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("aws-chunked", None), ("gzip", "gzip"), ("aws-chunked,gzip", "gzip"), ("br, AWS-Chunked , gzip", "br,gzip")],
)
def test_how_the_body_came_is_no_encoding_of_the_object(given: str, kept: str | None) -> None:
    assert stored_headers(Headers([("Content-Encoding", given)])).get("content-encoding") == kept


@pytest.mark.parametrize("given", [[], [("Content-Type", "")]])
def test_the_type_has_a_default(given: list[tuple[str, str]]) -> None:
    assert stored_headers(Headers(given)) == {"content-type": "binary/octet-stream"}


def test_metadata_counts_names_and_values_in_bytes() -> None:
    stored_headers(Headers([("x-amz-meta-ab", "ü" * 1023)]))
    with pytest.raises(MetadataTooLarge) as error:
        stored_headers(Headers([("x-amz-meta-abc", "ü" * 1023)]))
    assert error.value.fields == {"Size": "2049", "MaxSizeAllowed": "2048"}


@pytest.mark.parametrize(
    "given",
    [
        ("x-amz-meta-a", "\udcff"),
        ("content-type", "text/\udce4"),
        ("x-amz-website-redirect-location", "javascript:alert(1)"),
        ("x-amz-website-redirect-location", "elsewhere"),
        ("x-amz-website-redirect-location", "/" + "x" * 2048),
    ],
)
def test_what_could_not_be_given_back_is_refused(given: tuple[str, str]) -> None:
    with pytest.raises(S3Error) as error:
        stored_headers(Headers([given]))
    assert isinstance(error.value, InvalidArgument)


def test_answers_carry_the_usual_names() -> None:
    kept = {"content-type": "a", "x-amz-meta-b": "c", "expires": "0"}
    assert answer_headers(kept) == [("Content-Type", "a"), ("x-amz-meta-b", "c"), ("Expires", "0")]
