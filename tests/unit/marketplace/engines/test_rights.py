from __future__ import annotations

import json
from typing import Any

import pytest

from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.engines.rights import MANAGED_POLICY_CHARACTERS, of_binding, of_public_bucket

# What no binding may ever do: make, remove, open buckets, hand rights on.
FORBIDDEN = (
    "CreateBucket", "DeleteBucket", "PutBucketPolicy", "DeleteBucketPolicy", "PutBucketAcl", "PutObjectAcl",
    "PutObjectVersionAcl", "PutBucketPublicAccessBlock", "PutBucketOwnershipControls", "BypassGovernanceRetention",
    "PutReplicationConfiguration", "PutEncryptionConfiguration", "ListAllMyBuckets",
)  # fmt: skip


def statements(permissions: Permissions, buckets: tuple[str, ...] = ("one",)) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(of_binding(buckets, Rights(permissions), "aws"))["Statement"]
    return found


def actions(permissions: Permissions) -> set[str]:
    return {action for statement in statements(permissions) for action in statement["Action"]}


@pytest.mark.parametrize("permissions", list(Permissions))
def test_no_binding_has_more_than_objects_and_harmless_settings(permissions: Permissions) -> None:
    granted = actions(permissions)
    assert not granted & {f"s3:{action}" for action in FORBIDDEN}
    assert not [action for action in granted if "*" in action or not action.startswith("s3:")]


def test_read_write_has_what_the_contract_lists() -> None:
    wanted = {
        "GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion", "GetObjectVersion", "PutObjectTagging",
        "AbortMultipartUpload", "ListMultipartUploadParts", "ListBucket", "ListBucketVersions",
        "ListBucketMultipartUploads", "PutBucketCORS", "PutBucketWebsite", "DeleteBucketWebsite", "PutBucketVersioning",
        "PutLifecycleConfiguration", "PutBucketTagging", "PutBucketNotification", "PutBucketLogging", "GetBucketPolicy",
        "GetBucketAcl",
    }  # fmt: skip
    assert {f"s3:{action}" for action in wanted} <= actions(Permissions.READ_WRITE)


def test_read_only_changes_nothing_and_write_only_reads_nothing() -> None:
    reading = actions(Permissions.READ_ONLY)
    assert not [action for action in reading if action.startswith(("s3:Put", "s3:Delete", "s3:Abort", "s3:Restore"))]
    writing = actions(Permissions.WRITE_ONLY)
    assert not [
        action for action in writing if "GetObject" in action or "Delete" in action or action == "s3:ListBucket"
    ]
    assert "s3:PutObject" in writing


def test_rights_are_on_these_buckets_alone() -> None:
    on_bucket, on_objects = statements(Permissions.READ_WRITE, ("one", "two"))
    assert on_bucket["Resource"] == ["arn:aws:s3:::one", "arn:aws:s3:::two"]
    assert on_objects["Resource"] == ["arn:aws:s3:::one/*", "arn:aws:s3:::two/*"]
    assert json.loads(of_binding(["one"], Rights(Permissions.READ_ONLY), "aws-us-gov"))["Statement"][0]["Resource"] == [
        "arn:aws-us-gov:s3:::one"
    ]


def test_more_buckets_than_fit_are_refused_with_how_many_do() -> None:
    names = [f"bkt-{number:036}" for number in range(80)]
    with pytest.raises(EngineRefused, match="at most") as told:
        of_binding(names, Rights(Permissions.READ_WRITE), "aws")
    fitting = int(str(told.value).split("at most ")[1].split()[0])
    assert len(of_binding(names[: fitting + 1], Rights(Permissions.READ_WRITE), "aws")) <= MANAGED_POLICY_CHARACTERS
    with pytest.raises(EngineRefused):
        of_binding(names[: fitting + 2], Rights(Permissions.READ_WRITE), "aws")


def test_prefix_reaches_its_keys_alone_and_no_settings() -> None:
    for permissions in Permissions:
        document = json.loads(of_binding(["one"], Rights(permissions, prefix="in/"), "aws"))["Statement"]
        for statement in document:
            on_objects = {"arn:aws:s3:::one/in/*"} == set(statement["Resource"])
            lists = "s3:ListBucket" in statement["Action"]
            harmless = set(statement["Action"]) <= {"s3:GetBucketLocation", "s3:GetBucketVersioning"}
            assert on_objects or lists or harmless
            if lists:
                assert statement["Condition"] == {"StringLike": {"s3:prefix": "in/*"}}
        granted = {action for statement in document for action in statement["Action"]}
        assert not [action for action in granted if action.startswith("s3:PutBucket") or "Lifecycle" in action]


def test_addresses_and_end_bound_every_statement() -> None:
    rights = Rights(prefix="in/", source_ips=("192.0.2.0/24",), ends_ms=1_767_225_600_999)
    for statement in json.loads(of_binding(["one"], rights, "aws"))["Statement"]:
        condition = statement["Condition"]
        assert condition["IpAddress"] == {"aws:SourceIp": ["192.0.2.0/24"]}
        assert condition["DateLessThan"] == {"aws:CurrentTime": "2026-01-01T00:00:00Z"}


def test_limits_that_fit_no_policy_are_refused() -> None:
    addresses = tuple(f"2001:db8:1234:5678:9abc:def0:1234:{number:04x}" for number in range(60))
    with pytest.raises(EngineRefused, match="give shorter ones"):
        of_binding(["one"], Rights(prefix="x" * 512, source_ips=addresses), "aws")


def test_a_public_bucket_lets_anyone_read_and_nobody_list() -> None:
    (statement,) = json.loads(of_public_bucket("one", "aws"))["Statement"]
    assert (statement["Principal"], statement["Action"], statement["Resource"]) == (
        "*",
        "s3:GetObject",
        "arn:aws:s3:::one/*",
    )
