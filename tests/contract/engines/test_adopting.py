"""What another broker made on an engine: found as it is, and revoked whole, with nothing of others' touched."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.kernel import ids
from bucketry.marketplace.domain.adoption_ports import ForeignBucket
from bucketry.marketplace.domain.engine_ports import AccessKey
from tests.contract.engines.conftest import EngineUnderTest
from tests.kit.aws import document
from tests.kit.other_broker import OtherBroker

# Those that speak S3 and IAM; on a Ceph gateway no broker makes IAM users.
pytestmark = pytest.mark.parametrize("under_test", ["aws", "embedded", "bounded"], indirect=True)


@pytest.fixture
def other(under_test: EngineUnderTest) -> OtherBroker:
    if under_test.boundary:
        allow_adopting(under_test.iam())
    return OtherBroker(under_test.s3(), under_test.iam())


def allow_adopting(iam: Any) -> None:
    """As docs/adopting.md says: the policy of docs/aws.md with the other broker's names, beside its own."""
    attached = iam.list_attached_user_policies(UserName="bucketry")["AttachedPolicies"]
    if any(held["PolicyName"] == "adopting" for held in attached):
        return
    policy = document("policy").replace("123456789012", attached[0]["PolicyArn"].split(":")[4])
    policy = policy.replace("bkt-", "cf-").replace("/bucketry/", "/cf/").replace("user/bucketry-", "user/cf-")
    made = iam.create_policy(PolicyName="adopting", PolicyDocument=policy)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="bucketry", PolicyArn=made)


async def test_buckets_are_found_as_they_are(under_test: EngineUnderTest, other: OtherBroker) -> None:
    private, public = other.provision(ids.guid()), other.provision(ids.guid(), is_public=True)
    engine = under_test.engine
    assert await engine.find_foreign_bucket(private) == ForeignBucket(False, "ObjectWriter")
    assert await engine.find_foreign_bucket(public) == ForeignBucket(True, "ObjectWriter")
    assert await engine.find_foreign_bucket(f"cf-{ids.guid()}") is None


async def test_users_are_found_with_their_keys_and_buckets(under_test: EngineUnderTest, other: OtherBroker) -> None:
    instance, guid = ids.guid(), ids.guid()
    bucket = other.provision(instance)
    key = other.bind(instance, guid)
    found = await under_test.engine.find_foreign_identity(f"cf-{guid}")
    assert found is not None
    assert (found.active_keys, found.reaches) == ((key["access_key_id"],), frozenset({bucket}))
    other.iam.update_access_key(UserName=f"cf-{guid}", AccessKeyId=key["access_key_id"], Status="Inactive")
    other.iam.put_user_policy(
        UserName=f"cf-{guid}",
        PolicyName="more",
        PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",'
        '"Resource":"arn:aws:s3:::beside/*"}}',
    )
    found = await under_test.engine.find_foreign_identity(f"cf-{guid}")
    assert found is not None
    assert (found.active_keys, found.reaches) == ((), frozenset({bucket, "beside"}))
    assert await under_test.engine.find_foreign_identity(f"cf-{ids.guid()}") is None


async def test_all_of_a_prefix_is_listed(under_test: EngineUnderTest, other: OtherBroker) -> None:
    instance, guid = ids.guid(), ids.guid()
    bucket = other.provision(instance)
    other.bind(instance, guid)
    found = await under_test.engine.foreign_inventory("cf-", "cf-", "/cf/")
    assert bucket in found.buckets
    assert f"cf-{guid}" in found.identities
    elsewhere = await under_test.engine.foreign_inventory("cf-", "cf-", "/elsewhere/")
    assert f"cf-{guid}" not in elsewhere.identities
    assert all(name.startswith("cf-") for name in found.buckets | found.identities)


def own_policies(under_test: EngineUnderTest, guid: str) -> list[str]:
    pages = under_test.iam().get_paginator("list_policies").paginate(Scope="Local")
    return [policy["Arn"] for page in pages for policy in page["Policies"] if guid in policy["Arn"]]


async def test_a_revoked_user_is_gone_with_its_policy_and_others_stay(
    under_test: EngineUnderTest, other: OtherBroker
) -> None:
    instance, guid, neighbour = ids.guid(), ids.guid(), ids.guid()
    bucket = other.provision(instance)
    old, beside = other.bind(instance, guid), other.bind(instance, neighbour)
    iam = under_test.iam()
    shared = iam.create_policy(
        PolicyName=f"shared-{ids.guid()}",
        PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:PutBucketAcl","Resource":"*"}}',
    )["Policy"]["Arn"]
    group = f"group-{ids.guid()}"
    iam.create_group(GroupName=group)
    for name in (f"cf-{guid}", f"cf-{neighbour}"):
        iam.attach_user_policy(UserName=name, PolicyArn=shared)
        if not under_test.boundary:  # groups are the operator's own doing: that policy says nothing of them
            iam.add_user_to_group(UserName=name, GroupName=group)
    await under_test.engine.revoke_foreign(f"cf-{guid}", guid)
    await under_test.engine.revoke_foreign(f"cf-{guid}", guid)  # safe to repeat
    assert await under_test.engine.find_foreign_identity(f"cf-{guid}") is None
    assert own_policies(under_test, guid) == []
    attached = iam.list_attached_user_policies(UserName=f"cf-{neighbour}")["AttachedPolicies"]
    assert len(attached) == 2
    assert shared in {policy["PolicyArn"] for policy in attached}
    under_test.s3(AccessKey(**beside)).put_object(Bucket=bucket, Key="k", Body=b"x")
    if under_test.is_enforcing:
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            under_test.s3(AccessKey(**old)).get_object(Bucket=bucket, Key="k")


async def test_revoking_goes_on_where_it_broke_off(under_test: EngineUnderTest, other: OtherBroker) -> None:
    instance, guid = ids.guid(), ids.guid()
    other.provision(instance)
    other.bind(instance, guid)
    (arn,) = own_policies(under_test, guid)
    under_test.iam().detach_user_policy(UserName=f"cf-{guid}", PolicyArn=arn)
    await under_test.engine.revoke_foreign(f"cf-{guid}", guid)
    assert own_policies(under_test, guid) == []
