"""The same bytes asked again and again: each time they get what is true then, though their head is parsed only once."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from bucketry.store.gateway.heads import KEPT, Head, Heads
from bucketry.store.s3.headers import Headers
from tests.kit.store import Key, Store

TIMES = 4  # a head is kept at its second coming, in each process
PUBLIC = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ""}],
}


def presigned(client: Any, bucket: str, key: str, seconds: int = 600) -> str:
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)
    return "/" + url.partition("://")[2].partition("/")[2]


def ask(store: Store, target: str, times: int = TIMES) -> list[tuple[int, bytes]]:
    """The answers to the same bytes on one connection."""
    answers = []
    with store.connection() as connection:
        for _ in range(times):
            connection.send(f"GET {target} HTTP/1.1\r\nHost: {store.host}\r\n\r\n".encode())
            reply = connection.reply()
            answers.append((reply.status, reply.body))
    return answers


def test_what_was_overwritten_is_what_is_read(store: Store, s3: Any, bucket: str) -> None:
    target = presigned(s3, bucket, "k")
    for body in (b"one", b"two", b"three" * 20_000):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        assert ask(store, target) == [(200, body)] * TIMES
    s3.delete_object(Bucket=bucket, Key="k")
    assert {status for status, _ in ask(store, target)} == {404}


def test_a_presigned_url_ends_when_it_expires(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    target = presigned(s3, bucket, "k", seconds=2)
    assert ask(store, target) == [(200, b"x")] * TIMES
    deadline = time.monotonic() + 10
    while ask(store, target, 1)[0][0] != 403:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert b"Request has expired" in ask(store, target, 1)[0][1]


def test_a_key_that_is_switched_off_or_deleted_is_dead_at_once(store: Store, s3: Any, bucket: str) -> None:
    iam = store.client(store.one, "iam")
    iam.create_user(UserName=f"reader-{bucket}")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=f"reader-{bucket}", PolicyName="p", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=f"reader-{bucket}")["AccessKey"]
    key_id = made["AccessKeyId"]
    reader = store.client(Key(key_id, made["SecretAccessKey"]))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    target = presigned(reader, bucket, "k")
    assert ask(store, target) == [(200, b"x")] * TIMES
    iam.update_access_key(UserName=f"reader-{bucket}", AccessKeyId=key_id, Status="Inactive")
    assert {status for status, _ in ask(store, target)} == {403}
    iam.update_access_key(UserName=f"reader-{bucket}", AccessKeyId=key_id, Status="Active")
    assert ask(store, target) == [(200, b"x")] * TIMES
    iam.delete_user_policy(UserName=f"reader-{bucket}", PolicyName="p")
    assert {status for status, _ in ask(store, target)} == {403}
    iam.delete_access_key(UserName=f"reader-{bucket}", AccessKeyId=key_id)
    assert all(b"InvalidAccessKeyId" in body for _, body in ask(store, target))


def test_a_public_file_is_private_once_its_policy_is_gone(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.delete_public_access_block(Bucket=bucket)
    policy = json.loads(json.dumps(PUBLIC).replace('"Resource": ""', f'"Resource": "arn:aws:s3:::{bucket}/*"'))
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert ask(store, f"/{bucket}/k") == [(200, b"x")] * TIMES
    s3.delete_bucket_policy(Bucket=bucket)
    assert {status for status, _ in ask(store, f"/{bucket}/k")} == {403}


def test_a_wrong_signature_stays_wrong(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    target = presigned(s3, bucket, "k")
    assert ask(store, target) == [(200, b"x")] * TIMES
    other = target[:-1] + ("0" if target[-1] != "0" else "1")
    assert all(b"SignatureDoesNotMatch" in body for _, body in ask(store, other))


def head(name: str) -> Head:
    return Head("GET", f"/{name}", "", Headers(), {}, None, False, True, False)


def test_a_head_is_kept_when_it_comes_again() -> None:
    heads = Heads()
    raw = b"GET /k HTTP/1.1\r\nHost: h\r\n\r\n"
    heads.note(raw, head("k"))
    assert not heads.kept
    heads.note(raw, head("k"))
    assert list(heads.kept) == [raw]


@pytest.mark.parametrize(
    "field",
    ["Authorization: x", "authorization: x", "X-Amz-Server-Side-Encryption-Customer-Key: x", "X-Filler: " + "x" * 5000],
)
def test_what_is_signed_for_its_second_secret_or_long_is_not_kept(field: str) -> None:
    heads = Heads()
    for _ in range(3):
        heads.note(f"GET /k HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n".encode(), head("k"))
    assert not heads.kept


def test_the_number_of_heads_is_bounded() -> None:
    heads = Heads()
    for number in range(KEPT + 100):
        for _ in range(2):
            heads.note(f"GET /{number} HTTP/1.1\r\n\r\n".encode(), head(str(number)))
    assert len(heads.kept) == KEPT


def test_a_listing_asked_again_tells_what_has_changed(store: Store, s3: Any, bucket: str) -> None:
    def listed() -> list[tuple[str, int]]:
        page = s3.list_objects_v2(Bucket=bucket)
        return [(entry["Key"], entry["Size"]) for entry in page.get("Contents", [])]

    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x" * number)
        for _ in range(TIMES):
            assert listed() == [(f"k{each}", each) for each in range(number + 1)]
    s3.put_object(Bucket=bucket, Key="k0", Body=b"longer")
    assert listed()[0] == ("k0", 6)
    s3.delete_object(Bucket=bucket, Key="k1")
    assert [key for key, _ in listed()] == ["k0", "k2"]
    assert store.request("GET", f"/{bucket}?list-type=2", store.two).code == "AccessDenied"
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"] == store.one.canonical_id
