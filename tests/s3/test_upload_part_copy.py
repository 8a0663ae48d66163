"""UploadPartCopy over the wire."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store, allow

MIB = 1024 * 1024
DATA = hashlib.shake_128(b"source").digest(6 * MIB)


@pytest.fixture(scope="module")
def source(s3: Any) -> str:
    name = "bucket-part-source"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="big", Body=DATA)
    s3.put_object(Bucket=name, Key="small ü", Body=b"0123456789")
    return name


@pytest.fixture
def upload_id(s3: Any, bucket: str) -> str:
    return str(s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"])


@pytest.mark.parametrize("inside", [True, False])
def test_ranges_put_together(s3: Any, bucket: str, source: str, inside: bool) -> None:
    origin = bucket if inside else source
    if inside:
        s3.put_object(Bucket=bucket, Key="big", Body=DATA)
        s3.put_object(Bucket=bucket, Key="small ü", Body=b"0123456789")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = []
    for number, (key, asked) in enumerate(
        [("big", f"bytes=3-{5 * MIB + 2}"), ("big", None), ("small ü", "bytes=2-4")], 1
    ):
        options = {} if asked is None else {"CopySourceRange": asked}
        copied = s3.upload_part_copy(
            Bucket=bucket,
            Key="k",
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": origin, "Key": key},
            **options,
        )
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    pieces = [DATA[3 : 5 * MIB + 3], DATA, b"234"]
    assert [part["ETag"].strip('"') for part in parts] == [hashlib.md5(piece).hexdigest() for piece in pieces]
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=bucket, Key="big")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(pieces)


def test_checksum_of_the_upload_is_computed(s3: Any, bucket: str, source: str) -> None:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    copied = s3.upload_part_copy(
        Bucket=bucket,
        Key="k",
        UploadId=upload_id,
        PartNumber=1,
        CopySource={"Bucket": source, "Key": "small ü"},
        CopySourceRange="bytes=0-3",
    )["CopyPartResult"]
    put = s3.put_object(Bucket=bucket, Key="same", Body=b"0123", ChecksumAlgorithm="SHA256")
    assert copied["ChecksumSHA256"] == put["ChecksumSHA256"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("bytes=0-10", "InvalidRange"),
        ("bytes=10-12", "InvalidRange"),
        ("bytes=4-3", "InvalidArgument"),
        ("bytes=4-", "InvalidArgument"),
        ("bytes=-4", "InvalidArgument"),
        ("bytes=0-1,3-4", "InvalidArgument"),
        ("0-4", "InvalidArgument"),
        ("bytes=" + "9" * 300 + "-1", "InvalidArgument"),
    ],
)
def test_ranges_are_taken_strictly(s3: Any, bucket: str, source: str, upload_id: str, asked: str, code: str) -> None:
    with refused(code, 416 if code == "InvalidRange" else 400):
        s3.upload_part_copy(
            Bucket=bucket,
            Key="k",
            UploadId=upload_id,
            PartNumber=1,
            CopySource={"Bucket": source, "Key": "small ü"},
            CopySourceRange=asked,
        )


def test_conditions_on_the_source(s3: Any, bucket: str, source: str, upload_id: str) -> None:
    etag = s3.head_object(Bucket=source, Key="small ü")["ETag"]
    common = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "CopySource": {"Bucket": source, "Key": "small ü"}}
    with refused("PreconditionFailed", 412):
        s3.upload_part_copy(PartNumber=1, CopySourceIfNoneMatch=etag, **common)
    with refused("PreconditionFailed", 412):
        s3.upload_part_copy(PartNumber=1, CopySourceIfMatch='"0"', **common)
    s3.upload_part_copy(PartNumber=1, CopySourceIfMatch=etag, **common)


def test_right_to_read_the_source_is_needed(store: Store, s3: Any, bucket: str, source: str, upload_id: str) -> None:
    writer = store.client(store.user("part-copier", allow("s3:PutObject", resource=f"arn:aws:s3:::{bucket}/*")))
    common = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "PartNumber": 1}
    with refused("AccessDenied", 403):
        writer.upload_part_copy(CopySource={"Bucket": source, "Key": "small ü"}, **common)
    with refused("AccessDenied", 403):
        writer.upload_part_copy(CopySource={"Bucket": source, "Key": "missing"}, **common)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)
    with refused("AccessDenied", 403):
        store.client(store.two).upload_part_copy(CopySource={"Bucket": source, "Key": "small ü"}, **common)


def test_missing_sources(s3: Any, bucket: str, source: str, upload_id: str) -> None:
    common = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "PartNumber": 1}
    with refused("NoSuchKey", 404):
        s3.upload_part_copy(CopySource={"Bucket": source, "Key": "missing"}, **common)
    with refused("NoSuchBucket", 404):
        s3.upload_part_copy(CopySource={"Bucket": "bucket-missing", "Key": "k"}, **common)
    with refused("NoSuchUpload", 404):
        s3.upload_part_copy(CopySource={"Bucket": source, "Key": "big"}, **{**common, "UploadId": "none"})
