"""SERVICE contract, "Credentials": what a binding or key hands out, what it may do, what it may not, how it ends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.kit.customer import Customer, visit
from tests.kit.sessions import trust
from tests.kit.store import Reply
from tests.unit.store.gateway.iam.test_rights import FORMS

TEXTS = {
    "uri", "access_key_id", "secret_access_key", "region", "bucket", "endpoint", "endpoint_url", "fips_endpoint",
    "website_endpoint",
}  # fmt: skip
PAGE = {"IndexDocument": {"Suffix": "index.html"}}
CORS: dict[str, Any] = {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET"]}]}
CONNECTIONS = 16  # enough that each worker has several
RULES = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 9}}]}
TAGS = {"TagSet": [{"Key": "colour", "Value": "red"}]}


def policy(effect: str, bucket: str) -> str:
    """A bucket policy about everyone. One that allows is refused by the public access block, too; one that denies is
    not, so it shows whether the right to set any policy is there."""
    statement = {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refusal(call: Callable[[], Any]) -> str:
    """The code of the error that a call must end in."""
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


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


# --- what is handed out


def test_credentials_have_the_names_that_s3_brokers_users_read(shared: Customer, key: dict[str, Any]) -> None:
    assert set(key) == TEXTS | {"insecure_skip_verify", "additional_buckets"}
    assert all(isinstance(key[name], str) and key[name] for name in TEXTS)
    assert key["insecure_skip_verify"] is False
    assert key["additional_buckets"] == []
    admin = shared.server.admin
    assert key["endpoint_url"] == admin["s3_endpoint"]
    assert key["endpoint"] == key["fips_endpoint"] == urlsplit(admin["s3_endpoint"]).netloc
    assert key["region"] == admin["region"]
    site = urlsplit(key["website_endpoint"])
    assert site.scheme == "http"
    assert (site.hostname or "").startswith(f"{key['bucket']}.s3-website-{key['region']}.")
    assert site.port == urlsplit(admin["website_endpoint"]).port


def test_the_uri_holds_key_secret_host_and_bucket_quoted(key: dict[str, Any]) -> None:
    uri = urlsplit(key["uri"])
    assert uri.scheme == "s3"
    assert unquote(uri.username or "") == key["access_key_id"]
    assert unquote(uri.password or "") == key["secret_access_key"]
    assert f"{uri.hostname}:{uri.port}" == key["endpoint"]
    assert uri.path == f"/{key['bucket']}"
    assert not set("/+=@: ") & set(f"{uri.username}{uri.password}")


def test_each_key_and_binding_has_a_pair_of_its_own(customer: Customer) -> None:
    name = customer.order()
    customer.ok("push", "app")
    customer.ok("bind-service", "app", name)
    (entry,) = customer.ok("env", "app", "-o", "json").value["VCAP_SERVICES"]["s3"]
    all_three = [customer.key(name, "one"), customer.key(name, "two"), entry["credentials"]]
    assert len({each["access_key_id"] for each in all_three}) == 3
    assert len({each["secret_access_key"] for each in all_three}) == 3
    assert len({each["bucket"] for each in all_three}) == 1
    assert len({customer.server.client("sts", each).get_caller_identity()["Arn"] for each in all_three}) == 3
    assert customer.key(name, "one") == all_three[0]  # asked for again, it is the same
    customer.ok("delete-service-key", name, "one", "-f")
    first, *rest = (customer.s3(each) for each in all_three)
    assert refusal(lambda: first.list_objects_v2(Bucket=entry["credentials"]["bucket"])) == "InvalidAccessKeyId"
    for s3 in rest:
        s3.list_objects_v2(Bucket=entry["credentials"]["bucket"])


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


def ask_identity(key: dict[str, Any], service: str, action: str, **parameters: str) -> Reply:
    """A call of the IAM or STS Query API, signed with a key."""
    version = {"iam": "2010-05-08", "sts": "2011-06-15"}[service]
    body = urlencode({"Action": action, "Version": version, **parameters})
    kind = "application/x-www-form-urlencoded"
    request = AWSRequest("POST", f"{key['endpoint_url']}/", {"Content-Type": kind}, body.encode())
    pair = Credentials(key["access_key_id"], key["secret_access_key"])
    SigV4Auth(pair, service, key["region"]).add_auth(request)
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}
    return visit(f"{key['endpoint_url']}/", "POST", body.encode(), **headers)


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


# --- parameters of a key


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


def test_additional_instances_are_reached_too(customer: Customer) -> None:
    own, second, third = (customer.order(name=name) for name in ("own", "second", "third"))
    key = customer.key(own, "wide", additional_instances=[second])
    assert key["bucket"] == customer.bucket(own)
    assert key["additional_buckets"] == [customer.bucket(second)]
    s3 = customer.s3(key)
    for bucket in (key["bucket"], customer.bucket(second)):
        s3.put_object(Bucket=bucket, Key="k", Body=b"body")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
    assert refusal(lambda: s3.list_objects_v2(Bucket=customer.bucket(third))) == "AccessDenied"
    customer.ok("empty-bucket", second, "-f")
    gone = customer.bucket(second)
    customer.ok("delete-service", second, "-f")
    assert customer.ok("service-key", own, "wide", "--json").value["credentials"]["additional_buckets"] == []
    assert refusal(lambda: s3.list_objects_v2(Bucket=gone)) in ("NoSuchBucket", "AccessDenied")
    s3.list_objects_v2(Bucket=key["bucket"])


def test_prefix_source_ip_and_expires_in_limit_a_key(customer: Customer) -> None:
    own, second = customer.order(name="own"), customer.order(name="second")
    parameters = {"prefix": "in/", "source_ip": ["127.0.0.0/8", "::1"], "expires_in": "1h"}
    key = customer.key(own, "narrow", additional_instances=[second], **parameters)
    s3 = customer.s3(key)
    for bucket in (key["bucket"], *key["additional_buckets"]):
        s3.put_object(Bucket=bucket, Key="in/k", Body=b"body")
        assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]] == ["in/k"]
        assert refusal(partial(s3.put_object, Bucket=bucket, Key="k")) == "AccessDenied"
        assert refusal(partial(s3.list_objects_v2, Bucket=bucket)) == "AccessDenied"
    away = customer.s3(customer.key(own, "away", source_ip="192.0.2.0/24"))
    assert refusal(lambda: away.list_objects_v2(Bucket=key["bucket"])) == "AccessDenied"
    shown = customer.ok("service-key", own, "narrow", "--json").value["credentials"]
    assert shown["access_key_id"] == key["access_key_id"]


def test_an_instance_of_another_space_is_out_of_reach(customer: Customer, shared: Customer) -> None:
    customer.order(name="own")
    shared.order(name="only-there")
    for names, word in ((["only-there"], "only-there"), (["own"], "own"), (["own", "none"], "own")):
        parameters = json.dumps({"additional_instances": names})
        refused = customer("create-service-key", "own", "k", "-c", parameters)
        assert refused.code == 2
        assert word in refused.error
    assert customer.ok("service-keys", "own", "-o", "json").value == []


@pytest.mark.parametrize(
    "parameters",
    [{"colour": "red"}, {"prefix": "*"}, {"expires_in": "soon"}, {"source_ip": ["10.0.0.1/8"]}, {"permissions": "all"}],
    ids=lambda parameters: next(iter(parameters)),
)
def test_a_parameter_that_is_not_kept_is_refused_by_name(customer: Customer, parameters: dict[str, Any]) -> None:
    """Better no credentials than ones that may more than was asked for."""
    customer.order(name="own")
    refused = customer("create-service-key", "own", "k", "-c", json.dumps(parameters))
    assert refused.code == 2
    assert next(iter(parameters)) in refused.error
    customer.ok("push", "app")
    assert customer("bind-service", "app", "own", "-c", json.dumps(parameters)).code == 2
    assert customer.ok("service-keys", "own", "-o", "json").value == []
    assert customer.ok("env", "app").out == ""


# --- the end of them

ENDS = {
    "delete-service-key": ("delete-service-key", "own", "key", "-f"),
    "unbind-service": ("unbind-service", "app", "own"),
    "delete": ("delete", "app", "-f"),
    "delete-service": ("delete-service", "own", "-f"),
}


@pytest.mark.parametrize("end", ENDS)
def test_revoked_credentials_fail_on_the_next_request_in_every_worker(customer: Customer, end: str) -> None:
    customer.order("basic-sandbox", name="own")
    if end in ("unbind-service", "delete"):
        customer.ok("push", "app")
        customer.ok("bind-service", "app", "own")
        (entry,) = customer.ok("env", "app", "-o", "json").value["VCAP_SERVICES"]["s3"]
        key = entry["credentials"]
    else:
        key = customer.key("own")
    s3 = customer.s3(key)
    s3.put_object(Bucket=key["bucket"], Key="k", Body=b"body")
    made = customer.server.client("sts", key).get_session_token()["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], key["region"])
    in_session = session.client("s3", endpoint_url=key["endpoint_url"])
    in_session.get_object(Bucket=key["bucket"], Key="k")
    target = s3.generate_presigned_url("get_object", {"Bucket": key["bucket"], "Key": "k"})
    target = target.removeprefix(key["endpoint_url"])
    connections = [http.client.HTTPConnection(key["endpoint"], timeout=30) for _ in range(CONNECTIONS)]
    try:
        assert [ask(connection, target) for connection in connections] == [(200, b"body")] * CONNECTIONS
        customer.ok(*ENDS[end])
        for connection in connections:
            status, body = ask(connection, target)
            assert status == 403
            assert b"<Code>InvalidAccessKeyId</Code>" in body
    finally:
        for connection in connections:
            connection.close()
    assert refusal(lambda: s3.list_objects_v2(Bucket=key["bucket"])) == "InvalidAccessKeyId"
    assert refusal(lambda: in_session.list_objects_v2(Bucket=key["bucket"])) == "InvalidToken"
    assert ask_identity(key, "sts", "GetCallerIdentity").code == "InvalidClientTokenId"


def ask(connection: http.client.HTTPConnection, target: str) -> tuple[int, bytes]:
    """A GET on an open connection, which stays open."""
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()
