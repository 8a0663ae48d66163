"""engine_ports.Engine: what is there, compared with what was ordered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import BucketSettings, Permissions, Rights
from bucketry.marketplace.engines import ceph_admin, inspecting
from tests.contract.engines.conftest import EngineUnderTest

CORS = {"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "MaxAgeSeconds": 5}]}
WEBSITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "404.html"}}
PRIVATE = BucketSettings()
FULL = BucketSettings(is_public=True, object_ownership="ObjectWriter", cors=CORS, website=WEBSITE)
RIGHTS = Rights(Permissions.READ_WRITE)


async def made(under_test: EngineUnderTest, settings: BucketSettings = PRIVATE) -> str:
    bucket = under_test.bucket()
    await under_test.engine.create_bucket(bucket, settings)
    await under_test.engine.configure(bucket, settings, since=None)
    return bucket


async def test_the_inventory_has_what_was_made_until_it_is_removed(under_test: EngineUnderTest) -> None:
    engine, guid, platforms = under_test.engine, ids.guid(), f"Binding~{ids.hex_id()}"
    bucket = await made(under_test)
    for binding_guid in (guid, platforms):
        await engine.grant(binding_guid, [bucket], RIGHTS, {})
    found = await engine.inventory()
    assert bucket in found.buckets
    assert {engine.identity_name(guid), engine.identity_name(platforms)} <= found.identities
    for binding_guid in (guid, platforms):
        await engine.revoke(binding_guid)
    await engine.delete_bucket(bucket)
    found = await engine.inventory()
    assert bucket not in found.buckets
    assert not {engine.identity_name(guid), engine.identity_name(platforms)} & found.identities


async def test_what_others_made_in_the_account_is_not_in_the_inventory(under_test: EngineUnderTest) -> None:
    if under_test.cluster is not None:
        under_test.s3().create_bucket(Bucket=f"bkt-of-another-{ids.hex_id()}")
        under_test.cluster.admin("user", "create", "--uid=bucketry-of-another", "--display-name=another")
        found = await under_test.engine.inventory()
        assert not [name for name in found.buckets | found.identities if "of-another" in name]
        return
    bucket, user = f"bkt-of-another-{ids.hex_id()}", f"bucketry-of-another-{ids.hex_id()}"
    under_test.s3().create_bucket(Bucket=bucket)
    under_test.iam().create_user(UserName=user, Path="/bucketry/")
    elsewhere = f"bucketry-{ids.guid()}"
    under_test.iam().create_user(UserName=elsewhere, Path="/other/")
    found = await under_test.engine.inventory()
    assert bucket not in found.buckets
    assert not {user, elsewhere} & found.identities


async def test_an_inventory_of_several_pages_is_whole(
    under_test: EngineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "PAGE", 2)
    monkeypatch.setattr(ceph_admin, "PAGE", 2)
    bindings = [ids.guid() for _ in range(5)]
    buckets = [await made(under_test) for _ in range(5)]
    for guid in bindings:
        await under_test.engine.grant(guid, buckets[:1], RIGHTS, {})
    found = await under_test.engine.inventory()
    assert set(map(under_test.engine.identity_name, bindings)) <= found.identities
    if under_test.is_enforcing:  # moto cuts the page and names no next one
        assert set(buckets) <= found.buckets
    for guid in bindings:
        await under_test.engine.revoke(guid)


@pytest.mark.parametrize("settings", [PRIVATE, FULL], ids=["private", "full"])
async def test_a_bucket_as_it_was_configured_deviates_in_nothing(
    under_test: EngineUnderTest, settings: BucketSettings
) -> None:
    bucket = await made(under_test, settings)
    assert await under_test.engine.deviations(bucket, settings) == []


async def test_a_new_bucket_deviates_in_nothing(under_test: EngineUnderTest) -> None:
    if not under_test.is_enforcing:
        pytest.skip("moto blocks no public access of new buckets, as AWS has done since 2023")
    bucket = under_test.bucket()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    assert await under_test.engine.deviations(bucket, PRIVATE) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"is_public": False}, "public"),
        ({"object_ownership": "BucketOwnerPreferred"}, "object_ownership"),
        ({"cors": None}, "cors"),
        ({"website": {"IndexDocument": {"Suffix": "start.html"}}}, "website"),
    ],
)
async def test_a_setting_that_is_otherwise_is_named(
    under_test: EngineUnderTest, change: dict[str, Any], name: str
) -> None:
    bucket = await made(under_test, FULL)
    assert await under_test.engine.deviations(bucket, replace(FULL, **change)) == [name]


async def test_a_bucket_that_another_opened_deviates_and_is_closed_again(under_test: EngineUnderTest) -> None:
    bucket, s3 = await made(under_test), under_test.s3()
    if not under_test.is_ceph:  # its policy alone says who may
        s3.delete_public_access_block(Bucket=bucket)
        assert await under_test.engine.deviations(bucket, PRIVATE) == ["public"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    for settings in (PRIVATE, BucketSettings(is_public=True)):
        assert await under_test.engine.deviations(bucket, settings) == ["public"]
    await under_test.engine.configure(bucket, PRIVATE, since=None)
    assert await under_test.engine.deviations(bucket, PRIVATE) == []


async def test_a_bucket_that_is_gone_is_told_so(under_test: EngineUnderTest) -> None:
    assert await under_test.engine.deviations(under_test.bucket(), FULL) is None


async def test_an_identity_is_found_with_its_key_and_its_rights(under_test: EngineUnderTest) -> None:
    engine, guid, both = under_test.engine, ids.guid(), await under_test.buckets(2)
    assert await engine.find_identity(guid, both[:1], RIGHTS) is None
    key = await engine.grant(guid, both, RIGHTS, {})
    found = await engine.find_identity(guid, both, RIGHTS)
    assert found is not None
    assert (found.access_key_ids, found.has_rights) == ((key.access_key_id,), True)
    for buckets, rights in ((both[:1], RIGHTS), (both, Rights(Permissions.READ_ONLY))):
        found = await engine.find_identity(guid, buckets, rights)
        assert found is not None
        assert not found.has_rights
        await engine.restrict(guid, buckets, rights)
        found = await engine.find_identity(guid, buckets, rights)
        assert found is not None
        assert found.has_rights


async def test_rights_that_another_added_are_noticed(under_test: EngineUnderTest) -> None:
    engine, guid, buckets = under_test.engine, ids.guid(), await under_test.buckets(1)
    await engine.grant(guid, buckets, RIGHTS, {})
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    name = engine.identity_name(guid)
    if under_test.cluster is not None:
        under_test.cluster.admin("caps", "add", f"--uid={name}", "--caps=users=read")
    else:
        under_test.iam().put_user_policy(UserName=name, PolicyName="more", PolicyDocument=policy)
    found = await engine.find_identity(guid, buckets, RIGHTS)
    assert found is not None
    assert not found.has_rights
    if not under_test.is_ceph:
        under_test.iam().delete_user_policy(UserName=name, PolicyName="more")


async def test_keys_that_nobody_was_given_are_removed(under_test: EngineUnderTest) -> None:
    engine, guid, buckets = under_test.engine, ids.guid(), await under_test.buckets(1)
    key = await engine.grant(guid, buckets, RIGHTS, {})
    if under_test.cluster is not None:
        uid = f"--uid={engine.identity_name(guid)}"
        under_test.cluster.admin("key", "create", uid, "--key-type=s3", "--gen-access-key", "--gen-secret")
    else:
        under_test.iam().create_access_key(UserName=engine.identity_name(guid))
    found = await engine.find_identity(guid, buckets, RIGHTS)
    assert found is not None
    assert len(found.access_key_ids) == 2
    for _ in range(2):
        await engine.keep_key(guid, key.access_key_id)
        found = await engine.find_identity(guid, buckets, RIGHTS)
        assert found is not None
        assert found.access_key_ids == (key.access_key_id,)
    await engine.keep_key(ids.guid(), key.access_key_id)


async def test_an_identity_tells_whose_it_is_and_is_removed_by_its_name(under_test: EngineUnderTest) -> None:
    engine, guid, buckets = under_test.engine, f"Binding~{ids.hex_id()}", await under_test.buckets(1)
    await engine.grant(guid, buckets, RIGHTS, {"bucketry:instance": "i1"})
    name = engine.identity_name(guid)
    assert await engine.labels_of(name) == {"bucketry:instance": "i1"}
    for _ in range(2):
        await engine.remove_identity(name)
        assert await engine.find_identity(guid, buckets, RIGHTS) is None
    assert await engine.labels_of(name) == {}
