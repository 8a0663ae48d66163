"""engine_ports.Engine: buckets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.marketplace.domain.engine_ports import BucketNotEmpty, BucketSettings, Rights, Usage
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines.ceph import CephEngine
from bucketry.marketplace.engines.embedded import make_embedded_engine
from bucketry.marketplace.engines.s3_iam import S3IamEngine
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
    assert not is_open(under_test, bucket)
    assert setting(s3.get_bucket_cors, bucket) is None


async def test_object_ownership_is_set_from_the_start(under_test: EngineUnderTest) -> None:
    bucket = under_test.bucket()
    if under_test.is_ceph:  # has one alone: test_ceph.py
        return
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
    assert is_open(under_test, bucket)
    for _ in range(2):
        await under_test.engine.configure(bucket, PRIVATE, since=full if is_known else None)
    assert setting(s3.get_bucket_cors, bucket) is setting(s3.get_bucket_website, bucket) is None
    assert not is_open(under_test, bucket)


def is_open(under_test: EngineUnderTest, bucket: str) -> bool:
    """Whether anyone may read objects there, and nothing else; with all that stands around it."""
    s3 = under_test.s3()
    policy = setting(s3.get_bucket_policy, bucket)
    statements = json.loads(policy["Policy"])["Statement"] if policy else []
    opening = [
        statement for statement in statements if statement["Effect"] == "Allow" and statement["Principal"] == "*"
    ]
    if opening:
        assert [statement["Action"] for statement in opening] in (["s3:GetObject"], [["s3:GetObject"]])
    if under_test.is_ceph:  # its policies shut out whoever they don't name; it has no block that would work on 16.2
        assert statements[-1]["Effect"] == "Deny"
        return bool(opening)
    assert statements == opening
    block = setting(s3.get_public_access_block, bucket)
    if block is not None:
        found = block["PublicAccessBlockConfiguration"]
        assert (found["BlockPublicAcls"], found["IgnorePublicAcls"]) == (True, True)
        assert (found["BlockPublicPolicy"], found["RestrictPublicBuckets"]) == (not opening, not opening)
    return bool(opening)


async def test_a_change_that_fails_on_the_way_opens_nothing(under_test: EngineUnderTest) -> None:
    bucket = under_test.bucket()
    await under_test.engine.create_bucket(bucket, PRIVATE)
    await under_test.engine.configure(bucket, PRIVATE, since=None)
    wrong = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["FETCH"]}]}
    with pytest.raises(EngineRefused):
        await under_test.engine.configure(bucket, BucketSettings(is_public=True, cors=wrong), since=PRIVATE)
    assert not is_open(under_test, bucket)


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
    if under_test.boundary:
        pytest.skip("`embedded` does the same against the same store; the rights are tested with versions")
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
    counted = 4 if under_test.is_ceph else 5  # Ceph counts no delete markers, unless nothing else is there
    assert (await under_test.engine.usage(bucket)).objects == counted
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


GONE = {"endpoint_url": "http://127.0.0.1:1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "very-secret-key"}


@pytest.mark.parametrize("kind", ["embedded", "ceph"])
async def test_an_engine_that_is_away_is_told_without_secrets(kind: str) -> None:
    engine: S3IamEngine | CephEngine
    if kind == "ceph":
        engine = CephEngine(name="gone", **GONE)
    else:
        site = {"public_url": GONE["endpoint_url"], "region": "us-east-1", "website_domain": "localhost"}
        engine = make_embedded_engine(name="gone", website_port=None, **GONE, **site)
    for call in (
        engine.create_bucket("bkt-x", PRIVATE),
        engine.grant("b", ["bkt-x"], Rights(), {}),
        engine.revoke("b"),
    ):
        with pytest.raises(EngineUnavailable, match="gone") as told:
            await call
        assert "very-secret-key" not in str(told.value)
        assert told.value.__cause__ is None
    await engine.close()


async def test_addresses_of_ceph_are_those_of_its_gateway() -> None:
    key = {"access_key_id": "a", "secret_access_key": "s"}
    engine = CephEngine(name="tested", endpoint_url="https://rgw.example:7480/", website_host="web.example", **key)
    address = engine.address("bkt-x")
    assert (address.endpoint, address.endpoint_url) == ("rgw.example:7480", "https://rgw.example:7480")
    assert (address.fips_endpoint, address.website_endpoint) == (address.endpoint, "http://bkt-x.web.example")
    await engine.close()


async def test_what_was_there_already_is_told(under_test: EngineUnderTest) -> None:
    """Such a bucket may be as nobody knows: public, say."""
    engine, bucket = under_test.engine, under_test.bucket()
    assert await engine.create_bucket(bucket, BucketSettings())
    assert not await engine.create_bucket(bucket, BucketSettings())
