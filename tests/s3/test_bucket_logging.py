"""Server access logging: who may receive a log, what it tells, and that it comes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store

SERVICE = {"Service": "logging.s3.amazonaws.com"}
PATIENCE_SECONDS = 20


@pytest.fixture
def target(s3: Any, bucket: str) -> str:
    """A bucket that lets nobody write its logs yet."""
    name = f"{bucket}-logs"
    s3.create_bucket(Bucket=name)
    return name


def open_to_service(s3: Any, source: str, target: str, effect: str = "Allow", **condition: Any) -> None:
    statement = {
        "Effect": effect,
        "Principal": SERVICE,
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/log/*",
        "Condition": condition or {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}},
    }
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def enable(s3: Any, source: str, target: str, prefix: str = "log/") -> None:
    status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix}}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status)


def delivered(s3: Any, target: str, wanted: str) -> list[str]:
    """The lines in the target once one of them holds `wanted`: the store tells nobody when it delivers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lines: list[str] = []
        for entry in s3.list_objects_v2(Bucket=target).get("Contents", []):
            assert entry["Key"].startswith("log/")
            lines += s3.get_object(Bucket=target, Key=entry["Key"])["Body"].read().decode().splitlines()
        if any(wanted in line for line in lines):
            return lines
        assert time.monotonic() < deadline, lines
        time.sleep(0.1)


def test_logging_is_set_read_and_removed(s3: Any, bucket: str, target: str) -> None:
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    open_to_service(s3, bucket, target)
    enable(s3, bucket, target)
    found = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert found == {"TargetBucket": target, "TargetPrefix": "log/"}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_target_must_let_the_service_write(store: Store, s3: Any, bucket: str, target: str) -> None:
    attempts: list[Any] = [
        lambda: None,
        lambda: open_to_service(s3, "other", target),
        lambda: open_to_service(s3, bucket, target, StringEquals={"aws:SourceAccount": "999999999999"}),
        lambda: open_to_service(s3, bucket, target, "Deny"),
    ]
    for attempt in attempts:
        attempt()
        with refused("InvalidTargetBucketForLogging", 400):
            enable(s3, bucket, target)
    open_to_service(s3, bucket, target)
    with refused("InvalidTargetBucketForLogging", 400):
        enable(s3, bucket, target, "elsewhere/")
    with refused("InvalidTargetBucketForLogging", 400):
        enable(s3, bucket, f"{target}-missing")
    foreign = store.client(store.two)
    foreign.create_bucket(Bucket=f"{target}-two")
    with refused("InvalidTargetBucketForLogging", 400):
        enable(s3, bucket, f"{target}-two")
    s3.create_bucket(Bucket=f"{target}-locked", ObjectLockEnabledForBucket=True)
    with refused("InvalidTargetBucketForLogging", 400):
        enable(s3, bucket, f"{target}-locked")


def test_requests_are_told_in_the_target(store: Store, s3: Any, bucket: str, target: str) -> None:
    open_to_service(s3, bucket, target)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=target, ServerSideEncryptionConfiguration={"Rules": [rule]})
    enable(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="a b", Body=b"12345")
    s3.get_object(Bucket=bucket, Key="a b", Range="bytes=0-1")["Body"].read()
    store.request("GET", f"/{bucket}/a%20b", None, {"Referer": "http://example.com/", "User-Agent": 'evil" agent'})
    presigned = store.presigned(store.one, "GET", f"/{bucket}/missing")
    store.request("GET", presigned)
    lines = delivered(s3, target, " missing ")
    for entry in s3.list_objects_v2(Bucket=target)["Contents"]:  # a log is encrypted as all that comes into its bucket
        assert s3.head_object(Bucket=target, Key=entry["Key"])["ServerSideEncryption"] == "AES256"
    account = store.one
    put = next(line for line in lines if "REST.PUT.OBJECT " in line).split(" ")
    assert put[:2] == [account.canonical_id, bucket]
    assert put[4:5] == ["127.0.0.1"]
    assert put[5] == account.canonical_id
    assert put[7:12] == ["REST.PUT.OBJECT", "a%20b", '"PUT', f"/{bucket}/a%20b", 'HTTP/1.1"']
    assert put[12:16] == ["200", "-", "-", "5"]
    (ranged,) = [line for line in lines if "REST.GET.OBJECT a%20b" in line and " 206 " in line]
    assert " 206 - 2 5 " in ranged
    (anonymous,) = [line for line in lines if '"http://example.com/" "evil%22 agent"' in line]
    assert " 403 AccessDenied " in anonymous
    assert " 127.0.0.1 - " in anonymous
    (missing,) = [line for line in lines if " missing " in line]
    assert " 404 NoSuchKey " in missing
    assert "QueryString" in missing
    assert presigned.partition("X-Amz-Signature=")[2][:64] not in missing


def test_withdrawn_leave_ends_delivery(s3: Any, bucket: str, target: str) -> None:
    open_to_service(s3, bucket, target)
    enable(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="first", Body=b"x")
    delivered(s3, target, " first ")
    s3.delete_bucket_policy(Bucket=target)
    before = s3.list_objects_v2(Bucket=target)["KeyCount"]
    s3.put_object(Bucket=bucket, Key="second", Body=b"x")
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    s3.create_bucket(Bucket=f"{other}-logs")
    open_to_service(s3, other, f"{other}-logs")
    enable(s3, other, f"{other}-logs")
    s3.put_object(Bucket=other, Key="later", Body=b"x")
    delivered(s3, f"{other}-logs", " later ")  # of later requests than the second
    assert s3.list_objects_v2(Bucket=target)["KeyCount"] == before
