from __future__ import annotations

import json

import pytest

from bucketry.marketplace.domain.engine_ports import AccessKey, BucketQuota
from bucketry.marketplace.engines import ceph_admin
from bucketry.marketplace.engines.ceph_admin import AdminRequest, GatewayUser

USER = {
    "tenant": "",
    "user_id": "u1",
    "display_name": "a b",
    "max_buckets": -1,
    "subusers": [],
    "keys": [{"user": "u1", "access_key": "AK", "secret_key": "SK"}],
    "swift_keys": [],
    "caps": [],
    "system": "false",
    "admin": "false",
}


@pytest.mark.parametrize(
    ("request_", "method", "target"),
    [
        (ceph_admin.find_owner_of_key("A/K"), "GET", "user?access-key=A%2FK&format=json"),
        (ceph_admin.get_user("t$u"), "GET", "user?uid=t%24u&format=json"),
        (
            ceph_admin.create_user("u", "a=b c"),
            "PUT",
            "user?uid=u&display-name=a%3Db%20c&max-buckets=-1&generate-key=true&key-type=s3&format=json",
        ),
        (ceph_admin.rename_user("u", "n"), "POST", "user?uid=u&display-name=n&format=json"),
        (ceph_admin.delete_key("u", "AK"), "DELETE", "user?key&uid=u&access-key=AK&key-type=s3&format=json"),
        (ceph_admin.delete_user("u"), "DELETE", "user?uid=u&format=json"),
        (ceph_admin.list_users(""), "GET", "user?list&max-entries=1000&format=json"),
        (ceph_admin.list_users("m/"), "GET", "user?list&max-entries=1000&marker=m%2F&format=json"),
        (
            ceph_admin.set_bucket_quota("u", "b", BucketQuota(1025, None)),
            "PUT",
            "bucket?quota&uid=u&bucket=b&enabled=true&max-size-kb=2&max-objects=-1&format=json",
        ),
        (
            ceph_admin.set_bucket_quota("u", "b", BucketQuota(None, 7)),
            "PUT",
            "bucket?quota&uid=u&bucket=b&enabled=true&max-size-kb=-1&max-objects=7&format=json",
        ),
        (
            ceph_admin.set_bucket_quota("u", "b", None),
            "PUT",
            "bucket?quota&uid=u&bucket=b&enabled=false&max-size-kb=-1&max-objects=-1&format=json",
        ),
    ],
)
def test_requests_are_those_of_the_admin_api(request_: AdminRequest, method: str, target: str) -> None:
    assert request_ == AdminRequest(method, target)


def test_users_are_read() -> None:
    user = ceph_admin.parse_user(json.dumps(USER).encode())
    assert user == GatewayUser("u1", "a b", (AccessKey("AK", "SK"),))
    assert user.arn == "arn:aws:iam:::user/u1"
    assert "SK" not in repr(user)
    assert ceph_admin.parse_user(json.dumps({**USER, "tenant": "t"}).encode()).arn == "arn:aws:iam::t:user/u1"


@pytest.mark.parametrize(
    "change", [{"caps": [{"type": "users", "perm": "*"}]}, {"max_buckets": 5}, {"system": "true"}, {"subusers": [{}]}]
)
def test_users_that_may_more_are_known(change: dict[str, object]) -> None:
    assert not ceph_admin.parse_user(json.dumps({**USER, **change}).encode()).is_plain


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"tenant": "", "user_id": "u"}', b"\xff"])
def test_what_is_no_user_is_told(body: bytes) -> None:
    with pytest.raises(ValueError):
        ceph_admin.parse_user(body)
    with pytest.raises(ValueError):
        ceph_admin.parse_users(body)


def test_pages_of_users_tell_where_the_next_begins() -> None:
    assert ceph_admin.parse_users(b'{"keys": ["a"], "truncated": true, "marker": "m"}') == (["a"], "m")
    assert ceph_admin.parse_users(b'{"keys": [], "truncated": false, "marker": "m"}') == ([], "")


@pytest.mark.parametrize(
    ("body", "code"), [(b'{"Code":"NoSuchUser"}', "NoSuchUser"), (b"", ""), (b"[]", ""), (b'{"Code":1}', "")]
)
def test_refusals_have_a_code_or_none(body: bytes, code: str) -> None:
    assert ceph_admin.parse_error(body) == code


@pytest.mark.parametrize(
    ("buckets", "labels"),
    [
        ([], {}),
        (["bkt-a"], {"bucketry:instance": "i 1", "bucketry:space": "s=p&ä\n,"}),
        (["bkt-a", "bkt-b"], {"bucketry:app": ""}),
    ],
)
def test_display_names_say_whose_a_user_is(buckets: list[str], labels: dict[str, str]) -> None:
    line = ceph_admin.describe(buckets, labels)
    assert line.isprintable()
    assert line.isascii()
    assert ceph_admin.described(line) == (buckets, labels)


def test_display_names_of_others_say_nothing() -> None:
    assert ceph_admin.described("Jane Doe") == ([], {})


@pytest.mark.parametrize(
    ("owner", "uid"), [("broker", "bucketry-x"), ("t$broker", "t$bucketry-x"), ("$broker", "$bucketry-x")]
)
def test_bindings_are_users_of_the_same_tenant(owner: str, uid: str) -> None:
    assert ceph_admin.in_tenant_of(owner, "bucketry-x") == uid
