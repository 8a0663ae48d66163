"""URLs presigned by Signature V2, as awscli 1 and boto3 make them for us-east-1 unless told otherwise."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.kit.store import Key, Reply, Store


def presign(store: Store, operation: str, key: Key | None = None, expires_s: int = 60, **parameters: Any) -> str:
    """The target (path and query) of a URL as boto3 presigns it by V2."""
    client = store.client(key or store.one, signature_version="s3")
    url = urlsplit(client.generate_presigned_url(operation, parameters, ExpiresIn=expires_s))
    assert "AWSAccessKeyId=" in url.query
    return f"{url.path}?{url.query}"


@pytest.fixture
def target(store: Store, bucket: str) -> dict[str, str]:
    """An object, as parameters of boto3."""
    store.client(store.one).put_object(Bucket=bucket, Key="some key+ü", Body=b"content")
    return {"Bucket": bucket, "Key": "some key+ü"}


def refused(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.code


def test_each_method_works(store: Store, target: dict[str, str]) -> None:
    assert store.request("PUT", presign(store, "put_object", **target), body=b"by url").status == 200
    assert store.request("GET", presign(store, "get_object", **target)).body == b"by url"
    assert store.request("HEAD", presign(store, "head_object", **target)).status == 200
    assert store.request("DELETE", presign(store, "delete_object", **target)).status == 204


def test_signed_fields_count(store: Store, target: dict[str, str]) -> None:
    url = presign(store, "put_object", **target, ContentType="text/plain", Metadata={"colour": "blue"})
    assert refused(store.request("PUT", url, headers={"Content-Type": "text/html"}, body=b"x")) == (
        403, "SignatureDoesNotMatch",
    )  # fmt: skip
    assert store.request("PUT", url, headers={"Content-Type": "text/plain"}, body=b"x").status == 200
    head = store.client(store.one).head_object(**target)
    assert (head["ContentType"], head["Metadata"]) == ("text/plain", {"colour": "blue"})


def test_response_overrides_are_signed(store: Store, target: dict[str, str]) -> None:
    url = presign(store, "get_object", **target, ResponseContentType="text/x-override")
    assert store.request("GET", url).headers["content-type"] == "text/x-override"
    forged = url.replace(quote("text/x-override", safe=""), quote("text/html", safe=""))
    assert refused(store.request("GET", forged)) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        ("/some", "/other", (403, "SignatureDoesNotMatch")),
        ("Expires=", "Expires=9", (403, "SignatureDoesNotMatch")),
        ("Signature=", "Signature=A", (403, "SignatureDoesNotMatch")),
        ("?", "?versionId=null&", (403, "SignatureDoesNotMatch")),
        ("?", "?tagging&", (403, "SignatureDoesNotMatch")),
        ("?", "?x-amz-acl=public-read&", (403, "SignatureDoesNotMatch")),
        ("?", "?prefix=a&", (400, "InvalidRequest")),
        ("?", "?publicAccessBlock&", (400, "InvalidRequest")),
        ("Signature=", "Signatures=", (403, "AccessDenied")),
        ("?", "?Expires=1&", (403, "AccessDenied")),
        ("AWSAccessKeyId=BKRY", "AWSAccessKeyId=XKRY", (403, "InvalidAccessKeyId")),
    ],
)
def test_altered_urls_are_refused(
    store: Store, target: dict[str, str], old: str, new: str, answer: tuple[int, str]
) -> None:
    url = presign(store, "get_object", **target)
    assert old in url
    assert refused(store.request("GET", url.replace(old, new, 1))) == answer


def test_another_method_is_refused(store: Store, target: dict[str, str]) -> None:
    url = presign(store, "get_object", **target)
    assert refused(store.request("DELETE", url)) == (403, "SignatureDoesNotMatch")
    assert store.request("GET", url).body == b"content"


@pytest.mark.parametrize(
    "fields",
    [
        ["x-amz-meta-colour: red", "x-amz-meta-colour: blue"],
        ["x-amz-meta-colour: blue", "x-amz-meta-colour: red"],
        ["x-amz-meta-colour: blue", "x-amz-acl: public-read"],
    ],
)
def test_a_repeated_field_is_signed_whole(store: Store, target: dict[str, str], fields: list[str]) -> None:
    url = presign(store, "put_object", **target, Metadata={"colour": "blue"})
    head = f"PUT {url} HTTP/1.1\r\nHost: {store.host}\r\nContent-Length: 1\r\n" + "".join(f"{f}\r\n" for f in fields)
    with store.connection() as connection:
        connection.send(f"{head}\r\nx".encode())
        assert refused(connection.reply()) == (403, "SignatureDoesNotMatch")
    assert store.client(store.one).get_object(**target)["Body"].read() == b"content"


def test_a_parameter_never_stands_for_others(store: Store, target: dict[str, str]) -> None:
    """What is signed is lines and pieces joined: a value that holds their ends could be taken for several."""
    version = presign(store, "get_object", **target, ResponseContentType="a", VersionId="null")
    assert store.request("GET", version).status == 200
    folded = version.replace("versionId=null&", "").replace("&versionId=null", "")
    folded = folded.replace("response-content-type=a", "response-content-type=a%26versionId%3Dnull")
    assert folded != version
    assert refused(store.request("GET", folded)) == (400, "InvalidRequest")
    two = presign(store, "put_object", **target, Metadata={"a": "1", "b": "2"})
    folded = two.replace("x-amz-meta-b=2&", "").replace("&x-amz-meta-b=2", "")
    folded = folded.replace("x-amz-meta-a=1", "x-amz-meta-a=1%0Ax-amz-meta-b%3A2")
    assert "%0A" in folded
    assert refused(store.request("PUT", folded, body=b"x")) == (400, "InvalidRequest")
    assert store.client(store.one).get_object(**target)["Body"].read() == b"content"
    for repeated, status in (("x-amz-meta-a=1&x-amz-meta-a=3", 200), ("x-amz-meta-a=3&x-amz-meta-a=1", 403)):
        assert store.request("PUT", two.replace("x-amz-meta-a=1", repeated), body=b"x").status == status
    assert store.client(store.one).head_object(**target)["Metadata"] == {"a": "1", "b": "2"}


def test_a_refusal_tells_no_secret(store: Store, target: dict[str, str]) -> None:
    url = presign(store, "put_object", **target)
    fields = {"x-amz-security-token": "the-token", "x-amz-server-side-encryption-customer-key": "the-key"}
    reply = store.request("PUT", url, headers=fields)
    assert b"(hidden)" in reply.body or reply.code == "InvalidToken"
    assert b"the-token" not in reply.body
    assert b"the-key" not in reply.body
    reply = store.request("PUT", url, headers={"x-amz-server-side-encryption-customer-key": "the-key"})
    assert reply.code == "SignatureDoesNotMatch"
    assert b"the-key" not in reply.body


def test_an_unsigned_amz_header_is_refused(store: Store, target: dict[str, str]) -> None:
    url = presign(store, "put_object", **target)
    fields = {"x-amz-copy-source": f"{target['Bucket']}/{quote(target['Key'])}"}
    assert refused(store.request("PUT", url, headers=fields)) == (403, "SignatureDoesNotMatch")


def test_an_expired_url_is_refused(store: Store, target: dict[str, str]) -> None:
    reply = store.request("GET", presign(store, "get_object", expires_s=-5, **target))
    assert refused(reply) == (403, "AccessDenied")
    assert "expired" in reply.body.decode()
    assert store.request("GET", presign(store, "get_object", expires_s=30, **target)).status == 200


def test_a_url_dies_with_its_key_and_has_no_more_rights(store: Store, target: dict[str, str]) -> None:
    allowed = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{target['Bucket']}/*"},
    }
    name = f"v2-{target['Bucket']}"
    user = store.user(name, allowed)
    url = presign(store, "get_object", key=user, **target)
    assert store.request("GET", url).status == 200
    denied = store.request("DELETE", presign(store, "delete_object", key=user, **target))
    assert refused(denied) == (403, "AccessDenied")
    store.client(store.one, "iam").delete_access_key(UserName=name, AccessKeyId=user.access_key_id)
    assert refused(store.request("GET", url)) == (403, "InvalidAccessKeyId")


def test_a_virtual_host_is_part_of_what_is_signed(store: Store, target: dict[str, str], bucket: str) -> None:
    store.client(store.one).put_object(Bucket=bucket, Key=f"{bucket}/k", Body=b"deeper")
    store.client(store.one).put_object(Bucket=bucket, Key="k", Body=b"plain")
    by_path = presign(store, "get_object", Bucket=bucket, Key="k")
    host = {"Host": f"{bucket}.localhost:{store.port}"}
    assert store.request("GET", by_path.removeprefix(f"/{bucket}"), headers=host).body == b"plain"
    assert refused(store.request("GET", by_path, headers=host)) == (403, "SignatureDoesNotMatch")


def test_it_is_no_way_into_iam(store: Store, bucket: str) -> None:
    url = presign(store, "list_buckets")
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = store.request("POST", url, headers=fields, body=b"Action=ListUsers&Version=2010-05-08")
    assert reply.status in (400, 403)
    assert b"ListUsersResult" not in reply.body
