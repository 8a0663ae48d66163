"""GetObject over the wire: ranges, conditions, parts, overrides, and who may know what."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.store import Store, head

BODY = bytes(range(256)) * 8


@pytest.fixture
def target(store: Store, s3: Any, bucket: str) -> str:
    """An object of 2,048 bytes."""
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ContentType="text/plain", CacheControl="no-cache")
    return f"/{bucket}/k"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=2040-", 2040, 2048), ("bytes=-5", 2043, 2048)],
)
def test_a_range_is_that_range(store: Store, target: str, asked: str, start: int, end: int) -> None:
    reply = store.request("GET", target, store.one, {"Range": asked})
    assert (reply.status, reply.body) == (206, BODY[start:end])
    assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/2048"
    assert store.request("HEAD", target, store.one, {"Range": asked}).headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=2048-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(store: Store, target: str, asked: str) -> None:
    reply = store.request("GET", target, store.one, {"Range": asked})
    assert (reply.status, reply.code, reply.headers["content-range"]) == (416, "InvalidRange", "bytes */2048")
    assert reply.element("ActualObjectSize") == "2048"
    assert reply.element("RangeRequested") == asked


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=" + "9" * 500 + "-"])
def test_what_is_no_single_range_is_ignored(store: Store, target: str, asked: str) -> None:
    assert store.request("GET", target, store.one, {"Range": asked}).body == BODY


def test_ranges_of_large_objects_cross_blocks(s3: Any, bucket: str) -> None:
    body = b"".join(number.to_bytes(4, "big") for number in range(300_000))
    s3.put_object(Bucket=bucket, Key="big", Body=body)
    for start, end in ((0, 1_200_000), (262_143, 262_145), (100, 1_199_999), (1_199_999, 1_200_000)):
        got = s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={start}-{end - 1}")
        assert got["Body"].read() == body[start:end]


def test_if_range_of_another_object_gives_the_whole(store: Store, target: str) -> None:
    etag = store.request("HEAD", target, store.one).headers["etag"]
    assert store.request("GET", target, store.one, {"Range": "bytes=0-0", "If-Range": etag}).status == 206
    assert store.request("GET", target, store.one, {"Range": "bytes=0-0", "If-Range": '"other"'}).status == 200


def test_conditions(store: Store, target: str) -> None:
    plain = store.request("HEAD", target, store.one).headers
    etag, modified = plain["etag"], plain["last-modified"]
    past, future = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    cases: list[tuple[dict[str, str], int]] = [
        ({"If-Match": etag}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": past}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": future}, 304),
        ({"If-Unmodified-Since": past}, 412),
        ({"If-Unmodified-Since": modified}, 200),
        ({"If-Match": etag, "If-Unmodified-Since": past}, 200),
        ({"If-None-Match": etag, "If-Modified-Since": past}, 304),
        ({"If-None-Match": '"other"', "If-Modified-Since": future}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ]
    for fields, status in cases:
        for method in ("GET", "HEAD"):
            reply = store.request(method, target, store.one, fields)
            assert reply.status == status, (method, fields)
            if status == 304:
                assert (reply.body, reply.headers["etag"], reply.headers["last-modified"]) == (b"", etag, modified)
                assert "content-length" not in reply.headers


def test_a_304_leaves_the_connection_usable(store: Store, target: str) -> None:
    etag = store.request("HEAD", target, store.one).headers["etag"]
    fields = store.signed_headers(store.one, "GET", target, {"If-None-Match": etag})
    with store.connection() as connection:
        for _ in range(3):
            connection.send(head("GET", target, fields))
            assert connection.reply().status == 304


def test_signed_requests_may_choose_headers_of_the_answer(store: Store, target: str) -> None:
    query = (
        "?response-content-type=image%2Fpng&response-content-disposition=attachment&response-cache-control=max-age%3D1"
    )
    for reply in (
        store.request("GET", target + query, store.one),
        store.request("GET", store.presigned(store.one, "GET", target + query)),
        store.request("HEAD", target + query, store.one),
    ):
        assert reply.headers["content-type"] == "image/png"
        assert reply.headers["content-disposition"] == "attachment"
        assert reply.headers["cache-control"] == "max-age=1"


def test_no_chosen_header_breaks_out_of_its_line(store: Store, target: str) -> None:
    for name in ("response-content-type", "response-content-disposition", "response-expires"):
        for text in ("a%0D%0ASet-Cookie%3A%20x%3D1", "a%0AX%3A%20y", "a%0D", "a%00", "%7F"):
            reply = store.request("GET", f"{target}?{name}={text}", store.one)
            assert (reply.status, reply.code) == (400, "InvalidArgument")
            assert "set-cookie" not in reply.headers


def test_the_anonymous_choose_no_headers(store: Store, s3: Any, bucket: str, target: str) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert store.request("GET", target).body == BODY
    reply = store.request("GET", f"{target}?response-content-type=text/html")
    assert (reply.status, reply.code) == (400, "InvalidRequest")


def test_an_object_put_whole_is_its_part_1(store: Store, target: str) -> None:
    reply = store.request("GET", f"{target}?partNumber=1", store.one)
    assert (reply.status, reply.body) == (206, BODY)
    assert "x-amz-mp-parts-count" not in reply.headers
    assert store.request("GET", f"{target}?partNumber=2", store.one).code == "InvalidPart"
    for number in ("0", "10001", "x", "-1", "", "9" * 400):
        assert store.request("GET", f"{target}?partNumber={number}", store.one).code == "InvalidArgument"
    assert store.request("GET", f"{target}?partNumber=1", store.one, {"Range": "bytes=0-1"}).code == "InvalidRequest"


def test_parts_of_a_multipart_object(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    bodies = {1: b"1" * (5 << 20), 3: b"3" * 10}
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in bodies.items()
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=bucket, Key="m", PartNumber=3)
    assert (got["Body"].read(), got["PartsCount"]) == (bodies[3], 2)
    assert got["ContentRange"] == f"bytes {5 << 20}-{(5 << 20) + 9}/{(5 << 20) + 10}"
    assert s3.head_object(Bucket=bucket, Key="m", PartNumber=1)["ContentLength"] == 5 << 20
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="m", PartNumber=2)
    assert code(error) == "InvalidPart"
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == bodies[1] + bodies[3]


def test_only_the_null_version_exists(store: Store, target: str) -> None:
    assert store.request("GET", f"{target}?versionId=null", store.one).body == BODY
    for version in ("", "abc", "3L4kqtJlcpXroDTDmJrmSpXd3dIbrHY"):
        assert store.request("GET", f"{target}?versionId={version}", store.one).code == "InvalidArgument"


def test_who_may_not_list_does_not_learn_what_is_missing(store: Store, bucket: str, target: str) -> None:
    for method in ("GET", "HEAD"):
        answers = [store.request(method, path) for path in (target, f"/{bucket}/missing")]
        assert [answer.status for answer in answers] == [403, 403]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    reader = store.user(f"{bucket}-reader", policy)
    assert store.request("GET", target, reader).status == 200
    assert store.request("GET", f"/{bucket}/missing", reader).code == "AccessDenied"
    assert store.request("GET", f"/{bucket}/missing", store.one).code == "NoSuchKey"
    assert store.request("GET", target, store.two).code == "AccessDenied"
    assert store.request("GET", f"/{bucket}/missing", store.two).code == "AccessDenied"


def test_the_expected_owner_must_be_the_owner(store: Store, target: str) -> None:
    right, other = ({"x-amz-expected-bucket-owner": key.account_id} for key in (store.one, store.two))
    assert store.request("GET", target, store.one, right).status == 200
    assert store.request("GET", target, store.one, other).code == "AccessDenied"


def test_readers_see_one_version_while_it_is_overwritten(s3: Any, store: Store, bucket: str) -> None:
    size = 3 << 20
    s3.put_object(Bucket=bucket, Key="k", Body=b"a" * size)
    stop = threading.Event()

    def overwrite() -> None:
        client = store.client(store.one)
        for letter in "bcdefghij" * 3:
            if stop.is_set():
                return
            client.put_object(Bucket=bucket, Key="k", Body=letter.encode() * size)

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        for _ in range(20):
            got = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
            assert len(got) == size
            assert len(set(got)) == 1
    finally:
        stop.set()
        writer.join()


def test_a_client_that_leaves_in_the_middle_harms_nobody(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="big", Body=b"x" * (8 << 20))
    fields = store.signed_headers(store.one, "GET", f"/{bucket}/big")
    for _ in range(5):
        with store.connection() as connection:
            connection.send(head("GET", f"/{bucket}/big", fields))
            connection.reset()
    assert s3.get_object(Bucket=bucket, Key="big")["ContentLength"] == 8 << 20
