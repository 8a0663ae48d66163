"""engine_ports.Engine: the identity of a binding."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketSettings, Permissions, Rights
from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.domain.record_ports import HoldLost
from tests.contract.engines.conftest import EngineUnderTest

LABELS = {"bucketry:instance": "i1", "bucketry:space": "späce ~ (x)"}


def name_of(binding_guid: str) -> str:
    return f"bucketry-{binding_guid}"


def lost() -> None:
    """A fence that nobody passes."""
    raise HoldLost


def is_there(under_test: EngineUnderTest, binding_guid: str) -> bool:
    if under_test.cluster is not None:
        return name_of(binding_guid) in json.loads(under_test.cluster.admin("user", "list"))
    try:
        under_test.iam().get_user(UserName=name_of(binding_guid))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return False
    return True


def keys_of(under_test: EngineUnderTest, binding_guid: str) -> list[str]:
    if under_test.cluster is not None:
        user = json.loads(under_test.cluster.admin("user", "info", f"--uid={name_of(binding_guid)}"))
        return [key["access_key"] for key in user["keys"]]
    listed = under_test.iam().list_access_keys(UserName=name_of(binding_guid))["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in listed]


def resources_of(under_test: EngineUnderTest, binding_guid: str, buckets: list[str]) -> list[str]:
    """Which of the buckets an identity is let into, by what is written about it."""
    if under_test.is_ceph:
        texts = [(bucket, under_test.s3().get_bucket_policy(Bucket=bucket)["Policy"]) for bucket in buckets]
        return [bucket for bucket, text in texts if name_of(binding_guid) in text]
    answer = under_test.iam().get_user_policy(UserName=name_of(binding_guid), PolicyName="bucketry")
    document = answer["PolicyDocument"]
    found: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    return [arn.removeprefix("arn:aws:s3:::") for arn in found["Statement"][0]["Resource"]]


async def test_a_grant_is_a_user_with_its_rights_and_one_key(under_test: EngineUnderTest) -> None:
    guid, buckets = ids.guid(), await under_test.buckets(2)
    key = await under_test.engine.grant(guid, buckets, Rights(Permissions.READ_ONLY), LABELS)
    assert keys_of(under_test, guid) == [key.access_key_id]
    assert resources_of(under_test, guid, buckets) == buckets


async def test_an_identity_says_whose_it_is(under_test: EngineUnderTest) -> None:
    guid, buckets = ids.guid(), await under_test.buckets(1)
    await under_test.engine.grant(guid, buckets, Rights(), LABELS)
    if under_test.cluster is not None:  # a line for people, since its users have no tags
        user = json.loads(under_test.cluster.admin("user", "info", f"--uid={name_of(guid)}"))
        line = f"buckets={buckets[0]} bucketry:instance=i1 bucketry:space=sp%C3%A4ce%20%7E%20%28x%29"
        assert user["display_name"] == line.replace("%7E", "~")
        return
    user = under_test.iam().get_user(UserName=name_of(guid))["User"]
    assert user["Path"] == "/bucketry/"
    assert {tag["Key"]: tag["Value"] for tag in user["Tags"]} == {
        "bucketry:instance": "i1",
        "bucketry:space": "späce _ _x_",
    }
    assert under_test.iam().list_user_policies(UserName=user["UserName"])["PolicyNames"] == ["bucketry"]


async def test_a_grant_after_one_that_broke_off_has_one_new_key(under_test: EngineUnderTest) -> None:
    guid, buckets = ids.guid(), await under_test.buckets(2)
    first = await under_test.engine.grant(guid, buckets, Rights(Permissions.READ_WRITE), LABELS)
    second = await under_test.engine.grant(guid, buckets[:1], Rights(Permissions.READ_WRITE), LABELS)
    assert first.access_key_id != second.access_key_id
    assert keys_of(under_test, guid) == [second.access_key_id]
    assert resources_of(under_test, guid, buckets) == buckets[:1]


async def test_a_grant_that_comes_too_late_leaves_the_key_of_another(under_test: EngineUnderTest) -> None:
    """Whoever was overtaken finds the other's key, and no key of its own is made."""
    guid, buckets = ids.guid(), await under_test.buckets(1)
    with pytest.raises(HoldLost):
        await under_test.engine.grant(guid, buckets, Rights(), LABELS, lost)
    assert not is_there(under_test, guid) or keys_of(under_test, guid) == []
    key = await under_test.engine.grant(guid, buckets, Rights(), LABELS)
    with pytest.raises(HoldLost):
        await under_test.engine.grant(guid, buckets, Rights(), LABELS, lost)
    assert keys_of(under_test, guid) == [key.access_key_id]
    assert resources_of(under_test, guid, buckets) == buckets


async def test_a_key_is_dropped_alone(under_test: EngineUnderTest) -> None:
    guid, buckets = ids.guid(), await under_test.buckets(1)
    key = await under_test.engine.grant(guid, buckets, Rights(), LABELS)
    await under_test.engine.drop_key(guid, "AKIAOFANOTHERONE0000")
    assert keys_of(under_test, guid) == [key.access_key_id]
    for _ in range(2):
        await under_test.engine.drop_key(guid, key.access_key_id)
        assert keys_of(under_test, guid) == []
    await under_test.engine.drop_key(ids.guid(), key.access_key_id)


async def test_a_revocation_leaves_nothing_and_again_is_nothing(under_test: EngineUnderTest) -> None:
    guid, buckets = ids.guid(), await under_test.buckets(2)
    await under_test.engine.grant(guid, buckets, Rights(Permissions.READ_WRITE), LABELS)
    for _ in range(2):
        await under_test.engine.revoke(guid)
    assert not is_there(under_test, guid)
    if under_test.is_ceph:
        assert resources_of(under_test, guid, buckets) == []


@pytest.mark.parametrize("left", ["user", "user and policy", "user and key"])
async def test_a_half_made_grant_is_revoked(under_test: EngineUnderTest, left: str) -> None:
    if under_test.is_ceph:  # its halves are others: test_ceph.py
        return
    guid = ids.guid()
    iam, name = under_test.iam(), name_of(guid)
    boundary = {"PermissionsBoundary": under_test.boundary} if under_test.boundary else {}
    iam.create_user(UserName=name, Path="/bucketry/", **boundary)
    if "policy" in left:
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="bucketry", PolicyDocument=document)
    if "key" in left:
        iam.create_access_key(UserName=name)
    await under_test.engine.revoke(guid)
    assert not is_there(under_test, guid)


async def test_rights_can_be_narrowed(under_test: EngineUnderTest) -> None:
    guid, buckets = ids.guid(), await under_test.buckets(2)
    key = await under_test.engine.grant(guid, buckets, Rights(Permissions.READ_WRITE), LABELS)
    await under_test.engine.restrict(guid, buckets[:1], Rights(Permissions.READ_WRITE))
    assert resources_of(under_test, guid, buckets) == buckets[:1]
    assert keys_of(under_test, guid) == [key.access_key_id]
    await under_test.engine.restrict(ids.guid(), buckets[:1], Rights(Permissions.READ_WRITE))


async def test_too_many_buckets_are_refused_before_anything_is_made(under_test: EngineUnderTest) -> None:
    if under_test.is_ceph:  # limits the bindings of a bucket instead: test_ceph.py
        return
    guid = ids.guid()
    with pytest.raises(EngineRefused):
        await under_test.engine.grant(guid, [f"bkt-{n:036}" for n in range(80)], Rights(Permissions.READ_WRITE), LABELS)
    assert not is_there(under_test, guid)


async def test_rights_that_fit_no_inline_policy_get_a_managed_one(under_test: EngineUnderTest) -> None:
    if under_test.is_ceph:  # rights are in the policies of buckets there
        return
    engine, guid, iam = under_test.engine, ids.guid(), under_test.iam()
    name = engine.identity_name(guid)
    many = [f"bkt-{n:036}" for n in range(20)]

    async def is_found(buckets: list[str]) -> bool:
        found = await engine.find_identity(guid, buckets, Rights())
        return found is not None and found.has_rights

    for _ in range(2):
        key = await engine.grant(guid, many, Rights(), LABELS)
    assert await is_found(many)
    assert keys_of(under_test, guid) == [key.access_key_id]
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == []
    (attached,) = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    assert attached["PolicyArn"].endswith(f":policy/bucketry/{name}")
    for kept in (19, 18, 17, 2, 1, 3, 4):  # there may be five versions
        await engine.restrict(guid, many[:kept], Rights())
        assert await is_found(many[:kept])
        assert not await is_found(many[: kept + 1])
    for _ in range(2):
        await engine.revoke(guid)
    assert await engine.find_identity(guid, many, Rights()) is None
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_policy(PolicyArn=attached["PolicyArn"])


@pytest.mark.parametrize("left", ["made", "attached", "attached, and an inline one"])
async def test_a_half_made_grant_with_a_managed_policy_is_revoked(under_test: EngineUnderTest, left: str) -> None:
    if under_test.is_ceph:  # rights are in the policies of buckets there
        return
    guid, iam = ids.guid(), under_test.iam()
    name = under_test.engine.identity_name(guid)
    boundary = {"PermissionsBoundary": under_test.boundary} if under_test.boundary else {}
    iam.create_user(UserName=name, Path="/bucketry/", **boundary)
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_policy(PolicyName=name, Path="/bucketry/", PolicyDocument=document)["Policy"]["Arn"]
    if "attached" in left:
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    if "inline" in left:
        iam.put_user_policy(UserName=name, PolicyName="bucketry", PolicyDocument=document)
    await under_test.engine.revoke(guid)
    for call, arguments in ((iam.get_user, {"UserName": name}), (iam.get_policy, {"PolicyArn": arn})):
        with pytest.raises(ClientError, match="NoSuchEntity"):
            call(**arguments)


async def test_ids_of_platforms_share_no_user(under_test: EngineUnderTest) -> None:
    lower = f"binding.{ids.hex_id()}~a"
    buckets = await under_test.buckets(2)
    one = await under_test.engine.grant(lower, buckets[:1], Rights(Permissions.READ_WRITE), LABELS)
    other = await under_test.engine.grant(lower.upper(), buckets[1:], Rights(Permissions.READ_WRITE), LABELS)
    await under_test.engine.revoke(lower.upper())
    assert one.access_key_id != other.access_key_id
    if under_test.is_enforcing:
        under_test.s3(one).list_objects_v2(Bucket=buckets[0])
        assert refused(under_test.s3(other).list_objects_v2, Bucket=buckets[1]) == "InvalidAccessKeyId"


# ---- what the credentials may do: only where permissions are enforced


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as told:
        call(**arguments)
    return str(told.value.response["Error"]["Code"])


async def granted(under_test: EngineUnderTest, permissions: Permissions) -> tuple[str, str, AccessKey]:
    """A bucket with an object in it, another bucket, and a key for the first."""
    if not under_test.is_enforcing:
        pytest.skip("this engine checks no permissions")
    mine, other = under_test.bucket(), under_test.bucket()
    for bucket in (mine, other):
        await under_test.engine.create_bucket(bucket, BucketSettings())
        under_test.s3().put_object(Bucket=bucket, Key="a", Body=b"1")
    return mine, other, await under_test.engine.grant(ids.guid(), [mine], Rights(permissions), {})


async def test_read_write_works_in_its_bucket_alone(under_test: EngineUnderTest) -> None:
    mine, other, key = await granted(under_test, Permissions.READ_WRITE)
    s3 = under_test.s3(key)
    s3.put_object(Bucket=mine, Key="b", Body=b"2")
    assert s3.get_object(Bucket=mine, Key="b")["Body"].read() == b"2"
    assert len(s3.list_objects_v2(Bucket=mine)["Contents"]) == 2
    s3.put_object_tagging(Bucket=mine, Key="b", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    upload = s3.create_multipart_upload(Bucket=mine, Key="u")["UploadId"]
    s3.abort_multipart_upload(Bucket=mine, Key="u", UploadId=upload)
    s3.put_bucket_cors(
        Bucket=mine, CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
    )
    s3.delete_objects(Bucket=mine, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    for call in (s3.list_objects_v2, s3.get_bucket_cors, s3.get_bucket_location):
        assert refused(call, Bucket=other) == "AccessDenied"
    assert refused(s3.get_object, Bucket=other, Key="a") == "AccessDenied"
    assert refused(s3.put_object, Bucket=other, Key="a", Body=b"") == "AccessDenied"
    assert refused(s3.delete_object, Bucket=other, Key="a") == "AccessDenied"


async def test_no_binding_makes_removes_or_opens_buckets(under_test: EngineUnderTest) -> None:
    mine, _, key = await granted(under_test, Permissions.READ_WRITE)
    s3 = under_test.s3(key)
    assert refused(s3.create_bucket, Bucket=under_test.bucket()) == "AccessDenied"
    assert refused(s3.delete_bucket, Bucket=mine) == "AccessDenied"
    assert refused(s3.put_bucket_policy, Bucket=mine, Policy="{}") == "AccessDenied"
    assert refused(s3.delete_public_access_block, Bucket=mine) == "AccessDenied"
    assert refused(s3.delete_bucket_ownership_controls, Bucket=mine) == "AccessDenied"
    if under_test.is_ceph:  # identities are made by its admin API: test_ceph.py
        return
    iam = under_test._client("iam", key)
    assert refused(iam.create_user, UserName="x") == "AccessDenied"
    assert refused(iam.create_access_key) == "AccessDenied"


async def test_read_only_and_write_only_do_what_they_say(under_test: EngineUnderTest) -> None:
    mine, _, key = await granted(under_test, Permissions.READ_ONLY)
    s3 = under_test.s3(key)
    assert s3.get_object(Bucket=mine, Key="a")["Body"].read() == b"1"
    assert refused(s3.put_object, Bucket=mine, Key="b", Body=b"") == "AccessDenied"
    assert refused(s3.delete_object, Bucket=mine, Key="a") == "AccessDenied"
    mine, _, key = await granted(under_test, Permissions.WRITE_ONLY)
    s3 = under_test.s3(key)
    s3.put_object(Bucket=mine, Key="b", Body=b"2")
    assert refused(s3.get_object, Bucket=mine, Key="b") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket=mine) == "AccessDenied"
    assert refused(s3.delete_object, Bucket=mine, Key="b") == "AccessDenied"


async def limited(under_test: EngineUnderTest, rights: Rights) -> tuple[str, Any]:
    """A bucket with `in/a` and `out` in it, and a client with a key of these rights."""
    if not under_test.is_enforcing:
        pytest.skip("this engine checks no permissions")
    bucket = under_test.bucket()
    await under_test.engine.create_bucket(bucket, BucketSettings())
    for key in ("in/a", "out"):
        under_test.s3().put_object(Bucket=bucket, Key=key, Body=b"1")
    return bucket, under_test.s3(await under_test.engine.grant(ids.guid(), [bucket], rights, {}))


async def test_a_prefix_is_all_that_a_key_reaches(under_test: EngineUnderTest) -> None:
    bucket, s3 = await limited(under_test, Rights(prefix="in/"))
    s3.put_object(Bucket=bucket, Key="in/b", Body=b"2")
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]] == ["in/a", "in/b"]
    assert refused(s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket=bucket, Prefix="i") == "AccessDenied"
    for key in ("out", "in", "IN/a", "out/in/a"):
        assert refused(s3.get_object, Bucket=bucket, Key=key) == "AccessDenied"
        assert refused(s3.put_object, Bucket=bucket, Key=key, Body=b"") == "AccessDenied"
        assert refused(s3.delete_object, Bucket=bucket, Key=key) == "AccessDenied"
    assert refused(s3.copy_object, Bucket=bucket, Key="in/c", CopySource=f"{bucket}/out") == "AccessDenied"
    several = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/b"}, {"Key": "out"}]})
    assert [(one["Key"], one["Code"]) for one in several["Errors"]] == [("out", "AccessDenied")]
    assert refused(s3.get_bucket_cors, Bucket=bucket) == "AccessDenied"
    rules = [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]
    lifecycle = {"Rules": rules}
    call = s3.put_bucket_lifecycle_configuration
    assert refused(call, Bucket=bucket, LifecycleConfiguration=lifecycle) in ("AccessDenied", "NotImplemented")


@pytest.mark.parametrize(("addresses", "works"), [(("192.0.2.0/24",), False), (("192.0.2.7", "127.0.0.0/8"), True)])
async def test_a_key_works_from_its_addresses_alone(
    under_test: EngineUnderTest, addresses: tuple[str, ...], works: bool
) -> None:
    bucket, s3 = await limited(under_test, Rights(source_ips=addresses))
    if works:
        assert s3.get_object(Bucket=bucket, Key="out")["Body"].read() == b"1"
    else:
        for call in (s3.list_objects_v2, s3.get_bucket_location):
            assert refused(call, Bucket=bucket) == "AccessDenied"
        assert refused(s3.get_object, Bucket=bucket, Key="out") == "AccessDenied"


async def test_a_key_works_until_its_end_and_no_longer(under_test: EngineUnderTest) -> None:
    now_ms = time.time_ns() // 1_000_000
    bucket, s3 = await limited(under_test, Rights(ends_ms=now_ms + 3_600_000))
    assert s3.get_object(Bucket=bucket, Key="out")["Body"].read() == b"1"
    bucket, s3 = await limited(under_test, Rights(ends_ms=now_ms))
    assert refused(s3.get_object, Bucket=bucket, Key="out") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket=bucket) == "AccessDenied"


async def test_a_revoked_key_fails_on_the_next_request(under_test: EngineUnderTest) -> None:
    if not under_test.is_enforcing:
        pytest.skip("this engine checks no permissions")
    bucket, guid = under_test.bucket(), ids.guid()
    await under_test.engine.create_bucket(bucket, BucketSettings())
    s3 = under_test.s3(await under_test.engine.grant(guid, [bucket], Rights(Permissions.READ_WRITE), {}))
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    await under_test.engine.revoke(guid)
    assert refused(s3.get_object, Bucket=bucket, Key="a") == "InvalidAccessKeyId"
