"""Object Lock: what is locked can't be removed, overwritten or unlocked by anybody who may not, nor by a race."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store
from tests.kit.versioning import body, hide, put, set_versioning

LATER = datetime(2150, 1, 3, tzinfo=UTC)
SOONER = datetime(2150, 1, 1, tzinfo=UTC)
RULE = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}


@pytest.fixture
def locked(s3: Any, bucket: str) -> str:
    """A bucket in which versions can be locked."""
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def retain(s3: Any, bucket: str, mode: str = "GOVERNANCE", until: datetime = LATER, **named: Any) -> None:
    s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": mode, "RetainUntilDate": until}, **named)


def hold(s3: Any, bucket: str, status: str) -> None:
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": status})


def allow(*actions: str, **also: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement, *also.get("more", ())]}


def test_bucket_is_made_with_object_lock_and_versioning(s3: Any, locked: str) -> None:
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    found = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert found == {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        set_versioning(s3, locked, "Suspended")


def test_object_lock_is_enabled_later_where_versions_are_kept(s3: Any, bucket: str) -> None:
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": RULE}
    with refused("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=bucket)
    with refused("InvalidBucketState", 409):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    set_versioning(s3, bucket)
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == configuration


def test_making_a_bucket_with_object_lock_takes_its_rights(store: Store, bucket: str) -> None:
    headers = {"x-amz-bucket-object-lock-enabled": "true"}
    few = store.user(f"{bucket}-few", allow("s3:CreateBucket", "s3:PutBucketVersioning"))
    assert store.request("PUT", f"/{bucket}-x", few, headers).code == "AccessDenied"
    assert store.request("PUT", f"/{bucket}-x", store.one, {"x-amz-bucket-object-lock-enabled": "maybe"}).status == 400
    enough = store.user(
        f"{bucket}-enough",
        allow("s3:CreateBucket", "s3:PutBucketVersioning", "s3:PutBucketObjectLockConfiguration"),
    )
    assert store.request("PUT", f"/{bucket}-x", enough, headers).status == 200


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_retained_version_cannot_be_removed(s3: Any, locked: str, mode: str) -> None:
    version = put(s3, locked, "k")
    retain(s3, locked, mode)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    marker = hide(s3, locked, "k")  # hides it, removes nothing
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    s3.delete_object(Bucket=locked, Key="k", VersionId=marker)
    put(s3, locked, "k", b"newer")
    assert body(s3, locked, "k", VersionId=version) == b"data"
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=locked)


def test_bypass_removes_under_governance_and_never_under_compliance(s3: Any, locked: str) -> None:
    version = put(s3, locked, "k")
    retain(s3, locked, "COMPLIANCE")
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    governed = put(s3, locked, "k")
    retain(s3, locked, "GOVERNANCE")
    s3.delete_object(Bucket=locked, Key="k", VersionId=governed, BypassGovernanceRetention=True)
    assert body(s3, locked, "k", VersionId=version) == b"data"


def test_bypass_takes_its_right_and_its_header(store: Store, s3: Any, locked: str) -> None:
    version = put(s3, locked, "k")
    retain(s3, locked)
    target, header = f"/{locked}/k?versionId={version}", {"x-amz-bypass-governance-retention": "true"}
    without = store.user(f"{locked}-without", allow("s3:DeleteObjectVersion"))
    entitled = store.user(f"{locked}-with", allow("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"))
    assert store.request("DELETE", target, without, header).code == "AccessDenied"
    assert store.request("DELETE", target, entitled).code == "AccessDenied"
    assert store.request("DELETE", target, entitled, header).status == 204


def test_retention_grows_and_shrinks_only_by_bypass(s3: Any, locked: str) -> None:
    put(s3, locked, "k")
    retain(s3, locked, until=SOONER)
    retain(s3, locked, until=LATER)
    for retention in ({"Mode": "GOVERNANCE", "RetainUntilDate": SOONER}, {}):
        with refused("AccessDenied", 403):
            s3.put_object_retention(Bucket=locked, Key="k", Retention=retention)
    with refused("AccessDenied", 403):
        retain(s3, locked, "COMPLIANCE")
    retain(s3, locked, until=SOONER, BypassGovernanceRetention=True)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["RetainUntilDate"] == SOONER
    s3.put_object_retention(Bucket=locked, Key="k", Retention={}, BypassGovernanceRetention=True)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="k")


def test_compliance_is_never_shortened_nor_loosened(s3: Any, locked: str) -> None:
    put(s3, locked, "k")
    retain(s3, locked, "COMPLIANCE", SOONER)
    for retention in ({"Mode": "COMPLIANCE", "RetainUntilDate": SOONER - timedelta(seconds=1)},
                      {"Mode": "GOVERNANCE", "RetainUntilDate": LATER}, {}):  # fmt: skip
        with refused("AccessDenied", 403):
            s3.put_object_retention(Bucket=locked, Key="k", Retention=retention, BypassGovernanceRetention=True)
    retain(s3, locked, "COMPLIANCE", LATER)
    found = s3.get_object_retention(Bucket=locked, Key="k")["Retention"]
    assert found == {"Mode": "COMPLIANCE", "RetainUntilDate": LATER}


def test_legal_hold_protects_whoever_asks_until_it_is_lifted(s3: Any, locked: str) -> None:
    version = put(s3, locked, "k")
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_legal_hold(Bucket=locked, Key="k")
    hold(s3, locked, "ON")
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    hold(s3, locked, "OFF")
    assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_each_key_of_a_deletion_is_judged_apart(s3: Any, locked: str) -> None:
    kept, gone = put(s3, locked, "k"), put(s3, locked, "other")
    retain(s3, locked)
    both = {"Objects": [{"Key": "k", "VersionId": kept}, {"Key": "other", "VersionId": gone}]}
    answer = s3.delete_objects(Bucket=locked, Delete=both)
    assert [entry["Key"] for entry in answer["Deleted"]] == ["other"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("k", "AccessDenied")]
    answer = s3.delete_objects(Bucket=locked, Delete=both, BypassGovernanceRetention=True)
    assert "Errors" not in answer


def test_lock_comes_with_put_copy_and_upload(s3: Any, locked: str) -> None:
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER, "ObjectLockLegalHoldStatus": "ON"}
    s3.put_object(Bucket=locked, Key="put", Body=b"x", **lock)
    s3.copy_object(Bucket=locked, Key="copy", CopySource=f"{locked}/put", **lock)
    upload = s3.create_multipart_upload(Bucket=locked, Key="upload", **lock)["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="upload", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locked, Key="upload", UploadId=upload, MultipartUpload=parts)
    for key in ("put", "copy", "upload"):
        found = s3.head_object(Bucket=locked, Key=key)
        assert {name: found[name] for name in lock} == lock
    s3.copy_object(Bucket=locked, Key="plain", CopySource=f"{locked}/put")
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="plain")


def test_default_retention_locks_what_comes_without_one(s3: Any, locked: str) -> None:
    put(s3, locked, "before")
    s3.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": RULE}
    )
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="before")
    put(s3, locked, "k")
    found = s3.head_object(Bucket=locked, Key="k")
    assert found["ObjectLockMode"] == "GOVERNANCE"
    assert abs(found["ObjectLockRetainUntilDate"] - found["LastModified"] - timedelta(days=1)) < timedelta(seconds=2)
    s3.put_object(Bucket=locked, Key="own", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=SOONER)
    assert s3.head_object(Bucket=locked, Key="own")["ObjectLockRetainUntilDate"] == SOONER


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-object-lock-mode": "GOVERNANCE"},
        {"x-amz-object-lock-retain-until-date": "2150-01-01T00:00:00Z"},
        {"x-amz-object-lock-mode": "governance", "x-amz-object-lock-retain-until-date": "2150-01-01T00:00:00Z"},
        {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2001-01-01T00:00:00Z"},
        {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "next year"},
        {"x-amz-object-lock-legal-hold": "on"},
    ],
)
def test_wrong_locks_are_refused(store: Store, locked: str, headers: dict[str, str]) -> None:
    reply = store.request("PUT", f"/{locked}/k", store.one, headers, b"x")
    assert (reply.status, reply.code) == (400, "InvalidArgument")
    assert store.request("GET", f"/{locked}/k", store.one).status == 404


def test_lock_without_object_lock_is_refused(store: Store, s3: Any, bucket: str) -> None:
    reply = store.request("PUT", f"/{bucket}/k", store.one, {"x-amz-object-lock-legal-hold": "ON"}, b"x")
    assert (reply.status, reply.code) == (400, "InvalidRequest")
    put(s3, bucket, "k")
    for attempt in (lambda: retain(s3, bucket), lambda: hold(s3, bucket, "ON")):
        with refused("InvalidRequest", 400):
            attempt()


def test_what_is_to_be_retained_comes_with_a_checksum(store: Store, locked: str) -> None:
    lock = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2150-01-01T00:00:00Z"}
    assert store.request("PUT", f"/{locked}/k", store.one, lock, b"x").code == "InvalidRequest"
    digest = {"Content-MD5": "ndTkYSaMgDT1yFZOFVxnpg=="}
    assert store.request("PUT", f"/{locked}/k", store.one, {**lock, **digest}, b"x").status == 200


def test_locks_are_told_to_those_who_may_know(store: Store, s3: Any, locked: str) -> None:
    put(s3, locked, "k")
    retain(s3, locked)
    hold(s3, locked, "ON")
    reader = store.user(f"{locked}-reader", allow("s3:GetObject"))
    knows = store.user(f"{locked}-knows", allow("s3:GetObject", "s3:GetObjectRetention"))
    found = store.request("HEAD", f"/{locked}/k", reader).headers
    assert not [name for name in found if name.startswith("x-amz-object-lock")]
    found = store.request("GET", f"/{locked}/k", knows).headers
    assert found["x-amz-object-lock-mode"] == "GOVERNANCE"
    assert "x-amz-object-lock-legal-hold" not in found


def test_setting_a_lock_while_writing_takes_its_right(store: Store, locked: str) -> None:
    writer = store.user(f"{locked}-writer", allow("s3:PutObject"))
    for headers in (
        {"x-amz-object-lock-legal-hold": "ON"},
        {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2150-01-01T00:00:00Z"},
    ):
        assert store.request("PUT", f"/{locked}/k", writer, headers, b"x").code == "AccessDenied"
    assert store.request("PUT", f"/{locked}/k", writer, {}, b"x").status == 200


def test_policies_may_limit_how_long(store: Store, s3: Any, locked: str) -> None:
    put(s3, locked, "k")
    condition = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}
    too_long = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    key = store.user(f"{locked}-limited", allow("s3:*", more=[too_long]))
    client = store.client(key)
    soon = datetime.now(UTC) + timedelta(days=2)
    for until, is_allowed in ((LATER, False), (soon, True)):
        lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
        if is_allowed:
            client.put_object(Bucket=locked, Key="new", Body=b"x", **lock)
            retain(client, locked, until=until)
        else:
            with refused("AccessDenied", 403):
                client.put_object(Bucket=locked, Key="new", Body=b"x", **lock)
            with refused("AccessDenied", 403):
                retain(client, locked, until=until)


def test_no_race_removes_what_was_answered_as_locked(s3: Any, locked: str) -> None:
    """Each version is either gone before the lock, whose setting is refused then, or locked and there."""

    def lock(version: str) -> bool:
        try:
            retain(s3, locked, "COMPLIANCE", VersionId=version)
        except s3.exceptions.ClientError:
            return False
        return True

    def remove(version: str) -> bool:
        try:
            s3.delete_object(Bucket=locked, Key="k", VersionId=version)
        except s3.exceptions.ClientError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        versions = [put(s3, locked, "k") for _ in range(20)]
        outcomes = [(threads.submit(lock, version), threads.submit(remove, version)) for version in versions]
        settled = [(was_locked.result(), was_removed.result()) for was_locked, was_removed in outcomes]
    there = {entry["VersionId"] for entry in s3.list_object_versions(Bucket=locked)["Versions"]}
    for version, (was_locked, was_removed) in zip(versions, settled, strict=True):
        assert was_locked != was_removed
        assert (version in there) == was_locked
