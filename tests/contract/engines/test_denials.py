"""engine_ports.Engine: what no credentials of a binding may do, and what the lesser ones may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, Permissions, Rights
from tests.contract.engines.conftest import EngineUnderTest

Call = Callable[[Any, str], Any]  # of a client, about a bucket that holds `k`

RULE = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
CORS = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
PAGE = {"IndexDocument": {"Suffix": "index.html"}}
TAGS = {"TagSet": [{"Key": "k", "Value": "v"}]}
LOCKED = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
SEALED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
KEPT = {"Mode": "COMPLIANCE", "RetainUntilDate": "2040-01-01T00:00:00Z"}


def open_to_all(bucket: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


NEVER: dict[str, Call] = {
    "make a bucket": lambda s3, b: s3.create_bucket(Bucket=f"{b}-2"),
    "remove it": lambda s3, b: s3.delete_bucket(Bucket=b),
    "set its policy": lambda s3, b: s3.put_bucket_policy(Bucket=b, Policy=open_to_all(b)),
    "remove its policy": lambda s3, b: s3.delete_bucket_policy(Bucket=b),
    "set its list": lambda s3, b: s3.put_bucket_acl(Bucket=b, ACL="public-read-write"),
    "set an object's list": lambda s3, b: s3.put_object_acl(Bucket=b, Key="k", ACL="public-read"),
    "set its block": lambda s3, b: s3.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration={}),
    "remove its block": lambda s3, b: s3.delete_public_access_block(Bucket=b),
    "remove its ownership": lambda s3, b: s3.delete_bucket_ownership_controls(Bucket=b),
    "lock it": lambda s3, b: s3.put_object_lock_configuration(Bucket=b, ObjectLockConfiguration=LOCKED),
    "encrypt it": lambda s3, b: s3.put_bucket_encryption(Bucket=b, ServerSideEncryptionConfiguration=SEALED),
    "keep an object": lambda s3, b: s3.put_object_retention(Bucket=b, Key="k", Retention=KEPT),
    "hold an object": lambda s3, b: s3.put_object_legal_hold(Bucket=b, Key="k", LegalHold={"Status": "ON"}),
}
CHANGES: dict[str, Call] = {
    "delete": lambda s3, b: s3.delete_object(Bucket=b, Key="k"),
    "delete a version": lambda s3, b: s3.delete_object(Bucket=b, Key="k", VersionId="null"),
    "set CORS": lambda s3, b: s3.put_bucket_cors(Bucket=b, CORSConfiguration=CORS),
    "set a website": lambda s3, b: s3.put_bucket_website(Bucket=b, WebsiteConfiguration=PAGE),
    "set versioning": lambda s3, b: s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"}),
    "set tags": lambda s3, b: s3.put_bucket_tagging(Bucket=b, Tagging=TAGS),
    "set lifecycle": lambda s3, b: s3.put_bucket_lifecycle_configuration(
        Bucket=b, LifecycleConfiguration={"Rules": [RULE]}
    ),
}
STORES: dict[str, Call] = {
    "put": lambda s3, b: s3.put_object(Bucket=b, Key="new", Body=b"2"),
    "begin an upload": lambda s3, b: s3.create_multipart_upload(Bucket=b, Key="new"),
    "put tags of an object": lambda s3, b: s3.put_object_tagging(Bucket=b, Key="k", Tagging=TAGS),
}
READS: dict[str, Call] = {
    "get": lambda s3, b: s3.get_object(Bucket=b, Key="k"),
    "head": lambda s3, b: s3.head_object(Bucket=b, Key="k"),
    "list": lambda s3, b: s3.list_objects_v2(Bucket=b),
    "list versions": lambda s3, b: s3.list_object_versions(Bucket=b),
    "read CORS": lambda s3, b: s3.get_bucket_cors(Bucket=b),
    "read the policy": lambda s3, b: s3.get_bucket_policy(Bucket=b),
}
DENIED: dict[Permissions, dict[str, Call]] = {
    Permissions.READ_WRITE: NEVER,
    Permissions.READ_ONLY: NEVER | CHANGES | STORES,
    Permissions.WRITE_ONLY: NEVER | CHANGES | READS,
}


def answers(s3: Any, bucket: str, calls: dict[str, Call]) -> dict[str, str]:
    """What each call comes to: the code of its error, "" for success."""
    found = {}
    for what, call in calls.items():
        try:
            call(s3, bucket)
        except ClientError as error:
            found[what] = str(error.response["Error"]["Code"])
        else:
            found[what] = ""
    return found


async def bucket_with(under_test: EngineUnderTest, rights: Rights) -> tuple[str, str, AccessKey]:
    """A bucket with `k` in it, another like it, and a key for the first."""
    if not under_test.is_enforcing:
        pytest.skip("this engine checks no permissions")
    mine, other = await under_test.buckets(2)
    for bucket in (mine, other):
        under_test.s3().put_object(Bucket=bucket, Key="k", Body=b"1")
    return mine, other, await under_test.engine.grant(ids.guid(), [mine], rights, {})


@pytest.mark.parametrize("permissions", Permissions)
async def test_what_is_not_granted_is_denied(under_test: EngineUnderTest, permissions: Permissions) -> None:
    mine, other, key = await bucket_with(under_test, Rights(permissions))
    wrong = {
        what: code
        for what, code in answers(under_test.s3(key), mine, DENIED[permissions]).items()
        if code not in ("AccessDenied", "403")
    }
    assert wrong == {}
    elsewhere = answers(under_test.s3(key), other, NEVER | CHANGES | STORES | READS)
    assert {what: code for what, code in elsewhere.items() if code not in ("AccessDenied", "403")} == {}
    for bucket in (mine, other):
        listed = under_test.s3().list_objects_v2(Bucket=bucket)["Contents"]
        assert [(found["Key"], found["Size"]) for found in listed] == [("k", 1)]


async def test_a_key_for_two_buckets_works_in_both_and_in_no_third(under_test: EngineUnderTest) -> None:
    if not under_test.is_enforcing:
        pytest.skip("this engine checks no permissions")
    one, two, third = await under_test.buckets(3)
    guid = ids.guid()
    s3 = under_test.s3(await under_test.engine.grant(guid, [one, two], Rights(), {}))
    for bucket in (one, two):
        s3.put_object(Bucket=bucket, Key="k", Body=b"1")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert set(answers(s3, third, STORES | READS).values()) <= {"AccessDenied", "403"}
    for _ in range(2):
        await under_test.engine.restrict(guid, [one], Rights())
    s3.get_object(Bucket=one, Key="k")
    assert set(answers(s3, two, STORES | READS).values()) <= {"AccessDenied", "403"}
    await under_test.engine.revoke(guid)
    for bucket in (one, two):
        assert set(answers(s3, bucket, STORES | READS).values()) <= {"InvalidAccessKeyId", "403"}
