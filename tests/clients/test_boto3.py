"""boto3: transfers, resources, paginators, waiters, presigned URLs, conditions, odd keys, virtual hosts."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
import urllib.error
import urllib.request
import zlib
from typing import Any

import boto3
import pytest
from anycrc import Model
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.kit.files import MEBIBYTE, noise
from tests.kit.owner import Owner
from tests.kit.resolver import localhost_names

SMALL_PARTS = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE, max_concurrency=4)

ODD_KEYS = [
    " space before and after ",
    "plus+plus",
    "percent%41%zz%",
    "ünïcode/日本語",
    "emoji-🪣",
    "decomposed-e\u0301",
    "a//b",
    "//",
    "/leading",
    "folder/",
    "..",
    "up/../down",
    "./here/.",
    "question?mark#hash&amp;=",
    "quote'\"<>`|\\^{}[]",
    "*~()!,;:@$",
    "tab\tnew\nline\rreturn",
    "k" * 1024,
    "é" * 512,
]


@pytest.fixture(scope="module")
def resource(owner: Owner) -> Any:
    return boto3.resource(
        "s3",
        aws_access_key_id=owner.access_key_id,
        aws_secret_access_key=owner.secret_access_key,
        region_name=owner.region,
        endpoint_url=owner.endpoint,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def code_of(call: Any, **arguments: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return str(raised.value.response["Error"]["Code"])


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """(status, body) of a plain request, as somebody without boto3 sends it."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


# --- transfers


@pytest.mark.parametrize("size_bytes", [0, 1, 5 * MEBIBYTE - 1, 5 * MEBIBYTE, 12 * MEBIBYTE + 3])
def test_upload_and_download_around_the_multipart_threshold(owner: Owner, bucket: str, size_bytes: int) -> None:
    sent, got = noise(size_bytes), io.BytesIO()

    owner.s3.upload_fileobj(io.BytesIO(sent), bucket, "object", Config=SMALL_PARTS)
    owner.s3.download_fileobj(bucket, "object", got, Config=SMALL_PARTS)

    assert hashlib.sha256(got.getvalue()).digest() == hashlib.sha256(sent).digest()
    is_multipart = owner.s3.head_object(Bucket=bucket, Key="object")["ETag"].count("-") == 1
    assert is_multipart == (size_bytes >= SMALL_PARTS.multipart_threshold)


def test_upload_keeps_what_the_caller_says_of_the_object(owner: Owner, bucket: str) -> None:
    said = {"ContentType": "text/x-poem", "CacheControl": "max-age=60", "Metadata": {"author": "anne", "year": "1998"}}

    owner.s3.upload_fileobj(io.BytesIO(b"roses"), bucket, "poem", ExtraArgs={**said, "Tagging": "a=1&b=2"})

    head = owner.s3.head_object(Bucket=bucket, Key="poem")
    assert {name: head[name] for name in said} == said
    tags = owner.s3.get_object_tagging(Bucket=bucket, Key="poem")["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("a", "1"), ("b", "2")]


def test_managed_copy_within_and_between_buckets(owner: Owner, bucket: str) -> None:
    content, other = noise(11 * MEBIBYTE), owner.create_bucket()
    owner.s3.upload_fileobj(io.BytesIO(content), bucket, "source", ExtraArgs={"Metadata": {"kept": "yes"}})
    source = {"Bucket": bucket, "Key": "source"}

    owner.s3.copy(source, bucket, "whole")
    owner.s3.copy(source, other, "in parts", Config=SMALL_PARTS)

    whole = owner.s3.get_object(Bucket=bucket, Key="whole")
    assert whole["Metadata"] == {"kept": "yes"}
    assert whole["Body"].read() == content
    assert owner.s3.get_object(Bucket=other, Key="in parts")["Body"].read() == content


def test_streaming_read_in_pieces(owner: Owner, bucket: str) -> None:
    content = noise(3 * MEBIBYTE + 11)
    owner.s3.put_object(Bucket=bucket, Key="stream", Body=content)

    pieces = list(owner.s3.get_object(Bucket=bucket, Key="stream")["Body"].iter_chunks(100_000))

    assert len(pieces) > 30
    assert b"".join(pieces) == content


# --- resources, pages, waiters


def test_resource_lists_filters_and_deletes(owner: Owner, resource: Any, bucket: str) -> None:
    held = resource.Bucket(bucket)
    for number in range(12):
        held.put_object(Key=f"{'even' if number % 2 == 0 else 'odd'}/{number:02}", Body=b"x" * number)

    assert [item.key for item in held.objects.all()][:2] == ["even/00", "even/02"]
    assert [item.size for item in held.objects.filter(Prefix="odd/")] == [1, 3, 5, 7, 9, 11]
    assert bucket in {listed.name for listed in resource.buckets.all()}

    held.objects.filter(Prefix="even/").delete()
    assert {item.key.split("/")[0] for item in held.objects.all()} == {"odd"}
    held.objects.all().delete()
    held.delete()
    assert bucket not in {listed.name for listed in resource.buckets.all()}


def test_paginators_give_each_key_once(owner: Owner, bucket: str) -> None:
    keys = sorted(f"{number % 7}/{number:03}" for number in range(60))
    for key in keys:
        owner.s3.put_object(Bucket=bucket, Key=key, Body=b"")

    for operation in ("list_objects_v2", "list_objects"):
        pages = list(owner.s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 13}))
        assert [item["Key"] for page in pages for item in page["Contents"]] == keys
        assert len(pages) == 5

    paginator = owner.s3.get_paginator("list_objects_v2")
    pages = paginator.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
    assert [found["Prefix"] for page in pages for found in page["CommonPrefixes"]] == [f"{n}/" for n in range(7)]


def test_waiters_see_what_is_there_and_what_is_not(owner: Owner, bucket: str) -> None:
    quick = {"Delay": 1, "MaxAttempts": 1}
    owner.s3.put_object(Bucket=bucket, Key="here", Body=b"")

    owner.s3.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig=quick)
    owner.s3.get_waiter("object_exists").wait(Bucket=bucket, Key="here", WaiterConfig=quick)
    owner.s3.get_waiter("object_not_exists").wait(Bucket=bucket, Key="gone", WaiterConfig=quick)


# --- presigned URLs


@pytest.fixture(scope="module")
def presigner(owner: Owner) -> Any:
    """Signature V4 must be asked for: boto3 presigns by V2 in us-east-1."""
    return owner.client(signature_version="s3v4")


def test_presigned_urls_put_read_head_and_delete(owner: Owner, presigner: Any, bucket: str) -> None:
    def url(operation: str, **parameters: str) -> str:
        named = {"Bucket": bucket, "Key": "a key+with %signs", **parameters}
        return str(presigner.generate_presigned_url(operation, Params=named, ExpiresIn=60))

    assert (
        fetch(url("put_object", ContentType="text/x-note"), "PUT", b"note", **{"Content-Type": "text/x-note"})[0] == 200
    )
    assert fetch(url("put_object", ContentType="text/x-note"), "PUT", b"n", **{"Content-Type": "text/html"})[0] == 403
    assert fetch(url("get_object")) == (200, b"note")
    assert fetch(url("head_object"), "HEAD") == (200, b"")
    assert fetch(url("get_object"), "DELETE")[0] == 403
    assert fetch(url("delete_object"), "DELETE")[0] == 204
    assert fetch(url("get_object"))[0] == 404


def test_presigned_url_ends_with_its_time(owner: Owner, presigner: Any, bucket: str) -> None:
    owner.s3.put_object(Bucket=bucket, Key="soon gone", Body=b"hello")
    parameters = {"Bucket": bucket, "Key": "soon gone"}
    kept = presigner.generate_presigned_url("get_object", Params=parameters, ExpiresIn=60)
    url = presigner.generate_presigned_url("get_object", Params=parameters, ExpiresIn=1)

    deadline = time.monotonic() + 30
    while (answer := fetch(url))[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert answer[0] == 403
    assert fetch(kept) == (200, b"hello")
    assert b"Request has expired" in answer[1]


def test_presigned_url_dies_with_its_key(owner: Owner, bucket: str) -> None:
    iam, user = owner.client("iam"), f"presigner-{bucket}"
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=document)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    key = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
    owner.s3.put_object(Bucket=bucket, Key="shared", Body=b"hello")
    presigner = owner.server.client("s3", key, signature_version="s3v4")
    url = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "shared"}, ExpiresIn=600)
    assert fetch(url) == (200, b"hello")

    iam.delete_access_key(UserName=user, AccessKeyId=made["AccessKeyId"])

    for _ in range(8):  # whichever worker answers
        assert fetch(url)[0] == 403


# --- checksums and conditions


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_of_each_algorithm(owner: Owner, bucket: str, algorithm: str) -> None:
    content = noise(40_000)
    value = base64_checksum(algorithm, content)

    put = owner.s3.put_object(Bucket=bucket, Key="sum", Body=content, **{f"Checksum{algorithm}": value})
    got = owner.s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")

    assert put[f"Checksum{algorithm}"] == value
    assert got[f"Checksum{algorithm}"] == value
    assert got["Body"].read() == content
    wrong = base64_checksum(algorithm, content + b"x")
    bad = {"Bucket": bucket, "Key": "bad", "Body": content, f"Checksum{algorithm}": wrong}
    assert code_of(owner.s3.put_object, **bad) == "BadDigest"
    assert code_of(owner.s3.get_object, Bucket=bucket, Key="bad") == "NoSuchKey"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_of_multipart_uploads(owner: Owner, bucket: str, algorithm: str) -> None:
    """The algorithms that boto3 computes by itself; each part is verified, the whole has one of its own."""
    content = noise(11 * MEBIBYTE)

    arguments = {"ChecksumAlgorithm": algorithm}
    owner.s3.upload_fileobj(io.BytesIO(content), bucket, "parts", ExtraArgs=arguments, Config=SMALL_PARTS)

    head = owner.s3.head_object(Bucket=bucket, Key="parts", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "COMPOSITE"
    assert head[f"Checksum{algorithm}"].endswith("-3")
    got = io.BytesIO()
    owner.s3.download_fileobj(bucket, "parts", got, Config=SMALL_PARTS)
    assert got.getvalue() == content


def test_checksum_of_the_whole_is_verified_over_parts(owner: Owner, bucket: str) -> None:
    content = noise(11 * MEBIBYTE)
    right, wrong = base64_checksum("CRC32", content), base64_checksum("CRC32", b"another")

    def upload(value: str) -> None:
        said = {"ChecksumCRC32": value}
        owner.s3.upload_fileobj(io.BytesIO(content), bucket, "whole", ExtraArgs=said, Config=SMALL_PARTS)

    assert code_of(upload, value=wrong) == "BadDigest"
    assert owner.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0

    upload(right)
    head = owner.s3.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert head["ChecksumCRC32"] == right


def base64_checksum(algorithm: str, content: bytes) -> str:
    computed = {
        "CRC32": lambda: zlib.crc32(content).to_bytes(4, "big"),
        "CRC32C": lambda: Model("CRC32C").calc(content).to_bytes(4, "big"),
        "CRC64NVME": lambda: Model("CRC64-NVME").calc(content).to_bytes(8, "big"),
        "SHA1": lambda: hashlib.sha1(content).digest(),
        "SHA256": lambda: hashlib.sha256(content).digest(),
    }
    return base64.b64encode(computed[algorithm]()).decode()


def test_writes_on_condition(owner: Owner, bucket: str) -> None:
    named: dict[str, Any] = {"Bucket": bucket, "Key": "state"}
    first = owner.s3.put_object(**named, Body=b"1", IfNoneMatch="*")["ETag"]

    assert code_of(owner.s3.put_object, **named, Body=b"x", IfNoneMatch="*") == "PreconditionFailed"
    second = owner.s3.put_object(**named, Body=b"2", IfMatch=first)["ETag"]
    assert code_of(owner.s3.put_object, **named, Body=b"x", IfMatch=first) == "PreconditionFailed"

    assert owner.s3.get_object(**named, IfMatch=second)["Body"].read() == b"2"
    assert code_of(owner.s3.get_object, **named, IfNoneMatch=second) == "304"
    absent = {"Bucket": bucket, "Key": "absent", "Body": b"", "IfMatch": first}
    assert code_of(owner.s3.put_object, **absent) == "NoSuchKey"


# --- names


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: ascii(key[:12]))
def test_odd_keys_are_taken_as_they_are(owner: Owner, presigner: Any, bucket: str, key: str) -> None:
    named = {"Bucket": bucket, "Key": key}
    owner.s3.put_object(**named, Body=b"content")

    assert owner.s3.get_object(**named)["Body"].read() == b"content"
    assert owner.s3.head_object(**named)["ContentLength"] == 7
    for listing in (owner.s3.list_objects_v2(Bucket=bucket), owner.s3.list_objects(Bucket=bucket, Prefix=key)):
        assert [item["Key"] for item in listing["Contents"]] == [key]
    owner.s3.copy_object(Bucket=bucket, Key="copy", CopySource=named)
    assert owner.s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"content"
    owner.s3.put_object_tagging(**named, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    upload = owner.s3.create_multipart_upload(**named)
    assert upload["Key"] == key
    owner.s3.abort_multipart_upload(**named, UploadId=upload["UploadId"])
    deleted = owner.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert "Errors" not in deleted
    assert owner.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_key_that_xml_cannot_carry_is_listed_url_encoded(owner: Owner, bucket: str) -> None:
    """Documents that name such a key are no XML for strict readers; listings are asked for with encoding-type=url."""
    named = {"Bucket": bucket, "Key": "control\x01\x1f\x7f"}
    owner.s3.put_object(**named, Body=b"content")

    assert owner.s3.get_object(**named)["Body"].read() == b"content"
    assert [item["Key"] for item in owner.s3.list_objects_v2(Bucket=bucket)["Contents"]] == [named["Key"]]
    owner.s3.delete_object(**named)
    assert owner.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_virtual_host_addressing(owner: Owner, bucket: str) -> None:
    endpoint = f"http://localhost:{owner.port}"
    hosted = owner.client(endpoint=endpoint, s3={"addressing_style": "virtual"}, signature_version="s3v4")
    seen: list[str] = []
    hosted.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.url))
    content = noise(6 * MEBIBYTE)

    with localhost_names():
        hosted.put_object(Bucket=bucket, Key="a b/c", Body=b"hosted")
        assert hosted.get_object(Bucket=bucket, Key="a b/c")["Body"].read() == b"hosted"
        hosted.upload_fileobj(io.BytesIO(content), bucket, "parts", Config=SMALL_PARTS)
        listed = hosted.list_objects_v2(Bucket=bucket, Prefix="a")["Contents"]
        url = hosted.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/c"}, ExpiresIn=60)
        presigned = fetch(url)

    assert [item["Key"] for item in listed] == ["a b/c"]
    assert presigned == (200, b"hosted")
    assert {found.split("/")[2] for found in [*seen, url]} == {f"{bucket}.localhost:{owner.port}"}
    assert owner.s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == content
