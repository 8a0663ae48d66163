"""PutObject over the wire."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.store import Store, head


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize("size", [0, 1, 1024, 16 * 1024, 16 * 1024 + 1, 65_537, 300_000, 5 * 1024 * 1024 + 3])
def test_what_was_put_is_what_is_got(s3: Any, bucket: str, size: int) -> None:
    body = hashlib.shake_128(str(size).encode()).digest(size)
    put = s3.put_object(Bucket=bucket, Key="key", Body=body)
    got = s3.get_object(Bucket=bucket, Key="key")
    assert got["Body"].read() == body
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert got["ContentLength"] == size


KEYS = [
    "plain",
    "with space",
    "../x",
    "a/../../b",
    "/absolute",
    "//",
    "a//b",
    ".",
    "..",
    "%2e%2e%2f",
    "back\\slash",
    "ü/ñ/漢字/😀",
    "a+b=c&d?e#f",
    "tab\tand\nnewline",
    "null\x00byte",
    "x" * 1024,
    "100%_like_[a-z]*'\"; DROP TABLE objects; --",
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_kept_byte_for_byte_and_never_paths(store: Store, s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"content of " + key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"content of " + key.encode()
    folders = {path.name for path in store.data.rglob("*")}
    assert not folders & {"x", "b", "plain", "absolute", "with space"}


def test_dot_segments_over_the_raw_wire_name_different_objects(store: Store, bucket: str) -> None:
    signed_as = {
        f"/{bucket}/a/../b": f"/{bucket}/a/../b",
        f"/{bucket}/%2e%2e/b": f"/{bucket}/../b",
        f"/{bucket}/..%2fc": f"/{bucket}/../c",
    }
    for target, canonical in signed_as.items():
        fields = {**store.signed_headers(store.one, "PUT", canonical, body=b"x"), "Content-Length": "1"}
        with store.connection() as connection:
            connection.send(head("PUT", target, fields) + b"x")
            assert connection.reply().status == 200
    keys = [entry["Key"] for entry in store.client(store.one).list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["../b", "../c", "a/../b"]


def test_keys_beyond_1024_bytes_are_refused(store: Store, s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="ü" * 513, Body=b"")
    assert code(error) == "KeyTooLongError"


def test_only_allowed_headers_are_stored(store: Store, bucket: str) -> None:
    fields = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "max-age=60",
        "Content-Disposition": 'attachment; filename="a"',
        "Content-Encoding": "aws-chunked, gzip",
        "Content-Language": "de",
        "Expires": "Thu, 01 Dec 2044 16:00:00 GMT",
        "x-amz-meta-Colour": "grün",
        "x-amz-website-redirect-location": "/elsewhere",
        "X-Custom": "not kept",
        "x-minio-replication-etag": "not kept",
        "x-amz-replication-status": "REPLICA",
        "Set-Cookie": "not=kept",
    }
    assert store.request("PUT", f"/{bucket}/k", store.one, fields, b"body").status == 200
    got = store.request("GET", f"/{bucket}/k", store.one).headers
    assert got["content-type"] == "text/html; charset=utf-8"
    assert got["cache-control"] == "max-age=60"
    assert got["content-disposition"] == 'attachment; filename="a"'
    assert got["content-encoding"] == "gzip"
    assert got["content-language"] == "de"
    assert got["expires"] == "Thu, 01 Dec 2044 16:00:00 GMT"
    assert got["x-amz-meta-colour"] == "grün"
    assert got["x-amz-website-redirect-location"] == "/elsewhere"
    assert not got.keys() & {"x-custom", "x-minio-replication-etag", "x-amz-replication-status", "set-cookie"}


def test_content_type_defaults_to_binary(s3: Any, store: Store, bucket: str) -> None:
    store.request("PUT", f"/{bucket}/k", store.one, body=b"x")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"


def test_metadata_beyond_2_kib_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "v" * 2047})
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "v" * 2048})
    assert code(error) == "MetadataTooLarge"


def test_if_none_match_writes_once(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"second", IfNoneMatch="*")
    assert code(error) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"


def test_of_many_at_once_one_is_the_first(store: Store, bucket: str) -> None:
    target = f"/{bucket}/k"
    fields = store.signed_headers(store.one, "PUT", target, {"If-None-Match": "*"}, b"body")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(store.connection()) for _ in range(8)]
        for connection in connections:  # all begin, and find nothing there
            connection.send(head("PUT", target, {**fields, "Content-Length": "4", "Expect": "100-continue"}))
        assert {connection.reply().status for connection in connections} == {100}
        for connection in connections:
            connection.send(b"body")
        assert sorted(connection.reply().status for connection in connections) == [200] + [412] * 7


def test_if_match_replaces_only_what_is_known(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"", IfMatch='"0123"')
    assert code(error) == "NoSuchKey"
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["ETag"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=etag)
    assert code(error) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"


def test_if_none_match_of_a_tag_spares_that_object_alone(store: Store, bucket: str) -> None:
    etag = store.request("PUT", f"/{bucket}/k", store.one, {"If-None-Match": '"abc"'}, b"x").headers["etag"]
    reply = store.request("PUT", f"/{bucket}/k", store.one, {"If-None-Match": etag}, b"y")
    assert (reply.status, reply.code) == (412, "PreconditionFailed")
    assert store.request("PUT", f"/{bucket}/k", store.one, {"If-None-Match": '"abc"'}, b"z").status == 200
    assert store.request("GET", f"/{bucket}/k", store.one).body == b"z"


# of b"123456789": the CRCs are the check values of the CRC catalogue
CHECKSUMS = {
    "crc32": base64.b64encode(bytes.fromhex("cbf43926")).decode(),
    "crc32c": base64.b64encode(bytes.fromhex("e3069283")).decode(),
    "crc64nvme": base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode(),
    "sha1": base64.b64encode(hashlib.sha1(b"123456789").digest()).decode(),
    "sha256": base64.b64encode(hashlib.sha256(b"123456789").digest()).decode(),
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_checksums_are_verified_kept_and_given_back(store: Store, bucket: str, algorithm: str) -> None:
    header, right = f"x-amz-checksum-{algorithm}", CHECKSUMS[algorithm]
    put = store.request("PUT", f"/{bucket}/k", store.one, {header: right}, b"123456789")
    assert (put.status, put.headers[header], put.headers["x-amz-checksum-type"]) == (200, right, "FULL_OBJECT")
    got = store.request("GET", f"/{bucket}/k", store.one, {"x-amz-checksum-mode": "ENABLED"})
    assert (got.headers[header], got.headers["x-amz-checksum-type"]) == (right, "FULL_OBJECT")
    reply = store.request("PUT", f"/{bucket}/wrong", store.one, {header: right}, b"123456780")
    assert (reply.status, reply.code) == (400, "BadDigest")
    assert store.request("GET", f"/{bucket}/wrong", store.one).status == 404
    assert store.request("PUT", f"/{bucket}/wrong", store.one, {header: "junk"}, b"").code == "BadDigest"


def test_no_checksum_is_stored_unasked(store: Store, bucket: str) -> None:
    store.request("PUT", f"/{bucket}/k", store.one, body=b"x")
    got = store.request("HEAD", f"/{bucket}/k", store.one, {"x-amz-checksum-mode": "ENABLED"})
    assert not [name for name in got.headers if name.startswith("x-amz-checksum")]


def test_content_md5_is_verified(store: Store, bucket: str) -> None:
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    assert store.request("PUT", f"/{bucket}/k", store.one, {"Content-MD5": right}, b"x").status == 200
    assert store.request("PUT", f"/{bucket}/k", store.one, {"Content-MD5": right}, b"y").code == "BadDigest"
    assert store.request("PUT", f"/{bucket}/k", store.one, {"Content-MD5": "junk"}, b"y").code == "InvalidDigest"
    assert store.request("GET", f"/{bucket}/k", store.one).body == b"x"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"x-amz-server-side-encryption": "aws:kms"}, "NotImplemented"),
        ({"x-amz-object-lock-mode": "GOVERNANCE"}, "InvalidArgument"),
        ({"x-amz-storage-class": "GLACIER"}, "NotImplemented"),
        ({"x-amz-storage-class": "CUPBOARD"}, "InvalidStorageClass"),
        ({"x-amz-acl": "public-read"}, "AccessControlListNotSupported"),
        ({"x-amz-acl": "everybody"}, "InvalidArgument"),
        (
            {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'},
            "AccessControlListNotSupported",
        ),
        ({"x-amz-write-offset-bytes": "5"}, "NotImplemented"),
    ],
)
def test_what_is_not_done_is_refused_and_nothing_stored(
    store: Store, bucket: str, fields: dict[str, str], code: str
) -> None:
    reply = store.request("PUT", f"/{bucket}/k", store.one, fields, b"x")
    assert reply.code == code
    assert reply.status in (400, 501)
    assert store.request("GET", f"/{bucket}/k", store.one).status == 404


@pytest.mark.parametrize("acl", ["bucket-owner-full-control", "private", ""])
def test_owners_acls_and_standard_change_nothing_and_pass(store: Store, bucket: str, acl: str) -> None:
    fields = {"x-amz-acl": acl, "x-amz-storage-class": "STANDARD"}
    assert store.request("PUT", f"/{bucket}/k", store.one, fields, b"x").status == 200


def test_a_private_object_in_anothers_bucket_is_refused(store: Store, bucket: str, s3: Any) -> None:
    """It would be its writer's alone, where the bucket's owner owns all."""
    principal = {"AWS": f"arn:aws:iam::{store.two.account_id}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    private = store.request("PUT", f"/{bucket}/k", store.two, {"x-amz-acl": "private"}, b"x")
    assert private.code == "AccessControlListNotSupported"
    assert store.request("PUT", f"/{bucket}/k", store.two, {}, b"x").status == 200


def test_a_body_that_breaks_off_stores_nothing(store: Store, bucket: str) -> None:
    fields = store.signed_headers(store.one, "PUT", f"/{bucket}/k", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    for size in (10, 200_000):
        with store.connection() as connection:
            connection.send(head("PUT", f"/{bucket}/k", {**fields, "Content-Length": str(size)}) + b"x" * (size - 1))
            connection.reset()
    assert store.request("GET", f"/{bucket}/k", store.one).status == 404


def test_a_length_is_needed(store: Store, bucket: str) -> None:
    fields = store.signed_headers(store.one, "PUT", f"/{bucket}/k")
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", fields))
        assert connection.reply().code == "MissingContentLength"


@pytest.mark.parametrize("size", [1, 40_000, (3 << 20) + 5])
def test_a_chunked_body_needs_none(store: Store, s3: Any, bucket: str, size: int) -> None:
    fields = store.signed_headers(store.one, "PUT", f"/{bucket}/k", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(content[at : at + 70_000]), content[at : at + 70_000]) for at in range(0, size, 70_000)
    )
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", {**fields, "Transfer-Encoding": "chunked"}) + chunks + b"0\r\n\r\n")
        assert connection.reply().headers["etag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == content


def test_a_chunked_body_is_what_was_signed(store: Store, s3: Any, bucket: str) -> None:
    fields = {**store.signed_headers(store.one, "PUT", f"/{bucket}/k"), "Transfer-Encoding": "chunked"}
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", fields) + b"1\r\nx\r\n0\r\n\r\n")
        assert connection.reply().code == "XAmzContentSHA256Mismatch"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_more_than_5_gib_is_refused_before_a_byte_is_read(store: Store, bucket: str) -> None:
    fields = store.signed_headers(store.one, "PUT", f"/{bucket}/k", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    with store.connection() as connection:
        size = 5 * 1024**3 + 1
        connection.send(head("PUT", f"/{bucket}/k", {**fields, "Content-Length": str(size), "Expect": "100-continue"}))
        reply = connection.reply()
        assert (reply.status, reply.code, reply.headers["connection"]) == (400, "EntityTooLarge", "close")


def test_a_missing_bucket_is_said(s3: Any) -> None:
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"")
    assert code(error) == "NoSuchBucket"


def test_tags_need_their_own_right(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1&b=2")
    assert s3.head_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}
    writer = store.client(store.user(f"{bucket}-writer", policy))
    writer.put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(ClientError) as error:
        writer.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1")
    assert code(error) == "AccessDenied"
