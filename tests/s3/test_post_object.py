"""Uploads by forms over the wire, as browsers send them: signed by their policy, open, and refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit.store import Key, Reply, Store, allow, head

BOUNDARY = "----WebKitFormBoundaryX3wPqMDFAGEvQx8b"


def form(fields: dict[str, str], content: bytes = b"content", filename: str = "file.bin", after: str = "") -> bytes:
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    pieces.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(pieces).encode() + content + f"\r\n{after}--{BOUNDARY}--\r\n".encode()


def post(store: Store, bucket: str, body: bytes, **headers: str) -> Reply:
    fields = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
    return store.request("POST", f"/{bucket}", None, fields, body)


def signed_v2(key: Key, bucket: str, fields: dict[str, str], *conditions: Any, seconds: int = 60) -> dict[str, str]:
    """The fields with a policy that names them all and its V2 signature."""
    expiration = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    named = [{"bucket": bucket}, *({name: value} for name, value in fields.items()), *conditions]
    policy = b64encode(json.dumps({"expiration": expiration, "conditions": named}).encode())
    signature = b64encode(hmac.digest(key.secret_access_key.encode(), policy, "sha1")).decode()
    return {**fields, "AWSAccessKeyId": key.access_key_id, "policy": policy.decode(), "signature": signature}


@pytest.fixture
def writer(store: Store, bucket: str) -> Key:
    """A user who may write below up/ in the bucket, and nothing else."""
    return store.user(f"{bucket}-writer", allow("s3:PutObject", resource=f"arn:aws:s3:::{bucket}/up/*"))


def test_as_an_sdk_signs_it(store: Store, s3: Any, bucket: str) -> None:
    fields = {"acl": "bucket-owner-full-control", "Content-Type": "text/plain", "x-amz-meta-a": "ä"}
    presigned = s3.generate_presigned_post(
        bucket, "up/${filename}", fields, [{name: value} for name, value in fields.items()]
    )
    reply = post(store, bucket, form(presigned["fields"], filename="C:\\a b.txt"))
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["location"] == f"{store.url}/{bucket}/up/a%20b.txt"
    got = s3.get_object(Bucket=bucket, Key="up/a b.txt")
    assert (got["Body"].read(), got["ContentType"], got["ETag"]) == (b"content", "text/plain", reply.headers["etag"])
    assert store.request("HEAD", f"/{bucket}/up/a%20b.txt", store.one).headers["x-amz-meta-a"] == "ä"


def test_signed_by_v2(store: Store, s3: Any, bucket: str, writer: Key) -> None:
    tagging = "<Tagging><TagSet><Tag><Key>a b</Key><Value>=1</Value></Tag></TagSet></Tagging>"
    fields = signed_v2(writer, bucket, {"key": "up/a", "success_action_status": "201"})
    reply = post(store, bucket, form(fields))
    assert reply.status == 201
    assert reply.element("Key") == "up/a"
    assert reply.element("ETag") == reply.headers["etag"] == f'"{hashlib.md5(b"content").hexdigest()}"'
    refused = post(store, bucket, form(signed_v2(writer, bucket, {"key": "up/b", "tagging": tagging})))
    assert (refused.status, refused.code) == (403, "AccessDenied")  # s3:PutObjectTagging is another right
    assert post(store, bucket, form(signed_v2(store.one, bucket, {"key": "up/b", "tagging": tagging}))).status == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="up/b")["TagSet"] == [{"Key": "a b", "Value": "=1"}]


@pytest.mark.parametrize("size", [0, 1, 16 << 10, (1 << 20) + 7, (5 << 20) + 3])
def test_every_size_arrives_whole(store: Store, s3: Any, bucket: str, size: int) -> None:
    content = (b"\r\n------WebKit" + bytes(range(256))) * (size // 256 + 1)
    content = content[:size]
    after = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="submit"\r\n\r\nUpload\r\n'
    reply = post(store, bucket, form(signed_v2(store.one, bucket, {"key": "k"}), content, after=after))
    assert reply.status == 204
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == content
    assert got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    if size > 1 << 20:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={(1 << 20) - 5}-{(1 << 20) + 5}")
        assert part["Body"].read() == content[(1 << 20) - 5 : (1 << 20) + 6]


def test_redirects(store: Store, s3: Any, bucket: str) -> None:
    target = "https://example.com/done?page=1#top"
    fields = signed_v2(store.one, bucket, {"key": "a&b", "success_action_redirect": target})
    reply = post(store, bucket, form(fields))
    assert reply.status == 303
    etag = hashlib.md5(b"content").hexdigest()
    assert reply.headers["location"] == (
        f"https://example.com/done?page=1&bucket={bucket}&key=a%26b&etag=%22{etag}%22#top"
    )
    fields = signed_v2(store.one, bucket, {"key": "k", "success_action_redirect": "javascript:alert(1)"})
    assert post(store, bucket, form(fields)).status == 204


def test_rights_are_those_of_the_signer(store: Store, s3: Any, bucket: str, writer: Key) -> None:
    for key in (writer, store.two, store.user(f"{bucket}-nobody")):
        reply = post(store, bucket, form(signed_v2(key, bucket, {"key": "elsewhere"})))
        assert (reply.status, reply.code) == (403, "AccessDenied")
    iam = store.client(store.one, "iam")
    fields = signed_v2(writer, bucket, {"key": "up/a"})
    assert post(store, bucket, form(fields)).status == 204
    iam.delete_access_key(UserName=f"{bucket}-writer", AccessKeyId=writer.access_key_id)
    reply = post(store, bucket, form(fields))
    assert (reply.status, reply.code) == (403, "InvalidAccessKeyId")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["up/a"]


def test_nobody_posts_to_a_private_bucket_unsigned(store: Store, s3: Any, bucket: str) -> None:
    reply = post(store, bucket, form({"key": "k"}))
    assert (reply.status, reply.code) == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=bucket)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/in/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    assert post(store, bucket, form({"key": "in/k"})).status == 204
    assert post(store, bucket, form({"key": "out/k"})).status == 403
    assert post(store, bucket, form({"key": "in/k", "policy": "e30="})).status == 400


@pytest.mark.parametrize(
    ("changed", "content", "status", "code"),
    [
        ({"key": "up/b"}, b"content", 403, "AccessDenied"),
        ({"x-amz-meta-a": "1"}, b"content", 403, "AccessDenied"),
        ({"policy": "e30="}, b"content", 403, "SignatureDoesNotMatch"),
        ({"signature": "c2ln"}, b"content", 403, "SignatureDoesNotMatch"),
        ({"AWSAccessKeyId": "AKIAUNKNOWN"}, b"content", 403, "InvalidAccessKeyId"),
        ({"x-amz-security-token": "t"}, b"content", 403, "AccessDenied"),
        ({}, b"c" * 9, 400, "EntityTooLarge"),
        ({}, b"c" * 3_000_000, 400, "EntityTooLarge"),
        ({}, b"c", 400, "EntityTooSmall"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, b"content", 400, "BadDigest"),
        ({"x-amz-checksum-crc32": "no"}, b"content", 400, "BadDigest"),
        ({"x-ignore-me": "1", "X-Ignore-Me": "2"}, b"content", 400, "InvalidArgument"),
    ],
)
def test_refused_forms_store_nothing(
    store: Store, s3: Any, bucket: str, changed: dict[str, str], content: bytes, status: int, code: str
) -> None:
    fields = signed_v2(store.one, bucket, {"key": "up/a"}, ["content-length-range", 2, 8])
    reply = post(store, bucket, form({**fields, **changed}, content))
    assert (reply.status, reply.code) == (status, code) or (code == "AccessDenied" and reply.code == "InvalidToken")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_expired_and_for_another_bucket(store: Store, s3: Any, bucket: str) -> None:
    for fields in (
        signed_v2(store.one, bucket, {"key": "k"}, seconds=-1),
        signed_v2(store.one, f"{bucket}-other", {"key": "k"}),
    ):
        assert post(store, bucket, form(fields)).code == "AccessDenied"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_field_never_becomes_another_header(store: Store, s3: Any, bucket: str) -> None:
    fields = signed_v2(store.one, bucket, {"key": "k", "x-amz-meta-a": "1\r\nx-amz-meta-b: 2"})
    assert post(store, bucket, form(fields)).code == "InvalidArgument"
    fields = signed_v2(store.one, bucket, {"key": "k", "x-amz-copy-source": "/other/key", "authorization": "x"})
    assert post(store, bucket, form(fields)).status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"


def test_a_form_that_breaks_off_stores_nothing(store: Store, s3: Any, bucket: str) -> None:
    body = form(signed_v2(store.one, bucket, {"key": "k"}), b"c" * 200_000)
    reply = post(store, bucket, body[:-8])
    assert (reply.status, reply.code) == (400, "MalformedPOSTRequest")
    fields = {
        "Host": store.host,
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(body)),
    }
    with store.connection() as connection:
        connection.send(head("POST", f"/{bucket}", fields) + body[:100_000])
        connection.reset()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_what_is_no_form_is_told_so(store: Store, bucket: str) -> None:
    assert store.request("POST", f"/{bucket}", store.one, {}, b"x").status == 412
    reply = store.request("POST", f"/{bucket}", None, {"Content-Type": "multipart/form-data"}, b"x")
    assert (reply.status, reply.code) == (400, "MalformedPOSTRequest")
    by_header = store.request(
        "POST",
        f"/{bucket}",
        store.one,
        {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        form({"key": "k"}),
    )
    assert (by_header.status, by_header.code) == (400, "InvalidArgument")
