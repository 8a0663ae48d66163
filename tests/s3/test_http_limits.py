"""The HTTP edge: framing, limits, refusals before a body is sent, ids on every answer, broken requests."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.kit.store import Store, head


def exchange(store: Store, data: bytes) -> tuple[int, str, dict[str, str]]:
    """Send bytes on a connection of their own: status, error code and headers of the answer."""
    with store.connection() as connection:
        connection.send(data)
        reply = connection.reply()
        return reply.status, reply.code, reply.headers


def test_every_answer_carries_ids_date_and_server(store: Store, bucket: str) -> None:
    answers = [
        store.request("GET", "/"),
        store.request("GET", f"/{bucket}/missing", store.one),
        store.request("HEAD", f"/{bucket}", store.one),
        store.request("GET", "/_bucketry/health"),
        store.request("POST", "/", body=b"Action=Nothing"),
    ]
    for reply in answers:
        assert re.fullmatch(r"[0-9A-Z]{16}", reply.headers["x-amz-request-id"])
        assert len(reply.headers["x-amz-id-2"]) > 20
        assert reply.headers["server"] == "bucketry"
        assert reply.headers["date"].endswith(" GMT")
    assert len({reply.headers["x-amz-request-id"] for reply in answers}) == len(answers)


def test_error_documents_name_what_failed(store: Store, bucket: str) -> None:
    reply = store.request("GET", f"/{bucket}/missing%20key", store.one)
    assert (reply.status, reply.headers["content-type"]) == (404, "application/xml")
    assert reply.element("Code") == "NoSuchKey"
    assert reply.element("Key") == "missing key"
    assert reply.element("Resource") == f"/{bucket}/missing%20key"
    assert reply.element("RequestId") == reply.headers["x-amz-request-id"]
    assert reply.element("HostId") == reply.headers["x-amz-id-2"]


def test_errors_of_head_have_no_body(store: Store, bucket: str) -> None:
    with store.connection() as connection:
        fields = store.signed_headers(store.one, "HEAD", f"/{bucket}/missing")
        connection.send(head("HEAD", f"/{bucket}/missing", fields))
        assert connection.reply(is_head=True).status == 404
        # had a body been sent, it would be read as the next answer
        connection.send(head("GET", "/_bucketry/health", {"Host": store.host}))
        assert connection.reply().body == b"ok"


def test_health_needs_no_key(store: Store) -> None:
    assert store.request("GET", "/_bucketry/health").body == b"ok"
    assert store.request("HEAD", "/_bucketry/health").status == 200
    assert store.request("PUT", "/_bucketry/health").status == 403


BROKEN = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
    "an unknown method": b"STEAL / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: other.localhost\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "length and chunks": b"PUT /b/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"PUT /b/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "a negative length": b"PUT /b/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
    "a length that is no number": b"PUT /b/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1e3\r\n\r\n",
    "an unknown transfer coding": b"PUT /b/k HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunked, but not last": b"PUT /b/k HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\r\n c\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : HOST\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\rX-B: c\r\n\r\n",
    "a null byte": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\x00c\r\n\r\n",
    "an absolute target": b"GET http://other/b/k HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a target that is a star": b"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a tunnel": b"CONNECT other:443 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a broken escape": b"GET /b/%zz HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a path that is not UTF-8": b"GET /b/%ff%fe HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "raw bytes in the path": b"GET /b/\xff\xfe HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a query that is not UTF-8": b"GET /b?prefix=%ff HTTP/1.1\r\nHost: HOST\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests_are_refused_as_documents(store: Store, name: str) -> None:
    status, code, headers = exchange(store, BROKEN[name].replace(b"HOST", store.host.encode()))
    assert status == 400, name
    assert code in {"BadRequest", "InvalidURI", "InvalidRequest"}
    assert headers["content-type"] == "application/xml"
    assert store.is_alive


def test_a_header_section_beyond_8_kib_is_refused(store: Store, bucket: str) -> None:
    fields = {"Host": store.host, **{f"X-Filler-{number}": "v" * 400 for number in range(21)}}
    assert exchange(store, head("GET", f"/{bucket}/k", fields))[:2] == (400, "RequestHeaderSectionTooLarge")
    assert exchange(store, head("GET", f"/{bucket}/k", {"Host": store.host, "X-Filler": "v" * 9000}))[:2] == (
        400,
        "RequestHeaderSectionTooLarge",
    )
    many = {"Host": store.host, **{f"x{number}": "" for number in range(400)}}
    assert exchange(store, head("GET", f"/{bucket}/k", many))[:2] == (400, "RequestHeaderSectionTooLarge")
    fields = {"Host": store.host, **{f"X-Filler-{number}": "v" * 380 for number in range(20)}}
    assert exchange(store, head("GET", f"/{bucket}/k", fields))[0] == 403


def test_a_target_without_end_is_refused(store: Store) -> None:
    assert exchange(store, head("GET", "/" + "k" * 40_000, {"Host": store.host}))[0] == 400


def test_too_many_parameters_are_refused(store: Store) -> None:
    query = "&".join(f"p{number}=1" for number in range(300))
    assert exchange(store, head("GET", f"/b?{query}", {"Host": store.host}))[:2] == (400, "InvalidArgument")


def test_a_refused_upload_costs_no_body(store: Store, bucket: str) -> None:
    fields = {"Host": store.host, "Content-Length": "1000000", "Expect": "100-continue"}
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", fields))
        reply = connection.reply()
        assert (reply.status, reply.code, reply.headers["connection"]) == (403, "AccessDenied", "close")
        assert connection.is_closed_by_store()


def test_a_wanted_body_is_asked_for(store: Store, bucket: str) -> None:
    fields = store.signed_headers(store.one, "PUT", f"/{bucket}/k", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", {**fields, "Content-Length": "4", "Expect": "100-continue"}))
        assert connection.reply().status == 100
        connection.send(b"body")
        assert connection.reply().status == 200
        connection.send(head("GET", f"/{bucket}/k", store.signed_headers(store.one, "GET", f"/{bucket}/k")))
        assert connection.reply().body == b"body"


def test_also_an_empty_body_is_asked_for(store: Store, bucket: str) -> None:
    """botocore misreads the next answer of a connection whose last one came without the 100 Continue it waited for."""
    target, empty = f"/{bucket}/k", {"Content-Length": "0", "Expect": "100-continue"}
    with store.connection() as connection:
        connection.send(head("PUT", target, {**store.signed_headers(store.one, "PUT", target), **empty}))
        assert connection.reply().status == 100
        assert connection.reply().status == 200
        connection.send(head("PUT", target, {"Host": store.host, **empty}))
        assert connection.reply().headers["connection"] == "close"
        assert connection.is_closed_by_store()


def test_a_refused_upload_in_flight_gets_its_answer_and_the_end(store: Store, bucket: str) -> None:
    fields = {"Host": store.host, "Content-Length": "20000000"}
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", fields) + b"x" * 300_000)
        reply = connection.reply()
        assert (reply.status, reply.headers["connection"]) == (403, "close")
        assert connection.is_closed_by_store()


def test_broken_chunk_framing_ends_the_upload(store: Store, bucket: str) -> None:
    fields = store.signed_headers(
        store.one,
        "PUT",
        f"/{bucket}/k",
        {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "10"},
    )
    with store.connection() as connection:
        connection.send(head("PUT", f"/{bucket}/k", {**fields, "Transfer-Encoding": "chunked"}))
        connection.send(b"5\r\na\r\n12\r\nnonsense\r\n")
        reply = connection.reply()
        assert reply.status == 400
        assert reply.code in {"IncompleteBody", "BadRequest"}  # as the broken part comes with the head or after it
    assert store.request("GET", f"/{bucket}/k", store.one).status == 404


def test_pipelined_requests_are_answered_in_order(store: Store, bucket: str) -> None:
    targets = [f"/{bucket}/missing-{number}" for number in range(50)]
    with store.connection() as connection:
        connection.send(
            b"".join(head("GET", target, store.signed_headers(store.one, "GET", target)) for target in targets)
        )
        for target in targets:
            assert connection.reply().element("Resource") == target


def test_http_1_0_is_answered_and_closed(store: Store) -> None:
    with store.connection() as connection:
        connection.send(b"GET /_bucketry/health HTTP/1.0\r\n\r\n")
        assert connection.reply().body == b"ok"
        assert connection.is_closed_by_store()
    with store.connection() as connection:
        connection.send(b"GET /_bucketry/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert connection.reply().headers["connection"] == "keep-alive"
        connection.send(b"GET /_bucketry/health HTTP/1.0\r\n\r\n")
        assert connection.reply().body == b"ok"


def test_a_body_where_none_belongs_is_dropped_or_refused(store: Store, bucket: str) -> None:
    assert store.request("GET", f"/{bucket}?location", store.one, {"Content-Length": "3"}, b"abc").status == 200
    big = b"x" * 100_000
    reply = store.request("DELETE", f"/{bucket}/k", store.one, {"Content-Length": str(len(big))}, big)
    assert (reply.status, reply.code) == (400, "MaxMessageLengthExceeded")


def test_a_compressed_upload_is_not_unpacked(store: Store, bucket: str) -> None:
    fields = {"Content-Encoding": "gzip"}
    assert store.request("PUT", f"/{bucket}/k", store.one, fields, b"not really gzip").status == 200
    got = store.request("GET", f"/{bucket}/k", store.one)
    assert (got.body, got.headers["content-encoding"]) == (b"not really gzip", "gzip")


def test_headers_that_proxies_set_are_not_believed(store: Store, s3: Any, bucket: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.7"}},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    forwarded = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Real-IP": "203.0.113.7",
        "Forwarded": "for=203.0.113.7",
        "SourceIp": "203.0.113.7",
        "x-amz-source-ip": "203.0.113.7",
    }
    assert store.request("GET", f"/{bucket}/k", headers=forwarded).status == 403
    statement["Condition"] = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert store.request("GET", f"/{bucket}/k").status == 200


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("DELETE", "/", 405, "MethodNotAllowed"),
        ("POST", "/BUCKET/k", 405, "MethodNotAllowed"),
        ("PATCH", "/BUCKET/k", 405, "MethodNotAllowed"),
        ("PUT", "/BUCKET?location", 405, "MethodNotAllowed"),
        ("PUT", "/BUCKET?analytics", 501, "NotImplemented"),
        ("DELETE", "/BUCKET?acl", 405, "MethodNotAllowed"),
        ("DELETE", "/BUCKET/k?acl", 405, "MethodNotAllowed"),
        ("GET", "/BUCKET/k?torrent", 501, "NotImplemented"),
        ("GET", "/UPPER", 400, "InvalidBucketName"),
        ("GET", "/no-such-bucket", 404, "NoSuchBucket"),
        ("GET", "//k", 400, "InvalidBucketName"),
    ],
)
def test_what_is_no_operation_is_said(
    store: Store, bucket: str, method: str, target: str, status: int, code: str
) -> None:
    reply = store.request(method, target.replace("BUCKET", bucket), store.one)
    assert (reply.status, reply.code) == (status, code)
    assert status != 405 or "GET" in reply.headers["allow"]


def test_virtual_host_style_names_the_same_objects(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a/k", Body=b"x")
    host = {"Host": f"{bucket}.localhost:{store.port}"}
    assert store.request("GET", "/a/k", store.one, host).body == b"x"
    assert store.request("GET", "/missing", store.one, host).code == "NoSuchKey"
    assert store.request("HEAD", "/", store.one, host).status == 200


def test_an_unknown_expectation_is_ignored(store: Store) -> None:
    assert exchange(store, head("GET", "/_bucketry/health", {"Host": store.host, "Expect": "tea"}))[0] == 200
