"""ACLs of buckets: set in each way, read again, and whom they let do what."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.kit.acls import CALLERS, OFF, People, acl_bucket, granted
from tests.kit.refusals import refused
from tests.kit.store import Store

_numbers = itertools.count(1)
ALL_USERS = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
OWN = {"owner", "own user with rights"}
NAMED = OWN | {"other", "other's user with rights"}  # where an ACL names the other account
PUBLIC = NAMED | {"own user", "anonymous"}  # a user of another account needs its own policies for all
AUTHENTICATED = NAMED | {"own user"}


@pytest.fixture(scope="module")
def people(store: Store) -> People:
    return People.of(store, "bucket-acl")


@pytest.fixture
def name() -> str:
    return f"bucket-acl-{next(_numbers)}"


# what is asked for → who may, by the permission that the bucket's ACL grants
REQUESTS = {
    "READ": [("GET", ""), ("HEAD", ""), ("GET", "?list-type=2"), ("GET", "?versions"), ("GET", "?uploads")],
    "WRITE": [("PUT", "/new"), ("PUT", "/kept"), ("POST", "/new?uploads")],
    "READ_ACP": [("GET", "?acl")],
    "WRITE_ACP": [("PUT", "?acl")],
}
CANNED = {
    "private": {},
    "public-read": {"READ": PUBLIC},
    "public-read-write": {"READ": PUBLIC, "WRITE": PUBLIC},
    "authenticated-read": {"READ": AUTHENTICATED},
    "aws-exec-read": {},
    "bucket-owner-read": {},
    "bucket-owner-full-control": {},
    "log-delivery-write": {},
}


def allowed(
    store: Store, people: People, bucket: str, method: str, target: str, acl: dict[str, str] | None = None
) -> set[str]:
    """Who of all callers may send a request (or set `acl`, private); the refused are told AccessDenied."""
    found = set()
    for caller in CALLERS:
        headers = (acl or {"x-amz-acl": "private"}) if (method, target) == ("PUT", "?acl") else {}
        reply = store.request(method, f"/{bucket}{target}", people.keys[caller], headers)
        if reply.status == 200:
            found.add(caller)
        else:
            assert (reply.status, reply.code) == (403, "" if method == "HEAD" else "AccessDenied")
    return found


@pytest.mark.parametrize("canned", sorted(CANNED))
def test_canned_acl_lets_in_whom_it_names(store: Store, s3: Any, people: People, name: str, canned: str) -> None:
    acl_bucket(s3, name, ACL=canned)
    s3.put_object(Bucket=name, Key="kept", Body=b"kept")
    for permission, requests in REQUESTS.items():
        for method, target in requests:
            assert allowed(store, people, name, method, target) == CANNED[canned].get(permission, OWN), target


@pytest.mark.parametrize("permission", ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"])
@pytest.mark.parametrize("way", ["header", "document", "email"])
def test_grant_to_an_account_lets_in_its_root_and_whom_that_lets(
    store: Store, s3: Any, people: People, name: str, permission: str, way: str
) -> None:
    acl_bucket(s3, name)
    field = "Grant" + permission.title().replace("_", "").replace("Acp", "ACP")
    owner = s3.get_bucket_acl(Bucket=name)["Owner"]
    if way == "document":
        grant = {"Grantee": {"Type": "CanonicalUser", "ID": store.two.canonical_id}, "Permission": permission}
        s3.put_bucket_acl(Bucket=name, AccessControlPolicy={"Owner": owner, "Grants": [grant]})
    else:
        by = f'id="{store.two.canonical_id}"' if way == "header" else 'emailAddress="TWO@example.com"'
        s3.put_bucket_acl(Bucket=name, **{field: by})
    assert granted(s3.get_bucket_acl(Bucket=name)) == {(store.two.canonical_id, permission)}
    same = {f"x-amz-grant-{permission.lower().replace('_', '-')}": f"id={store.two.canonical_id}"}
    for one, requests in REQUESTS.items():
        expected = NAMED if permission in (one, "FULL_CONTROL") else OWN
        assert allowed(store, people, name, *requests[0], same) == expected


def test_bucket_of_its_own_has_its_owner_in_its_acl(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name)
    answer = s3.get_bucket_acl(Bucket=name)
    assert answer["Owner"] == {"ID": store.one.canonical_id, "DisplayName": "one"}
    assert answer["Grants"] == [
        {
            "Grantee": {"Type": "CanonicalUser", "ID": store.one.canonical_id, "DisplayName": "one"},
            "Permission": "FULL_CONTROL",
        }
    ]


def test_bucket_is_made_with_its_acl(store: Store, s3: Any, name: str) -> None:
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter", GrantRead=f"id={store.two.canonical_id}")
    assert granted(s3.get_bucket_acl(Bucket=name)) == {(store.two.canonical_id, "READ")}
    store.client(store.two).head_bucket(Bucket=name)


def test_public_acl_of_a_new_bucket_is_refused_while_public_access_is_blocked(s3: Any, name: str) -> None:
    with refused("InvalidBucketAclWithBlockPublicAccessError", 400):
        s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter", ACL="public-read")
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        s3.create_bucket(Bucket=name, ACL="public-read")
    with refused("404", 404):
        s3.head_bucket(Bucket=name)


def test_making_a_bucket_with_acl_or_ownership_takes_the_right_to(store: Store, name: str) -> None:
    maker = store.user(f"{name}-maker", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*"}
    ]})  # fmt: skip
    fields = {"x-amz-object-ownership": "ObjectWriter"}
    assert store.request("PUT", f"/{name}", maker, fields).code == "AccessDenied"
    assert store.request("PUT", f"/{name}", maker).status == 200


def test_bucket_made_again_has_its_acl_reset(s3: Any, name: str) -> None:
    acl_bucket(s3, name, ACL="public-read")
    s3.create_bucket(Bucket=name)
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 1
    s3.create_bucket(Bucket=name, ACL="authenticated-read")
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 2


def test_owner_who_revokes_all_keeps_their_bucket(s3: Any, name: str) -> None:
    acl_bucket(s3, name)
    owner = s3.get_bucket_acl(Bucket=name)["Owner"]
    s3.put_bucket_acl(Bucket=name, AccessControlPolicy={"Owner": owner, "Grants": []})
    assert s3.get_bucket_acl(Bucket=name)["Grants"] == []
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.put_bucket_acl(Bucket=name, ACL="private")


USER = '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{}"><{}>{}</{}></Grantee>'


def policy(owner: str, kind: str, element: str, value: str) -> bytes:
    grantee = USER.format(kind, element, value, element)
    grants = f"<Grant>{grantee}<Permission>READ</Permission></Grant>"
    return (
        f"<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList>"
        "</AccessControlPolicy>"
    ).encode()


@pytest.mark.parametrize("target", ["?acl", "/k?acl"])
def test_acls_that_are_none_are_told(store: Store, s3: Any, name: str, target: str) -> None:
    acl_bucket(s3, name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    mine = store.one.canonical_id
    cases: list[tuple[dict[str, str], bytes, int, str]] = [
        ({}, b"", 400, "MissingSecurityHeader"),
        ({"x-amz-acl": "everybody"}, b"", 400, "InvalidArgument"),
        ({"x-amz-acl": "private"}, policy(mine, "CanonicalUser", "ID", mine), 400, "UnexpectedContent"),
        ({"x-amz-acl": "private", "x-amz-grant-read": ALL_USERS}, b"", 400, "InvalidRequest"),
        ({"x-amz-grant-read": "id=nobody"}, b"", 400, "InvalidArgument"),
        ({"x-amz-grant-read": "uri=http://nowhere"}, b"", 400, "InvalidArgument"),
        ({"x-amz-grant-read": "emailAddress=no@example.com"}, b"", 400, "UnresolvableGrantByEmailAddress"),
        ({}, b"<AccessControlPolicy/>", 400, "MalformedACLError"),
        ({}, policy(mine, "CanonicalUser", "ID", "nobody"), 400, "InvalidArgument"),
        ({}, policy(mine, "Group", "URI", "nowhere"), 400, "InvalidArgument"),
        ({}, policy(mine, "AmazonCustomerByEmail", "EmailAddress", "no"), 400, "UnresolvableGrantByEmailAddress"),
        ({}, policy(store.two.canonical_id, "CanonicalUser", "ID", mine), 403, "AccessDenied"),
    ]
    for headers, body, status, code in cases:
        reply = store.request("PUT", f"/{name}{target}", store.one, headers, body)
        assert (reply.status, reply.code) == (status, code), (headers, body)
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 1
    assert len(s3.get_object_acl(Bucket=name, Key="k")["Grants"]) == 1


def test_denial_of_the_bucket_policy_wins_over_the_acl(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name, ACL="public-read")
    two = store.client(store.two)
    two.head_bucket(Bucket=name)
    arn = f"arn:aws:iam::{store.two.account_id}:root"
    statement = {"Effect": "Deny", "Principal": {"AWS": arn}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{name}"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with refused("AccessDenied", 403):
        two.list_objects(Bucket=name)
    assert store.request("GET", f"/{name}").status == 200


@pytest.mark.parametrize("field", ["x-amz-acl", "x-amz-grant-read"])
def test_policies_may_ask_for_the_acl(store: Store, s3: Any, name: str, field: str) -> None:
    value = {"x-amz-acl": "private", "x-amz-grant-read": f"id={store.one.canonical_id}"}[field]
    acl_bucket(s3, name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    condition = {"StringEquals": {f"s3:{field}": value}}
    statement = {"Effect": "Allow", "Action": ["s3:PutBucketAcl", "s3:PutObject*"], "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]}
    user = store.user(f"{name}-user", document)
    for target in ("?acl", "/k?acl", "/new"):
        for asked in ({field: value}, {"x-amz-acl": "public-read"}, {"x-amz-grant-write-acp": ALL_USERS}):
            reply = store.request("PUT", f"/{name}{target}", user, asked)
            assert reply.status == (200 if field in asked and asked[field] == value else 403), (target, asked)


def test_public_acls_are_refused_where_they_are_blocked(store: Store, s3: Any, name: str) -> None:
    acl_bucket(s3, name)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={**OFF, "BlockPublicAcls": True})
    public = [{"x-amz-acl": canned} for canned in ("public-read", "public-read-write", "authenticated-read")]
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    for headers in (*public, {"x-amz-grant-write-acp": ALL_USERS}):
        for method, target in (("PUT", "?acl"), ("PUT", "/k?acl"), ("PUT", "/new"), ("POST", "/new?uploads")):
            reply = store.request(method, f"/{name}{target}", store.one, headers)
            assert (reply.status, reply.code) == (403, "AccessDenied")
        copied = {**headers, "x-amz-copy-source": f"{name}/k"}
        assert store.request("PUT", f"/{name}/new", store.one, copied).code == "AccessDenied"
    assert store.request("GET", f"/{name}/new", store.one).status == 404
    s3.put_bucket_acl(Bucket=name, GrantRead=f"id={store.two.canonical_id}")
    s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="private")


def test_public_acls_count_for_nothing_where_they_are_ignored(store: Store, s3: Any, people: People, name: str) -> None:
    acl_bucket(s3, name, ACL="public-read-write")
    s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="public-read")
    status = s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"]
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={**OFF, "IgnorePublicAcls": True})
    assert [status, s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"]] == [True, False]
    for method, target in (("GET", ""), ("PUT", "/new"), ("GET", "/k")):
        assert allowed(store, people, name, method, target) == OWN
    s3.put_bucket_acl(Bucket=name, ACL="public-read")
    s3.put_bucket_acl(Bucket=name, GrantRead=f'{ALL_USERS}, id="{store.two.canonical_id}"')
    assert allowed(store, people, name, "GET", "") == NAMED
    s3.delete_public_access_block(Bucket=name)
    assert allowed(store, people, name, "GET", "") == PUBLIC
