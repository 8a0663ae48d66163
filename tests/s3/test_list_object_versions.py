"""ListObjectVersions over the wire: order, pages, prefixes, encodings, and what is told of each version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store
from tests.kit.versioning import hide, listed, put, set_versioning

KEYS = ["a", "a b", "dir/1", "dir/2", "dir/sub/3", "z"]


@pytest.fixture
def filled(s3: Any, bucket: str) -> str:
    """A bucket of six keys, each with a null version, two versions, and a marker between them."""
    for key in KEYS:
        put(s3, bucket, key, b"null")
    set_versioning(s3, bucket)
    for key in KEYS:
        put(s3, bucket, key, b"older")
        hide(s3, bucket, key)
        put(s3, bucket, key, b"newest")
    return bucket


def test_newest_comes_first_and_is_the_latest(store: Store, s3: Any, filled: str) -> None:
    answer = s3.list_object_versions(Bucket=filled, Prefix="a", MaxKeys=1000)
    assert [(entry["Key"], entry["IsLatest"], entry["Size"]) for entry in answer["Versions"]] == [
        (key, is_latest, size) for key in ("a", "a b") for is_latest, size in ((True, 6), (False, 5), (False, 4))
    ]
    assert [entry["VersionId"] == "null" for entry in answer["Versions"]] == [False, False, True] * 2
    assert [(entry["Key"], entry["IsLatest"]) for entry in answer["DeleteMarkers"]] == [("a", False), ("a b", False)]
    newest = answer["Versions"][0]
    head = s3.head_object(Bucket=filled, Key="a")
    assert (newest["ETag"], newest["VersionId"]) == (head["ETag"], head["VersionId"])
    assert newest["StorageClass"] == "STANDARD"
    assert newest["ChecksumAlgorithm"] == ["CRC32"]
    owner = s3.list_buckets()["Owner"]
    assert newest["Owner"]["ID"] == answer["DeleteMarkers"][0]["Owner"]["ID"] == owner["ID"]
    body = store.request("GET", f"/{filled}?versions&prefix=a%20b", store.one).body
    assert body.index(b"<DeleteMarker>") < body.rindex(b"<Version>")  # as they lie, not by kind
    assert (answer["IsTruncated"], answer["Name"], answer["MaxKeys"], answer["KeyMarker"]) == (False, filled, 1000, "")


@pytest.mark.parametrize("size", [1, 2, 5, 7, 23, 24])
def test_pages_tell_each_version_once(s3: Any, filled: str, size: int) -> None:
    whole = listed(s3, filled)
    assert len(whole) == 24
    paged = listed(s3, filled, PaginationConfig={"PageSize": size})
    assert sorted(paged) == sorted(whole)
    assert len(set(paged)) == 24


def test_page_is_continued_by_key_alone_or_by_key_and_version(s3: Any, filled: str) -> None:
    first = s3.list_object_versions(Bucket=filled, MaxKeys=1)
    assert first["IsTruncated"] is True
    assert first["NextKeyMarker"] == "a"
    assert first["NextVersionIdMarker"] == first["Versions"][0]["VersionId"]
    rest = s3.list_object_versions(Bucket=filled, KeyMarker="a", VersionIdMarker=first["NextVersionIdMarker"])
    assert len(rest["Versions"]) + len(rest["DeleteMarkers"]) == 23
    assert rest["VersionIdMarker"] == first["NextVersionIdMarker"]
    after = s3.list_object_versions(Bucket=filled, KeyMarker="a")
    assert {entry["Key"] for entry in after["Versions"]} == set(KEYS) - {"a"}
    past_null = s3.list_object_versions(Bucket=filled, KeyMarker="a", VersionIdMarker="null")
    assert past_null["Versions"] == after["Versions"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_delimiter_rolls_versions_up(s3: Any, filled: str, size: int) -> None:
    keys: list[str] = []
    prefixes: list[str] = []
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": size}
    )
    for page in pages:
        assert page["Delimiter"] == "/"
        keys += [entry["Key"] for entry in page.get("Versions", [])]
        prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    assert keys == ["a"] * 3 + ["a b"] * 3 + ["z"] * 3
    assert prefixes == ["dir/"]
    inside = s3.list_object_versions(Bucket=filled, Delimiter="/", Prefix="dir/")
    assert [entry["Key"] for entry in inside["Versions"]] == ["dir/1"] * 3 + ["dir/2"] * 3
    assert inside["CommonPrefixes"] == [{"Prefix": "dir/sub/"}]


def test_page_of_none_says_that_there_is_no_more(s3: Any, filled: str) -> None:
    answer = s3.list_object_versions(Bucket=filled, MaxKeys=0)
    assert "Versions" not in answer
    assert answer["IsTruncated"] is False


def test_names_are_encoded_where_that_is_asked(store: Store, s3: Any, bucket: str) -> None:
    set_versioning(s3, bucket)
    put(s3, bucket, "a b/ü\x01&+")
    body = store.request("GET", f"/{bucket}?versions&encoding-type=url", store.one).body
    assert b"<Key>a%20b/%C3%BC%01%26%2B</Key>" in body
    assert b"<EncodingType>url</EncodingType>" in body
    assert listed(s3, bucket)[0][0] == "a b/ü\x01&+"


def test_markers_that_mean_nothing_are_refused(store: Store, s3: Any, filled: str) -> None:
    with refused("InvalidArgument", 400) as fields:
        s3.list_object_versions(Bucket=filled, VersionIdMarker="null")
    assert fields["ArgumentName"] == "version-id-marker"
    with refused("InvalidArgument", 400):
        s3.list_object_versions(Bucket=filled, KeyMarker="a", VersionIdMarker="made-up")
    assert store.request("GET", f"/{filled}?versions&max-keys=-1", store.one).code == "InvalidArgument"
    assert store.request("GET", f"/{filled}?versions&key-marker=a&version-id-marker=", store.one).status == 200


def test_bucket_is_emptied_page_by_page_as_it_is_listed(s3: Any, filled: str) -> None:
    page = s3.list_object_versions(Bucket=filled, MaxKeys=5)
    while True:
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        answer = s3.delete_objects(
            Bucket=filled, Delete={"Objects": objects, "Quiet": True}, BypassGovernanceRetention=True
        )
        assert "Errors" not in answer
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"]}
        if "NextVersionIdMarker" in page:
            markers["VersionIdMarker"] = page["NextVersionIdMarker"]
        page = s3.list_object_versions(Bucket=filled, MaxKeys=5, **markers)
    assert listed(s3, filled) == []
    s3.delete_bucket(Bucket=filled)
