"""CompleteMultipartUpload over the wire."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from anycrc import Model
from botocore.exceptions import ClientError

from tests.kit.refusals import refused
from tests.kit.store import Store

MIB = 1024 * 1024
BIG = b"b" * (5 * MIB)
_CRCS = {"CRC32": (Model("CRC32"), 4), "CRC32C": (Model("CRC32C"), 4), "CRC64NVME": (Model("CRC64-NVME"), 8)}


def begin(s3: Any, bucket: str, *bodies: bytes, key: str = "k", **options: Any) -> tuple[str, list[dict[str, Any]]]:
    """An upload with these parts; its id and what a completion names."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        name = options.get("ChecksumAlgorithm")
        sums = {f"Checksum{name}": checksum(name, body)} if name else {}
        put = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **sums)
        parts.append({"PartNumber": number, "ETag": put["ETag"], **sums})
    return upload_id, parts


def checksum(name: str, body: bytes) -> str:
    """As headers and documents have it. botocore alone computes no CRC32C and CRC64NVME."""
    if name in _CRCS:
        model, size = _CRCS[name]
        return b64encode(int(model.calc(body)).to_bytes(size, "big")).decode()
    return b64encode(hashlib.new(name, body).digest()).decode()


def complete(s3: Any, bucket: str, upload_id: str, parts: list[dict[str, Any]], key: str = "k", **options: Any) -> Any:
    return s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **options
    )


def test_parts_become_the_object(store: Store, s3: Any, bucket: str) -> None:
    tail = b"tail" * 1000
    upload_id, parts = begin(s3, bucket, BIG, BIG[:-1] + b"c", tail, key="a b/ü")
    done = complete(s3, bucket, upload_id, parts, key="a b/ü")
    digests = b"".join(hashlib.md5(body).digest() for body in (BIG, BIG[:-1] + b"c", tail))
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert done["Location"] == f"http://{store.host}/{bucket}/a%20b/%C3%BC"
    got = s3.get_object(Bucket=bucket, Key="a b/ü")
    assert got["Body"].read() == BIG + BIG[:-1] + b"c" + tail
    assert got["ETag"] == done["ETag"]
    second = s3.get_object(Bucket=bucket, Key="a b/ü", PartNumber=2)
    assert (second["PartsCount"], second["ContentLength"]) == (3, 5 * MIB)
    assert second["Body"].read()[-2:] == b"bc"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    got = s3.get_object(Bucket=bucket, Key="a b/ü", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert got["Body"].read() == b"bbbb"


def test_parts_not_named_are_left_out(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"one", b"two", b"three")
    complete(s3, bucket, upload_id, parts[2:])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"three"


def test_repeated_completion_answers_the_same(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"only", ChecksumAlgorithm="SHA256")
    first, again = (complete(s3, bucket, upload_id, parts) for _ in range(2))
    for answer in (first, again):
        del answer["ResponseMetadata"]
    assert first == again
    with refused("NoSuchUpload", 404):
        complete(s3, bucket, upload_id, [{**parts[0], "ETag": '"' + "0" * 32 + '"'}])
    s3.put_object(Bucket=bucket, Key="k", Body=b"overwritten")
    with refused("NoSuchUpload", 404):
        complete(s3, bucket, upload_id, parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"overwritten"


def test_other_upload_with_the_same_parts_is_no_repetition(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"only")
    complete(s3, bucket, upload_id, parts)
    with refused("NoSuchUpload", 404):
        complete(s3, bucket, "another", parts)
    aborted, same = begin(s3, bucket, b"only")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=aborted)
    with refused("NoSuchUpload", 404):
        complete(s3, bucket, aborted, same)


def test_upload_is_completed_under_its_own_key(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"only")
    with refused("NoSuchUpload", 404):
        complete(s3, bucket, upload_id, parts, key="other")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_completions_at_once_answer_alike(store: Store, s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, BIG, b"tail")
    with ThreadPoolExecutor(4) as pool:
        etags = {answer["ETag"] for answer in pool.map(lambda _: complete(s3, bucket, upload_id, parts), range(4))}
    assert len(etags) == 1
    head = store.request("HEAD", f"/{bucket}", store.one)
    assert head.headers["x-rgw-object-count"] == "1"


def test_etags_go_without_quotes(store: Store, s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"only")
    etag = parts[0]["ETag"].strip('"')
    body = (
        f"<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    )
    assert store.request("POST", f"/{bucket}/k?uploadId={upload_id}", store.one, body=body.encode()).status == 200


def test_parts_must_ascend_and_be_those_uploaded(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, BIG, b"two")
    with refused("InvalidPartOrder", 400):
        complete(s3, bucket, upload_id, parts[::-1])
    with refused("InvalidPart", 400) as fields:
        complete(s3, bucket, upload_id, [parts[0], {"PartNumber": 3, "ETag": parts[1]["ETag"]}])
    assert fields["PartNumber"] == "3"
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload_id, [{"PartNumber": 1, "ETag": parts[1]["ETag"]}])
    complete(s3, bucket, upload_id, parts)


def test_only_the_last_part_may_be_small(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, BIG[:-1], b"two")
    with refused("EntityTooSmall", 400) as fields:
        complete(s3, bucket, upload_id, parts)
    assert (fields["PartNumber"], fields["MinSizeAllowed"], fields["ProposedSize"]) == ("1", "5242880", "5242879")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<CompleteMultipartUpload/>",
        b"not xml",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><CompleteMultipartUpload>&b;</CompleteMultipartUpload>",
        b"<CompleteMultipartUpload>" + b"<Part>" * 50 + b"</CompleteMultipartUpload>",
    ],
)
def test_broken_documents_are_malformed(store: Store, s3: Any, bucket: str, body: bytes) -> None:
    upload_id, _ = begin(s3, bucket, b"x")
    reply = store.request("POST", f"/{bucket}/k?uploadId={upload_id}", store.one, body=body)
    assert (reply.status, reply.code) == (400, "MalformedXML")


def test_document_beyond_the_limit_is_not_read(store: Store, s3: Any, bucket: str) -> None:
    upload_id, _ = begin(s3, bucket, b"x")
    body = b"<CompleteMultipartUpload>" + b" " * (5 * MIB)
    reply = store.request("POST", f"/{bucket}/k?uploadId={upload_id}", store.one, body=body)
    assert (reply.status, reply.code) == (400, "MaxMessageLengthExceeded")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    upload_id, parts = begin(s3, bucket, BIG, b"tail", ChecksumAlgorithm=algorithm)
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload_id, [{**parts[0], f"Checksum{algorithm}": "AAAA"}, parts[1]])
    done = complete(s3, bucket, upload_id, [{"PartNumber": 1, "ETag": parts[0]["ETag"]}, parts[1]])
    assert done["ChecksumType"] == "COMPOSITE"
    assert done[f"Checksum{algorithm}"].endswith("-2")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (done[f"Checksum{algorithm}"], "COMPOSITE")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_checksum_of_the_full_object_is_that_of_a_put(s3: Any, bucket: str, algorithm: str) -> None:
    sums = {f"Checksum{algorithm}": checksum(algorithm, BIG + b"tail")}
    put = s3.put_object(Bucket=bucket, Key="put", Body=BIG + b"tail", **sums)
    upload_id, parts = begin(s3, bucket, BIG, b"tail", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    done = complete(s3, bucket, upload_id, parts)
    assert (done[f"Checksum{algorithm}"], done["ChecksumType"]) == (put[f"Checksum{algorithm}"], "FULL_OBJECT")


def test_checksum_of_the_full_object_needs_none_of_the_parts(store: Store, s3: Any, bucket: str) -> None:
    options = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", **options)["UploadId"]
    target = f"/{bucket}/k?partNumber=1&uploadId={upload_id}"
    put = store.request("PUT", target, store.one, body=b"x" * 200_000)
    expected = checksum("CRC64NVME", b"x" * 200_000)
    assert put.headers["x-amz-checksum-crc64nvme"] == expected
    done = complete(s3, bucket, upload_id, [{"PartNumber": 1, "ETag": put.headers["etag"]}])
    assert (done["ChecksumCRC64NVME"], done["ChecksumType"]) == (expected, "FULL_OBJECT")


def test_checksum_of_the_whole_is_verified(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"data", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    wrong, right = (checksum("CRC32", body) for body in (b"date", b"data"))
    with refused("BadDigest", 400):
        complete(s3, bucket, upload_id, parts, ChecksumCRC32=wrong, ChecksumType="FULL_OBJECT")
    with refused("InvalidRequest", 400):
        complete(s3, bucket, upload_id, parts, ChecksumCRC32=right, ChecksumType="COMPOSITE")
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="k")
    assert complete(s3, bucket, upload_id, parts, ChecksumCRC32=right, ChecksumType="FULL_OBJECT")["ETag"]


def test_size_of_the_whole_is_verified(s3: Any, bucket: str) -> None:
    upload_id, parts = begin(s3, bucket, b"data")
    with refused("InvalidRequest", 400):
        complete(s3, bucket, upload_id, parts, MpuObjectSize=5)
    complete(s3, bucket, upload_id, parts, MpuObjectSize=4)


def test_conditions_on_what_is_there(s3: Any, bucket: str) -> None:
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["ETag"]
    upload_id, parts = begin(s3, bucket, b"new")
    with refused("PreconditionFailed", 412):
        complete(s3, bucket, upload_id, parts, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        complete(s3, bucket, upload_id, parts, IfMatch='"' + "0" * 32 + '"')
    complete(s3, bucket, upload_id, parts, IfMatch=old)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_one_of_many_conditional_completions_wins(s3: Any, bucket: str) -> None:
    uploads = [begin(s3, bucket, f"body {number}".encode()) for number in range(4)]

    def attempt(upload: tuple[str, list[dict[str, Any]]]) -> bool:
        try:
            complete(s3, bucket, *upload, IfNoneMatch="*")
        except ClientError as error:
            codes.add(error.response["Error"]["Code"])
            return False
        return True

    codes: set[str] = set()
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, uploads)) == 1
    assert codes == {"PreconditionFailed"}


def test_overwriting_counts_once(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    upload_id, parts = begin(s3, bucket, BIG, b"tail")
    complete(s3, bucket, upload_id, parts)
    fields = store.request("HEAD", f"/{bucket}", store.one).headers
    assert (fields["x-rgw-object-count"], fields["x-rgw-bytes-used"]) == ("1", str(5 * MIB + 4))
