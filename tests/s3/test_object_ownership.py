"""Whose an object is under the three settings of object ownership, and what that means for who may do what with it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.kit.acls import OFF, acl_bucket, granted
from tests.kit.refusals import refused
from tests.kit.store import Store, allow

_numbers = itertools.count(1)
ANONYMOUS = "65a011a29cdf8ec533ec3d1ccaae921c"
SETTINGS = ("ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced", "")


@pytest.fixture
def name() -> str:
    return f"ownership-{next(_numbers)}"


def shared(s3: Any, name: str, ownership: str) -> str:
    """A bucket in which everybody may do everything by its policy. `ownership` "": its setting is removed."""
    acl_bucket(s3, name, ownership or "ObjectWriter")
    if not ownership:
        s3.delete_bucket_ownership_controls(Bucket=name)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return name


def upload(client: Any, bucket: str, key: str, **given: Any) -> None:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key=key, **given)["UploadId"]
    part = client.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=b"secret")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload=parts)


@pytest.mark.parametrize("ownership", SETTINGS)
@pytest.mark.parametrize("canned", [None, "private", "public-read", "bucket-owner-read", "bucket-owner-full-control"])
@pytest.mark.parametrize("way", ["put", "copy", "upload"])
def test_owner_is_as_the_setting_says(
    store: Store, s3: Any, name: str, ownership: str, canned: str | None, way: str
) -> None:
    shared(s3, name, ownership)
    two, given = store.client(store.two), {} if canned is None else {"ACL": canned}
    two.put_object(Bucket=name, Key="source", Body=b"secret")

    def write() -> None:
        if way == "put":
            two.put_object(Bucket=name, Key="k", Body=b"secret", **given)
        elif way == "copy":
            two.copy_object(Bucket=name, Key="k", CopySource=f"{name}/source", **given)
        else:
            upload(two, name, "k", **given)

    full = canned == "bucket-owner-full-control"
    if ownership == "BucketOwnerEnforced" and canned is not None and not full:
        with refused("AccessControlListNotSupported", 400):
            write()
        return
    write()
    is_bucket_owners = ownership == "BucketOwnerEnforced" or (ownership == "BucketOwnerPreferred" and full)
    owner = store.one if is_bucket_owners else store.two
    listed = {entry["Key"]: entry["Owner"]["ID"] for entry in s3.list_objects(Bucket=name)["Contents"]}
    assert listed["k"] == owner.canonical_id
    answer = two.get_object_acl(Bucket=name, Key="k")
    assert answer["Owner"]["ID"] == owner.canonical_id
    assert (owner.canonical_id, "FULL_CONTROL") in granted(answer)
    can_read = is_bucket_owners or (canned or "private") != "private"
    assert store.request("GET", f"/{name}/k", store.one).status == (200 if can_read else 403)
    assert store.request("GET", f"/{name}/k?acl", store.one).status == (200 if is_bucket_owners or full else 403)
    assert store.request("DELETE", f"/{name}/k", store.one).status == 204


@pytest.mark.parametrize("ownership", ["ObjectWriter", "BucketOwnerPreferred"])
def test_bucket_policy_opens_no_object_of_another_account(store: Store, s3: Any, name: str, ownership: str) -> None:
    shared(s3, name, ownership)
    s3.put_object(Bucket=name, Key="mine", Body=b"mine")
    store.client(store.two).put_object(Bucket=name, Key="theirs", Body=b"secret")
    user = store.user(f"{name}-user", allow("s3:*"))
    for key in (store.one, user, None):
        assert store.request("GET", f"/{name}/mine", key).body == b"mine"
        for target in ("theirs", "theirs?versionId=null", "theirs?acl"):
            assert store.request("GET", f"/{name}/{target}", key).code == "AccessDenied"
        reply = store.request("PUT", f"/{name}/theirs?acl", key, {"x-amz-acl": "public-read"})
        assert reply.code == "AccessDenied"
        copied = {"x-amz-copy-source": f"{name}/theirs"}
        assert store.request("PUT", f"/{name}/copy", key, copied).code == "AccessDenied"


def test_object_is_its_owners_account_whatever_the_bucket_allows(store: Store, s3: Any, name: str) -> None:
    shared(s3, name, "ObjectWriter")
    store.client(store.two).put_object(Bucket=name, Key="k", Body=b"secret")
    s3.delete_bucket_policy(Bucket=name)
    reader = store.user(f"{name}-reader", allow("s3:GetObject"), store.two)
    nobody = store.user(f"{name}-nobody", account=store.two)
    assert store.request("GET", f"/{name}/k", store.two).body == b"secret"
    assert store.request("GET", f"/{name}/k", reader).body == b"secret"
    assert store.request("GET", f"/{name}/k", nobody).code == "AccessDenied"
    assert store.request("PUT", f"/{name}/k?acl", store.two, {"x-amz-acl": "public-read"}).status == 200
    assert store.request("PUT", f"/{name}/k", store.two, body=b"x").code == "AccessDenied"


def test_write_by_acl_deletes_but_own_objects(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name, GrantWrite=f"id={store.two.canonical_id}")
    s3.put_object(Bucket=name, Key="mine", Body=b"x")
    two = store.client(store.two)
    two.put_object(Bucket=name, Key="theirs", Body=b"x")
    for key in ("mine", "missing"):
        with refused("AccessDenied", 403):
            two.delete_object(Bucket=name, Key=key)
    errors = two.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "mine"}, {"Key": "theirs"}]})["Errors"]
    assert [error["Key"] for error in errors] == ["mine"]
    assert [entry["Key"] for entry in s3.list_objects(Bucket=name)["Contents"]] == ["mine"]


def test_writer_by_acl_lists_and_gives_up_own_uploads_alone(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name, GrantWrite=f"id={store.two.canonical_id}")
    mine = s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    two = store.client(store.two)
    upload(two, name, "done")
    theirs = two.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    assert two.list_parts(Bucket=name, Key="k", UploadId=theirs)["Owner"]["ID"] == store.two.canonical_id
    two.abort_multipart_upload(Bucket=name, Key="k", UploadId=theirs)
    for call in (two.list_parts, two.abort_multipart_upload):
        with refused("AccessDenied", 403):
            call(Bucket=name, Key="k", UploadId=mine)


def test_what_the_anonymous_write_is_theirs_while_the_public_counts(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name, ACL="public-read-write")
    assert store.request("PUT", f"/{name}/k", None, body=b"anybody's").status == 200
    assert s3.list_objects(Bucket=name)["Contents"][0]["Owner"]["ID"] == ANONYMOUS
    assert store.request("GET", f"/{name}/k").body == b"anybody's"
    for key in (store.one, store.two):
        assert store.request("GET", f"/{name}/k", key).code == "AccessDenied"
    fields = {"x-amz-acl": "bucket-owner-full-control"}
    assert store.request("PUT", f"/{name}/k", None, fields, b"anybody's").status == 200
    assert store.request("GET", f"/{name}/k", store.one).body == b"anybody's"
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={**OFF, "IgnorePublicAcls": True})
    assert store.request("GET", f"/{name}/k").code == "AccessDenied"
    assert store.request("PUT", f"/{name}/k", None, body=b"x").code == "AccessDenied"


def test_acls_that_were_set_count_for_nothing_once_they_are_disabled(store: Store, s3: Any, name: str) -> None:
    shared(s3, name, "ObjectWriter")
    two = store.client(store.two)
    two.put_object(Bucket=name, Key="theirs", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=name, Key="mine", Body=b"x", ACL="public-read")
    s3.delete_bucket_policy(Bucket=name)
    assert [store.request("GET", f"/{name}/{key}").status for key in ("theirs", "mine")] == [200, 200]
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    for key in ("theirs", "mine"):
        for caller in (None, store.two):
            assert store.request("GET", f"/{name}/{key}", caller).code == "AccessDenied"
        assert store.request("GET", f"/{name}/{key}", store.one).status == 200
        answer = s3.get_object_acl(Bucket=name, Key=key)
        assert answer["Owner"]["ID"] == store.one.canonical_id
        assert granted(answer) == {(store.one.canonical_id, "FULL_CONTROL")}
    owners = {entry["Owner"]["ID"] for entry in s3.list_objects(Bucket=name)["Contents"]}
    assert owners == {store.one.canonical_id}
    s3.delete_bucket_ownership_controls(Bucket=name)
    assert store.request("GET", f"/{name}/theirs").status == 200


def test_upload_that_ends_after_acls_were_disabled_is_the_bucket_owners(store: Store, s3: Any, name: str) -> None:
    shared(s3, name, "ObjectWriter")
    two = store.client(store.two)
    given = {"Bucket": name, "Key": "k"}
    upload_id = two.create_multipart_upload(**given, ACL="public-read")["UploadId"]
    part = two.upload_part(**given, UploadId=upload_id, PartNumber=1, Body=b"secret")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    two.complete_multipart_upload(**given, UploadId=upload_id, MultipartUpload=parts)
    s3.delete_bucket_ownership_controls(Bucket=name)
    answer = s3.get_object_acl(**given)
    assert answer["Owner"]["ID"] == store.one.canonical_id
    assert granted(answer) == {(store.one.canonical_id, "FULL_CONTROL")}


def test_acls_are_not_disabled_while_the_bucket_grants_others(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name, GrantRead=f"id={store.two.canonical_id}")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    s3.put_bucket_acl(Bucket=name, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)


def test_disabled_acls_take_only_what_counts_anyway(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    mine, other = f"id={store.one.canonical_id}", f"id={store.two.canonical_id}"
    for target in ("?acl", "/k?acl", "/new"):
        for fields in ({"x-amz-acl": "bucket-owner-full-control"}, {"x-amz-grant-full-control": mine}):
            assert store.request("PUT", f"/{bucket}{target}", store.one, fields).status == 200
        for fields in ({"x-amz-acl": "public-read"}, {"x-amz-grant-read": other}, {"x-amz-grant-read": mine}):
            reply = store.request("PUT", f"/{bucket}{target}", store.one, fields)
            assert (reply.status, reply.code) == (400, "AccessControlListNotSupported")
    assert granted(s3.get_bucket_acl(Bucket=bucket)) == {(store.one.canonical_id, "FULL_CONTROL")}
    assert granted(s3.get_object_acl(Bucket=bucket, Key="k")) == {(store.one.canonical_id, "FULL_CONTROL")}


def test_policy_may_take_objects_only_if_their_owner_gives_them_away(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name, "BucketOwnerPreferred")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{store.two.account_id}:root"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}/*",
        "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    two = store.client(store.two)
    for given in ({}, {"ACL": "private"}):
        with refused("AccessDenied", 403):
            two.put_object(Bucket=name, Key="k", Body=b"x", **given)
    two.put_object(Bucket=name, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
