"""DeleteObjects over the wire."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store, allow


def body_of(*keys: str) -> bytes:
    return f"<Delete>{''.join(f'<Object><Key>{key}</Key></Object>' for key in keys)}</Delete>".encode()


def md5(body: bytes) -> dict[str, str]:
    return {"Content-MD5": b64encode(hashlib.md5(body).digest()).decode()}


def fill(s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())


def left(s3: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


KEYS = ["a", "a b", "a&<b>", "../x", "ü", "a//b", "%41", "tail "]


def test_keys_go_and_missing_ones_are_no_error(s3: Any, bucket: str) -> None:
    fill(s3, bucket, *KEYS, "stays")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*KEYS, "missing"]]})
    assert [entry["Key"] for entry in answer["Deleted"]] == [*KEYS, "missing"]
    assert "Errors" not in answer
    assert left(s3, bucket) == ["stays"]


def test_quiet_tells_errors_only(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a")
    objects = [{"Key": "a"}, {"Key": "a", "VersionId": "other"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Deleted" not in answer
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("a", "NoSuchVersion")]


def test_a_thousand_keys_at_once_and_no_more(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "k999")
    objects = [{"Key": f"k{number}"} for number in range(1000)]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})["Deleted"]) == 1000
    assert left(s3, bucket) == []
    fill(s3, bucket, "k")
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}] * 1001})
    assert left(s3, bucket) == ["k"]


def test_digest_is_demanded_and_verified(store: Store, s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a")
    body = body_of("a")
    assert store.request("POST", f"/{bucket}?delete", store.one, body=body).code == "InvalidRequest"
    wrong = store.request("POST", f"/{bucket}?delete", store.one, md5(b"other"), body)
    assert wrong.code == "BadDigest"
    broken = store.request("POST", f"/{bucket}?delete", store.one, {"Content-MD5": "x"}, body)
    assert broken.code == "InvalidDigest"
    assert left(s3, bucket) == ["a"]
    assert store.request("POST", f"/{bucket}?delete", store.one, md5(body), body).status == 200
    assert left(s3, bucket) == []


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete/>",
        b"<Delete><Object/></Delete>",
        b"not xml",
        b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><Delete><Object><Key>&b;</Key></Object></Delete>",
        b"<Delete><Object><Key>a</Key></Object></Other>",
        b"\xff\xfe<",
    ],
)
def test_broken_documents_are_malformed(store: Store, s3: Any, bucket: str, body: bytes) -> None:
    fill(s3, bucket, "a")
    reply = store.request("POST", f"/{bucket}?delete", store.one, md5(body), body)
    assert (reply.status, reply.code) == (400, "MalformedXML")
    assert left(s3, bucket) == ["a"]


def test_each_key_is_authorised_apart(store: Store, s3: Any, bucket: str) -> None:
    fill(s3, bucket, "mine/a", "mine/b", "theirs/c")
    policy = allow("s3:DeleteObject", resource=f"arn:aws:s3:::{bucket}/mine/*")
    user = store.client(store.user("delete-some", policy))
    objects = [
        {"Key": "mine/a"},
        {"Key": "theirs/c"},
        {"Key": "theirs/missing"},
        {"Key": "mine/b", "VersionId": "null"},
    ]
    answer = user.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["mine/a"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [
        ("theirs/c", "AccessDenied"),
        ("theirs/missing", "AccessDenied"),
        ("mine/b", "AccessDenied"),
    ]
    assert left(s3, bucket) == ["mine/b", "theirs/c"]


def test_strangers_delete_nothing(store: Store, s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a")
    answer = store.client(store.two).delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}]})
    assert answer["Errors"][0]["Code"] == "AccessDenied"
    body = body_of("a")
    reply = store.request("POST", f"/{bucket}?delete", None, md5(body), body)
    assert b"<Deleted>" not in reply.body
    assert left(s3, bucket) == ["a"]


def test_conditions_of_single_keys(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a", "b", "c")
    etags = {key: s3.head_object(Bucket=bucket, Key=key)["ETag"] for key in "abc"}
    objects = [
        {"Key": "a", "ETag": etags["a"]},
        {"Key": "b", "ETag": etags["a"]},
        {"Key": "c", "Size": 2},
        {"Key": "missing", "ETag": etags["a"]},
    ]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["a"]
    codes = {entry["Key"]: entry["Code"] for entry in answer["Errors"]}
    assert codes == {"b": "PreconditionFailed", "c": "PreconditionFailed", "missing": "NoSuchKey"}
    assert left(s3, bucket) == ["b", "c"]


def test_null_is_the_version_of_all(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a", "VersionId": "null"}]})
    assert answer["Deleted"] == [{"Key": "a", "VersionId": "null"}]
    assert left(s3, bucket) == []


def test_key_too_long_is_one_error_among_others(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "x" * 1025}, {"Key": "a"}]})
    assert [entry["Code"] for entry in answer["Errors"]] == ["KeyTooLongError"]
    assert left(s3, bucket) == []
