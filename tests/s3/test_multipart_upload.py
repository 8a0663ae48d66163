"""CreateMultipartUpload, UploadPart, AbortMultipartUpload, ListParts and ListMultipartUploads over the wire."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store

MIB = 1024 * 1024


@pytest.fixture
def upload_id(s3: Any, bucket: str) -> str:
    return str(s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"])


def test_headers_and_tags_of_the_beginning_are_those_of_the_object(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(
        Bucket=bucket, Key="k", ContentType="text/x", Metadata={"m": "1"}, Tagging="a=1&b=2", CacheControl="no-cache"
    )
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="k",
        UploadId=upload["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"]) == ("text/x", {"m": "1"}, "no-cache")
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]


def test_nothing_is_there_before_the_end(s3: Any, bucket: str, upload_id: str) -> None:
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x" * MIB)
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="k")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_parts_are_listed_in_pages(s3: Any, bucket: str, upload_id: str) -> None:
    for number in (7, 1, 10_000, 3):
        s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=number, Body=b"x" * number)
    first = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, MaxParts=2)
    assert [part["PartNumber"] for part in first["Parts"]] == [1, 3]
    assert (first["IsTruncated"], first["NextPartNumberMarker"], first["MaxParts"]) == (True, 3, 2)
    rest = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, PartNumberMarker=3)
    assert [(part["PartNumber"], part["Size"]) for part in rest["Parts"]] == [(7, 7), (10_000, 10_000)]
    assert not rest["IsTruncated"]
    assert rest["Parts"][0]["ETag"] == f'"{hashlib.md5(b"x" * 7).hexdigest()}"'


def test_initiator_is_told(store: Store, s3: Any, bucket: str) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    user = store.client(store.user("uploader", policy))
    by_root = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    by_user = user.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    uploads = {upload["UploadId"]: upload for upload in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}
    assert uploads[by_root]["Initiator"]["ID"] == store.one.canonical_id
    assert uploads[by_user]["Initiator"] == {
        "ID": f"arn:aws:iam::{store.one.account_id}:user/uploader",
        "DisplayName": "uploader",
    }
    assert uploads[by_user]["Owner"]["ID"] == store.one.canonical_id


def test_part_again_replaces_it(s3: Any, bucket: str, upload_id: str) -> None:
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"first" * 50_000)
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"second")
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)["Parts"]
    assert [(entry["ETag"], entry["Size"]) for entry in listed] == [(part["ETag"], 6)]


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", "", "99999999999999999999", "1.0"])
def test_part_numbers_beyond_1_to_10000(store: Store, bucket: str, upload_id: str, number: str) -> None:
    reply = store.request("PUT", f"/{bucket}/k?partNumber={number}&uploadId={upload_id}", store.one, body=b"x")
    assert (reply.status, reply.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("other", ["nonsense", "x" * 5000, "%00", "..%2F..%2Fx", "null"])
def test_unknown_uploads(store: Store, bucket: str, other: str) -> None:
    query = f"uploadId={other}"
    for method, target in (
        ("PUT", f"/{bucket}/k?partNumber=1&{query}"),
        ("GET", f"/{bucket}/k?{query}"),
        ("DELETE", f"/{bucket}/k?{query}"),
        ("POST", f"/{bucket}/k?{query}"),
    ):
        body = (
            b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>"
        )
        reply = store.request(method, target, store.one, body=body if method in ("PUT", "POST") else b"")
        assert (reply.status, reply.code) == (404, "NoSuchUpload"), (method, reply.body)


def test_upload_belongs_to_its_key_and_bucket(store: Store, s3: Any, bucket: str, upload_id: str) -> None:
    with refused("NoSuchUpload", 404):
        s3.upload_part(Bucket=bucket, Key="other", UploadId=upload_id, PartNumber=1, Body=b"x")
    with refused("NoSuchUpload", 404):
        s3.list_parts(Bucket=bucket, Key="other", UploadId=upload_id)
    with refused("NoSuchUpload", 404):
        s3.abort_multipart_upload(Bucket=bucket, Key="other", UploadId=upload_id)
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    with refused("NoSuchUpload", 404):
        s3.upload_part(Bucket=other, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x")


def test_aborted_upload_is_gone(s3: Any, bucket: str, upload_id: str) -> None:
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x" * MIB)
    assert (
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)["ResponseMetadata"]["HTTPStatusCode"]
        == 204
    )
    with refused("NoSuchUpload", 404):
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    with refused("NoSuchUpload", 404):
        s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_part_with_a_wrong_digest_is_not_kept(store: Store, s3: Any, bucket: str, upload_id: str) -> None:
    wrong = {"Content-MD5": b64encode(hashlib.md5(b"y").digest()).decode()}
    target = f"/{bucket}/k?partNumber=1&uploadId={upload_id}"
    assert store.request("PUT", target, store.one, wrong, b"x").code == "BadDigest"
    crc = {"x-amz-checksum-crc32": b64encode(zlib.crc32(b"y").to_bytes(4, "big")).decode()}
    assert store.request("PUT", target, store.one, crc, b"x").code == "BadDigest"
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_parts_must_have_the_checksum_of_the_upload(store: Store, s3: Any, bucket: str, algorithm: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm)
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (algorithm, "COMPOSITE")
    target = f"/{bucket}/k?partNumber=1&uploadId={upload['UploadId']}"
    assert store.request("PUT", target, store.one, body=b"x").code == "InvalidRequest"
    other = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}
    assert store.request("PUT", target, store.one, other, b"x").code == "InvalidRequest"
    part = s3.upload_part(
        Bucket=bucket, Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=b"x", ChecksumAlgorithm=algorithm
    )
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload["UploadId"])
    assert listed["ChecksumAlgorithm"] == algorithm
    assert listed["Parts"][0][f"Checksum{algorithm}"] == part[f"Checksum{algorithm}"]


@pytest.mark.parametrize(
    "options",
    [
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "MD4"},
    ],
)
def test_kinds_of_checksums_that_there_are_not(store: Store, bucket: str, options: dict[str, str]) -> None:
    headers = {"x-amz-checksum-algorithm": options["ChecksumAlgorithm"]}
    if "ChecksumType" in options:
        headers["x-amz-checksum-type"] = options["ChecksumType"]
    assert store.request("POST", f"/{bucket}/k?uploads", store.one, headers).code == "InvalidRequest"


def test_uploads_are_listed_by_key_prefix_and_delimiter(s3: Any, bucket: str) -> None:
    keys = ["a/1", "a/1", "a/2", "b", "c d/x", "e"]
    ids = [s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys]
    everything = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in everything] == keys
    assert {upload["UploadId"] for upload in everything} == set(ids)
    folded = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [upload["Key"] for upload in folded["Uploads"]] == ["b", "e"]
    assert [entry["Prefix"] for entry in folded["CommonPrefixes"]] == ["a/", "c d/"]
    assert [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")["Uploads"]] == keys[:3]


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_of_uploads_make_the_whole(s3: Any, bucket: str, delimiter: str) -> None:
    for key in ("a/1", "a/1", "a/1", "b", "c/1", "d"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    whole = s3.list_multipart_uploads(Bucket=bucket, Delimiter=delimiter)
    found: list[str] = []
    markers: dict[str, str] = {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, Delimiter=delimiter, MaxUploads=1, **markers)
        found += [upload["UploadId"] for upload in page.get("Uploads", [])]
        found += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    expected = [upload["UploadId"] for upload in whole["Uploads"]]
    expected += [entry["Prefix"] for entry in whole.get("CommonPrefixes", [])]
    assert sorted(found) == sorted(expected)


def test_body_that_breaks_off_leaves_no_part(store: Store, s3: Any, bucket: str, upload_id: str) -> None:
    target = f"/{bucket}/k?partNumber=1&uploadId={upload_id}"
    headers = store.signed_headers(store.one, "PUT", target, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    lines = [
        f"PUT {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "Content-Length: 500000",
    ]
    with store.connection() as connection:
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode() + b"x" * 300_000)
        connection.reset()
    with store.connection():
        assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)
