"""`bucketry reconcile`: the orders of a server compared with its store, while it serves and while it doesn't."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.kernel import ids
from tests.kit.server import Server

Fresh = Callable[..., Server]


def reconcile(server: Server, *flags: str) -> tuple[int, list[dict[str, Any]]]:
    done = server.run("reconcile", "-o", "json", *flags, check=False)
    assert done.stderr, "it ends with a word"
    return done.returncode, json.loads(done.stdout)


def key_of(server: Server, instance: str, key: str) -> dict[str, Any]:
    shown = json.loads(server.run("service-key", instance, key, "--json").stdout)
    found: dict[str, Any] = shown["credentials"]
    return found


def spoil(server: Server, bucket: str, lost_key: str) -> tuple[str, str, str]:
    """Make one of each in the store, behind the marketplace's back: an empty and a full bucket, a user of ours."""
    s3, iam = server.client(), server.client("iam")
    empty, full, user = f"bkt-{ids.guid()}", f"bkt-{ids.guid()}", f"bucketry-{ids.guid()}"
    for name in (empty, full):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=full, Key="precious", Body=b"1")
    iam.create_user(UserName=user, Path="/bucketry/")
    iam.create_access_key(UserName=user)
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    owner = next(
        found["UserName"]
        for page in iam.get_paginator("list_users").paginate(PathPrefix="/bucketry/")
        for found in page["Users"]
        for key in iam.list_access_keys(UserName=found["UserName"])["AccessKeyMetadata"]
        if key["AccessKeyId"] == lost_key
    )
    iam.delete_access_key(UserName=owner, AccessKeyId=lost_key)
    return empty, full, user


@pytest.mark.slow
@pytest.mark.parametrize("is_served", [True, False], ids=["served", "not served"])
def test_what_differs_is_told_then_mended(fresh_server: Fresh, is_served: bool) -> None:
    server = fresh_server(workers=1)
    server.run("create-service", "s3", "basic", "mine")
    for name in ("kept", "lost"):
        server.run("create-service-key", "mine", name)
    kept, lost = key_of(server, "mine", "kept"), key_of(server, "mine", "lost")
    assert reconcile(server) == (0, [])
    empty, full, user = spoil(server, kept["bucket"], lost["access_key_id"])
    if not is_served:
        server.stop()
    code, found = reconcile(server)
    assert code == 1
    assert {(one["kind"], one["name"], one["is_mendable"]) for one in found if one["kind"] != "lost-key"} == {
        ("extra-bucket", empty, True),
        ("extra-bucket", full, False),
        ("extra-identity", user, True),
        ("settings", kept["bucket"], True),
    }
    (of_key,) = [one for one in found if one["kind"] == "lost-key"]
    assert lost["access_key_id"] in of_key["text"]
    assert "create-service-key" in of_key["remedy"]
    code, mended = reconcile(server, "--fix")
    assert code == 1
    assert {one["name"] for one in mended if one["is_mended"]} == {empty, user, kept["bucket"]}
    code, left = reconcile(server)
    assert {one["name"] for one in left} == {full, of_key["name"]}
    if not is_served:
        server.start()
    s3 = server.client()
    assert s3.get_object(Bucket=full, Key="precious")["Body"].read() == b"1"
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=empty)
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=kept["bucket"])
    server.client(credentials=kept).list_objects_v2(Bucket=kept["bucket"])
    for secret in (kept["secret_access_key"], lost["secret_access_key"]):
        assert secret not in json.dumps([*found, *mended])
    server.run("delete-service-key", "mine", "lost", "-f")
    s3.delete_object(Bucket=full, Key="precious")
    done = server.run("reconcile", "--fix")
    assert full in done.stdout
    assert reconcile(server) == (0, [])
