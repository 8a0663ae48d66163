"""DeleteObject over the wire."""

from __future__ import annotations

from typing import Any

from tests.kit.store import Store


def test_what_was_deleted_is_gone(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert store.request("DELETE", f"/{bucket}/k", store.one).status == 204
    assert store.request("GET", f"/{bucket}/k", store.one).code == "NoSuchKey"


def test_a_missing_key_is_no_error(store: Store, bucket: str) -> None:
    reply = store.request("DELETE", f"/{bucket}/missing", store.one)
    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers


def test_if_match_deletes_only_what_is_known(store: Store, s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert store.request("DELETE", f"/{bucket}/k", store.one, {"If-Match": '"other"'}).code == "PreconditionFailed"
    assert store.request("GET", f"/{bucket}/k", store.one).status == 200
    assert store.request("DELETE", f"/{bucket}/k", store.one, {"If-Match": etag}).status == 204
    assert store.request("DELETE", f"/{bucket}/k", store.one, {"If-Match": etag}).status == 204


def test_it_needs_the_right_to_delete(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}],
    }
    writer = store.user(f"{bucket}-writer", policy)
    for key in (writer, store.two, None):
        for name in ("k", "missing"):
            assert store.request("DELETE", f"/{bucket}/{name}", key).code == "AccessDenied"
    assert store.request("GET", f"/{bucket}/k", store.one).status == 200


def test_conditions_of_directory_buckets_are_not_implemented(store: Store, bucket: str) -> None:
    for name in ("x-amz-if-match-size", "x-amz-if-match-last-modified-time"):
        assert store.request("DELETE", f"/{bucket}/k", store.one, {name: "1"}).code == "NotImplemented"


def test_only_the_null_version_can_be_deleted(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert store.request("DELETE", f"/{bucket}/k?versionId=abc", store.one).code == "InvalidArgument"
    assert store.request("DELETE", f"/{bucket}/k?versionId=null", store.one).status == 204
    assert store.request("GET", f"/{bucket}/k", store.one).status == 404
