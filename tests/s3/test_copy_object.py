"""CopyObject over the wire."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store, allow

SIZES = [0, 5, 16 * 1024 + 1, 300_000, 9 * 1024 * 1024 + 1]


@pytest.fixture
def other(s3: Any, bucket: str) -> str:
    name = f"{bucket}-other"
    s3.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("inside", [True, False])
def test_copy_has_the_bytes_and_outlives_its_source(s3: Any, bucket: str, other: str, size: int, inside: bool) -> None:
    body = hashlib.shake_128(b"copy").digest(size)
    target = bucket if inside else other
    put = s3.put_object(Bucket=bucket, Key="source", Body=body, ChecksumAlgorithm="SHA1")
    copied = s3.copy_object(Bucket=target, Key="copy", CopySource={"Bucket": bucket, "Key": "source"})
    assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
    assert copied["CopyObjectResult"]["ChecksumSHA1"] == put["ChecksumSHA1"]
    s3.delete_object(Bucket=bucket, Key="source")
    got = s3.get_object(Bucket=target, Key="copy")
    assert (got["Body"].read(), got["ETag"]) == (body, put["ETag"])


@pytest.mark.parametrize(
    "key", ["a b", "a+b", "ü/漢", "a?b", "%41", "a/../b", "//", "a&b=c", "quote'\"", "\x01", "?versionId=x"]
)
def test_source_is_decoded_once(store: Store, s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    encoded = quote(key)
    for source in (f"{bucket}/{encoded}", f"/{bucket}/{encoded}", f"{bucket}/{encoded}?versionId=null"):
        headers = {"x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE"}
        assert store.request("PUT", f"/{bucket}/copy", store.one, headers).status == 200
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
        s3.delete_object(Bucket=bucket, Key="copy")


@pytest.mark.parametrize(
    "source",
    ["", "/", "nothing", "{bucket}", "{bucket}/", "//{bucket}/k", "{bucket}/%", "{bucket}/%ff", "x" * 3000, "?"],
)
@pytest.mark.parametrize("part", [True, False])
def test_broken_sources_are_told_and_kill_nothing(store: Store, bucket: str, source: str, part: bool) -> None:
    upload = store.client(store.one).create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    target = f"/{bucket}/k" + (f"?partNumber=1&uploadId={upload}" if part else "")
    reply = store.request("PUT", target, store.one, {"x-amz-copy-source": source.format(bucket=bucket)})
    assert reply.status == 400, reply.body
    assert reply.code in ("InvalidArgument", "InvalidURI", "KeyTooLongError")
    assert store.is_alive


def test_metadata_is_copied_or_replaced(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket,
        Key="source",
        Body=b"x",
        ContentType="text/a",
        Metadata={"a": "1"},
        CacheControl="no-store",
        WebsiteRedirectLocation="/elsewhere",
    )
    source = {"Bucket": bucket, "Key": "source"}
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=source, ContentType="text/b", Metadata={"b": "2"})
    copied = s3.head_object(Bucket=bucket, Key="copied")
    assert (copied["ContentType"], copied["Metadata"], copied["CacheControl"]) == ("text/a", {"a": "1"}, "no-store")
    assert "WebsiteRedirectLocation" not in copied
    s3.copy_object(
        Bucket=bucket,
        Key="replaced",
        CopySource=source,
        ContentType="text/b",
        Metadata={"b": "2"},
        MetadataDirective="REPLACE",
        WebsiteRedirectLocation="/there",
    )
    replaced = s3.head_object(Bucket=bucket, Key="replaced")
    assert (replaced["ContentType"], replaced["Metadata"]) == ("text/b", {"b": "2"})
    assert replaced["WebsiteRedirectLocation"] == "/there"
    assert "CacheControl" not in replaced


def test_tags_are_copied_or_replaced(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x", Tagging="a=1")
    source = {"Bucket": bucket, "Key": "source"}
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=source, Tagging="b=2")
    s3.copy_object(Bucket=bucket, Key="replaced", CopySource=source, Tagging="b=2", TaggingDirective="REPLACE")
    s3.copy_object(Bucket=bucket, Key="bare", CopySource=source, TaggingDirective="REPLACE")
    tags = {key: s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] for key in ("copied", "replaced", "bare")}
    assert tags == {"copied": [{"Key": "a", "Value": "1"}], "replaced": [{"Key": "b", "Value": "2"}], "bare": []}


@pytest.mark.parametrize("name", ["x-amz-metadata-directive", "x-amz-tagging-directive"])
def test_unknown_directives(store: Store, s3: Any, bucket: str, name: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    headers = {"x-amz-copy-source": f"{bucket}/source", name: "MERGE"}
    assert store.request("PUT", f"/{bucket}/k", store.one, headers).code == "InvalidArgument"


def test_copy_onto_itself_must_change_something(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"content" * 10_000, Metadata={"a": "1"}, Tagging="a=1")
    source = {"Bucket": bucket, "Key": "k"}
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=source, TaggingDirective="REPLACE", Tagging="b=2")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Metadata"], got["Body"].read()) == ({"b": "2"}, b"content" * 10_000)


def test_conditions_on_the_source(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    modified = s3.head_object(Bucket=bucket, Key="source")["LastModified"]
    common = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "source"}}
    for failing in (
        {"CopySourceIfMatch": '"0"'},
        {"CopySourceIfNoneMatch": put["ETag"]},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": modified.replace(year=2000)},
    ):
        with refused("PreconditionFailed", 412):
            s3.copy_object(**common, **failing)
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="copy")
    for holding in (
        {"CopySourceIfMatch": put["ETag"]},
        {"CopySourceIfNoneMatch": '"0"'},
        {"CopySourceIfMatch": put["ETag"], "CopySourceIfUnmodifiedSince": modified.replace(year=2000)},
    ):
        s3.copy_object(**common, **holding)


def test_conditions_on_the_target(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    common = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "source"}}
    s3.copy_object(**common, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.copy_object(**common, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.copy_object(**common, IfMatch='"0"')
    s3.copy_object(**common, IfMatch=s3.head_object(Bucket=bucket, Key="copy")["ETag"])


def test_checksum_that_is_asked_for_is_computed(s3: Any, bucket: str) -> None:
    body = b"some content" * 50_000
    put = s3.put_object(Bucket=bucket, Key="put", Body=body, ChecksumAlgorithm="SHA256")
    s3.put_object(Bucket=bucket, Key="source", Body=body, ChecksumAlgorithm="CRC32")
    source = {"Bucket": bucket, "Key": "source"}
    result = s3.copy_object(Bucket=bucket, Key="k", CopySource=source, ChecksumAlgorithm="SHA256")["CopyObjectResult"]
    assert (result["ChecksumSHA256"], result["ChecksumType"]) == (put["ChecksumSHA256"], "FULL_OBJECT")
    assert "ChecksumCRC32" not in result
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"]


def test_multipart_object_is_copied_whole(s3: Any, bucket: str, other: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="source")["UploadId"]
    bodies = [b"a" * 5 * 1024 * 1024, b"tail"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=bucket, Key="source", UploadId=upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in enumerate(bodies, 1)
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="source", UploadId=upload, MultipartUpload={"Parts": parts})
    for target in (bucket, other):
        s3.copy_object(Bucket=target, Key="copy", CopySource={"Bucket": bucket, "Key": "source"})
        assert s3.get_object(Bucket=target, Key="copy")["Body"].read() == b"".join(bodies)


def test_missing_sources(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "missing"})
    with refused("NoSuchBucket", 404):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": "bucket-missing", "Key": "k"})
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    with refused("InvalidArgument", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "source", "VersionId": "abc"})


def test_rights_on_source_and_target_are_both_needed(store: Store, s3: Any, bucket: str, other: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"secret", Tagging="a=1")
    source = {"Bucket": bucket, "Key": "source"}
    read, write = f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{other}/*"
    policies = {
        "copy-writer": [("s3:PutObject", write)],
        "copy-reader": [("s3:GetObject", read)],
        "copy-lister": [("s3:PutObject", write), ("s3:ListBucket", "*")],
        "copy-no-version": [("s3:PutObject", write), ("s3:GetObjectVersion", read)],
        "copy-no-tags": [("s3:PutObject", write), ("s3:GetObject", read)],
        "copy-no-get-tags": [("s3:PutObject*", write), ("s3:GetObject", read)],
        "copy-no-put-tags": [("s3:PutObject", write), ("s3:GetObject", read), ("s3:GetObjectTagging", read)],
    }
    clients = {}
    for name, grants in policies.items():
        statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in grants]
        clients[name] = store.client(store.user(name, {"Version": "2012-10-17", "Statement": statements}))
        with refused("AccessDenied", 403):
            clients[name].copy_object(Bucket=other, Key="copy", CopySource=source)
    with refused("AccessDenied", 403):
        store.client(store.two).copy_object(Bucket=other, Key="copy", CopySource=source)
    with refused("AccessDenied", 403):
        clients["copy-no-tags"].copy_object(Bucket=other, Key="copy", CopySource={**source, "VersionId": "null"})
    with refused("AccessDenied", 403):
        clients["copy-writer"].copy_object(Bucket=other, Key="copy", CopySource={"Bucket": bucket, "Key": "missing"})
    assert "Contents" not in s3.list_objects_v2(Bucket=other)
    clients["copy-no-tags"].copy_object(Bucket=other, Key="copy", CopySource=source, TaggingDirective="REPLACE")
    full = allow("s3:PutObject*", "s3:GetObject*", resource=[read, write])
    store.client(store.user("copy-full", full)).copy_object(Bucket=other, Key="copy", CopySource=source)


def test_condition_on_the_source_sees_what_is_copied(store: Store, s3: Any, bucket: str) -> None:
    statements = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": "*",
            "Condition": {"StringEquals": {"s3:x-amz-copy-source": f"{bucket}/open"}},
        },
    ]
    user = store.user(f"{bucket}-copier", {"Version": "2012-10-17", "Statement": statements})
    for key in ("open", "open?versionId=&x", "open?versionId=?x", "shut"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for source, status in (
        (f"{bucket}/open", 200),
        (f"/{bucket}/%6Fpen", 200),
        (f"{bucket}/open?versionId=null", 200),
        (f"{bucket}/open?versionId=&x", 403),  # a key that only begins as the one that is allowed
        (f"{bucket}/open?versionId=?x", 403),
        (f"{bucket}/shut", 403),
        (f"{bucket}/../{bucket}/open", 403),
    ):
        reply = store.request("PUT", f"/{bucket}/copy", user, {"x-amz-copy-source": source})
        assert reply.status == status, (source, reply.body)
    # Where it is not obeyed it opens nothing.
    header = {"x-amz-copy-source": f"{bucket}/open"}
    assert store.request("POST", f"/{bucket}/copy?uploads", user, header).code == "AccessDenied"


def test_source_in_another_account_needs_its_bucket_policy(store: Store, s3: Any, bucket: str) -> None:
    two = store.client(store.two)
    theirs = f"{bucket}-theirs"
    two.create_bucket(Bucket=theirs)
    s3.put_object(Bucket=bucket, Key="source", Body=b"shared")
    source = {"Bucket": bucket, "Key": "source"}
    with refused("AccessDenied", 403):
        two.copy_object(Bucket=theirs, Key="copy", CopySource=source)
    policy = allow("s3:GetObject", resource=f"arn:aws:s3:::{bucket}/*")
    policy["Statement"][0]["Principal"] = {"AWS": f"arn:aws:iam::{store.two.account_id}:root"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    two.copy_object(Bucket=theirs, Key="copy", CopySource=source)
    assert two.get_object(Bucket=theirs, Key="copy")["Body"].read() == b"shared"
    head = two.list_objects(Bucket=theirs)["Contents"][0]
    assert head["Owner"]["ID"] == store.two.canonical_id


def test_expected_owner_of_the_source(s3: Any, store: Store, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    common = {"Bucket": bucket, "Key": "k", "CopySource": {"Bucket": bucket, "Key": "source"}}
    with refused("AccessDenied", 403):
        s3.copy_object(**common, ExpectedSourceBucketOwner=store.two.account_id)
    s3.copy_object(**common, ExpectedSourceBucketOwner=store.one.account_id)


def test_presigned_put_is_not_turned_into_a_copy(store: Store, s3: Any, bucket: str) -> None:
    """Whoever holds a URL for one upload must not read other objects by adding a header to it."""
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    target = store.presigned(store.one, "PUT", f"/{bucket}/public")
    reply = store.request("PUT", target, headers={"x-amz-copy-source": f"{bucket}/secret"})
    assert reply.status in (400, 403), reply.body
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="public")


def test_copies_while_the_source_is_overwritten_are_of_one_version(s3: Any, bucket: str) -> None:
    bodies = [bytes([65 + number]) * 200_000 for number in range(4)]
    s3.put_object(Bucket=bucket, Key="source", Body=bodies[0])

    def write(number: int) -> None:
        s3.put_object(Bucket=bucket, Key="source", Body=bodies[number % 4])

    def copy(number: int) -> None:
        s3.copy_object(Bucket=bucket, Key=f"copy{number}", CopySource={"Bucket": bucket, "Key": "source"})

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, number) for number in range(8) for work in (write, copy)]:
            future.result()
    for number in range(8):
        got = s3.get_object(Bucket=bucket, Key=f"copy{number}")
        body = got["Body"].read()
        assert body in bodies
        assert got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
