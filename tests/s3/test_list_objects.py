"""ListObjects, both versions, over the wire: against what a sorted list of keys says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store

KEYS = [
    "!",
    "a",
    "a b",
    "a&b<c>\"d'",
    "a+b",
    "a/",
    "a/1",
    "a/2/x",
    "a/2/y",
    "a//z",
    "b/1",
    "b/2",
    "c%2Fd",
    "é/1",
    "é/2",
    "漢字",
    "\x01control",
    "😀",
    "\ue000",
]


@pytest.fixture(scope="module")
def filled(store: Store, s3: Any) -> str:
    name = "bucket-list-objects"
    s3.create_bucket(Bucket=name)
    for key in random.Random(1).sample(KEYS, len(KEYS)):
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


def expected(prefix: str = "", delimiter: str = "", start: str = "") -> tuple[list[str], list[str]]:
    """Keys and common prefixes as the API Reference defines them."""
    keys: list[str] = []
    prefixes: list[str] = []
    for key in sorted(KEYS):
        if key.startswith(prefix) and key > start:
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                keys.append(key)
            elif (common := key[: cut + len(delimiter)]) not in prefixes:
                prefixes.append(common)
    return keys, prefixes


def names(page: dict[str, Any]) -> tuple[list[str], list[str]]:
    return (
        [entry["Key"] for entry in page.get("Contents", [])],
        [entry["Prefix"] for entry in page.get("CommonPrefixes", [])],
    )


CASES: Sequence[tuple[str, str]] = [
    ("", ""),
    ("", "/"),
    ("a", ""),
    ("a/", "/"),
    ("a/2/", "/"),
    ("a", "/"),
    ("é", "/"),
    ("", "2"),
    ("", "/2/"),
    ("nothing", "/"),
    ("😀", ""),
]


@pytest.mark.parametrize(("prefix", "delimiter"), CASES)
@pytest.mark.parametrize("method", ["list_objects", "list_objects_v2"])
def test_prefix_and_delimiter(s3: Any, filled: str, method: str, prefix: str, delimiter: str) -> None:
    page = getattr(s3, method)(Bucket=filled, Prefix=prefix, Delimiter=delimiter)
    assert names(page) == expected(prefix, delimiter)
    assert not page["IsTruncated"]


@pytest.mark.parametrize(("prefix", "delimiter"), CASES)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_make_the_whole_by_tokens(s3: Any, filled: str, prefix: str, delimiter: str, size: int) -> None:
    keys: list[str] = []
    prefixes: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = s3.list_objects_v2(Bucket=filled, Prefix=prefix, Delimiter=delimiter, MaxKeys=size, **more)
        found = names(page)
        assert len(found[0]) + len(found[1]) == page["KeyCount"] <= size
        keys += found[0]
        prefixes += found[1]
        if not page["IsTruncated"]:
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    assert (keys, prefixes) == expected(prefix, delimiter)


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_make_the_whole_by_markers(s3: Any, filled: str, delimiter: str) -> None:
    keys: list[str] = []
    prefixes: list[str] = []
    marker = ""
    while True:
        page = s3.list_objects(Bucket=filled, Delimiter=delimiter, MaxKeys=2, Marker=marker)
        found = names(page)
        keys += found[0]
        prefixes += found[1]
        if not page["IsTruncated"]:
            break
        if not delimiter:
            assert "NextMarker" not in page
        marker = page["NextMarker"] if delimiter else found[0][-1]
    assert (keys, prefixes) == expected("", delimiter)


@pytest.mark.parametrize("start", ["a", "a/1", "a/3", "zzz", "\x00", "a/2/x"])
def test_start_after_and_marker(s3: Any, filled: str, start: str) -> None:
    assert names(s3.list_objects_v2(Bucket=filled, StartAfter=start)) == expected(start=start)
    assert names(s3.list_objects(Bucket=filled, Marker=start)) == expected(start=start)


def test_start_after_is_told_on_each_page(s3: Any, filled: str) -> None:
    first = s3.list_objects_v2(Bucket=filled, StartAfter="a/1", MaxKeys=1)
    second = s3.list_objects_v2(Bucket=filled, StartAfter="a/1", ContinuationToken=first["NextContinuationToken"])
    assert (first["StartAfter"], second["StartAfter"]) == ("a/1", "a/1")
    assert second["Contents"][0]["Key"] > first["Contents"][0]["Key"]


def test_marker_inside_a_folder(s3: Any, filled: str) -> None:
    """Of V1 the folder is past then; V2 begins behind the very name."""
    old = s3.list_objects(Bucket=filled, Delimiter="/", Marker="a/1")
    assert "a/" not in names(old)[1]
    new = s3.list_objects_v2(Bucket=filled, Delimiter="/", StartAfter="a/1")
    assert names(new) == expected(delimiter="/", start="a/1")
    assert "a/" in names(new)[1]


def test_rows_tell_what_was_put(store: Store, s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"content", ChecksumAlgorithm="SHA256")
    row = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]
    assert (row["Key"], row["Size"], row["ETag"], row["StorageClass"]) == ("k", 7, put["ETag"], "STANDARD")
    assert (row["ChecksumAlgorithm"], row["ChecksumType"]) == (["SHA256"], "FULL_OBJECT")
    assert row["Owner"]["ID"] == store.one.canonical_id
    assert abs((row["LastModified"] - s3.head_object(Bucket=bucket, Key="k")["LastModified"]).total_seconds()) < 1
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]["ID"] == store.one.canonical_id


def test_no_keys_asked_is_no_keys_and_no_more(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], page["MaxKeys"]) == (0, False, 0)
    assert s3.list_objects_v2(Bucket=filled, MaxKeys=5000)["MaxKeys"] == 1000


def test_names_come_encoded_only_when_asked(store: Store, filled: str) -> None:
    plain = store.request("GET", f"/{filled}?list-type=2&prefix=a%20", store.one)
    assert b"<Key>a b</Key>" in plain.body
    encoded = store.request("GET", f"/{filled}?list-type=2&prefix=a%20&encoding-type=url", store.one)
    assert b"<Key>a%20b</Key>" in encoded.body
    assert b"<Prefix>a%20</Prefix>" in encoded.body
    first = store.request("GET", f"/{filled}?prefix=a%20&encoding-type=url", store.one)
    assert b"<Key>a%20b</Key>" in first.body
    assert b"<Prefix>a </Prefix>" in first.body  # SDKs don't decode it in the first version
    control = store.request("GET", f"/{filled}?list-type=2&prefix=%01", store.one)
    assert b"&#x1;control" in control.body


@pytest.mark.parametrize(
    "query",
    [
        "list-type=2&max-keys=x",
        "list-type=2&max-keys=-1",
        "list-type=2&max-keys=99999999999999999999",
        "list-type=2&continuation-token=AAAA",
        "list-type=2&continuation-token=" + "A" * 4000,
        "list-type=2&encoding-type=base64",
        "list-type=1",
        "list-type=",
        "max-keys=1e3",
        "encoding-type=x",
    ],
)
def test_bad_parameters_are_invalid_arguments(store: Store, filled: str, query: str) -> None:
    reply = store.request("GET", f"/{filled}?{query}", store.one)
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_token_of_another_prefix_stays_inside_the_prefix(s3: Any, filled: str) -> None:
    token = s3.list_objects_v2(Bucket=filled, MaxKeys=1)["NextContinuationToken"]
    page = s3.list_objects_v2(Bucket=filled, Prefix="b/", ContinuationToken=token)
    assert names(page) == (["b/1", "b/2"], [])


def test_missing_bucket(s3: Any) -> None:
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket="bucket-that-is-missing")
