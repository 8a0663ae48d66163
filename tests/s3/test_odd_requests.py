"""Requests that no SDK would send: odd headers, parameters and documents on every operation are answered, never fatal.

Published crashes of S3 servers came from an empty x-amz-copy-source, a null part, a name too long. A case is drawn from
the number in its name.
"""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import pytest

from bucketry.store.s3.operations import BY_NAME
from tests.kit.store import Store
from tests.s3.test_operation_rights import CALLS

VALUES = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "10001",
    "99999999999999999999999",
    "1e9",
    "null",
    "None",
    "*",
    '"',
    '"",""',
    "%",
    "%00",
    "%ff",
    "%zz",
    "/",
    "//",
    "../..",
    "?versionId=",
    "a=b&a=b",
    "bytes=0-",
    "bytes=9-1",
    "bytes=0-0,1-1",
    "true",
    "STREAMING",
    "x" * 1025,
    "=" * 3000,
    "AAAA",
    "AAAAAA==",
    "Thu, 32 Foo 99999 99:99:99 GMT",
    "<a>&b;",
    "{}",
]
HEADERS = [
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-metadata-directive",
    "x-amz-tagging-directive",
    "x-amz-tagging",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-type",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc64nvme",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-mp-object-size",
    "x-amz-object-ownership",
    "x-amz-website-redirect-location",
    "x-amz-storage-class",
    "x-amz-acl",
    "x-amz-expected-bucket-owner",
    "x-amz-meta-",
    "content-md5",
    "content-type",
    "content-encoding",
    "if-match",
    "if-none-match",
    "range",
]
PARAMETERS = [
    "partNumber",
    "uploadId",
    "versionId",
    "max-keys",
    "max-parts",
    "max-uploads",
    "max-buckets",
    "part-number-marker",
    "key-marker",
    "upload-id-marker",
    "continuation-token",
    "start-after",
    "marker",
    "prefix",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "bucket-region",
    "list-type",
]
DOCUMENTS = [
    b"",
    b"<",
    b"\x00",
    b"\xff\xfe<\x00a\x00>\x00",
    b"<a/>" * 3,
    b"<a>" * 20_000,
    b"<?xml version='1.0' encoding='x'?><a/>",
    b"<!DOCTYPE a [<!ENTITY b '" + b"c" * 1000 + b"'>]><a>" + b"&b;" * 1000 + b"</a>",
    b'{"Version": "2012-10-17", "Statement": ' + b"[" * 5000,
    b"<Delete>" + b"<Object><Key>&#0;</Key></Object>" + b"</Delete>",
]


def damaged(body: bytes, chance: random.Random) -> bytes:
    """A document that is cut, doubled, or has a piece of it changed."""
    if not body or chance.random() < 0.4:
        return chance.choice(DOCUMENTS)
    at = chance.randrange(len(body))
    kind = chance.randrange(3)
    if kind == 0:
        return body[:at]
    if kind == 1:
        return body[:at] + chance.choice(VALUES).encode() + body[at + 1 :]
    return body + body


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(set(CALLS) - {"DeleteBucket"}))
def test_odd_requests_get_an_answer(store: Store, s3: Any, bucket: str, name: str, seed: int) -> None:
    chance = random.Random(f"{name} {seed}")
    operation, call = BY_NAME[name], CALLS[name]
    s3.put_object(Bucket=bucket, Key="victim", Body=b"kept")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="upload")["UploadId"]
    for _ in range(5):
        target = call.target.replace("BUCKET", bucket).replace("UPLOAD", upload).replace("NEW", "Odd_" + bucket)
        odd = {header: chance.choice(VALUES).strip() for header in chance.sample(HEADERS, chance.randrange(3))}
        for parameter in chance.sample(PARAMETERS, chance.randrange(3)):
            value = chance.choice(VALUES)
            target += ("&" if "?" in target else "?") + f"{parameter}={quote(value, safe='')}"
        copy = {header: value.replace("BUCKET", bucket) for header, value in call.headers.items()}
        body = damaged(call.body, chance) if call.body and chance.random() < 0.7 else call.body
        reply = store.request(operation.method, target, store.one, {**copy, **odd}, body)
        assert reply.status < 500 or reply.code == "NotImplemented", (target, odd, body[:200], reply.body)
        if reply.status >= 400 and operation.method != "HEAD":
            assert reply.headers["content-type"] == "application/xml"
            assert reply.code
    assert store.is_alive
