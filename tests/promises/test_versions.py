"""SERVICE contract, "Commands" and "Credentials": versions are a key's own business, and emptying takes them too."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.kit.customer import Customer
from tests.kit.versioning import body, hide, listed, put, set_versioning


def test_a_key_may_keep_versions_and_bring_old_ones_back(customer: Customer) -> None:
    key = customer.key(customer.order())
    s3, bucket = customer.s3(key), key["bucket"]
    set_versioning(s3, bucket)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    old, new = put(s3, bucket, "k", b"old"), put(s3, bucket, "k", b"new")
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=old, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=old)["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=old)
    marker = hide(s3, bucket, "k")
    assert [row[1] for row in listed(s3, bucket) if not row[3]] == [new, old]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=new)
    assert body(s3, bucket, "k") == b"old"
    set_versioning(s3, bucket, "Suspended")


def test_permissions_limit_what_a_key_does_with_versions(customer: Customer) -> None:
    instance = customer.order()
    key = customer.key(instance)
    s3, bucket = customer.s3(key), key["bucket"]
    set_versioning(s3, bucket)
    version_id = put(s3, bucket, "k")
    reader = customer.s3(customer.key(instance, "reader", permissions="read-only"))
    writer = customer.s3(customer.key(instance, "writer", permissions="write-only"))
    assert body(reader, bucket, "k", VersionId=version_id) == b"data"
    assert listed(reader, bucket) == [("k", version_id, True, False)]
    assert put(writer, bucket, "k") != version_id
    for client in (reader, writer):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=bucket, Key="k", VersionId=version_id)
        with pytest.raises(ClientError, match="AccessDenied"):
            set_versioning(client, bucket, "Suspended")
    with pytest.raises(ClientError, match="AccessDenied"):
        writer.get_object(Bucket=bucket, Key="k", VersionId=version_id)
    assert body(s3, bucket, "k", VersionId=version_id) == b"data"


def test_emptying_takes_old_versions_and_markers_too(customer: Customer) -> None:
    key = customer.key(customer.order(name="full"))
    s3, bucket = customer.s3(key), key["bucket"]
    put(s3, bucket, "k", b"before")
    set_versioning(s3, bucket)
    put(s3, bucket, "k", b"after")
    hide(s3, bucket, "k")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    customer.ok("delete-service-key", "full", "key", "-f")
    refused = customer("delete-service", "full", "-f")
    assert refused.code == 5
    assert "empty-bucket full" in refused.err
    done = customer.ok("empty-bucket", "full", "-f")
    assert "3 objects and versions" in done.err
    customer.ok("delete-service", "full", "-f")
