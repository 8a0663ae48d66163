"""Who may be believed: every way to sign a request and its body, and every way to get it wrong.

The published holes of S3 servers are here as tests: streaming bodies whose signature nobody checked, presigned URLs
that could be forged, stale or replayed, modes of x-amz-content-sha256 that meant "no check".
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.kit.chunks import Chain, crc32, unsigned
from tests.kit.store import Key, Reply, Store, head

BODY = b"payload " * 2000
TRAILER = "x-amz-checksum-crc32"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MODES = ("hash", "UNSIGNED-PAYLOAD", SIGNED, f"{SIGNED}-TRAILER", UNSIGNED_TRAILER)


def wrong(secret: str) -> str:
    return secret[:-1] + ("a" if secret[-1] != "a" else "b")


def upload(
    store: Store,
    key: Key,
    target: str,
    mode: str,
    spoil: Callable[[bytes], bytes] = lambda wire: wire,
    chunk_secret: str = "",
    trailer: str = "",
) -> Reply:
    """Put BODY in one of the modes; `spoil` changes what goes over the wire, after it was signed."""
    fields = {} if mode == "hash" else {"x-amz-content-sha256": mode}
    if mode.startswith("STREAMING"):
        fields["x-amz-decoded-content-length"] = str(len(BODY))
        fields["Content-Encoding"] = "aws-chunked"
    if mode.endswith("TRAILER"):
        fields["x-amz-trailer"] = TRAILER
    signed = store.signed_headers(key, "PUT", target, fields, BODY)
    checksum = trailer or crc32(BODY)
    wire = BODY
    if mode.startswith(SIGNED):
        chain = Chain(chunk_secret or key.secret_access_key, signed)
        wire = chain.chunk(BODY[:9000]) + chain.chunk(BODY[9000:]) + chain.chunk(b"")
        wire += (chain.trailer(TRAILER, checksum) if mode.endswith("TRAILER") else b"") + b"\r\n"
    elif mode == UNSIGNED_TRAILER:
        wire = unsigned([BODY[:9000], BODY[9000:]], {TRAILER: checksum})
    wire = spoil(wire)
    with store.connection() as connection:
        connection.send(head("PUT", target, {**signed, "Content-Length": str(len(wire))}) + wire)
        return connection.reply()


def is_stored(store: Store, target: str) -> bool:
    return store.request("GET", target, store.one).status == 200


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_stores_the_payload(store: Store, bucket: str, mode: str) -> None:
    assert upload(store, store.one, f"/{bucket}/k", mode).status == 200
    got = store.request("GET", f"/{bucket}/k", store.one)
    assert got.body == BODY
    assert "content-encoding" not in got.headers


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_secret_stores_nothing_in_any_mode(store: Store, bucket: str, mode: str) -> None:
    forged = Key(store.one.access_key_id, wrong(store.one.secret_access_key))
    reply = upload(store, forged, f"/{bucket}/k", mode)
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert store.one.secret_access_key.encode() not in reply.body
    assert not is_stored(store, f"/{bucket}/k")


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_key_stores_nothing_in_any_mode(store: Store, bucket: str, mode: str) -> None:
    reply = upload(store, Key("AKIAIOSFODNN7EXAMPLE", "x" * 40), f"/{bucket}/k", mode)
    assert (reply.status, reply.code) == (403, "InvalidAccessKeyId")
    assert not is_stored(store, f"/{bucket}/k")


@pytest.mark.parametrize("mode", [SIGNED, f"{SIGNED}-TRAILER"])
def test_chunks_of_another_secret_are_refused(store: Store, bucket: str, mode: str) -> None:
    reply = upload(store, store.one, f"/{bucket}/k", mode, chunk_secret=wrong(store.one.secret_access_key))
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert not is_stored(store, f"/{bucket}/k")


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "UNSIGNED-PAYLOAD"])
def test_a_changed_body_is_refused(store: Store, bucket: str, mode: str) -> None:
    reply = upload(store, store.one, f"/{bucket}/k", mode, lambda wire: wire.replace(b"payload", b"PAYLOAD", 1))
    assert reply.code in {"XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "BadDigest"}
    assert not is_stored(store, f"/{bucket}/k")


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.startswith("STREAMING")])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda wire: wire[:-2],
        lambda wire: wire[: len(wire) // 2],
        lambda wire: wire + b"more",
        lambda wire: wire.replace(b"2328", b"2329", 1),
        lambda wire: b"zz" + wire,
        lambda wire: b"ffffffffffffffff" + wire,
        lambda wire: wire.replace(b"\r\n", b"\n", 1),
        lambda wire: b"",
    ],
    ids=["no end", "half", "more", "size", "no number", "huge", "line feed", "empty"],
)
def test_broken_chunk_framing_is_refused(store: Store, bucket: str, mode: str, spoil: Callable[[bytes], bytes]) -> None:
    reply = upload(store, store.one, f"/{bucket}/k", mode, spoil)
    assert reply.status in (400, 403)
    assert reply.code in {"IncompleteBody", "SignatureDoesNotMatch", "InvalidChunkSizeError", "MalformedTrailerError"}
    assert not is_stored(store, f"/{bucket}/k")
    assert store.is_alive


@pytest.mark.parametrize("mode", [f"{SIGNED}-TRAILER", UNSIGNED_TRAILER])
def test_a_wrong_checksum_in_the_trailer_is_refused(store: Store, bucket: str, mode: str) -> None:
    reply = upload(store, store.one, f"/{bucket}/k", mode, trailer=crc32(b"something else"))
    assert (reply.status, reply.code) == (400, "BadDigest")
    assert not is_stored(store, f"/{bucket}/k")


def test_a_trailer_that_was_announced_must_come(store: Store, bucket: str) -> None:
    reply = upload(
        store, store.one, f"/{bucket}/k", UNSIGNED_TRAILER, lambda wire: re.sub(rb"x-amz-checksum[^\r]*\r\n", b"", wire)
    )
    assert reply.status == 400
    assert not is_stored(store, f"/{bucket}/k")


@pytest.mark.parametrize(
    "value", ["", "UNSIGNED", "STREAMING-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "ab" * 31]
)
def test_an_unknown_mode_is_an_error_never_no_check(store: Store, bucket: str, value: str) -> None:
    signed = store.signed_headers(store.one, "PUT", f"/{bucket}/k", body=b"x")
    for fields in (signed, {"Host": store.host}):
        sent = {**fields, "X-Amz-Content-SHA256": value, "Content-Length": "1"}
        with store.connection() as connection:
            connection.send(head("PUT", f"/{bucket}/k", sent) + b"x")
            assert connection.reply().status in (400, 403)
    assert not is_stored(store, f"/{bucket}/k")


def test_a_signature_covers_every_amz_header(store: Store, bucket: str) -> None:
    fields = store.signed_headers(store.one, "PUT", f"/{bucket}/k", body=b"x")
    with store.connection() as connection:
        connection.send(
            head("PUT", f"/{bucket}/k", {**fields, "x-amz-meta-added": "later", "Content-Length": "1"}) + b"x"
        )
        assert connection.reply().status == 403
    assert not is_stored(store, f"/{bucket}/k")


def test_a_request_is_good_for_fifteen_minutes(store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes, status in ((-16, 403), (-14, 404), (14, 404), (16, 403)):
        moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, at=moment, **__: at, raising=True)
        reply = store.request("GET", f"/{bucket}/missing", store.one)
        assert reply.status == status
        assert status == 404 or reply.code == "RequestTimeTooSkewed"


def test_another_region_is_named(store: Store, bucket: str) -> None:
    fields = store.signed_headers(store.one, "GET", f"/{bucket}/k")
    fields = {name: value.replace("us-east-1", "eu-west-1") for name, value in fields.items()}
    with store.connection() as connection:
        connection.send(head("GET", f"/{bucket}/k", fields))
        reply = connection.reply()
    assert (reply.status, reply.code, reply.element("Region")) == (400, "AuthorizationHeaderMalformed", "us-east-1")


def test_signature_version_2_in_headers_is_refused(store: Store, bucket: str) -> None:
    fields = {"Authorization": f"AWS {store.one.access_key_id}:bm9uc2Vuc2U=", "Date": "Tue, 27 Mar 2007 19:36:42 +0000"}
    assert store.request("GET", f"/{bucket}/k", headers=fields).code == "InvalidRequest"


def test_presigned_urls_work_for_each_method(store: Store, bucket: str) -> None:
    target = f"/{bucket}/some%20key"
    assert store.request("PUT", store.presigned(store.one, "PUT", target), body=b"by url").status == 200
    assert store.request("GET", store.presigned(store.one, "GET", target)).body == b"by url"
    assert store.request("HEAD", store.presigned(store.one, "HEAD", target)).status == 200
    assert store.request("DELETE", store.presigned(store.one, "DELETE", target)).status == 204


FORGERIES: dict[str, Callable[[str], str]] = {
    "another key": lambda url: url.replace("/k?", "/other?"),
    "a longer life": lambda url: url.replace("X-Amz-Expires=300", "X-Amz-Expires=301"),
    "no life": lambda url: url.replace("X-Amz-Expires=300", "X-Amz-Expires=0"),
    "a negative life": lambda url: url.replace("X-Amz-Expires=300", "X-Amz-Expires=-300"),
    "eight days": lambda url: url.replace("X-Amz-Expires=300", "X-Amz-Expires=691200"),
    "no end": lambda url: re.sub(r"&X-Amz-Expires=\d+", "", url),
    "a parameter more": lambda url: url + "&response-content-type=text/html",
    "a plain hash as signature": lambda url: re.sub(
        r"Signature=\w+", "Signature=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", url
    ),
    "an empty signature": lambda url: re.sub(r"Signature=\w+", "Signature=", url),
    "no signature": lambda url: re.sub(r"&X-Amz-Signature=\w+", "", url),
    "two signatures": lambda url: url + "&X-Amz-Signature=" + "0" * 64,
    "no host signed": lambda url: url.replace("SignedHeaders=host", "SignedHeaders=range"),
    "another time": lambda url: re.sub(r"X-Amz-Date=\d{8}", "X-Amz-Date=20200101", url),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_presigned_urls_are_refused(store: Store, bucket: str, name: str) -> None:
    assert store.request("PUT", f"/{bucket}/k", store.one, body=b"x").status == 200
    url = FORGERIES[name](store.presigned(store.one, "GET", f"/{bucket}/k"))
    reply = store.request("GET", url)
    assert reply.status in (400, 403)
    assert reply.body != b"x"


def test_a_presigned_url_is_for_one_method_and_host(store: Store, bucket: str) -> None:
    url = store.presigned(store.one, "GET", f"/{bucket}/k")
    assert store.request("PUT", url, body=b"x").status == 403
    assert store.request("DELETE", url).status == 403
    assert store.request("GET", store.presigned(store.one, "GET", f"/{bucket}/k", host="elsewhere")).status == 403


def test_a_presigned_url_ends(store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, message in ((-301, "Request has expired"), (1000, "Request is not yet valid")):
        moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, at=moment, **__: at, raising=True)
        reply = store.request("GET", store.presigned(store.one, "GET", f"/{bucket}/k"))
        assert (reply.status, reply.code, reply.element("Message")) == (403, "AccessDenied", message)


def test_a_revoked_key_fails_on_the_next_request_also_in_urls(store: Store, bucket: str) -> None:
    name = f"{bucket}-user"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    key = store.user(name, policy)
    iam = store.client(store.one, "iam")
    url = store.presigned(key, "GET", f"/{bucket}/k")
    assert store.request("PUT", f"/{bucket}/k", key, body=b"x").status == 200
    assert store.request("GET", url).status == 200
    iam.update_access_key(UserName=name, AccessKeyId=key.access_key_id, Status="Inactive")
    assert store.request("GET", url).code == "InvalidAccessKeyId"
    iam.update_access_key(UserName=name, AccessKeyId=key.access_key_id, Status="Active")
    assert store.request("GET", url).status == 200
    iam.delete_access_key(UserName=name, AccessKeyId=key.access_key_id)
    assert store.request("GET", url).code == "InvalidAccessKeyId"
    assert store.request("GET", f"/{bucket}/k", key).code == "InvalidAccessKeyId"


def test_headers_signed_into_a_url_count(store: Store, bucket: str) -> None:
    url = store.presigned(
        store.one, "PUT", f"/{bucket}/k?x-amz-meta-colour=red&x-amz-checksum-crc32={crc32(b'x')[:-2]}%3D%3D"
    )
    assert urlsplit(url).query.count("x-amz-meta-colour") == 1
    assert store.request("PUT", url, body=b"y").code == "BadDigest"
    assert store.request("PUT", url, body=b"x").status == 200
    assert store.request("HEAD", f"/{bucket}/k", store.one).headers["x-amz-meta-colour"] == "red"


def test_a_checksum_of_nothing_signed_into_a_url_says_nothing_of_the_body(store: Store, bucket: str) -> None:
    """The AWS SDK for JavaScript signs a PUT so, before there is a body."""
    hoisted = "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"
    url = store.presigned(store.one, "PUT", f"/{bucket}/k?{hoisted}")
    assert store.request("PUT", url, body=b"y").status == 200
    assert (
        store.request("PUT", f"/{bucket}/k", store.one, {"x-amz-checksum-crc32": "AAAAAA=="}, b"y").code == "BadDigest"
    )


def test_a_session_token_is_of_no_use(store: Store, bucket: str) -> None:
    fields = {"x-amz-security-token": "FwoGZXIvYXdzE"}
    reply = store.request("GET", f"/{bucket}/k", store.one, fields)
    assert (reply.status, reply.code) == (403, "InvalidToken") or reply.code == "InvalidToken"


def test_both_ways_to_sign_at_once_are_refused(store: Store, bucket: str) -> None:
    url = store.presigned(store.one, "GET", f"/{bucket}/k")
    fields = store.signed_headers(store.one, "GET", f"/{bucket}/k")
    with store.connection() as connection:
        connection.send(head("GET", url, fields))
        assert connection.reply().code == "InvalidArgument"
