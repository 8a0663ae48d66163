"""GetObjectAttributes, and checksums of objects, parts and copies as AWS tells them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bucketry.store.s3.checksums import BY_NAME, encode
from tests.kit.refusals import refused
from tests.kit.store import Store, allow

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
BIG, TAIL = b"b" * (5 << 20), b"tail"


def checksum(algorithm: str, data: bytes) -> str:
    hasher = BY_NAME[algorithm].hasher()
    hasher.update(data)
    return encode(hasher.digest())


def upload(s3: Any, bucket: str, *bodies: bytes, **options: str) -> dict[str, Any]:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", **options)["UploadId"]
    asked = {"ChecksumAlgorithm": options["ChecksumAlgorithm"]} if options else {}
    parts = []
    for number, body in enumerate(bodies, 1):
        put = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=number, Body=body, **asked)
        parts.append({"PartNumber": number, "ETag": put["ETag"]})
    done: dict[str, Any] = s3.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts}
    )
    return done


def test_of_an_object_put_whole(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"content", ChecksumAlgorithm="SHA256")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert found["ETag"] == put["ETag"].strip('"')
    assert (found["ObjectSize"], found["StorageClass"]) == (7, "STANDARD")
    assert found["Checksum"] == {"ChecksumSHA256": put["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert "ObjectParts" not in found
    assert set(s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])) == {
        "ResponseMetadata",
        "LastModified",
        "ObjectSize",
    }


def test_of_parts_page_by_page(s3: Any, bucket: str) -> None:
    done = upload(s3, bucket, BIG, BIG, TAIL, ChecksumAlgorithm="SHA1")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert found["Checksum"] == {"ChecksumSHA1": done["ChecksumSHA1"], "ChecksumType": "COMPOSITE"}
    parts = found["ObjectParts"]
    assert (parts["TotalPartsCount"], parts["IsTruncated"]) == (3, False)
    assert parts["Parts"] == [
        {"PartNumber": number, "Size": len(body), "ChecksumSHA1": checksum("SHA1", body)}
        for number, body in enumerate((BIG, BIG, TAIL), 1)
    ]
    page = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1
    )["ObjectParts"]
    assert (page["IsTruncated"], page["NextPartNumberMarker"], page["TotalPartsCount"]) == (True, 2, 3)
    assert [part["PartNumber"] for part in page["Parts"]] == [2]


def test_of_a_version(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", VersionId=old, ObjectAttributes=ALL)
    assert (found["ObjectSize"], found["VersionId"]) == (3, old)
    s3.delete_object(Bucket=bucket, Key="k")
    with refused("NoSuchKey", 404):
        s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)


@pytest.mark.parametrize("value", ["", "ETag,Colour", "etag", ","])
def test_names_that_are_none_are_refused(store: Store, s3: Any, bucket: str, value: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    reply = store.request("GET", f"/{bucket}/k?attributes", store.one, {"x-amz-object-attributes": value})
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_it_takes_the_right_to_read_too(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    only = store.client(store.user(f"{bucket}-attributes", allow("s3:GetObjectAttributes")))
    with refused("AccessDenied", 403):
        only.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)


# --- checksums


def test_an_upload_without_an_algorithm_gets_crc64nvme(store: Store, s3: Any, bucket: str) -> None:
    done = upload(s3, bucket, BIG, TAIL)
    assert (done["ChecksumCRC64NVME"], done["ChecksumType"]) == (checksum("CRC64NVME", BIG + TAIL), "FULL_OBJECT")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    target = f"/{bucket}/k?partNumber=1&uploadId={upload_id}"
    sent = store.request("PUT", target, store.one, {"x-amz-checksum-sha1": checksum("SHA1", TAIL)}, TAIL)
    assert sent.headers["x-amz-checksum-sha1"] == checksum("SHA1", TAIL)
    assert "x-amz-checksum-crc64nvme" not in sent.headers
    assert store.request("PUT", target, store.one, body=TAIL).headers["x-amz-checksum-crc64nvme"]
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)


def test_a_part_is_read_with_its_checksum(store: Store, s3: Any, bucket: str) -> None:
    upload(s3, bucket, BIG, TAIL, ChecksumAlgorithm="CRC32")
    asked = {"x-amz-checksum-mode": "ENABLED"}
    reply = store.request("GET", f"/{bucket}/k?partNumber=2", store.one, asked)
    assert (reply.status, reply.body) == (206, TAIL)
    assert reply.headers["x-amz-checksum-crc32"] == checksum("CRC32", TAIL)
    assert reply.headers["x-amz-checksum-type"] == "COMPOSITE"
    assert "x-amz-checksum-crc32" not in store.request("GET", f"/{bucket}/k?partNumber=2", store.one).headers
    ranged = store.request("GET", f"/{bucket}/k", store.one, {**asked, "Range": "bytes=0-3"})
    assert "x-amz-checksum-crc32" not in ranged.headers


@pytest.mark.parametrize("options", [{}, {"ChecksumAlgorithm": "SHA256"}])
def test_a_copy_of_parts_is_one_object(s3: Any, bucket: str, options: dict[str, str]) -> None:
    upload(s3, bucket, BIG, TAIL, **options)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert head["ETag"] == f'"{hashlib.md5(BIG + TAIL).hexdigest()}"'
    algorithm = options.get("ChecksumAlgorithm", "CRC64NVME")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (checksum(algorithm, BIG + TAIL), "FULL_OBJECT")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == BIG + TAIL
    assert "ObjectParts" not in s3.get_object_attributes(Bucket=bucket, Key="copy", ObjectAttributes=ALL)
