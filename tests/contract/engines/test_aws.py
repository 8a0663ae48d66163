"""What AWS does besides S3 and IAM: it is late, busy and full. Moto stands for it, behind a proxy with faults."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import boto3
import pytest
from structlog.testing import capture_logs

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketSettings, Rights
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines.aws import AwsAccount, Login, make_aws_engine
from bucketry.marketplace.engines.light import Courier
from tests.kit.aws import actions
from tests.kit.faulty_proxy import Answer, FaultyProxy, Seen, times

PRIVATE, PUBLIC = BucketSettings(), BucketSettings(is_public=True)
BUSY = Answer(503, "SlowDown", "Please reduce your request rate.")
THROTTLED = Answer(400, "Throttling", "Rate exceeded")
LATE = Answer(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
DENIED = Answer(403, "AccessDenied", "Access Denied")
UNKNOWN_USER = Answer(404, "NoSuchEntity", "The user cannot be found.")
BLOCKED = Answer(
    403, "AccessDenied", "not authorized because public policies are prevented by the BlockPublicPolicy setting"
)
LOCATION = "GET ?location"
MANY = [f"bkt-{number:036}" for number in range(20)]  # so many fit no inline policy


class Aws:
    """An engine before the faulty proxy."""

    def __init__(self, moto_url: str) -> None:
        self.proxy = FaultyProxy(moto_url)
        self.engine = self.made(5)

    def made(self, key_wait_s: float) -> AwsAccount:
        engine = make_aws_engine(
            name="aws",
            region="eu-west-1",
            logins=[Login("root", "very-secret")],
            endpoint_url=self.proxy.url,
            key_wait_s=key_wait_s,
        )
        assert isinstance(engine, AwsAccount)
        return engine

    async def bucket(self) -> str:
        bucket = self.engine.bucket_name(ids.guid())
        await self.engine.create_bucket(bucket, PRIVATE)
        return bucket


@pytest.fixture
async def aws(moto: tuple[str, AccessKey]) -> AsyncIterator[Aws]:
    made = Aws(moto[0])
    yield made
    await made.engine.close()
    made.proxy.stop()


# ---- where it is


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
async def test_rights_are_written_in_the_words_of_the_partition(aws: Aws, region: str, partition: str) -> None:
    engine = make_aws_engine(
        name="aws", region=region, logins=[Login("root", "very-secret")], endpoint_url=aws.proxy.url, key_wait_s=5
    )
    assert isinstance(engine, AwsAccount)
    bucket, guid = engine.bucket_name(ids.guid()), ids.guid()
    await engine.create_bucket(bucket, PRIVATE)
    await engine.configure(bucket, PUBLIC, since=None)
    await engine.grant(guid, [bucket], Rights(), {})
    of_bucket = engine._connection.s3.get_bucket_policy(Bucket=bucket)["Policy"]
    name = engine.identity_name(guid)
    of_user = engine._connection.iam.get_user_policy(UserName=name, PolicyName="bucketry")["PolicyDocument"]
    for policy in (of_bucket, json.dumps(of_user)):
        assert set(re.findall(r"arn:([a-z-]+):s3:", policy)) == {partition}
    assert await engine.deviations(bucket, PUBLIC) == []
    await engine.close()


# ---- busy


@pytest.mark.parametrize(("operation", "answer"), [("PUT", BUSY), ("PUT", Answer(500, "InternalError", "We failed."))])
async def test_what_is_busy_is_asked_again(aws: Aws, operation: str, answer: Answer) -> None:
    aws.proxy.faults.append(times(2, operation, answer))
    assert await aws.engine.usage(await aws.bucket())
    assert aws.proxy.count(operation) == 3


async def test_throttled_calls_of_iam_are_asked_again(aws: Aws) -> None:
    aws.proxy.faults.append(times(2, "CreateUser", THROTTLED))
    await aws.engine.grant(ids.guid(), [await aws.bucket()], Rights(), {})
    assert aws.proxy.count("CreateUser") == 3


@pytest.mark.parametrize("answer", [BUSY, THROTTLED, Answer(409, "OperationAborted", "A conflicting operation.")])
async def test_what_stays_busy_is_told_and_goes_on_later(aws: Aws, answer: Answer) -> None:
    bucket = aws.engine.bucket_name(ids.guid())
    aws.proxy.faults.append(times(3, "PUT", answer))
    with pytest.raises(EngineUnavailable, match=rf"engine aws failed while making the bucket \({answer.code}\)"):
        await aws.engine.create_bucket(bucket, PRIVATE)
    aws.proxy.faults.clear()
    await aws.engine.create_bucket(bucket, PRIVATE)
    await aws.engine.configure(bucket, PUBLIC, since=None)


@pytest.mark.parametrize("at", ["CreateUser", "PutUserPolicy", "CreateAccessKey", LOCATION])
async def test_a_grant_that_broke_off_goes_on_with_one_key(aws: Aws, at: str) -> None:
    bucket, guid = await aws.bucket(), ids.guid()
    aws.proxy.faults.append(times(9, at, BUSY))
    with pytest.raises(EngineUnavailable):
        await aws.engine.grant(guid, [bucket], Rights(), {})
    aws.proxy.faults.clear()
    key = await aws.engine.grant(guid, [bucket], Rights(), {})
    found = await aws.engine.find_identity(guid, [bucket], Rights())
    assert found is not None
    assert (found.access_key_ids, found.has_rights) == ((key.access_key_id,), True)


async def test_a_key_whose_answer_was_lost_is_not_left_beside_the_next(aws: Aws, moto: tuple[str, AccessKey]) -> None:
    """What is asked again, since no answer came, was done by then."""
    bucket, guid = await aws.bucket(), ids.guid()
    iam = boto3.client(
        "iam",
        endpoint_url=moto[0],
        region_name="us-east-1",
        aws_access_key_id="root",
        aws_secret_access_key="very-secret",
    )
    lost: list[str] = []

    def fault(seen: Seen) -> Answer | None:
        if seen.operation != "CreateAccessKey" or lost:
            return None
        made = iam.create_access_key(UserName=aws.engine.identity_name(guid))
        lost.append(made["AccessKey"]["AccessKeyId"])
        return BUSY

    aws.proxy.faults.append(fault)
    key = await aws.engine.grant(guid, [bucket], Rights(), {})
    found = await aws.engine.find_identity(guid, [bucket], Rights())
    assert found is not None
    assert lost
    assert found.access_key_ids == (key.access_key_id,)


# ---- late


async def test_a_new_key_is_answered_when_it_works(aws: Aws) -> None:
    aws.proxy.faults += [times(2, LOCATION, LATE), times(2, LOCATION, DENIED)]
    key = await aws.engine.grant(ids.guid(), [await aws.bucket()], Rights(), {})
    asked = [seen for seen in aws.proxy.seen if seen.operation == LOCATION]
    assert {seen.access_key_id for seen in asked} == {key.access_key_id}
    assert len(asked) == 2 + 2 + 3  # three times in a row


async def test_a_key_that_works_on_one_server_alone_is_waited_for(aws: Aws) -> None:
    answers = iter([None, LATE, None, None, LATE, None, None, None])
    aws.proxy.faults.append(lambda seen: next(answers) if seen.operation == LOCATION else None)
    await aws.engine.grant(ids.guid(), [await aws.bucket()], Rights(), {})
    assert next(answers, "all") == "all"


@pytest.mark.parametrize(("answer", "words"), [(LATE, "InvalidAccessKeyId"), (DENIED, "permissions boundary")])
async def test_a_key_that_never_works_is_told_and_removed(aws: Aws, answer: Answer, words: str) -> None:
    bucket, guid, engine = await aws.bucket(), ids.guid(), aws.made(0.3)
    aws.proxy.faults.append(times(99, LOCATION, answer))
    with pytest.raises(EngineUnavailable, match=words) as told:
        await engine.grant(guid, [bucket], Rights(), {})
    assert "Try again" in str(told.value)
    found = await engine.find_identity(guid, [bucket], Rights())
    assert found is not None
    assert found.access_key_ids == ()
    await engine.revoke(guid)
    assert await engine.find_identity(guid, [bucket], Rights()) is None
    await engine.close()


async def test_a_key_that_may_not_be_used_from_here_is_not_waited_for(aws: Aws) -> None:
    aws.proxy.faults += [times(2, LOCATION, LATE), times(99, LOCATION, DENIED)]
    await aws.engine.grant(ids.guid(), [await aws.bucket()], Rights(source_ips=("192.0.2.1",)), {})


@pytest.mark.parametrize("operation", ["PutUserPolicy", "CreateAccessKey"])
async def test_a_user_that_is_not_known_everywhere_yet_is_waited_for(aws: Aws, operation: str) -> None:
    aws.proxy.faults.append(times(2, operation, UNKNOWN_USER))
    await aws.engine.grant(ids.guid(), [await aws.bucket()], Rights(), {})
    assert aws.proxy.count(operation) == 3


async def test_a_block_that_is_lifted_but_still_holds_is_waited_for(aws: Aws) -> None:
    bucket = await aws.bucket()
    aws.proxy.faults.append(times(2, "PUT ?policy", BLOCKED))
    await aws.engine.configure(bucket, PUBLIC, since=PRIVATE)
    assert await aws.engine.deviations(bucket, PUBLIC) == []


# ---- full, or not allowed


async def test_an_account_that_blocks_public_access_refuses_public_plans(aws: Aws) -> None:
    bucket, engine = await aws.bucket(), aws.made(0.3)
    aws.proxy.faults.append(times(99, "PUT ?policy", BLOCKED))
    with pytest.raises(EngineRefused, match="Block Public Access"):
        await engine.configure(bucket, PUBLIC, since=PRIVATE)
    await engine.configure(bucket, PRIVATE, since=None)
    assert await engine.deviations(bucket, PRIVATE) == []
    await engine.close()


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("PUT", Answer(400, "TooManyBuckets", "You have attempted to create more buckets than allowed")),
        ("CreateUser", Answer(409, "LimitExceeded", "Cannot exceed quota for UsersPerAccount: 5000")),
        ("CreatePolicy", Answer(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerAccount: 1500")),
    ],
)
async def test_a_limit_is_named_with_what_to_do(aws: Aws, operation: str, answer: Answer) -> None:
    aws.proxy.faults.append(times(9, operation, answer))
    guid = ids.guid()
    with pytest.raises(EngineRefused, match=f"{answer.code}: {answer.message}") as told:
        await aws.engine.grant(guid, [await aws.bucket(), *MANY], Rights(), {})
    assert "[[engines.aws.accounts]]" in str(told.value)
    aws.proxy.faults.clear()
    await aws.engine.revoke(guid)
    assert await aws.engine.find_identity(guid, [], Rights()) is None


@pytest.mark.parametrize(
    ("users", "policies", "near"), [(4600, 3, ("users", 4600, 5000)), (4, 1350, ("managed policies", 1350, 1500))]
)
async def test_a_limit_that_is_near_is_said_in_the_log_now_and_then(
    aws: Aws, users: int, policies: int, near: tuple[str, int, int]
) -> None:
    entries = "".join(
        f"<entry><key>{key}</key><value>{value}</value></entry>"
        for key, value in {"Users": users, "UsersQuota": 5000, "Policies": policies, "PoliciesQuota": 1500}.items()
    )
    result = f"<GetAccountSummaryResult><SummaryMap>{entries}</SummaryMap></GetAccountSummaryResult>"
    body = f"<GetAccountSummaryResponse>{result}</GetAccountSummaryResponse>"
    aws.proxy.faults.append(times(9, "GetAccountSummary", Answer(200, body=body)))
    bucket = await aws.bucket()
    with capture_logs() as said:
        for _ in range(2):
            await aws.engine.grant(ids.guid(), [bucket], Rights(), {})
    (line,) = [line for line in said if "nearly full" in line["event"]]
    assert (line["what"], line["used"], line["limit"]) == near
    assert "very-secret" not in str(said)
    assert aws.proxy.count("GetAccountSummary") == 1


async def test_who_may_not_ask_for_limits_works_without(aws: Aws) -> None:
    aws.proxy.faults.append(times(9, "GetAccountSummary", DENIED))
    await aws.engine.grant(ids.guid(), [await aws.bucket()], Rights(), {})


# ---- what is asked for is what docs/aws.md allows

# operation → the actions that it needs (Service Authorization Reference), where they are called otherwise
ACTIONS = {
    "CreateBucket": ("CreateBucket", "PutBucketOwnershipControls"),
    "DeleteBucketCors": ("PutBucketCORS",),
    "DeleteObjects": ("DeleteObject", "DeleteObjectVersion"),
    "GetBucketCors": ("GetBucketCORS",),
    "GetPublicAccessBlock": ("GetBucketPublicAccessBlock",),
    "HeadBucket": ("ListBucket",),
    "ListBuckets": ("ListAllMyBuckets",),
    "ListMultipartUploads": ("ListBucketMultipartUploads",),
    "ListObjectVersions": ("ListBucketVersions",),
    "PutBucketCors": ("PutBucketCORS",),
    "PutPublicAccessBlock": ("PutBucketPublicAccessBlock",),
    "CreateUser": ("CreateUser", "TagUser"),
}


async def test_the_policy_of_the_page_is_what_is_asked_for_and_no_more(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, asked = aws.engine, set[str]()

    def note(model: Any, **_named: Any) -> None:
        service = model.service_model.service_name
        asked.update(f"{service}:{action}" for action in ACTIONS.get(model.name, (model.name,)))

    def ask(courier: Courier, operation: str, *rest: Any) -> Any:
        asked.update(f"{courier.service}:{action}" for action in ACTIONS.get(operation, (operation,)))
        return of_courier(courier, operation, *rest)

    connection, of_courier = engine._connection, Courier.ask
    monkeypatch.setattr(Courier, "ask", ask)
    for client in (connection.s3, connection.iam):
        client.meta.events.register("provide-client-params", note)
    full = BucketSettings(
        is_public=True,
        object_ownership="ObjectWriter",
        cors={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]},
        website={"IndexDocument": {"Suffix": "index.html"}},
    )
    bucket = engine.bucket_name(ids.guid())
    await engine.create_bucket(bucket, full)
    await engine.configure(bucket, full, since=None)
    connection.s3.put_object(Bucket=bucket, Key="a")
    connection.s3.create_multipart_upload(Bucket=bucket, Key="u")
    asked.discard("s3:PutObject")  # these two were the test's
    asked.discard("s3:CreateMultipartUpload")
    assert await engine.has_bucket(bucket)
    await engine.usage(bucket)
    await engine.deviations(bucket, full)
    await engine.configure(bucket, PRIVATE, since=full)
    for buckets in ([bucket], MANY):
        guid = ids.guid()
        for _ in range(2):
            await engine.grant(guid, buckets, Rights(), {"bucketry:instance": "i"})
        for _ in range(3):
            await engine.restrict(guid, buckets, Rights(prefix="in/"))
        await engine.find_identity(guid, buckets, Rights())
        await engine.labels_of(engine.identity_name(guid))
        await engine.keep_key(guid, "")
        await engine.revoke(guid)
    await engine.inventory()
    assert [step async for step in engine.empty_bucket(bucket)]
    await engine.delete_bucket(bucket)
    assert asked == actions()
