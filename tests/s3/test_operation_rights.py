"""Each operation of the table × each kind of principal: who lacks its one action is refused, who has it is not.

An operation without a request here fails; so a new one can't come without its row.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import pytest

from bucketry.store.s3.operations import BY_NAME, Operation
from tests.kit.store import Key, Reply, Store

ACCESS_BLOCK = (
    b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"
)
VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
SAME_ACL = {"x-amz-acl": "bucket-owner-full-control"}
OWNERSHIP = b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>"
OBJECT_LOCK = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
LIFECYCLE = (
    b"<LifecycleConfiguration><Rule><Filter/><Expiration><Days>9</Days></Expiration><Status>Enabled</Status></Rule>"
    b"</LifecycleConfiguration>"
)
HOLD = b"<LegalHold><Status>OFF</Status></LegalHold>"
CORS = (
    b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>"
    b"</CORSConfiguration>"
)
WEBSITE = b"<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>"
ENCRYPTION = (
    b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
    b"</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
)
TAGGING = b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
DELETE = b"<Delete><Object><Key>victim</Key></Object></Delete>"
POLICY = (
    b'{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",'
    b'"Resource":"arn:aws:s3:::BUCKET/x"}]}'
)
COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>9dd4e461268c8034f5c8564e155c67a6</ETag></Part>"
    b"</CompleteMultipartUpload>"
)


@dataclass(frozen=True)
class Call:
    """A request of an operation that works for who may do it. BUCKET, UPLOAD and NEW are replaced."""

    target: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()  # further actions that it takes


CALLS: dict[str, Call] = {
    "ListBuckets": Call("/"),
    "CreateBucket": Call("/NEW"),
    "HeadBucket": Call("/BUCKET"),
    "DeleteBucket": Call("/BUCKET"),
    "GetBucketLocation": Call("/BUCKET?location"),
    "ListObjects": Call("/BUCKET"),
    "ListObjectsV2": Call("/BUCKET?list-type=2"),
    "ListObjectVersions": Call("/BUCKET?versions"),
    "ListMultipartUploads": Call("/BUCKET?uploads"),
    "GetBucketVersioning": Call("/BUCKET?versioning"),
    "PutBucketVersioning": Call("/BUCKET?versioning", VERSIONING),
    "GetBucketNotificationConfiguration": Call("/BUCKET?notification"),
    "PutBucketNotificationConfiguration": Call("/BUCKET?notification", b"<NotificationConfiguration/>"),
    "GetBucketLogging": Call("/BUCKET?logging"),
    "PutBucketLogging": Call("/BUCKET?logging", b"<BucketLoggingStatus/>"),
    "GetBucketLifecycleConfiguration": Call("/BUCKET?lifecycle"),
    "PutBucketLifecycleConfiguration": Call("/BUCKET?lifecycle", LIFECYCLE),
    "DeleteBucketLifecycleConfiguration": Call("/BUCKET?lifecycle"),
    "GetObjectLockConfiguration": Call("/BUCKET?object-lock"),
    "PutObjectLockConfiguration": Call("/BUCKET?object-lock", OBJECT_LOCK),
    "GetObjectRetention": Call("/BUCKET/victim?retention"),
    "PutObjectRetention": Call("/BUCKET/victim?retention", b"<Retention/>"),
    "GetObjectLegalHold": Call("/BUCKET/victim?legal-hold"),
    "PutObjectLegalHold": Call("/BUCKET/victim?legal-hold", HOLD),
    "GetBucketAcl": Call("/BUCKET?acl"),
    "PutBucketAcl": Call("/BUCKET?acl", headers=SAME_ACL),
    "GetObjectAcl": Call("/BUCKET/victim?acl"),
    "PutObjectAcl": Call("/BUCKET/victim?acl", headers=SAME_ACL),
    "GetBucketTagging": Call("/BUCKET?tagging"),
    "PutBucketTagging": Call("/BUCKET?tagging", TAGGING),
    "DeleteBucketTagging": Call("/BUCKET?tagging"),
    "GetBucketCors": Call("/BUCKET?cors"),
    "PutBucketCors": Call("/BUCKET?cors", CORS),
    "DeleteBucketCors": Call("/BUCKET?cors"),
    "GetBucketPolicy": Call("/BUCKET?policy"),
    "PutBucketPolicy": Call("/BUCKET?policy", POLICY),
    "DeleteBucketPolicy": Call("/BUCKET?policy"),
    "GetBucketPolicyStatus": Call("/BUCKET?policyStatus"),
    "GetBucketEncryption": Call("/BUCKET?encryption"),
    "PutBucketEncryption": Call("/BUCKET?encryption", ENCRYPTION),
    "DeleteBucketEncryption": Call("/BUCKET?encryption"),
    "GetBucketWebsite": Call("/BUCKET?website"),
    "PutBucketWebsite": Call("/BUCKET?website", WEBSITE),
    "DeleteBucketWebsite": Call("/BUCKET?website"),
    "GetPublicAccessBlock": Call("/BUCKET?publicAccessBlock"),
    "PutPublicAccessBlock": Call("/BUCKET?publicAccessBlock", ACCESS_BLOCK),
    "DeletePublicAccessBlock": Call("/BUCKET?publicAccessBlock"),
    "GetBucketOwnershipControls": Call("/BUCKET?ownershipControls"),
    "PutBucketOwnershipControls": Call("/BUCKET?ownershipControls", OWNERSHIP),
    "DeleteBucketOwnershipControls": Call("/BUCKET?ownershipControls"),
    "GetBucketAbac": Call("/BUCKET?abac"),
    "GetBucketAccelerateConfiguration": Call("/BUCKET?accelerate"),
    "GetBucketReplication": Call("/BUCKET?replication"),
    "GetBucketRequestPayment": Call("/BUCKET?requestPayment"),
    "ListBucketAnalyticsConfigurations": Call("/BUCKET?analytics"),
    "ListBucketIntelligentTieringConfigurations": Call("/BUCKET?intelligent-tiering"),
    "ListBucketInventoryConfigurations": Call("/BUCKET?inventory"),
    "ListBucketMetricsConfigurations": Call("/BUCKET?metrics"),
    "PutObject": Call("/BUCKET/new", b"x"),
    "CopyObject": Call("/BUCKET/new", headers={"x-amz-copy-source": "BUCKET/victim"}, others=("s3:GetObject",)),
    "GetObject": Call("/BUCKET/victim"),
    "HeadObject": Call("/BUCKET/victim"),
    "DeleteObject": Call("/BUCKET/victim"),
    "GetObjectTagging": Call("/BUCKET/victim?tagging"),
    "PutObjectTagging": Call("/BUCKET/victim?tagging", TAGGING),
    "DeleteObjectTagging": Call("/BUCKET/victim?tagging"),
    "GetObjectAttributes": Call(
        "/BUCKET/victim?attributes", headers={"x-amz-object-attributes": "ETag"}, others=("s3:GetObject",)
    ),
    "CreateMultipartUpload": Call("/BUCKET/new?uploads"),
    "UploadPart": Call("/BUCKET/upload?partNumber=2&uploadId=UPLOAD", b"x"),
    "UploadPartCopy": Call(
        "/BUCKET/upload?partNumber=2&uploadId=UPLOAD",
        headers={"x-amz-copy-source": "BUCKET/victim"},
        others=("s3:GetObject",),
    ),
    "CompleteMultipartUpload": Call("/BUCKET/upload?uploadId=UPLOAD", COMPLETE),
    "AbortMultipartUpload": Call("/BUCKET/upload?uploadId=UPLOAD"),
    "ListParts": Call("/BUCKET/upload?uploadId=UPLOAD"),
}
ON_LOCKED = {name for name in CALLS if "Lock" in name or "Retention" in name or "LegalHold" in name}
ASKED_PER_KEY = {"DeleteObjects", "PostObject"}
PREFLIGHTS = {"OptionsBucket", "OptionsObject"}


def test_every_operation_has_its_row() -> None:
    assert set(CALLS) | ASKED_PER_KEY | PREFLIGHTS == set(BY_NAME)


def send(store: Store, bucket: str, upload: str, operation: Operation, key: Key | None) -> Reply:
    call = CALLS[operation.name]

    def filled(text: str) -> str:
        return text.replace("BUCKET", bucket).replace("UPLOAD", upload).replace("NEW", f"{bucket}-new")

    headers = {name: filled(value) for name, value in call.headers.items()}
    body = call.body.replace(b"BUCKET", bucket.encode())
    return store.request(operation.method, filled(call.target), key, headers, body)


def policy(effect: str, field_name: str, actions: list[str]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, field_name: actions, "Resource": "*"}]}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_operation_needs_its_action_and_no_more(store: Store, s3: Any, bucket: str, name: str) -> None:
    operation = BY_NAME[name]
    assert operation.action is not None
    actions = [operation.action, *CALLS[name].others]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="upload")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="upload", UploadId=upload, PartNumber=1, Body=b"x")
    if name != "DeleteBucket":
        s3.put_object(Bucket=bucket, Key="victim", Body=b"kept")
    without = [
        store.user(f"{bucket}-without-{action[3:]}", policy("Allow", "NotAction", [action])) for action in actions
    ]
    nobody = store.user(f"{bucket}-nobody")
    strangers = [] if name in ("ListBuckets", "CreateBucket") else [store.two]
    for key in (None, nobody, *strangers, *without):
        reply = send(store, bucket, upload, operation, key)
        assert reply.status == 403, (key, reply.body)
        assert operation.method == "HEAD" or reply.code == "AccessDenied"
        assert b"kept" not in reply.body
    head = store.request("HEAD", f"/{bucket}", store.one).headers
    assert head["x-rgw-object-count"] == ("0" if name == "DeleteBucket" else "1")
    allowed = store.user(f"{bucket}-allowed", policy("Allow", "Action", actions))
    if name in ON_LOCKED:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        enabled = {"ObjectLockEnabled": "Enabled"}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=enabled)
    reply = send(store, bucket, upload, operation, allowed)
    assert reply.status in (200, 204) or (
        reply.status == 404 and reply.code.startswith(("NoSuch", "ServerSide", "Replication"))
    ), reply.body


def test_many_keys_are_asked_for_one_by_one(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="victim", Body=b"kept")
    digest = {"Content-MD5": b64encode(hashlib.md5(DELETE).digest()).decode()}
    without = store.user(f"{bucket}-without", policy("Allow", "NotAction", ["s3:DeleteObject"]))
    for key in (None, store.two, without):
        reply = store.request("POST", f"/{bucket}?delete", key, digest, DELETE)
        assert b"<Code>AccessDenied</Code>" in reply.body
        assert s3.get_object(Bucket=bucket, Key="victim")["Body"].read() == b"kept"
    allowed = store.user(f"{bucket}-allowed", policy("Allow", "Action", ["s3:DeleteObject"]))
    assert b"<Deleted>" in store.request("POST", f"/{bucket}?delete", allowed, digest, DELETE).body
