"""Requests made to break the server: whatever comes, the answer is a document below 500 or NotImplemented; it lives.

The bucket is open to everybody, so that nothing is stopped at the door.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.store import Connection, Store, head

HEADERS = (
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-md5",
    "content-type",
    "date",
    "expect",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "range",
    "referer",
    "user-agent",
    "x-amz-acl",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-range",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-grant-read",
    "x-amz-meta-a",
    "x-amz-metadata-directive",
    "x-amz-mp-object-size",
    "x-amz-object-ownership",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-trailer",
    "x-amz-website-redirect-location",
)
VALUES = (
    "",
    " ",
    "\udcff\udcfe",
    "ü漢😀",
    "%",
    "%00",
    "/",
    "//",
    "/../..",
    "a" * 4000,
    "-1",
    "0",
    "9" * 100,
    "null",
    "*",
    '"',
    "bytes=-",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=, Signature=",
    "x-amz-checksum-crc32",
    "REPLACE",
)
REQUESTS = (
    ("GET", "/BUCKET"),
    ("GET", "/BUCKET?list-type=2"),
    ("PUT", "/BUCKET?cors"),
    ("POST", "/BUCKET?delete"),
    ("GET", "/BUCKET/k"),
    ("HEAD", "/BUCKET/k"),
    ("PUT", "/BUCKET/new"),
    ("DELETE", "/BUCKET/new"),
    ("PUT", "/BUCKET/k?tagging"),
    ("POST", "/BUCKET/k?uploads"),
    ("PUT", "/BUCKET/k?partNumber=1&uploadId=x"),
    ("POST", "/BUCKET/k?uploadId=x"),
    ("OPTIONS", "/BUCKET/k"),
    ("POST", "/"),
)


@pytest.fixture(scope="module")
def wide_open(store: Store, s3: Any) -> str:
    name = "wide-open"
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x" * 100)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return name


class Wire:
    """Sends one request after the other, on one connection as long as the store keeps it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Connection | None = None

    def check(self, data: bytes, is_head: bool = False) -> None:
        """Send a request; its answer must be no internal error, and say its code."""
        if self._connection is None:
            self._connection = Connection(self._store.port)
        self._connection.send(data)
        reply = self._connection.reply(is_head)
        while reply.status == 100:
            reply = self._connection.reply(is_head)
        if reply.headers.get("connection") == "close":
            self.close()
        assert reply.status < 500 or reply.status == 501, (data[:500], reply.body)
        assert reply.status in (304, 412) or reply.status < 400 or is_head or reply.code, (data[:500], reply.body)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@pytest.fixture
def wire(store: Store) -> Iterator[Wire]:
    made = Wire(store)
    yield made
    made.close()
    assert store.is_alive


@pytest.mark.parametrize("name", HEADERS)
def test_no_value_of_a_header_is_an_internal_error(store: Store, wire: Wire, wide_open: str, name: str) -> None:
    for method, target in REQUESTS:
        for value in VALUES:
            fields = {"Host": store.host, "Content-Length": "3", name: value}
            if method == "POST" and target == "/":
                fields.setdefault("Content-Type", "application/x-www-form-urlencoded")
            request = head(method, target.replace("BUCKET", wide_open), fields) + b"a=b"
            wire.check(request, method == "HEAD")


PARAMETERS = (
    "prefix",
    "delimiter",
    "marker",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "uploadId",
    "partNumber",
    "versionId",
    "key-marker",
    "upload-id-marker",
    "max-uploads",
    "part-number-marker",
    "max-parts",
    "response-content-type",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Expires",
    "tagging",
    "policy",
)
TEXTS = (
    "",
    "%00",
    "%F4%8F%BF%BF",
    "a" * 3000,
    "-1",
    "0",
    "99999999999999999999",
    "null",
    "%2F..%2F",
    "%25",
    "'%22%3B",
    "_%25",
)


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_value_of_a_parameter_is_an_internal_error(store: Store, wire: Wire, wide_open: str, name: str) -> None:
    for method, target in REQUESTS:
        for text in TEXTS:
            separator = "&" if "?" in target else "?"
            path = f"{target.replace('BUCKET', wide_open)}{separator}{name}={text}"
            wire.check(head(method, path, {"Host": store.host, "Content-Length": "3"}) + b"a=b", method == "HEAD")


DOCUMENTS = (
    b"",
    b"<",
    b"\xff\xfe<\x00a\x00>\x00",
    b"<Delete/>",
    b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
    b"<Delete><Object/></Delete>",
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&b;</Key></Object></Delete>',
    b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><Tagging><TagSet>&c;</TagSet></Tagging>',
    b"<a>" * 5000,
    b"<Tagging><TagSet><Tag><Key>\x01</Key><Value/></Tag></TagSet></Tagging>",
    b'{"Version": "2012-10-17", "Statement": [' + b"[" * 20000,
    b'{"Version": 1e999}',
    b"\x00" * 1000,
    b"x" * 70_000,
)


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_no_document_is_an_internal_error(store: Store, wire: Wire, wide_open: str, number: int) -> None:
    body = DOCUMENTS[number]
    for query in ("cors", "website", "tagging", "publicAccessBlock", "ownershipControls", "delete"):
        method = "POST" if query == "delete" else "PUT"
        wire.check(head(method, f"/{wide_open}?{query}", {"Host": store.host, "Content-Length": str(len(body))}) + body)
    for target in (f"/{wide_open}/k?tagging", "/new-bucket"):
        wire.check(head("PUT", target, {"Host": store.host, "Content-Length": str(len(body))}) + body)
    reply = store.request("PUT", f"/{wide_open}-other?policy", store.one, body=body)
    assert reply.status == 404
    assert store.is_alive


def test_noise_on_the_wire_is_survived(store: Store) -> None:
    noise = random.Random(20)
    whole = head("PUT", "/b/k?x=y", {"Host": store.host, "Content-Length": "10", "X-A": "b"}) + b"0123456789"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(noise.randint(1, 4)):
            data[noise.randrange(len(data))] = noise.randrange(256)
        with store.connection() as connection:
            connection.send(bytes(data))
            connection.reset()
    assert store.request("GET", "/_bucketry/health").body == b"ok"


def test_an_upgrade_is_not_made(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for protocol in ("websocket", "h2c", "TLS/1.0"):
        fields = store.signed_headers(store.one, "GET", f"/{bucket}/k")
        sent = {**fields, "Connection": "Upgrade", "Upgrade": protocol}
        with store.connection() as connection:
            connection.send(head("GET", f"/{bucket}/k", sent))
            assert connection.reply().body == b"x"


def test_a_request_behind_an_upload_is_answered_after_it(store: Store, bucket: str) -> None:
    body = b"x" * 300_000
    put = store.signed_headers(store.one, "PUT", f"/{bucket}/k", body=body)
    got = head("GET", f"/{bucket}/k", store.signed_headers(store.one, "GET", f"/{bucket}/k"))
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", {**put, "Content-Length": str(len(body))}) + body + got)
        assert connection.reply().status == 200
        assert connection.reply().body == body


def test_a_smuggled_request_is_no_request(store: Store, bucket: str) -> None:
    inner = head("GET", "/_bucketry/health", {"Host": store.host})
    fields = {"Host": store.host, "Content-Length": str(len(inner))}
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", fields) + inner)
        assert connection.reply().status == 403
        # either the connection ends, or it goes on with what comes after the body
        assert not connection.begins_with(b"HTTP/1.1 200")
