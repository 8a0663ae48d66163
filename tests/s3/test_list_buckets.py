"""ListBuckets over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store

NAMES = ["page-a", "page-b", "page-c"]


@pytest.fixture(scope="module")
def two(store: Store) -> Any:
    client = store.client(store.two)
    for name in ("other-z", *NAMES):
        client.create_bucket(Bucket=name)
    return client


def test_own_buckets_only(store: Store, s3: Any, two: Any, bucket: str) -> None:
    answer = two.list_buckets()
    theirs = [entry["Name"] for entry in answer["Buckets"]]
    assert {"other-z", *NAMES} <= set(theirs)
    assert theirs == sorted(theirs)
    assert answer["Owner"]["ID"] == store.two.canonical_id
    own = [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert bucket in own
    assert not set(own) & set(theirs)


def test_pages_and_prefix(two: Any) -> None:
    first = two.list_buckets(Prefix="page-", MaxBuckets=2)
    assert [entry["Name"] for entry in first["Buckets"]] == NAMES[:2]
    assert first["Prefix"] == "page-"
    assert first["Buckets"][0]["BucketRegion"] == "us-east-1"
    rest = two.list_buckets(Prefix="page-", MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [entry["Name"] for entry in rest["Buckets"]] == NAMES[2:]
    assert "ContinuationToken" not in rest


def test_buckets_of_another_region_are_none(two: Any) -> None:
    assert two.list_buckets(BucketRegion="eu-west-1")["Buckets"] == []
    here = two.list_buckets(BucketRegion="us-east-1", Prefix="page-")["Buckets"]
    assert [entry["Name"] for entry in here] == NAMES


def test_bad_token(two: Any) -> None:
    with refused("InvalidArgument", 400):
        two.list_buckets(ContinuationToken="nonsense")


@pytest.mark.parametrize("limit", ["0", "10001", "-1", "x", "99999999999"])
def test_page_sizes_that_there_are_not(store: Store, limit: str) -> None:
    assert store.request("GET", f"/?max-buckets={limit}", store.two).code == "InvalidArgument"


def test_anonymous_has_none(store: Store) -> None:
    assert store.request("GET", "/").code == "AccessDenied"
