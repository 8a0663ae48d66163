"""Lifecycle rules over the wire: set, read, removed, and told with the objects that they let expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.versioning import put, set_versioning


def rule(rule_id: str = "r", days: int = 3, **named: Any) -> dict[str, Any]:
    return {"ID": rule_id, "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days}, **named}


def set_rules(s3: Any, bucket: str, *rules: dict[str, Any]) -> None:
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})


def test_rules_are_set_read_replaced_and_removed(s3: Any, bucket: str) -> None:
    with refused("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    rules = [
        rule("one", Filter={"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}}),
        rule(
            "two",
            NoncurrentVersionExpiration={"NoncurrentDays": 7, "NewerNoncurrentVersions": 2},
            AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1},
        ),
    ]
    for given in (rules, rules[:1]):
        set_rules(s3, bucket, *given)
        assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == given
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with refused("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_wrong_rules_change_nothing(s3: Any, bucket: str) -> None:
    set_rules(s3, bucket, rule())
    with refused("InvalidArgument", 400):
        set_rules(s3, bucket, rule(days=0))
    with refused("NotImplemented", 501):
        set_rules(s3, bucket, rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}]))
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [rule()]


def test_expiration_is_told_when_an_object_is_written_and_read(s3: Any, bucket: str) -> None:
    set_rules(s3, bucket, rule("the rule", Filter={"Prefix": "gone/"}))
    answers = [
        s3.put_object(Bucket=bucket, Key="gone/put", Body=b"x"),
        s3.head_object(Bucket=bucket, Key="gone/put"),
        s3.get_object(Bucket=bucket, Key="gone/put"),
        s3.copy_object(Bucket=bucket, Key="gone/copy", CopySource=f"{bucket}/gone/put"),
    ]
    earliest = datetime.now(UTC) + timedelta(days=3)
    for answer in answers:
        date, _, rule_id = answer["Expiration"].partition('", ')
        moment = parsedate_to_datetime(date.removeprefix('expiry-date="'))
        assert (moment.hour, moment.minute, moment.second) == (0, 0, 0)
        assert earliest - timedelta(minutes=5) < moment <= earliest + timedelta(days=1)
        assert rule_id == 'rule-id="the%20rule"'.replace("%20", " ")
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="kept")


def test_expiration_is_not_told_of_a_version_by_its_id(s3: Any, bucket: str) -> None:
    set_versioning(s3, bucket)
    set_rules(s3, bucket, rule())
    version = put(s3, bucket, "k")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k", VersionId=version)


@pytest.mark.parametrize("body", [b"", b"<A/>", b"<LifecycleConfiguration/>"])
def test_broken_document_is_told(store: Any, bucket: str, body: bytes) -> None:
    assert store.request("PUT", f"/{bucket}?lifecycle", store.one, body=body).code == "MalformedXML"
