"""ACLs of objects: given with what is written, set later, and whom they let do what."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.kit.acls import CALLERS, OFF, People, acl_bucket, granted
from tests.kit.refusals import refused
from tests.kit.store import Key, Store, allow

_numbers = itertools.count(1)
OWN = {"owner", "own user with rights"}
NAMED = OWN | {"other", "other's user with rights"}
PUBLIC = NAMED | {"own user", "anonymous"}
AUTHENTICATED = NAMED | {"own user"}
CANNED = {
    "private": OWN,
    "public-read": PUBLIC,
    "public-read-write": PUBLIC,
    "authenticated-read": AUTHENTICATED,
    "aws-exec-read": OWN,
    "bucket-owner-read": OWN,
    "bucket-owner-full-control": OWN,
}
WAYS = ("put", "copy", "upload", "set")


@pytest.fixture(scope="module")
def people(store: Store) -> People:
    return People.of(store, "object-acl")


@pytest.fixture
def name(s3: Any) -> str:
    return acl_bucket(s3, f"object-acl-{next(_numbers)}")


def write(client: Any, bucket: str, way: str, **given: Any) -> None:
    """An object `k` with the bytes `secret`, its ACL given in one of the ways."""
    if way == "put":
        client.put_object(Bucket=bucket, Key="k", Body=b"secret", **given)
    elif way == "copy":
        client.put_object(Bucket=bucket, Key="source", Body=b"secret", ACL="private")
        client.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source", **given)
    elif way == "upload":
        upload = client.create_multipart_upload(Bucket=bucket, Key="k", **given)["UploadId"]
        part = client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"secret")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        client.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    else:
        client.put_object(Bucket=bucket, Key="k", Body=b"secret")
        client.put_object_acl(Bucket=bucket, Key="k", **given)


def allowed(store: Store, people: People, method: str, target: str, **headers: str) -> set[str]:
    """Who may send a request; the refused are told AccessDenied."""
    found = set()
    for caller in CALLERS:
        fields = {field.replace("_", "-"): value for field, value in headers.items()}
        reply = store.request(method, target, people.keys[caller], fields)
        if reply.status in (200, 204):
            found.add(caller)
        else:
            assert (reply.status, reply.code) == (403, "" if method == "HEAD" else "AccessDenied")
            assert b"secret" not in reply.body
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("canned", sorted(CANNED))
def test_canned_acl_lets_read_whom_it_names(
    store: Store, s3: Any, people: People, name: str, canned: str, way: str
) -> None:
    write(s3, name, way, ACL=canned)
    assert allowed(store, people, "GET", f"/{name}/k") == CANNED[canned]
    assert allowed(store, people, "HEAD", f"/{name}/k") == CANNED[canned]
    assert allowed(store, people, "GET", f"/{name}/k?versionId=null") == CANNED[canned]
    for method, target in (("GET", "k?acl"), ("GET", "k?tagging"), ("PUT", "k"), ("DELETE", "k")):
        assert allowed(store, people, method, f"/{name}/{target}") == OWN
    assert store.request("GET", f"/{name}/missing").code == "AccessDenied"


@pytest.mark.parametrize("permission", ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"])
def test_grant_to_an_account_lets_do_what_it_says(
    store: Store, s3: Any, people: People, name: str, permission: str
) -> None:
    header = f"x-amz-grant-{permission.lower().replace('_', '-')}"
    fields = {header: f"id={store.two.canonical_id}"}
    assert store.request("PUT", f"/{name}/k", store.one, fields, b"secret").status == 200
    assert granted(s3.get_object_acl(Bucket=name, Key="k")) == {(store.two.canonical_id, permission)}

    def expected(*permissions: str) -> set[str]:
        return NAMED if permission in (*permissions, "FULL_CONTROL") else OWN

    assert allowed(store, people, "GET", f"/{name}/k") == expected("READ")
    assert allowed(store, people, "GET", f"/{name}/k?acl") == expected("READ_ACP")
    assert allowed(store, people, "PUT", f"/{name}/k?acl", **fields) == expected("WRITE_ACP")
    for method, target in (("GET", ""), ("PUT", "/k"), ("DELETE", "/k"), ("GET", "?acl"), ("DELETE", "/k?tagging")):
        reply = store.request(method, f"/{name}{target}", store.two)
        assert (reply.status, reply.code) == (403, "AccessDenied")


def test_copy_does_not_have_the_acl_of_its_source(store: Store, s3: Any, name: str) -> None:
    s3.put_object(Bucket=name, Key="source", Body=b"x", ACL="public-read")
    s3.copy_object(Bucket=name, Key="k", CopySource=f"{name}/source")
    assert store.request("GET", f"/{name}/source").status == 200
    assert store.request("GET", f"/{name}/k").code == "AccessDenied"


def test_other_tags_leave_the_acl_and_another_object_does_not(store: Store, s3: Any, name: str) -> None:
    s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="public-read")
    s3.put_object_tagging(Bucket=name, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert store.request("GET", f"/{name}/k").status == 200
    s3.put_object(Bucket=name, Key="k", Body=b"secret")
    assert store.request("GET", f"/{name}/k").code == "AccessDenied"


def test_acl_leaves_date_and_etag(s3: Any, name: str) -> None:
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    before = s3.head_object(Bucket=name, Key="k")
    s3.put_object_acl(Bucket=name, Key="k", ACL="public-read")
    after = s3.head_object(Bucket=name, Key="k")
    assert [after[field] for field in ("ETag", "LastModified")] == [before[f] for f in ("ETag", "LastModified")]


def test_each_version_has_its_own_acl(store: Store, s3: Any, name: str) -> None:
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=name, Key="k", Body=b"1", ACL="public-read")["VersionId"]
    second = s3.put_object(Bucket=name, Key="k", Body=b"2")["VersionId"]
    assert store.request("GET", f"/{name}/k").code == "AccessDenied"
    assert store.request("GET", f"/{name}/k?versionId={second}").code == "AccessDenied"
    assert store.request("GET", f"/{name}/k?versionId={first}").body == b"1"
    s3.put_object_acl(Bucket=name, Key="k", VersionId=first, ACL="private")
    s3.put_object_acl(Bucket=name, Key="k", ACL="public-read")
    assert store.request("GET", f"/{name}/k?versionId={first}").code == "AccessDenied"
    assert store.request("GET", f"/{name}/k").body == b"2"
    assert [len(s3.get_object_acl(Bucket=name, Key="k", VersionId=v)["Grants"]) for v in (first, second)] == [1, 2]
    source = f"{name}/k?versionId="
    target = acl_bucket(store.client(store.two), f"{name}-two")
    copied = {"x-amz-copy-source": source + second}
    assert store.request("PUT", f"/{target}/copy", store.two, copied).status == 200
    copied = {"x-amz-copy-source": source + first}
    assert store.request("PUT", f"/{target}/copy", store.two, copied).code == "AccessDenied"
    s3.delete_object(Bucket=name, Key="k")
    assert store.request("GET", f"/{name}/k").code == "AccessDenied"


def test_who_may_list_by_acl_learns_that_a_key_is_missing(store: Store, s3: Any, name: str) -> None:
    s3.put_object(Bucket=name, Key="k", Body=b"secret")
    for key in (None, store.two):
        assert [store.request("GET", f"/{name}/{one}", key).code for one in ("k", "missing")] == ["AccessDenied"] * 2
    s3.put_bucket_acl(Bucket=name, ACL="public-read")
    for key in (None, store.two):
        codes = [store.request("GET", f"/{name}/{one}", key).code for one in ("k", "missing")]
        assert codes == ["AccessDenied", "NoSuchKey"]


def test_denial_of_the_bucket_policy_wins_over_the_acl(store: Store, s3: Any, name: str) -> None:
    write(s3, name, "put", ACL="public-read")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    for key in (store.one, store.two, None):
        assert store.request("GET", f"/{name}/k", key).code == "AccessDenied"


def test_denial_of_the_own_policies_wins_over_the_acl(store: Store, s3: Any, name: str) -> None:
    write(s3, name, "put", ACL="public-read")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}]}
    assert store.request("GET", f"/{name}/k", store.user(f"{name}-denied", document)).code == "AccessDenied"


def test_acl_with_an_object_takes_the_right_to_set_it(store: Store, s3: Any, name: str) -> None:
    writer = store.user(f"{name}-writer", allow("s3:PutObject"))
    setter = store.user(f"{name}-setter", allow("s3:PutObject", "s3:PutObjectAcl"))

    def statuses(key: Key) -> list[int]:
        public, private = {"x-amz-acl": "public-read"}, {"x-amz-acl": "private"}
        requests = [("PUT", "k", public), ("POST", "k?uploads", public), ("PUT", "k", private), ("PUT", "k", {})]
        return [store.request(method, f"/{name}/{target}", key, fields).status for method, target, fields in requests]

    assert statuses(writer) == [403, 403, 200, 200]
    assert statuses(setter) == [200, 200, 200, 200]


def test_restricted_bucket_with_a_public_policy_lets_no_acl_in(store: Store, s3: Any, name: str) -> None:
    write(s3, name, "put", ACL="public-read")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/x"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert store.request("GET", f"/{name}/k").status == 200
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={**OFF, "RestrictPublicBuckets": True})
    for key in (store.two, None):
        assert store.request("GET", f"/{name}/k", key).code == "AccessDenied"


def test_public_object_is_served_by_the_website(store: Store, s3: Any, name: str) -> None:
    s3.put_bucket_website(Bucket=name, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_object(Bucket=name, Key="index.html", Body=b"hello", ACL="public-read")
    s3.put_object(Bucket=name, Key="secret.html", Body=b"secret")

    def get(path: str) -> tuple[int, bytes]:
        host = f"{name}.s3-website-us-east-1.localhost"
        request = urllib.request.Request(f"http://127.0.0.1:{store.website_port}/{path}", headers={"Host": host})
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    assert get("") == (200, b"hello")
    assert get("secret.html") == (403, b"")


def test_log_delivery_is_no_acl_of_objects(s3: Any, name: str) -> None:
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="log-delivery-write")
