"""SERVICE contract, "Credentials": what a key may do in its bucket, by its permissions, and nothing else anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.kit.customer import Customer, ask_identity, visit
from tests.kit.refusals import refusal
from tests.kit.sessions import trust
from tests.unit.store.gateway.iam.test_rights import FORMS

PAGE = {"IndexDocument": {"Suffix": "index.html"}}
CORS: dict[str, Any] = {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET"]}]}
RULES = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 9}}]}
TAGS = {"TagSet": [{"Key": "colour", "Value": "red"}]}


def policy(effect: str, bucket: str) -> str:
    """A bucket policy about everyone. One that allows is refused by the public access block, too; one that denies is
    not, so it shows whether the right to set any policy is there."""
    statement = {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def key(shared: Customer) -> dict[str, Any]:
    """Credentials of a bucket that holds `k` and has tags, CORS rules and a website."""
    instance = shared.order(name="here", cors=CORS, website=PAGE)
    made = shared.key(instance)
    s3 = shared.s3(made)
    s3.put_object(Bucket=made["bucket"], Key="k", Body=b"body", Tagging="a=1")
    s3.put_bucket_tagging(Bucket=made["bucket"], Tagging=TAGS)
    return made


@pytest.fixture(scope="module")
def other(shared: Customer) -> dict[str, Any]:
    """Credentials of another bucket in the same space; `k` lies in it."""
    made = shared.key(shared.order(name="there"))
    shared.s3(made).put_object(Bucket=made["bucket"], Key="k", Body=b"theirs")
    return made


# --- what they may

Call = Callable[[Any, str], Any]


def multipart(s3: Any, bucket: str) -> None:
    """Upload a part, copy one, list them, complete; begin another upload and abort it."""
    upload = {"Bucket": bucket, "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.upload_part(**upload, PartNumber=1, Body=b"x" * 5 * 1024 * 1024)
    s3.upload_part_copy(**upload, PartNumber=2, CopySource=f"{bucket}/k")
    assert upload["UploadId"] in [each["UploadId"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]]
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in s3.list_parts(**upload)["Parts"]]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket=bucket, Key="parts")["ContentLength"] == 5 * 1024 * 1024 + 4
    again = s3.create_multipart_upload(Bucket=bucket, Key="none")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="none", UploadId=again)


READS: dict[str, Call] = {
    "list": lambda s3, b: s3.list_objects_v2(Bucket=b),
    "list uploads": lambda s3, b: s3.list_multipart_uploads(Bucket=b),
    "get": lambda s3, b: s3.get_object(Bucket=b, Key="k"),
    "head": lambda s3, b: s3.head_object(Bucket=b, Key="k"),
    "get tags": lambda s3, b: s3.get_object_tagging(Bucket=b, Key="k"),
    "head bucket": lambda s3, b: s3.head_bucket(Bucket=b),
    "read cors": lambda s3, b: s3.get_bucket_cors(Bucket=b),
    "read website": lambda s3, b: s3.get_bucket_website(Bucket=b),
    "read acl": lambda s3, b: s3.get_bucket_acl(Bucket=b),
    "read acl of object": lambda s3, b: s3.get_object_acl(Bucket=b, Key="k"),
    "read tagging": lambda s3, b: s3.get_bucket_tagging(Bucket=b),
}
STORES: dict[str, Call] = {
    "put": lambda s3, b: s3.put_object(Bucket=b, Key="new", Body=b"body"),
    "put with tags": lambda s3, b: s3.put_object(Bucket=b, Key="new", Body=b"body", Tagging="a=1"),
    "put tags": lambda s3, b: s3.put_object_tagging(Bucket=b, Key="k", Tagging=TAGS),
    "upload": lambda s3, b: s3.abort_multipart_upload(
        Bucket=b, Key="u", UploadId=s3.create_multipart_upload(Bucket=b, Key="u")["UploadId"]
    ),
}
CHANGES: dict[str, Call] = {
    "delete": lambda s3, b: s3.delete_object(Bucket=b, Key="none"),
    "delete several": lambda s3, b: s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "none"}]})["Deleted"],
    "delete tags": lambda s3, b: s3.delete_object_tagging(Bucket=b, Key="k"),
    "copy": lambda s3, b: s3.copy_object(Bucket=b, Key="copy", CopySource=f"{b}/k"),
    "multipart": multipart,
    "set cors": lambda s3, b: s3.put_bucket_cors(Bucket=b, CORSConfiguration=CORS),
    "set website": lambda s3, b: s3.put_bucket_website(Bucket=b, WebsiteConfiguration=PAGE),
    "set tagging": lambda s3, b: s3.put_bucket_tagging(Bucket=b, Tagging=TAGS),
    "lifecycle": lambda s3, b: [
        s3.put_bucket_lifecycle_configuration(Bucket=b, LifecycleConfiguration=RULES),
        s3.get_bucket_lifecycle_configuration(Bucket=b)["Rules"],
        s3.delete_bucket_lifecycle(Bucket=b),
    ],
    "notification": lambda s3, b: [
        s3.put_bucket_notification_configuration(Bucket=b, NotificationConfiguration={}),
        s3.get_bucket_notification_configuration(Bucket=b),
    ],
    "logging": lambda s3, b: [
        s3.put_bucket_logging(Bucket=b, BucketLoggingStatus={}),
        s3.get_bucket_logging(Bucket=b),
    ],
}
# The rest of what a bucket's owner could do: who may read, and whether there is a bucket at all.
NEVER: dict[str, Call] = {
    "create a bucket": lambda s3, b: s3.create_bucket(Bucket=f"{b}-2"),
    "create it again": lambda s3, b: s3.create_bucket(Bucket=b),
    "delete it": lambda s3, b: s3.delete_bucket(Bucket=b),
    "list buckets": lambda s3, b: s3.list_buckets(),
    "open by policy": lambda s3, b: s3.put_bucket_policy(Bucket=b, Policy=policy("Allow", b)),
    "set policy": lambda s3, b: s3.put_bucket_policy(Bucket=b, Policy=policy("Deny", b)),
    "delete policy": lambda s3, b: s3.delete_bucket_policy(Bucket=b),
    "open access": lambda s3, b: s3.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration={}),
    "delete access block": lambda s3, b: s3.delete_public_access_block(Bucket=b),
    "set ownership": lambda s3, b: s3.put_bucket_ownership_controls(
        Bucket=b, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    ),
    "delete ownership": lambda s3, b: s3.delete_bucket_ownership_controls(Bucket=b),
}


@pytest.mark.parametrize("what", [*READS, *STORES, *CHANGES])
def test_a_key_may_use_its_bucket(shared: Customer, key: dict[str, Any], what: str) -> None:
    ({**READS, **STORES, **CHANGES})[what](shared.s3(key), key["bucket"])


def test_a_key_may_read_its_buckets_policy(customer: Customer) -> None:
    key = customer.key(customer.order("basic-public"))
    (statement,) = json.loads(customer.s3(key).get_bucket_policy(Bucket=key["bucket"])["Policy"])["Statement"]
    assert (statement["Principal"], statement["Action"]) == ("*", "s3:GetObject")
    private = customer.key(customer.order("basic"))
    assert refusal(lambda: customer.s3(private).get_bucket_policy(Bucket=private["bucket"])) == "NoSuchBucketPolicy"


# --- what they may not


@pytest.mark.parametrize("what", NEVER)
def test_no_key_may_change_who_reads_or_make_and_remove_buckets(
    shared: Customer, key: dict[str, Any], what: str
) -> None:
    assert refusal(lambda: NEVER[what](shared.s3(key), key["bucket"])) == "AccessDenied"
    assert shared.root.head_bucket(Bucket=key["bucket"])
    assert visit(f"{key['endpoint_url']}/{key['bucket']}/k").status == 403


@pytest.mark.parametrize("plan", ["basic", "basic-public"])
def test_no_acl_gives_anything_to_others(customer: Customer, plan: str) -> None:
    """Where ACLs count: neither to everybody nor to one other account, by the calls or by headers of others."""
    key = customer.key(customer.order(plan, object_ownership="ObjectWriter"))
    s3, bucket = customer.s3(key), key["bucket"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    other = customer.server.create_account(f"other-of-{customer.space}")
    for grant in ({"ACL": "public-read"}, {"GrantFullControl": f'id="{other["canonical_id"]}"'}):
        calls = [
            lambda grant=grant: s3.put_bucket_acl(Bucket=bucket, **grant),
            lambda grant=grant: s3.put_object_acl(Bucket=bucket, Key="k", **grant),
            lambda grant=grant: s3.put_object(Bucket=bucket, Key="new", Body=b"body", **grant),
            lambda grant=grant: s3.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/k", **grant),
            lambda grant=grant: s3.create_multipart_upload(Bucket=bucket, Key="new", **grant),
        ]
        assert [refusal(call) for call in calls] == ["AccessDenied"] * len(calls)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]
    foreign = customer.s3(other)
    assert refusal(lambda: foreign.list_objects_v2(Bucket=bucket)) == "AccessDenied"
    assert refusal(lambda: foreign.get_object_acl(Bucket=bucket, Key="k")) == "AccessDenied"


@pytest.mark.parametrize("what", [*READS, *STORES, *CHANGES, *NEVER])
def test_no_key_reaches_another_bucket(shared: Customer, key: dict[str, Any], other: dict[str, Any], what: str) -> None:
    call = {**READS, **STORES, **CHANGES, **NEVER}[what]
    if what == "delete several":
        errors = shared.s3(key).delete_objects(Bucket=other["bucket"], Delete={"Objects": [{"Key": "k"}]})["Errors"]
        assert [error["Code"] for error in errors] == ["AccessDenied"]
    else:
        assert refusal(lambda: call(shared.s3(key), other["bucket"])) in ("AccessDenied", "403")
    held = shared.s3(other).list_objects_v2(Bucket=other["bucket"])["Contents"]
    assert [entry["Key"] for entry in held] == ["k"]


def test_no_copy_brings_another_buckets_content_in(
    shared: Customer, key: dict[str, Any], other: dict[str, Any]
) -> None:
    s3, source = shared.s3(key), f"{other['bucket']}/k"
    assert refusal(lambda: s3.copy_object(Bucket=key["bucket"], Key="theirs", CopySource=source)) == "AccessDenied"
    upload = {"Bucket": key["bucket"], "Key": "theirs"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    assert refusal(lambda: s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)) == "AccessDenied"
    s3.abort_multipart_upload(**upload)


def test_no_action_on_identities_is_open_to_a_key(shared: Customer, key: dict[str, Any], other: dict[str, Any]) -> None:
    """Every action of IAM and STS that the SDK knows, on its own user and on another's: only who it is is told, and a
    session given that may no more."""
    iam = shared.server.client("iam")
    own = shared.server.client("sts", key).get_caller_identity()["Arn"].rpartition("/")[2]
    theirs = shared.server.client("sts", other).get_caller_identity()["Arn"].rpartition("/")[2]
    before = [(user["UserName"], iam.list_user_policies(UserName=user["UserName"])["PolicyNames"])
              for user in iam.list_users()["Users"] if user["UserName"] in (own, theirs)]  # fmt: skip
    everything = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    account = shared.server.client("sts").get_caller_identity()["Account"]
    parameters = {
        "PolicyName": "more", "PolicyDocument": everything, "AccessKeyId": other["access_key_id"], "Status": "Inactive",
        "PolicyArn": f"arn:aws:iam::{account}:policy/more", "NewUserName": "renamed", "Tags.member.1.Key": "a",
        "Tags.member.1.Value": "b", "TagKeys.member.1": "a",
    }  # fmt: skip
    answered = set()
    for service in ("iam", "sts"):
        for action in boto3.client(service, region_name="us-east-1").meta.service_model.operation_names:
            for target in ({}, {"UserName": own}, {"UserName": theirs}):
                reply = ask_identity(key, service, action, **parameters, **target)
                if reply.status == 200:
                    answered.add(action)
                else:
                    assert reply.code in ("AccessDenied", "NotImplemented", "ValidationError"), (action, reply.body)
    assert answered == {"GetCallerIdentity", "GetSessionToken"}
    made = shared.server.client("sts", key).get_session_token()["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], key["region"])
    s3 = session.client("s3", endpoint_url=key["endpoint_url"])
    s3.head_object(Bucket=key["bucket"], Key="k")
    assert refusal(lambda: s3.get_object(Bucket=other["bucket"], Key="k")) == "AccessDenied"
    assert refusal(lambda: s3.delete_bucket_policy(Bucket=key["bucket"])) == "AccessDenied"
    for service, action in (("iam", "list_users"), ("sts", "get_session_token")):
        client = session.client(service, endpoint_url=key["endpoint_url"])
        assert refusal(getattr(client, action)) == "AccessDenied"
    after = [(user["UserName"], iam.list_user_policies(UserName=user["UserName"])["PolicyNames"])
             for user in iam.list_users()["Users"] if user["UserName"] in (own, theirs)]  # fmt: skip
    assert len(after) == 2
    assert after == before
    for credentials in (key, other):
        shared.s3(credentials).head_object(Bucket=credentials["bucket"], Key="k")


def test_no_call_of_iam_is_open_to_a_key(shared: Customer, key: dict[str, Any]) -> None:
    """Every call that the store answers, with all that it needs and about what is there."""
    iam = shared.server.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    account = shared.server.client("sts").get_caller_identity()["Account"]
    prefix = f"arn:aws:iam::{account}"
    iam.create_user(UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="main", PolicyDocument=document)
    iam.create_group(GroupName="crew")
    iam.put_group_policy(GroupName="crew", PolicyName="main", PolicyDocument=document)
    iam.create_role(RoleName="deputy", AssumeRolePolicyDocument=trust(account))
    iam.put_role_policy(RoleName="deputy", PolicyName="main", PolicyDocument=document)
    known = {
        "KEY": iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"],
        "ARN": iam.create_policy(PolicyName="shared", PolicyDocument=document)["Policy"]["Arn"],
        "ALICE": f"{prefix}:user/alice",
        "ROLE": f"{prefix}:role/deputy",
    }
    iam.create_policy_version(PolicyArn=known["ARN"], PolicyDocument=document)
    for action in sorted(set(FORMS) - {"GetCallerIdentity", "GetSessionToken"}):
        form = {field: known.get(value, value) for field, value in FORMS[action].items()}
        reply = ask_identity(key, "sts" if action == "AssumeRole" else "iam", action, **form)
        assert (reply.status, reply.code) == (403, "AccessDenied"), (action, reply.body)


# --- by its permissions


@pytest.fixture(scope="module", params=["read-only", "write-only"])
def limited(request: pytest.FixtureRequest, shared: Customer, key: dict[str, Any]) -> dict[str, Any]:
    """A limited key beside `key`, with the calls that it has."""
    calls = {"read-only": READS, "write-only": STORES}[request.param]
    return {**shared.key("here", request.param, permissions=request.param), "calls": calls}


@pytest.mark.parametrize("what", [*READS, *STORES, *CHANGES, *NEVER])
def test_permissions_limit_a_key(shared: Customer, key: dict[str, Any], limited: dict[str, Any], what: str) -> None:
    bucket, s3 = key["bucket"], shared.s3(limited)
    shared.s3(key).put_object_tagging(Bucket=bucket, Key="k", Tagging=TAGS)
    call = {**READS, **STORES, **CHANGES, **NEVER}[what]
    if what in limited["calls"]:
        call(s3, bucket)
    elif what == "delete several":
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})["Errors"]
        assert [error["Code"] for error in errors] == ["AccessDenied"]
    else:
        assert refusal(lambda: call(s3, bucket)) in ("AccessDenied", "403")
    shared.s3(key).head_object(Bucket=bucket, Key="k")
