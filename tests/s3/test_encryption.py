"""Server-side encryption over the wire: what is asked, told, refused, and what lies on the disk."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store
from tests.s3.test_post_object import form, post, signed_v2

MARK = b"the quick brown fox "
SMALL, BIG = MARK * 5, MARK * 40_000
AES256 = {"ServerSideEncryption": "AES256"}
RULE = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
KMS_RULE = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
HEADER = "x-amz-server-side-encryption"
KEY = b64encode(b"k" * 32).decode()
DIGEST = b64encode(hashlib.md5(b"k" * 32).digest()).decode()


def customer(letter: str, prefix: str = "") -> dict[str, str]:
    """The arguments of an SDK for a customer's key."""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": letter * 32}


def stored(store: Store, bucket: str) -> bytes:
    """All bytes of a bucket's folder."""
    (folder,) = Path(store.data, "buckets").glob(f"{bucket}.*")
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("content", [b"", SMALL, BIG])
def test_sse_s3(store: Store, s3: Any, bucket: str, content: bytes) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=content, **AES256)
    assert put["ServerSideEncryption"] == "AES256"
    assert put["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ServerSideEncryption"], got["ContentLength"]) == (content, "AES256", len(content))
    if content:
        ranged = s3.get_object(Bucket=bucket, Key="k", Range="bytes=5-30")
        assert (ranged["Body"].read(), ranged["ServerSideEncryption"]) == (content[5:31], "AES256")
    assert s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == len(content)
    assert MARK not in stored(store, bucket)


def test_what_is_not_asked_for_is_not_told(store: Store, s3: Any, bucket: str) -> None:
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="k", Body=SMALL)
    assert "ServerSideEncryption" not in s3.get_object(Bucket=bucket, Key="k")
    assert MARK in stored(store, bucket)


def test_a_buckets_default(store: Store, s3: Any, bucket: str) -> None:
    with refused("ServerSideEncryptionConfigurationNotFoundError", 404):
        s3.get_bucket_encryption(Bucket=bucket)
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=RULE)
    found = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert found == {**RULE["Rules"][0], "BucketKeyEnabled": False}
    assert s3.put_object(Bucket=bucket, Key="put", Body=SMALL)["ServerSideEncryption"] == "AES256"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")
    assert upload["ServerSideEncryption"] == "AES256"
    which = {"Bucket": bucket, "Key": "parts", "UploadId": upload["UploadId"]}
    part = s3.upload_part(**which, PartNumber=1, Body=BIG)
    assert part["ServerSideEncryption"] == "AES256"
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    assert s3.complete_multipart_upload(**which, MultipartUpload={"Parts": parts})["ServerSideEncryption"] == "AES256"
    reply = post(store, bucket, form(signed_v2(store.one, bucket, {"key": "form"}), SMALL))
    assert reply.headers[HEADER] == "AES256"
    for key, content in (("put", SMALL), ("parts", BIG), ("form", SMALL)):
        got = s3.get_object(Bucket=bucket, Key=key)
        assert (got["Body"].read(), got["ServerSideEncryption"]) == (content, "AES256")
    assert MARK not in stored(store, bucket)
    s3.delete_bucket_encryption(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="put", Body=SMALL)
    assert "ServerSideEncryption" not in s3.get_object(Bucket=bucket, Key="put")


def test_kms_is_not_pretended(store: Store, s3: Any, bucket: str) -> None:
    for method in ("aws:kms", "aws:kms:dsse"):
        with refused("NotImplemented", 501):
            s3.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption=method)
    with refused("NotImplemented", 501):
        s3.create_multipart_upload(Bucket=bucket, Key="k", ServerSideEncryption="aws:kms")
    with refused("NotImplemented", 501):
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=KMS_RULE)
    for header in ("aws-kms-key-id", "context", "bucket-key-enabled"):
        assert store.request("PUT", f"/{bucket}/k", store.one, {f"{HEADER}-{header}": "x"}).code == "NotImplemented"
    assert store.request("PUT", f"/{bucket}/k", store.one, {HEADER: "AES128"}).code == "InvalidArgument"
    assert store.request("PUT", f"/{bucket}?encryption", store.one, body=b"<x/>").code == "MalformedXML"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("content", [b"", SMALL, BIG])
def test_sse_c(store: Store, s3: Any, bucket: str, content: bytes) -> None:
    key = customer("k")
    put = s3.put_object(Bucket=bucket, Key="k", Body=content, **key)
    assert (put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]) == ("AES256", DIGEST)
    got = s3.get_object(Bucket=bucket, Key="k", **key)
    assert (got["Body"].read(), got["SSECustomerKeyMD5"]) == (content, DIGEST)
    if content:
        assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=7-8", **key)["Body"].read() == content[7:9]
    encoded = {**key, "SSECustomerKey": KEY, "SSECustomerKeyMD5": DIGEST}  # the SDK leaves it to us here
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"], **encoded)
    assert found["ObjectSize"] == len(content)
    with refused("InvalidRequest", 400):
        s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag"])
    for wrong in ({}, customer("x")):
        with refused("InvalidRequest", 400):
            s3.get_object(Bucket=bucket, Key="k", **wrong)
        with refused("400"):
            s3.head_object(Bucket=bucket, Key="k", **wrong)
    assert MARK not in stored(store, bucket)
    assert b"k" * 32 not in stored(store, bucket)
    assert KEY.encode() not in store.log.read_bytes()


def test_a_key_where_none_belongs(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="plain", Body=SMALL)
    s3.put_object(Bucket=bucket, Key="ours", Body=SMALL, **AES256)
    for key in ("plain", "ours"):
        with refused("InvalidRequest", 400):
            s3.get_object(Bucket=bucket, Key=key, **customer("k"))
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", **customer("k"), **AES256)


@pytest.mark.parametrize(
    ("algorithm", "key", "digest"),
    [
        (None, KEY, DIGEST),
        ("AES256", None, DIGEST),
        ("AES256", KEY, None),
        ("AES192", KEY, DIGEST),
        ("AES256", KEY, b64encode(bytes(16)).decode()),
        ("AES256", b64encode(b"k" * 16).decode(), b64encode(hashlib.md5(b"k" * 16).digest()).decode()),
        ("AES256", "no base64", DIGEST),
    ],
)
def test_half_a_key_is_refused(
    store: Store, s3: Any, bucket: str, algorithm: str | None, key: str | None, digest: str | None
) -> None:
    given = {"algorithm": algorithm, "key": key, "key-MD5": digest}
    headers = {f"{HEADER}-customer-{name}": value for name, value in given.items() if value is not None}
    reply = store.request("PUT", f"/{bucket}/k", store.one, headers, b"x")
    assert (reply.status, reply.code) == (400, "InvalidArgument")
    assert KEY.encode() not in reply.body
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_parts_by_a_customers_key(store: Store, s3: Any, bucket: str) -> None:
    key, other = customer("k"), customer("x")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm="CRC32", **key)["UploadId"]
    which = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    content = BIG * 7
    for wrong in ({}, other):
        with refused("InvalidRequest", 400):
            s3.upload_part(**which, PartNumber=1, Body=content, **wrong)
    s3.put_object(Bucket=bucket, Key="source", Body=SMALL, **other)
    etags = [s3.upload_part(**which, PartNumber=1, Body=content, **key)["ETag"]]
    copied = s3.upload_part_copy(
        **which,
        PartNumber=2,
        CopySource={"Bucket": bucket, "Key": "source"},
        CopySourceRange="bytes=3-50",
        **key,
        **customer("x", "CopySource"),
    )
    etags.append(copied["CopyPartResult"]["ETag"])
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    for wrong in ({}, other):
        with refused("InvalidRequest", 400):
            s3.complete_multipart_upload(**which, MultipartUpload={"Parts": parts}, **wrong)
    s3.complete_multipart_upload(**which, MultipartUpload={"Parts": parts}, **key)
    expected = content + SMALL[3:51]
    assert s3.get_object(Bucket=bucket, Key="m", **key)["Body"].read() == expected
    tail = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={len(content) - 9}-", **key)
    assert tail["Body"].read() == expected[len(content) - 9 :]
    assert s3.get_object(Bucket=bucket, Key="m", PartNumber=2, **key)["Body"].read() == SMALL[3:51]
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key="m", **other)
    assert MARK not in stored(store, bucket)


_MODES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {  # to write, to read, to copy from
    "plain": ({}, {}, {}),
    "store": (AES256, {}, {}),
    "customer": (customer("s"), customer("s"), customer("s", "CopySource")),
}


@pytest.mark.parametrize("content", [SMALL, BIG])
@pytest.mark.parametrize("target", _MODES)
@pytest.mark.parametrize("source", _MODES)
def test_copies(store: Store, s3: Any, bucket: str, source: str, target: str, content: bytes) -> None:
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    write, _, copy_from = _MODES[source]
    s3.put_object(Bucket=bucket, Key="k", Body=content, **write)
    asked, read, _ = _MODES[target]
    for where in (bucket, other):
        s3.copy_object(Bucket=where, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, **asked, **copy_from)
        got = s3.get_object(Bucket=where, Key="copy", **read)
        assert got["Body"].read() == content
        assert got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
        is_encrypted = source != "plain" or target != "plain"
        assert ("ServerSideEncryption" in got or "SSECustomerAlgorithm" in got) == is_encrypted
    assert (MARK in stored(store, other)) == (source == target == "plain")
    if source == "customer":
        with refused("InvalidRequest", 400):
            s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, **asked)


def test_a_copy_onto_itself_encrypts(store: Store, s3: Any, bucket: str) -> None:
    content = os.urandom(100)
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"}, **AES256)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ServerSideEncryption"]) == (content, "AES256")


def test_reads_take_no_method(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=SMALL, **AES256)
    reply = store.request("GET", f"/{bucket}/k", store.one, {HEADER: "AES256"})
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_damage_is_an_error_and_never_bytes(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=BIG, **AES256)
    (folder,) = Path(store.data, "buckets").glob(f"{bucket}.*")
    (segment,) = (folder / "segments").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    try:
        reply = store.request("GET", f"/{bucket}/k", store.one)
        assert (reply.status, reply.code) == (500, "InternalError")
        assert MARK not in reply.body
    finally:
        segment.write_bytes(whole)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BIG
