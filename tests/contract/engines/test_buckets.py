"""ports.Engine: buckets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.domain.ports import BucketNotEmpty, BucketSettings, Usage
from bucketry.marketplace.engines.embedded import make_embedded_engine
from tests.contract.engines.conftest import EngineUnderTest

CORS = {"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "MaxAgeSeconds": 5}]}
WEBSITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "404.html"}}
PRIVATE, PUBLIC = BucketSettings(), BucketSettings(is_public=True)


def setting(call: Any, bucket: str) -> dict[str, Any] | None:
    """What a GET of a setting says; None where none is set."""
    try:
        answer: dict[str, Any] = call(Bucket=bucket)
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("NoSuch"):
            raise
        return None
    answer.pop("ResponseMetadata")
    return answer


async def test_a_bucket_is_made_private_and_again_is_nothing(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    for _ in range(2):
        await under_test.engine.create_bucket(bucket, PRIVATE)
    await under_test.engine.configure(bucket, PRIVATE, since=PRIVATE)
    s3.head_bucket(Bucket=bucket)
    assert setting(s3.get_bucket_policy, bucket) is None
    assert setting(s3.get_bucket_cors, bucket) is None


async def test_object_ownership_is_set_from_the_start(under_test: EngineUnderTest) -> None:
    bucket = under_test.bucket()
    await under_test.engine.create_bucket(bucket, BucketSettings(object_ownership="ObjectWriter"))
    assert ownership(under_test, bucket) == "ObjectWriter"
    await under_test.engine.configure(bucket, PRIVATE, since=BucketSettings(object_ownership="ObjectWriter"))
    assert ownership(under_test, bucket) == "BucketOwnerEnforced"


def ownership(under_test: EngineUnderTest, bucket: str) -> str:
    rules = under_test.s3().get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    return str(rules[0]["ObjectOwnership"])


@pytest.mark.parametrize("is_known", [True, False])
async def test_settings_come_and_go(under_test: EngineUnderTest, is_known: bool) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    full = BucketSettings(is_public=True, cors=CORS, website=WEBSITE)
    await under_test.engine.create_bucket(bucket, full)
    for _ in range(2):
        await under_test.engine.configure(bucket, full, since=PRIVATE if is_known else None)
    assert setting(s3.get_bucket_cors, bucket) == CORS
    assert setting(s3.get_bucket_website, bucket) == WEBSITE
    policy = setting(s3.get_bucket_policy, bucket)
    assert policy is not None
    (statement,) = json.loads(policy["Policy"])["Statement"]
    assert (statement["Principal"], statement["Action"]) == ("*", "s3:GetObject")
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert (block["BlockPublicAcls"], block["IgnorePublicAcls"]) == (True, True)
    assert (block["BlockPublicPolicy"], block["RestrictPublicBuckets"]) == (False, False)
    for _ in range(2):
        await under_test.engine.configure(bucket, PRIVATE, since=full if is_known else None)
    assert setting(s3.get_bucket_cors, bucket) is setting(s3.get_bucket_website, bucket) is None
    assert setting(s3.get_bucket_policy, bucket) is None
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}


async def test_a_change_that_fails_on_the_way_opens_nothing(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    await under_test.engine.configure(bucket, PRIVATE, since=None)
    wrong = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["FETCH"]}]}
    with pytest.raises(EngineRefused):
        await under_test.engine.configure(bucket, BucketSettings(is_public=True, cors=wrong), since=PRIVATE)
    assert setting(s3.get_bucket_policy, bucket) is None
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}


async def test_an_empty_bucket_is_deleted_and_again_is_nothing(under_test: EngineUnderTest) -> None:
    bucket = under_test.bucket()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    for _ in range(2):
        await under_test.engine.delete_bucket(bucket)
    with pytest.raises(ClientError):
        under_test.s3().head_bucket(Bucket=bucket)


async def test_a_full_bucket_stays(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345")
    with pytest.raises(BucketNotEmpty):
        await under_test.engine.delete_bucket(bucket)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"12345"


async def test_a_bucket_with_an_unfinished_upload_stays(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    s3.create_multipart_upload(Bucket=bucket, Key="a")
    with pytest.raises(BucketNotEmpty):
        await under_test.engine.delete_bucket(bucket)
    assert await under_test.engine.usage(bucket) == Usage(0, 0, 1)


async def test_usage_counts_objects_bytes_and_uploads(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x" * 100)
    s3.create_multipart_upload(Bucket=bucket, Key="u")
    assert await under_test.engine.usage(bucket) == Usage(3, 300, 1)


async def test_emptying_removes_all_and_tells_sums(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    for number in range(1005):
        s3.put_object(Bucket=bucket, Key=f"k {number}/ü+&<", Body=b"xy")
    s3.create_multipart_upload(Bucket=bucket, Key="u")
    steps = [step async for step in under_test.engine.empty_bucket(bucket)]
    assert len(steps) >= 3
    assert (steps[-1].objects, steps[-1].size_bytes, steps[-1].uploads) == (1005, 2010, 1)
    assert await under_test.engine.usage(bucket) == Usage(0, 0, 0)
    assert [step async for step in under_test.engine.empty_bucket(bucket)] == []
    await under_test.engine.delete_bucket(bucket)


async def test_emptying_removes_versions_and_markers(under_test: EngineUnderTest) -> None:
    bucket, s3 = under_test.bucket(), under_test.s3()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    s3.put_object(Bucket=bucket, Key="a", Body=b"before")
    s3.put_object(Bucket=bucket, Key="null", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key="a", Body=b"123")
    s3.delete_object(Bucket=bucket, Key="a")
    assert (await under_test.engine.usage(bucket)).objects == 5
    with pytest.raises(BucketNotEmpty):
        await under_test.engine.delete_bucket(bucket)
    steps = [step async for step in under_test.engine.empty_bucket(bucket)]
    assert (steps[-1].objects, steps[-1].size_bytes) == (5, 18)
    assert await under_test.engine.usage(bucket) == Usage(0, 0, 0)
    await under_test.engine.delete_bucket(bucket)


async def test_a_bucket_that_is_not_there_is_empty(under_test: EngineUnderTest) -> None:
    bucket = under_test.bucket()
    assert await under_test.engine.usage(bucket) == Usage(0, 0, 0)
    assert [step async for step in under_test.engine.empty_bucket(bucket)] == []


async def test_a_setting_that_is_refused_says_so(under_test: EngineUnderTest) -> None:
    with pytest.raises(EngineRefused, match="NoSuchBucket"):
        await under_test.engine.configure(under_test.bucket(), BucketSettings(cors=CORS), since=PRIVATE)


def test_addresses_of_the_store_are_those_of_users() -> None:
    engine = make_embedded_engine(
        name="tested",
        endpoint_url="http://127.0.0.1:1",
        public_url="https://s3.example:9000/",
        region="us-east-1",
        access_key_id="a",
        secret_access_key="s",
        website_domain="web.example",
        website_port=9001,
    )
    address = engine.address("bkt-x")
    assert (address.endpoint, address.endpoint_url) == ("s3.example:9000", "https://s3.example:9000")
    assert address.fips_endpoint == address.endpoint
    assert address.website_endpoint == "http://bkt-x.s3-website-us-east-1.web.example:9001"


async def test_an_engine_that_is_away_is_told_without_secrets() -> None:
    engine = make_embedded_engine(
        name="gone",
        endpoint_url="http://127.0.0.1:1",
        public_url="http://127.0.0.1:1",
        region="us-east-1",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="very-secret-key",
        website_domain="localhost",
        website_port=None,
    )
    with pytest.raises(EngineUnavailable, match="gone") as told:
        await engine.create_bucket("bkt-x", PRIVATE)
    assert "very-secret-key" not in str(told.value)
    assert told.value.__cause__ is None
    await engine.close()
