"""Where Ceph's gateway is another thing than S3 and IAM, and what the engine makes of it."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketQuota, BucketSettings, Permissions, Rights
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines import ceph_admin, ceph_policy
from bucketry.marketplace.engines.ceph import CephEngine
from tests.contract.engines.conftest import EngineUnderTest, on_ceph
from tests.contract.engines.test_identities import refused
from tests.kit.ceph import Cluster

OPEN = BucketSettings(is_public=True)


@pytest.fixture
async def under_test(ceph: Cluster) -> AsyncIterator[EngineUnderTest]:
    made = on_ceph(ceph)
    yield made
    await made.engine.close()


async def granted(
    under_test: EngineUnderTest, buckets: list[str], permissions: Permissions = Permissions.READ_WRITE
) -> Any:
    return under_test.s3(await under_test.engine.grant(ids.guid(), buckets, Rights(permissions), {}))


def anonymously(under_test: EngineUnderTest, path: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of a GET without credentials."""
    request = urllib.request.Request(f"{under_test.url}/{path}", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_bindings_of_a_bucket_read_what_others_of_it_stored(under_test: EngineUnderTest) -> None:
    (bucket,) = await under_test.buckets(1)
    one, other = [await granted(under_test, [bucket]) for _ in range(2)]
    one.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
    other.delete_object(Bucket=bucket, Key="a")


async def test_a_write_only_key_does_not_read_what_it_stored_itself(under_test: EngineUnderTest) -> None:
    (bucket,) = await under_test.buckets(1)
    s3 = await granted(under_test, [bucket], Permissions.WRITE_ONLY)
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    for call in (s3.get_object, s3.head_object, s3.get_object_acl, s3.get_object_tagging):
        assert refused(call, Bucket=bucket, Key="a") in ("AccessDenied", "403")


async def test_limits_hold_for_what_a_key_stored_before(under_test: EngineUnderTest) -> None:
    (bucket,), guid = await under_test.buckets(1), ids.guid()
    s3 = under_test.s3(await under_test.engine.grant(guid, [bucket], Rights(), {}))
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    for rights in (Rights(source_ips=("192.0.2.0/24",)), Rights(ends_ms=1_000)):
        await under_test.engine.restrict(guid, [bucket], rights)
        assert refused(s3.get_object, Bucket=bucket, Key="a") == "AccessDenied"
    await under_test.engine.restrict(guid, [bucket], Rights())
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"


@pytest.mark.parametrize("is_public", [False, True])
async def test_no_list_lets_others_in(under_test: EngineUnderTest, is_public: bool) -> None:
    (bucket, elsewhere), guid = await under_test.buckets(2), ids.guid()
    s3 = under_test.s3(await under_test.engine.grant(guid, [bucket], Rights(), {}))
    stranger_guid = ids.guid()
    stranger = under_test.s3(await under_test.engine.grant(stranger_guid, [elsewhere], Rights(), {}))
    sharing = {"GrantFullControl": f'id="bucketry-{stranger_guid}"'}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a", **sharing)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"1")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, MultipartUpload=parts)
    s3.put_object(Bucket=bucket, Key="b", ACL="public-read-write")
    assert refused(s3.put_object_acl, Bucket=bucket, Key="b", ACL="public-read") == "AccessDenied"
    await under_test.engine.configure(bucket, BucketSettings(is_public=is_public), BucketSettings())
    for _ in range(2):  # with the binding, and when it is gone
        assert anonymously(under_test, f"{bucket}/b")[0] == (200 if is_public else 403)
        assert anonymously(under_test, f"{bucket}/none")[0] == anonymously(under_test, bucket)[0] == 403
        if not is_public:
            assert refused(stranger.get_object, Bucket=bucket, Key="a") == "AccessDenied"
        assert refused(stranger.get_object_acl, Bucket=bucket, Key="a") == "AccessDenied"
        assert refused(stranger.put_object_acl, Bucket=bucket, Key="a", ACL="private") == "AccessDenied"
        assert refused(stranger.list_objects_v2, Bucket=bucket) == "AccessDenied"
        assert refused(stranger.put_object, Bucket=bucket, Key="a", Body=b"2") == "AccessDenied"
        await under_test.engine.revoke(guid)


async def test_a_binding_makes_no_identities(under_test: EngineUnderTest) -> None:
    (bucket,) = await under_test.buckets(1)
    key = await under_test.engine.grant(ids.guid(), [bucket], Rights(), {})
    as_bound = CephEngine(
        name="tested",
        endpoint_url=under_test.url,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
    )
    with pytest.raises(EngineUnavailable, match="AccessDenied"):
        await as_bound.grant(ids.guid(), [bucket], Rights(), {})
    await as_bound.close()


@pytest.mark.parametrize("left", ["user", "user and key", "all"])
async def test_a_half_made_grant_is_revoked(under_test: EngineUnderTest, left: str) -> None:
    (bucket,), guid = await under_test.buckets(1), ids.guid()
    await under_test.engine.grant(guid, [bucket], Rights(), {})
    gateway, uid = under_test.engine._gateway, f"bucketry-{guid}"
    if left != "all":  # broken off before the policy
        under_test.s3().delete_bucket_policy(Bucket=bucket)
    if left == "user":
        (key,) = gateway.ask_for_user(ceph_admin.get_user(uid)).keys
        gateway.ask(ceph_admin.delete_key(uid, key.access_key_id))
    await under_test.engine.revoke(guid)
    assert under_test.cluster is not None
    assert uid not in json.loads(under_test.cluster.admin("user", "list"))
    assert uid not in under_test.s3().get_bucket_policy(Bucket=bucket)["Policy"]


async def test_one_object_ownership_is_had_and_the_others_are_refused(under_test: EngineUnderTest) -> None:
    under_test.engine.check(BucketSettings(object_ownership="ObjectWriter"))
    for other in ("BucketOwnerPreferred", "BucketOwnerEnforced"):
        with pytest.raises(EngineRefused, match="object_ownership"):
            under_test.engine.check(BucketSettings(object_ownership=other))


async def test_a_quota_is_kept_by_the_gateway(under_test: EngineUnderTest) -> None:
    (bucket,) = await under_test.buckets(1)
    s3 = await granted(under_test, [bucket])
    limited = BucketSettings(quota=BucketQuota(size_bytes=100_000, objects=2))
    await under_test.engine.configure(bucket, limited, BucketSettings())
    assert refused(s3.put_object, Bucket=bucket, Key="large", Body=bytes(110_000)) == "QuotaExceeded"
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    assert refused(s3.put_object, Bucket=bucket, Key="c", Body=b"1") == "QuotaExceeded"
    await under_test.engine.configure(bucket, BucketSettings(), limited)
    s3.put_object(Bucket=bucket, Key="large", Body=bytes(110_000))


async def test_a_bucket_takes_so_many_bindings_and_says_so(
    under_test: EngineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bucket,) = await under_test.buckets(1)
    monkeypatch.setattr(ceph_policy, "MOST_CHARACTERS", 3_000)
    guids = [ids.guid() for _ in range(20)]

    async def bind_all() -> None:
        for guid in guids:
            await under_test.engine.grant(guid, [bucket], Rights(), {})

    with pytest.raises(EngineRefused, match="no more fit in its policy"):
        await bind_all()
    await under_test.engine.revoke(guids[0])  # one leaves, another comes
    await under_test.engine.grant(ids.guid(), [bucket], Rights(), {})


async def test_bindings_made_at_once_all_work(under_test: EngineUnderTest) -> None:
    bucket, other = await under_test.buckets(2)
    keys: list[AccessKey] = []

    async def bind(number: int) -> None:
        guid = ids.guid()
        key = await under_test.engine.grant(guid, [bucket, other], Rights(), {})
        if number % 2:
            await under_test.engine.revoke(guid)
        else:
            keys.append(key)

    await asyncio.gather(*(bind(number) for number in range(12)))
    assert len(keys) == 6
    for key in keys:
        for name in (bucket, other):
            under_test.s3(key).list_objects_v2(Bucket=name)
    text = under_test.s3().get_bucket_policy(Bucket=bucket)["Policy"]
    assert len(ceph_policy.parse(text).bindings) == 6


async def test_settings_are_those_of_the_binding(under_test: EngineUnderTest) -> None:
    (bucket,) = await under_test.buckets(1)
    s3 = await granted(under_test, [bucket])
    rule = {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"][0]["AllowedOrigins"] == ["https://a.example"]
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == {"Suffix": "index.html"}
    s3.delete_bucket_website(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "k", "Value": "v"}]
    rules = [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "old"
    assert s3.get_bucket_location(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    for call in (s3.get_bucket_policy, s3.get_bucket_acl):
        call(Bucket=bucket)
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessDenied"
    assert refused(s3.delete_bucket_policy, Bucket=bucket) == "AccessDenied"


async def test_a_public_bucket_is_a_website(under_test: EngineUnderTest) -> None:
    (bucket,) = await under_test.buckets(1)
    site = BucketSettings(is_public=True, website={"IndexDocument": {"Suffix": "index.html"}})
    await under_test.engine.configure(bucket, site, BucketSettings())
    (await granted(under_test, [bucket])).put_object(
        Bucket=bucket, Key="index.html", Body=b"<h1>hello</h1>", ContentType="text/html"
    )
    host = under_test.engine.address(bucket).website_endpoint.removeprefix("http://")
    assert anonymously(under_test, "", Host=host) == (200, b"<h1>hello</h1>")


async def test_a_tenant_has_its_own_buckets(ceph: Cluster) -> None:
    name = ids.hex_id()[:12]
    created = ceph.admin("user", "create", f"--uid=t{name}$owner", "--display-name=t", "--caps=users=*;buckets=*")
    key = json.loads(created)["keys"][0]
    engine = CephEngine(
        name="tenant",
        endpoint_url=ceph.url,
        access_key_id=key["access_key"],
        secret_access_key=key["secret_key"],
    )
    bucket = engine.bucket_name(ids.guid())
    await engine.create_bucket(bucket, BucketSettings())
    await engine.configure(bucket, BucketSettings(quota=BucketQuota(objects=5)), BucketSettings())
    guid = ids.guid()
    bound = await engine.grant(guid, [bucket], Rights(), {})
    s3 = boto3.client(
        "s3",
        endpoint_url=ceph.url,
        region_name="us-east-1",
        aws_access_key_id=bound.access_key_id,
        aws_secret_access_key=bound.secret_access_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
    await engine.revoke(guid)
    assert refused(s3.get_object, Bucket=bucket, Key="a") == "InvalidAccessKeyId"
    await engine.close()
