"""Tags of objects and buckets over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store, allow


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


@pytest.fixture
def tagged(s3: Any, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="k", Body=b"content", Tagging="a=1")
    return bucket


def test_tags_are_set_read_replaced_and_removed(s3: Any, tagged: str) -> None:
    assert s3.get_object_tagging(Bucket=tagged, Key="k")["TagSet"] == tag_set(a="1")["TagSet"]
    before = s3.head_object(Bucket=tagged, Key="k")
    s3.put_object_tagging(Bucket=tagged, Key="k", Tagging=tag_set(b="2", ü="é 中"))
    assert s3.get_object_tagging(Bucket=tagged, Key="k")["TagSet"] == tag_set(b="2", ü="é 中")["TagSet"]
    got = s3.get_object(Bucket=tagged, Key="k")
    assert (got["ETag"], got["LastModified"], got["TagCount"]) == (before["ETag"], before["LastModified"], 2)
    assert got["Body"].read() == b"content"
    s3.delete_object_tagging(Bucket=tagged, Key="k")
    assert s3.get_object_tagging(Bucket=tagged, Key="k")["TagSet"] == []


def test_overwriting_forgets_tags(s3: Any, tagged: str) -> None:
    s3.put_object(Bucket=tagged, Key="k", Body=b"new")
    assert s3.get_object_tagging(Bucket=tagged, Key="k")["TagSet"] == []


@pytest.mark.parametrize(
    "tags",
    [
        tag_set(**{f"k{number}": "v" for number in range(11)}),
        tag_set(**{"k" * 129: "v"}),
        tag_set(k="v" * 257),
        tag_set(**{"aws:k": "v"}),
        tag_set(**{"k<": "v"}),
        {"TagSet": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]},
    ],
)
def test_bad_tags_are_refused_and_change_nothing(s3: Any, tagged: str, tags: dict[str, Any]) -> None:
    with refused("InvalidTag", 400):
        s3.put_object_tagging(Bucket=tagged, Key="k", Tagging=tags)
    assert s3.get_object_tagging(Bucket=tagged, Key="k")["TagSet"] == tag_set(a="1")["TagSet"]


@pytest.mark.parametrize(
    "body", [b"", b"<Tagging/>", b"<TagSet/>", b"x", b"<Tagging><TagSet><Tag/></TagSet></Tagging>"]
)
def test_broken_documents_are_malformed(store: Store, tagged: str, body: bytes) -> None:
    for target in (f"/{tagged}/k?tagging", f"/{tagged}?tagging"):
        assert store.request("PUT", target, store.one, body=body).code == "MalformedXML"


@pytest.mark.parametrize(
    ("header", "code"), [("a=1&a=2", "InvalidArgument"), ("aws:x=1", "InvalidTag"), ("a=%", "InvalidArgument")]
)
def test_bad_header_stores_nothing(store: Store, s3: Any, bucket: str, header: str, code: str) -> None:
    reply = store.request("PUT", f"/{bucket}/k", store.one, {"x-amz-tagging": header}, b"x")
    assert (reply.status, reply.code) == (400, code)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_missing_object(store: Store, s3: Any, bucket: str) -> None:
    for call in (s3.get_object_tagging, s3.delete_object_tagging):
        with refused("NoSuchKey", 404):
            call(Bucket=bucket, Key="missing")
    with refused("NoSuchKey", 404):
        s3.put_object_tagging(Bucket=bucket, Key="missing", Tagging=tag_set(a="1"))
    policy = allow("s3:GetObjectTagging", resource=f"arn:aws:s3:::{bucket}/*")
    with refused("AccessDenied", 403):
        store.client(store.user("tag-reader", policy)).get_object_tagging(Bucket=bucket, Key="missing")


def test_version_id_selects_the_version_action(store: Store, s3: Any, tagged: str) -> None:
    user = store.client(store.user("tag-version", allow("s3:GetObjectTagging", resource="*")))
    assert user.get_object_tagging(Bucket=tagged, Key="k")["TagSet"]
    with refused("AccessDenied", 403):
        user.get_object_tagging(Bucket=tagged, Key="k", VersionId="null")
    assert s3.get_object_tagging(Bucket=tagged, Key="k", VersionId="null")["TagSet"]


def test_bucket_tags(s3: Any, bucket: str) -> None:
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    fifty = tag_set(**{f"k{number:02}": "v" for number in range(50)})
    s3.put_bucket_tagging(Bucket=bucket, Tagging=fifty)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == fifty["TagSet"]
    with refused("InvalidTag", 400):
        s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(**{f"k{number}": "v" for number in range(51)}))
    s3.delete_bucket_tagging(Bucket=bucket)
    s3.delete_bucket_tagging(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)


def test_tags_of_a_request_open_what_it_writes_with_them_and_nothing_else(store: Store, s3: Any, tagged: str) -> None:
    wanted = {"s3:RequestObjectTag/team": "red"}
    key = store.user(
        f"{tagged}-red",
        {
            "Version": "2012-10-17",
            "Statement": [
                *allow("s3:PutObject", "s3:PutObjectTagging", "s3:GetObject", StringEquals=wanted)["Statement"],
                *allow("s3:GetObject", "s3:GetObjectTagging", resource=f"arn:aws:s3:::{tagged}/k")["Statement"],
            ],
        },
    )
    red, copied = {"x-amz-tagging": "team=red"}, {"x-amz-copy-source": f"{tagged}/k"}
    replaced = {**copied, "x-amz-tagging-directive": "REPLACE"}
    for number, (method, query, headers, status) in enumerate(
        [
            ("PUT", "", {}, 403),
            ("PUT", "", {"x-amz-tagging": "team=blue"}, 403),
            ("PUT", "", red, 200),
            ("POST", "?uploads", {}, 403),
            ("POST", "?uploads", red, 200),
            ("PUT", "", copied, 403),
            ("PUT", "", {**copied, **red}, 403),  # the source's tags are taken
            ("PUT", "", {**replaced, **red}, 200),
        ]
    ):
        reply = store.request(method, f"/{tagged}/new-{number}{query}", key, headers)
        assert reply.status == status, (number, reply.body)
    s3.put_object(Bucket=tagged, Key="other", Body=b"private")
    assert store.request("GET", f"/{tagged}/other", key, red).status == 403
    assert s3.get_object_tagging(Bucket=tagged, Key="new-7")["TagSet"] == tag_set(team="red")["TagSet"]
