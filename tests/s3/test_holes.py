"""The ways by which S3 servers were broken, tried here: those that no other file tries. docs/security.md lists all.

Each test is named after its hole.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from tests.kit.store import REGION, Key, Reply, Store, allow, head

MODES = (
    "hash",
    "UNSIGNED-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
)
BODY = b"forged " * 100


def _forged(store: Store) -> Key:
    secret = store.one.secret_access_key
    return replace(store.one, secret_access_key=secret[:-1] + ("a" if secret[-1] != "a" else "b"))


def _names(s3: Any, bucket: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


# --- 1: streams whose signature nobody checks


@pytest.mark.parametrize("where", ["header", "query"])
@pytest.mark.parametrize("mode", MODES)
def test_stream_whose_signature_is_not_checked(store: Store, s3: Any, bucket: str, mode: str, where: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="part")["UploadId"]
    fields = {} if mode == "hash" else {"x-amz-content-sha256": mode}
    if mode.startswith("STREAMING"):
        fields |= {"x-amz-decoded-content-length": str(len(BODY)), "Content-Encoding": "aws-chunked"}
    if mode.endswith("TRAILER"):
        fields["x-amz-trailer"] = "x-amz-checksum-crc32"
    wire = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) if mode.startswith("STREAMING") else BODY
    for target in (f"/{bucket}/k", f"/{bucket}/part?partNumber=1&uploadId={upload}"):
        if where == "header":
            sent, path = store.signed_headers(_forged(store), "PUT", target, fields, BODY), target
        else:
            request = AWSRequest("PUT", f"{store.url}{target}", headers=fields)
            S3SigV4QueryAuth(_forged(store).credentials, "s3", REGION, expires=300).add_auth(request)
            path = "/" + str(request.url).split("/", 3)[3]
            sent = {"Host": store.host, **fields}
        with store.connection() as connection:
            connection.send(head("PUT", path, {**sent, "Content-Length": str(len(wire))}) + wire)
            reply = connection.reply()
        assert (reply.status, reply.code) in ((403, "SignatureDoesNotMatch"), (403, "AccessDenied"))
    assert _names(s3, bucket) == []
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="part", UploadId=upload)


# --- 3: a caller that says whose it is, a policy of denials that opens the rest


def test_owner_and_account_are_not_what_a_caller_says(store: Store, s3: Any, bucket: str) -> None:
    two = store.client(store.two)
    for extra in ({"x-amz-meta-owner": store.one.account_id}, {"x-amz-account-id": store.one.account_id}):
        reply = store.request("PUT", f"/{bucket}/k", store.two, extra, b"x")
        assert (reply.status, reply.code) == (403, "AccessDenied")
    body = f"Action=ListUsers&Version=2010-05-08&AccountId={store.one.account_id}&Owner=root".encode()
    fields = store.signed_headers(
        store.two, "POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, body, "iam"
    )
    with store.connection() as connection:
        connection.send(head("POST", "/", {**fields, "Content-Length": str(len(body))}) + body)
        assert store.one.account_id.encode() not in connection.reply().body
    assert bucket not in {each["Name"] for each in two.list_buckets().get("Buckets", [])}
    assert _names(s3, bucket) == []


def test_policy_of_denials_alone_opens_nothing(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    deny = {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
    for number, statement in enumerate((deny, {**deny, "NotAction": ["s3:DeleteBucket"]})):
        if "NotAction" in statement:
            del statement["Action"]
        user = store.user(f"{bucket}-deny-{number}", {"Version": "2012-10-17", "Statement": [statement]})
        assert store.request("GET", f"/{bucket}/k", user).code == "AccessDenied"
        assert store.request("GET", f"/{bucket}", user).code == "AccessDenied"


# --- 6: keys that become paths

ODD_KEYS = (
    "..",
    "../x",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "./a",
    "a\\..\\b",
    "C:\\x",
    "~root",
    "a%00b",
    "%2e%2e/x",
    "x" * 1024,
    "index.sqlite",
    "segments/x",
    "a\x7fb",
    "con",
)


def test_key_that_would_be_a_path_is_a_key(store: Store, s3: Any, bucket: str) -> None:
    before = {path.relative_to(store.data) for path in store.data.rglob("*") if "segments" not in path.parts}
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode() * 300)
    assert sorted(_names(s3, bucket)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode() * 300
    for target in ("/../x", "/%2e%2e/x", "/./x", "/..%2fx", "/%2e%2e%2f%2e%2e%2fetc%2fpasswd"):
        reply = store.request("GET", target, store.one)
        assert reply.status in (400, 403, 404)
        assert b"root:" not in reply.body
    after = {path.relative_to(store.data) for path in store.data.rglob("*") if "segments" not in path.parts}
    assert not [path for path in after - before if path.suffix not in ("", ".sqlite", ".sqlite-wal", ".sqlite-shm")]
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})["Deleted"]
    assert _names(s3, bucket) == []


# --- 7: headers that stand for condition keys


@pytest.mark.parametrize(
    "extra",
    [
        {"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7", "X-Real-IP": "192.0.2.7"},
        {"aws-SourceIp": "192.0.2.7", "SourceIp": "192.0.2.7", "aws-username": "boss"},
        {"X-Forwarded-Proto": "https", "True-Client-IP": "192.0.2.7", "CF-Connecting-IP": "192.0.2.7"},
    ],
)
def test_header_that_stands_for_a_condition_key(store: Store, s3: Any, bucket: str, extra: dict[str, str]) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for number, condition in enumerate(
        (
            {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
            {"Bool": {"aws:SecureTransport": "true"}},
            {"StringEquals": {"aws:username": "boss"}},
        )
    ):
        user = store.user(f"{bucket}-{number}-{len(extra)}-{'-'.join(sorted(extra))[:30]}", allow("s3:*", **condition))
        target = f"/{bucket}/k?aws:username=boss&aws:SourceIp=192.0.2.7"
        for path in (f"/{bucket}/k", target):
            assert store.request("GET", path, user, extra).status == 403


# --- 8: headers that servers use among themselves


def test_headers_of_servers_among_themselves_are_not_kept(store: Store, s3: Any, bucket: str) -> None:
    internal = {
        "x-minio-replication-server-side-encryption-sealed-key": "x",
        "x-minio-internal-erasure-distribution": "1",
        "x-rgw-user": "admin",
        "x-amz-replication-status": "REPLICA",
        "x-bucketry-owner": store.two.account_id,
        "x-amz-version-id": "mine",
    }
    reply = store.request("PUT", f"/{bucket}/k", store.one, internal, b"x")
    if reply.status == 200:
        found = store.request("GET", f"/{bucket}/k", store.one)
        assert not set(internal) & set(found.headers)
    else:
        assert reply.status in (400, 501)
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True).get("Contents", [{}])[0].get("Owner", {}).get(
        "ID", store.one.canonical_id
    ) == (store.one.canonical_id)


# --- 9: what answers without a key

TARGETS = (
    "/", "/metrics", "/debug/pprof/", "/minio/health/cluster", "/minio/bootstrap/v1/verify", "/admin/metadata",
    "/admin/user", "/api/v1/apps", "/_bucketry/", "/_bucketry/metrics", "/_bucketry/debug", "/cluster", "/status",
    "/login", "/console", "/.env", "/admin.json", "/master.key", "/identity.sqlite", "/v2/catalog",
    "/?acl", "/?Action=ListUsers", "/?policy", "/?versions", "/*", "/%2a",
)  # fmt: skip


def test_what_answers_without_a_key(store: Store) -> None:
    secrets = (store.one.secret_access_key, store.two.secret_access_key, store.one.access_key_id, str(store.data))
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"):
        for target in TARGETS:
            reply = store.request(method, target)
            assert reply.status >= 400, (method, target, reply.body)
            assert reply.status < 500 or reply.status == 501, (method, target)
            assert not [secret for secret in secrets if secret.encode() in reply.body]
    health = store.request("GET", "/_bucketry/health")
    assert (health.status, health.body) == (200, b"ok")


# --- 16: answers that tell a wrong secret from an unknown key


def _refused(store: Store, key: Key, target: str, *, is_presigned: bool) -> Reply:
    if is_presigned:
        return store.request("GET", store.presigned(key, "GET", target))
    return store.request("GET", target, key)


@pytest.mark.parametrize("is_presigned", [False, True])
def test_refusals_tell_nothing_of_what_exists(store: Store, s3: Any, bucket: str, is_presigned: bool) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    inactive = store.user(f"{bucket}-{is_presigned}", allow("s3:*"))
    store.client(store.one, "iam").update_access_key(
        UserName=f"{bucket}-{is_presigned}", AccessKeyId=inactive.access_key_id, Status="Inactive"
    )
    unknown = replace(inactive, access_key_id="BKRY" + "A" * 16)
    for key in (_forged(store), inactive, unknown):
        codes = {
            _refused(store, key, target, is_presigned=is_presigned).code
            for target in (f"/{bucket}/k", f"/{bucket}/missing", "/no-such-bucket-at-all/k")
        }
        assert len(codes) == 1
    answers = [_refused(store, key, f"/{bucket}/k", is_presigned=is_presigned) for key in (inactive, unknown)]
    assert {(answer.status, answer.code) for answer in answers} == {(403, "InvalidAccessKeyId")}
    names = [[line.partition(":")[0] for line in answer.lines] for answer in answers]
    assert names[0] == names[1]


# --- 17: addresses that a caller gives


def test_no_address_is_made_of_the_host_that_a_caller_gives(store: Store, s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    body = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
    )
    extra = {
        "X-Forwarded-Host": "evil.example",
        "X-Original-URL": "http://evil.example/",
        "Referer": "http://evil.example",
    }
    reply = store.request("POST", f"/{bucket}/k?uploadId={upload}", store.one, extra, body.encode())
    assert reply.status == 200
    assert b"evil.example" not in reply.body
    made = store.request("PUT", f"/{bucket}-2", store.one, extra)
    assert made.status == 200
    assert "evil" not in made.headers.get("location", "")


# --- 19: names that would be patterns or statements

PATTERNS = ("%", "_", "a%b", "a_b", "aXb", "'; DROP TABLE object; --", '"', "a*b", "a?b", "[a]", "\\%")


def test_names_that_would_be_patterns_are_names(store: Store, s3: Any, bucket: str) -> None:
    for key in PATTERNS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for prefix in PATTERNS:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        expected = sorted((key for key in PATTERNS if key.startswith(prefix)), key=str.encode)
        assert [each["Key"] for each in found] == expected
    for prefix in ("'", "' OR 1=1 --", "%%", "a\\_b"):
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        assert [each["Key"] for each in found] == [key for key in PATTERNS if key.startswith(prefix)]


# --- 20: two lengths, two hosts


@pytest.mark.parametrize(
    "lines",
    [
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Host: other.example"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
    ],
)
def test_request_with_two_lengths_or_two_hosts(store: Store, s3: Any, bucket: str, lines: list[str]) -> None:
    start = f"PUT /{bucket}/smuggled HTTP/1.1\r\nHost: {store.host}\r\n" + "".join(f"{line}\r\n" for line in lines)
    with store.connection() as connection:
        connection.send(f"{start}\r\n0\r\n\r\nGET /{bucket}/k HTTP/1.1\r\nHost: {store.host}\r\n\r\n".encode())
        assert connection.reply().status == 400
        assert connection.is_closed_by_store()
    assert _names(s3, bucket) == []


def test_documents_that_cannot_be_read_deny(store: Store, s3: Any, bucket: str) -> None:
    """18: what was damaged denies to all but the root, who mends it."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    user = store.user(f"{bucket}-user", allow("s3:*"))
    assert store.request("GET", f"/{bucket}/k", user).status == 200
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert store.request("GET", f"/{bucket}/k", user).status == 200
    store.spoil_setting(bucket, "policy", "{")
    assert store.request("GET", f"/{bucket}/k", user).code == "AccessDenied"
    assert store.request("GET", f"/{bucket}/k", store.one).code == "AccessDenied"
    s3.delete_bucket_policy(Bucket=bucket)
    assert store.request("GET", f"/{bucket}/k", user).status == 200
