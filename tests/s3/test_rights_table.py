"""Each operation × each kind of key that the marketplace gives, or took back: what it is answered.

The keys are made of the marketplace's own policies, so this is what a binding may do. An operation that is not in
EXPECTED fails: whoever adds one says here who may use it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.engines.rights import of_binding
from bucketry.store.s3.operations import BY_NAME
from tests.kit.store import Key, Reply, Store
from tests.s3.test_operation_rights import ASKED_PER_KEY, CALLS, ON_LOCKED, PREFLIGHTS, send

# Who may, beside the account's root, who may all: r read-only, w write-only, b read-write, p a key limited to the
# prefix that is asked about, o a root of another account, for its own. Nobody else may anything: not the anonymous, nor
# who has rights on another prefix, nor a key whose time is over, that is revoked, or inactive.
EXPECTED = {
    "ListBuckets": "o",
    "CreateBucket": "o",
    "HeadBucket": "rb",
    "DeleteBucket": "",
    "GetBucketLocation": "rwbp",
    "ListObjects": "rb",
    "ListObjectsV2": "rb",
    "ListObjectVersions": "rb",
    "ListMultipartUploads": "rb",
    "GetBucketVersioning": "rbp",
    "PutBucketVersioning": "b",
    "GetBucketEncryption": "",
    "PutBucketEncryption": "",
    "DeleteBucketEncryption": "",
    "GetBucketLogging": "rb",
    "PutBucketLogging": "b",
    "GetBucketNotificationConfiguration": "rb",
    "PutBucketNotificationConfiguration": "b",
    "GetBucketLifecycleConfiguration": "rb",
    "PutBucketLifecycleConfiguration": "b",
    "DeleteBucketLifecycleConfiguration": "b",
    "GetObjectLockConfiguration": "",
    "PutObjectLockConfiguration": "",
    "GetObjectRetention": "",
    "PutObjectRetention": "",
    "GetObjectLegalHold": "",
    "PutObjectLegalHold": "",
    "GetBucketAcl": "rb",
    "PutBucketAcl": "",
    "GetObjectAcl": "rbp",
    "PutObjectAcl": "",
    "GetBucketTagging": "rb",
    "PutBucketTagging": "b",
    "DeleteBucketTagging": "b",
    "GetBucketCors": "rb",
    "PutBucketCors": "b",
    "DeleteBucketCors": "b",
    "GetBucketPolicy": "rb",
    "PutBucketPolicy": "",
    "DeleteBucketPolicy": "",
    "GetBucketPolicyStatus": "",
    "GetBucketRequestPayment": "",
    "GetBucketAbac": "",
    "GetBucketAccelerateConfiguration": "",
    "GetBucketReplication": "",
    "ListBucketAnalyticsConfigurations": "",
    "ListBucketIntelligentTieringConfigurations": "",
    "ListBucketInventoryConfigurations": "",
    "ListBucketMetricsConfigurations": "",
    "GetBucketWebsite": "rb",
    "PutBucketWebsite": "b",
    "DeleteBucketWebsite": "b",
    "GetPublicAccessBlock": "",
    "PutPublicAccessBlock": "",
    "DeletePublicAccessBlock": "",
    "GetBucketOwnershipControls": "",
    "PutBucketOwnershipControls": "",
    "DeleteBucketOwnershipControls": "",
    "PutObject": "wbp",
    "CopyObject": "b",  # p: its source lies elsewhere
    "GetObject": "rbp",
    "HeadObject": "rbp",
    "DeleteObject": "bp",
    "GetObjectTagging": "rbp",
    "PutObjectTagging": "wbp",
    "DeleteObjectTagging": "bp",
    "GetObjectAttributes": "rbp",
    "CreateMultipartUpload": "wbp",
    "UploadPart": "wbp",
    "UploadPartCopy": "b",
    "CompleteMultipartUpload": "wbp",
    "AbortMultipartUpload": "wbp",
    "ListParts": "rwbp",
}
_numbers = itertools.count(1)
_BUCKETS = "table-*"
_KINDS = {
    "r": Rights(Permissions.READ_ONLY),
    "w": Rights(Permissions.WRITE_ONLY),
    "b": Rights(Permissions.READ_WRITE),
    **{f"p {name}": Rights(prefix=name) for name in ("victim", "new", "upload")},
    "elsewhere": Rights(prefix="elsewhere/"),
    "expired": Rights(ends_ms=1_767_225_600_000),  # 2026-01-01, before all that runs this
    "elsewhere in the net": Rights(source_ips=("192.0.2.0/24",)),
    "revoked": Rights(),
    "inactive": Rights(),
}


def test_every_operation_has_its_expectations() -> None:
    asked = set(BY_NAME) - ASKED_PER_KEY - PREFLIGHTS
    assert set(EXPECTED) == asked, f"say in EXPECTED who may use {', '.join(sorted(set(EXPECTED) ^ asked))}"


@dataclass(frozen=True)
class Table:
    """A store of its own, since its clock and its buckets are counted on, and a key of each kind."""

    store: Store
    keys: dict[str, Key]

    def key(self, kind: str, name: str) -> Key:
        """The key of a kind; of those limited to a prefix, the one whose prefix the operation's key has."""
        if kind != "p":
            return self.store.two if kind == "o" else self.keys[kind]
        path = CALLS[name].target.split("?")[0].split("/")
        return self.keys[f"p {path[2] if len(path) > 2 else 'victim'}"]

    def bucket(self, name: str) -> tuple[str, str]:
        """A new bucket with an object and an upload, such as the operation asks for, and the upload's id."""
        bucket, s3 = f"table-{next(_numbers)}", self.store.client(self.store.one)
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=name in ON_LOCKED)
        if name == "DeleteBucket":
            return bucket, ""
        upload: str = s3.create_multipart_upload(Bucket=bucket, Key="upload")["UploadId"]
        s3.upload_part(Bucket=bucket, Key="upload", UploadId=upload, PartNumber=1, Body=b"x")
        s3.put_object(Bucket=bucket, Key="victim", Body=b"kept")
        return bucket, upload

    def ask(self, bucket: tuple[str, str], name: str, key: Key | None) -> Reply:
        return send(self.store, *bucket, BY_NAME[name], key)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    store = Store(tmp_path_factory.mktemp("table") / "store", "info")
    keys = {
        kind: store.user(kind.replace(" ", "-"), json.loads(of_binding([_BUCKETS], rights, "aws")))
        for kind, rights in _KINDS.items()
    }
    iam = store.client(store.one, "iam")
    iam.delete_access_key(UserName="revoked", AccessKeyId=keys["revoked"].access_key_id)
    iam.update_access_key(UserName="inactive", AccessKeyId=keys["inactive"].access_key_id, Status="Inactive")
    yield Table(store, keys)
    assert store.stop() == 0


def _snapshot(table: Table, bucket: str) -> list[Any]:
    s3 = table.store.client(table.store.one)
    listed = s3.list_object_versions(Bucket=bucket)
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    parts = [s3.list_parts(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])["Parts"] for each in uploads]
    return [listed.get("Versions"), listed.get("DeleteMarkers"), uploads, parts]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_each_kind_of_key_is_answered_as_expected(table: Table, name: str) -> None:
    may = EXPECTED[name]
    is_head = BY_NAME[name].method == "HEAD"
    bucket = table.bucket(name)
    before = _snapshot(table, bucket[0])
    denied = [kind for kind in "rwbp" if kind not in may]
    denied += ["elsewhere", "expired", "elsewhere in the net", *([] if "o" in may else ["o"])]
    if name == "GetBucketLocation":
        denied.remove("elsewhere")  # it is no secret to who has rights in the bucket
    if name == "GetBucketVersioning":
        denied.remove("elsewhere")
    for kind in ["anonymous", *denied]:
        reply = table.ask(bucket, name, None if kind == "anonymous" else table.key(kind, name))
        assert (reply.status, reply.code) == (403, "" if is_head else "AccessDenied"), (kind, reply.body)
        assert b"kept" not in reply.body
    for kind in ("revoked", "inactive"):
        reply = table.ask(bucket, name, table.keys[kind])
        assert (reply.status, reply.code) == (403, "" if is_head else "InvalidAccessKeyId"), (kind, reply.body)
    assert _snapshot(table, bucket[0]) == before
    for kind in [*may, "admin"]:
        key = table.store.one if kind == "admin" else table.key(kind, name)
        reply = table.ask(table.bucket(name), name, key)
        known = reply.status == 404 and reply.code.startswith(("NoSuch", "ObjectLock", "Replication", "ServerSide"))
        assert reply.status in (200, 204) or known, (kind, reply.body)
