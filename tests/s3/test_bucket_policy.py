"""Bucket policies, their status, and Block Public Access over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store

OFF = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}


def document(bucket: str, principal: Any = "*", **changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        **changes,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)


@pytest.fixture
def unblocked(s3: Any, bucket: str) -> str:
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OFF)
    return bucket


def test_policy_is_kept_as_given_and_counts_at_once(store: Store, s3: Any, unblocked: str) -> None:
    s3.put_object(Bucket=unblocked, Key="k", Body=b"public")
    assert store.request("GET", f"/{unblocked}/k").code == "AccessDenied"
    text = document(unblocked)
    s3.put_bucket_policy(Bucket=unblocked, Policy=text)
    assert s3.get_bucket_policy(Bucket=unblocked)["Policy"] == text
    assert s3.get_bucket_policy_status(Bucket=unblocked)["PolicyStatus"] == {"IsPublic": True}
    assert store.request("GET", f"/{unblocked}/k").body == b"public"
    assert store.request("GET", f"/{unblocked}/missing").code == "AccessDenied"
    assert store.request("GET", f"/{unblocked}").code == "AccessDenied"
    s3.delete_bucket_policy(Bucket=unblocked)
    assert store.request("GET", f"/{unblocked}/k").code == "AccessDenied"
    assert s3.get_bucket_policy_status(Bucket=unblocked)["PolicyStatus"] == {"IsPublic": False}
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=unblocked)
    s3.delete_bucket_policy(Bucket=unblocked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Version": "2012-10-17", "Statement": []}',
        '{"Version": "2020-01-01", "Statement": []}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}',
        " " * 30_000,
    ],
)
def test_policies_that_cannot_be_read_cannot_be_set(store: Store, s3: Any, unblocked: str, text: str) -> None:
    s3.put_bucket_policy(Bucket=unblocked, Policy=document(unblocked))
    reply = store.request("PUT", f"/{unblocked}?policy", store.one, body=text.encode())
    assert (reply.status, reply.code) == (400, "MalformedPolicy")
    assert s3.get_bucket_policy(Bucket=unblocked)["Policy"] == document(unblocked)


@pytest.mark.parametrize(
    "changes",
    [
        {"Resource": "arn:aws:s3:::another-bucket/*"},
        {"Action": "iam:CreateUser"},
        {"Effect": "Maybe"},
        {"Principal": {"AWS": "nobody"}},
        {"Condition": {"NoSuchOperator": {"aws:SourceIp": "1.2.3.4"}}},
        {"Unknown": "x"},
    ],
)
def test_statements_out_of_place_are_malformed(s3: Any, unblocked: str, changes: dict[str, Any]) -> None:
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=unblocked, Policy=document(unblocked, **changes))


def test_not_utf8_is_malformed(store: Store, bucket: str) -> None:
    assert store.request("PUT", f"/{bucket}?policy", store.one, body=b'{"\xff": 1}').code == "MalformedPolicy"


def test_twenty_kib_and_no_more(s3: Any, bucket: str, store: Store) -> None:
    own = {"AWS": f"arn:aws:iam::{store.one.account_id}:root"}
    text = document(bucket, own)
    fitting = text + " " * (20 * 1024 - len(text))
    s3.put_bucket_policy(Bucket=bucket, Policy=fitting)
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=bucket, Policy=fitting + " ")


def test_new_buckets_block_public_policies(store: Store, s3: Any, bucket: str) -> None:
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    with refused("AccessDenied", 403) as fields:
        s3.put_bucket_policy(Bucket=bucket, Policy=document(bucket))
    assert "BlockPublicPolicy" in fields["Message"]
    s3.put_bucket_policy(Bucket=bucket, Policy=document(bucket, {"AWS": f"arn:aws:iam::{store.two.account_id}:root"}))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}


def test_restricting_closes_a_public_bucket(store: Store, s3: Any, unblocked: str) -> None:
    s3.put_object(Bucket=unblocked, Key="k", Body=b"public")
    s3.put_bucket_policy(Bucket=unblocked, Policy=document(unblocked))
    assert store.request("GET", f"/{unblocked}/k").status == 200
    s3.put_public_access_block(Bucket=unblocked, PublicAccessBlockConfiguration={**OFF, "RestrictPublicBuckets": True})
    assert store.request("GET", f"/{unblocked}/k").code == "AccessDenied"
    assert s3.get_object(Bucket=unblocked, Key="k")["Body"].read() == b"public"
    s3.delete_public_access_block(Bucket=unblocked)
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        s3.get_public_access_block(Bucket=unblocked)
    assert store.request("GET", f"/{unblocked}/k").status == 200


def test_deny_wins_over_the_owner(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=document(bucket, Effect="Deny"))
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="k")
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("inside", ["", "<BlockPublicPolicy>x</BlockPublicPolicy>", "<Other>true</Other>"])
def test_broken_access_blocks_change_nothing(store: Store, s3: Any, bucket: str, inside: str) -> None:
    body = f"<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>"
    reply = store.request("PUT", f"/{bucket}?publicAccessBlock", store.one, body=body.encode())
    assert (reply.status, reply.code) in ((400, "MalformedXML"), (400, "InvalidRequest"))
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
