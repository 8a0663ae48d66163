"""Who may do what: owners, users, other accounts, everybody; bucket policies, their conditions, and public access."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.store import Store


def policy(bucket: str, *statements: dict[str, Any]) -> str:
    whole = [
        {"Effect": "Allow", "Principal": "*", "Resource": f"arn:aws:s3:::{bucket}/*", **statement}
        for statement in statements
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": whole})


@pytest.fixture
def opened(s3: Any, bucket: str) -> str:
    """A bucket whose policy may be public, with an object."""
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


EVERY_CALL = [
    ("GET", "/BUCKET"),
    ("HEAD", "/BUCKET"),
    ("DELETE", "/BUCKET"),
    ("GET", "/BUCKET?list-type=2"),
    ("GET", "/BUCKET?location"),
    ("GET", "/BUCKET?uploads"),
    ("GET", "/BUCKET?cors"),
    ("PUT", "/BUCKET?cors"),
    ("GET", "/BUCKET?policy"),
    ("PUT", "/BUCKET?policy"),
    ("DELETE", "/BUCKET?policy"),
    ("GET", "/BUCKET?tagging"),
    ("GET", "/BUCKET?website"),
    ("PUT", "/BUCKET?publicAccessBlock"),
    ("PUT", "/BUCKET?ownershipControls"),
    ("GET", "/BUCKET/k"),
    ("HEAD", "/BUCKET/k"),
    ("PUT", "/BUCKET/k"),
    ("DELETE", "/BUCKET/k"),
    ("GET", "/BUCKET/k?tagging"),
    ("POST", "/BUCKET/k?uploads"),
    ("PUT", "/BUCKET/k?partNumber=1&uploadId=x"),
    ("POST", "/BUCKET/k?uploadId=x"),
    ("DELETE", "/BUCKET/k?uploadId=x"),
    ("GET", "/BUCKET/k?uploadId=x"),
]


@pytest.mark.parametrize(("method", "target"), EVERY_CALL)
def test_private_means_private(store: Store, s3: Any, bucket: str, method: str, target: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    target = target.replace("BUCKET", bucket)
    stranger = store.user(f"{bucket}-nobody")
    for key in (None, store.two, stranger):
        reply = store.request(method, target, key)
        assert reply.status == 403
        assert method == "HEAD" or reply.code == "AccessDenied"
    assert store.request("GET", f"/{bucket}/k", store.one).body == b"x"


def test_a_missing_bucket_is_missing_for_everybody(store: Store) -> None:
    for key in (None, store.one, store.two):
        assert store.request("GET", "/no-such-bucket/k", key).code == "NoSuchBucket"


def test_nobody_lists_or_creates_buckets_without_a_key(store: Store) -> None:
    assert store.request("GET", "/").code == "AccessDenied"
    assert store.request("PUT", "/bucket-of-nobody").code == "AccessDenied"
    assert store.request("GET", "/bucket-of-nobody", store.one).code == "NoSuchBucket"


def test_a_wrong_signature_is_told_before_what_exists(store: Store, bucket: str) -> None:
    for target in (f"/{bucket}/k", "/no-such-bucket/k"):
        fields = store.signed_headers(store.one, "GET", target)
        fields["Authorization"] = fields["Authorization"][:-4] + "beef"
        assert store.request("GET", target, headers=fields).code == "SignatureDoesNotMatch"


def test_public_read_is_for_reading_alone(store: Store, s3: Any, opened: str) -> None:
    s3.put_bucket_policy(Bucket=opened, Policy=policy(opened, {"Action": "s3:GetObject"}))
    assert store.request("GET", f"/{opened}/k").body == b"x"
    assert store.request("HEAD", f"/{opened}/k").status == 200
    assert store.request("GET", f"/{opened}/missing").code == "AccessDenied"
    assert store.request("GET", f"/{opened}").code == "AccessDenied"
    assert store.request("PUT", f"/{opened}/k", body=b"y").code == "AccessDenied"
    assert store.request("DELETE", f"/{opened}/k").code == "AccessDenied"
    assert store.request("GET", f"/{opened}/k", store.two).body == b"x"  # strangers who sign read as well


def test_restricted_public_buckets_are_for_their_own_account(store: Store, s3: Any, opened: str) -> None:
    s3.put_bucket_policy(Bucket=opened, Policy=policy(opened, {"Action": "s3:GetObject"}))
    s3.put_public_access_block(Bucket=opened, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert store.request("GET", f"/{opened}/k").code == "AccessDenied"
    assert store.request("GET", f"/{opened}/k", store.two).code == "AccessDenied"
    assert store.request("GET", f"/{opened}/k", store.one).status == 200


def test_an_explicit_deny_wins_over_the_owner(store: Store, s3: Any, opened: str) -> None:
    s3.put_bucket_policy(
        Bucket=opened, Policy=policy(opened, {"Effect": "Deny", "Action": "s3:DeleteObject"}, {"Action": "s3:*"})
    )
    assert store.request("DELETE", f"/{opened}/k", store.one).code == "AccessDenied"
    s3.delete_bucket_policy(Bucket=opened)
    assert store.request("DELETE", f"/{opened}/k", store.one).status == 204


def test_another_account_needs_both_halves(store: Store, s3: Any, opened: str) -> None:
    named = {"Principal": {"AWS": store.two.account_id}, "Action": ["s3:GetObject", "s3:PutObject"]}
    assert store.request("GET", f"/{opened}/k", store.two).code == "AccessDenied"
    s3.put_bucket_policy(Bucket=opened, Policy=policy(opened, named))
    assert store.request("GET", f"/{opened}/k", store.two).body == b"x"
    assert store.request("PUT", f"/{opened}/theirs", store.two, body=b"y").status == 200
    assert store.request("GET", f"/{opened}/theirs", store.one).body == b"y"  # the bucket's account owns all in it
    assert store.request("DELETE", f"/{opened}/k", store.two).code == "AccessDenied"


CONDITIONS: list[tuple[dict[str, Any], str, dict[str, str], bool]] = [
    ({"StringEquals": {"aws:Referer": "https://site"}}, "/k", {"Referer": "https://site"}, True),
    ({"StringEquals": {"aws:Referer": "https://site"}}, "/k", {"Referer": "https://other"}, False),
    ({"StringEquals": {"aws:Referer": "https://site"}}, "/k", {}, False),
    ({"StringLike": {"aws:UserAgent": "good/*"}}, "/k", {"User-Agent": "good/1"}, True),
    ({"Bool": {"aws:SecureTransport": "true"}}, "/k", {}, False),
    ({"Bool": {"aws:SecureTransport": "false"}}, "/k", {}, True),
    ({"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}, "/k", {}, True),
    ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, "/k", {}, False),
    ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "/k", {}, True),
    ({"NumericGreaterThan": {"aws:EpochTime": "99999999999"}}, "/k", {}, False),
    ({"StringEquals": {"s3:ExistingObjectTag/stage": "public"}}, "/tagged", {}, True),
    ({"StringEquals": {"s3:ExistingObjectTag/stage": "public"}}, "/k", {}, False),
    ({"StringEquals": {"aws:PrincipalType": "Anonymous"}}, "/k", {}, True),
    ({"Null": {"aws:PrincipalArn": "true"}}, "/k", {}, True),
    ({"StringEquals": {"s3:authType": "REST-HEADER"}}, "/k", {}, False),
    # a header never stands for a key of another name
    ({"StringEquals": {"aws:username": "admin"}}, "/k", {"username": "admin", "x-amz-username": "admin"}, False),
    ({"StringEquals": {"s3:ExistingObjectTag/stage": "public"}}, "/k", {"existingobjecttag": "public"}, False),
]


@pytest.mark.parametrize(("condition", "path", "headers", "is_allowed"), CONDITIONS)
def test_conditions_of_bucket_policies(
    store: Store, s3: Any, opened: str, condition: Any, path: str, headers: dict[str, str], is_allowed: bool
) -> None:
    s3.put_object(Bucket=opened, Key="tagged", Body=b"x", Tagging="stage=public")
    s3.put_bucket_policy(Bucket=opened, Policy=policy(opened, {"Action": "s3:GetObject", "Condition": condition}))
    assert store.request("GET", f"/{opened}{path}", headers=headers).status == (200 if is_allowed else 403)


def user_policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}


def test_users_by_prefix_and_name(store: Store, s3: Any, bucket: str) -> None:
    home = "home/${aws:username}"
    key = store.user(
        f"{bucket}-bob",
        user_policy(
            {"Action": "s3:*Object", "Resource": f"arn:aws:s3:::{bucket}/{home}/*"},
            {
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": f"{home}/*"}},
            },
        ),
    )
    mine = f"home/{bucket}-bob"
    assert store.request("PUT", f"/{bucket}/{mine}/k", key, body=b"x").status == 200
    assert store.request("PUT", f"/{bucket}/home/alice/k", key, body=b"x").code == "AccessDenied"
    client = store.client(key)
    assert client.list_objects_v2(Bucket=bucket, Prefix=f"{mine}/")["KeyCount"] == 1
    for query in ("list-type=2", "list-type=2&prefix=", "list-type=2&prefix=home%2Falice%2F"):
        assert store.request("GET", f"/{bucket}?{query}", key).code == "AccessDenied"


def test_tags_in_a_document_count_before_it_is_obeyed(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    key = store.user(
        f"{bucket}-tagger",
        user_policy(
            {"Action": "s3:PutObjectTagging", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": "s3:PutObjectTagging",
                "Resource": "*",
                "Condition": {"StringEquals": {"s3:RequestObjectTag/Stage": "secret"}},
            },
        ),
    )
    client = store.client(key)

    def tag(stage: str) -> None:
        client.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "Stage", "Value": stage}]})

    tag("open")
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        tag("secret")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "Stage", "Value": "open"}]


def test_a_version_id_asks_for_the_action_on_versions(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reader = store.user(f"{bucket}-reader", user_policy({"Action": "s3:GetObject", "Resource": "*"}))
    assert store.request("GET", f"/{bucket}/k", reader).status == 200
    assert store.request("GET", f"/{bucket}/k?versionId=null", reader).code == "AccessDenied"


def test_a_policy_taken_away_counts_from_the_next_request(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    key = store.user(f"{bucket}-user", user_policy({"Action": "s3:GetObject", "Resource": "*"}))
    assert store.request("GET", f"/{bucket}/k", key).status == 200
    store.client(store.one, "iam").delete_user_policy(UserName=f"{bucket}-user", PolicyName="inline")
    assert store.request("GET", f"/{bucket}/k", key).code == "AccessDenied"
