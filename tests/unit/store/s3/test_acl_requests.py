"""ACLs as requests give them and answers show them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bucketry.store.s3 import acl, acl_requests
from bucketry.store.s3.acl import GROUP_URIS, Grant, Permission
from bucketry.store.s3.acl_errors import MalformedACLError
from bucketry.store.s3.acl_requests import AskedAcl, AskedGrant, Kind
from bucketry.store.s3.errors import InvalidArgument, InvalidRequest
from bucketry.store.s3.headers import Headers

ID = "a" * 64
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
USER = f'<Grant><Grantee {XSI} xsi:type="CanonicalUser"><ID>{ID}</ID></Grantee><Permission>READ</Permission></Grant>'
OWNER = f"<Owner><ID>{ID}</ID></Owner>"


def parse(*fields: tuple[str, str], names: frozenset[str] = acl.CANNED_OF_OBJECTS) -> AskedAcl | None:
    return acl_requests.parse_headers(Headers(fields), names)


def policy(grants: str, owner: str = OWNER) -> bytes:
    return f"<AccessControlPolicy>{owner}<AccessControlList>{grants}</AccessControlList></AccessControlPolicy>".encode()


def test_headers_without_acl_ask_for_none() -> None:
    assert parse() is None
    assert parse(("x-amz-acl", ""), ("x-amz-grant-read", " ")) is None


def test_canned_acl_is_one_that_the_resource_knows() -> None:
    assert parse(("x-amz-acl", "public-read")) == AskedAcl("public-read")
    assert parse(("x-amz-acl", "log-delivery-write"), names=acl.CANNED_OF_BUCKETS) == AskedAcl("log-delivery-write")
    for name in ("log-delivery-write", "everybody", "Private"):
        with pytest.raises(InvalidArgument):
            parse(("x-amz-acl", name))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f'id="{ID}"', [(Kind.CANONICAL_USER, ID)]),
        (f"id={ID}", [(Kind.CANONICAL_USER, ID)]),
        (f'uri="{GROUP_URIS["AllUsers"]}"', [(Kind.GROUP, GROUP_URIS["AllUsers"])]),
        ('emailAddress="a@b.example" ,  id="x"', [(Kind.EMAIL, "a@b.example"), (Kind.CANONICAL_USER, "x")]),
        ("emailaddress=a@b.example,id = x", [(Kind.EMAIL, "a@b.example"), (Kind.CANONICAL_USER, "x")]),
    ],
)
def test_grant_header_lists_grantees(value: str, found: list[tuple[Kind, str]]) -> None:
    asked = parse(("x-amz-grant-write-acp", value))
    assert asked is not None
    assert [(grant.kind, grant.name) for grant in asked.grants] == found
    assert {grant.permission for grant in asked.grants} == {Permission.WRITE_ACP}


def test_repeated_grant_headers_add_up() -> None:
    asked = parse(("x-amz-grant-read", "id=x"), ("x-amz-grant-full-control", "id=z"), ("x-amz-grant-read", "id=y"))
    assert asked is not None
    assert [(grant.name, grant.permission.value) for grant in asked.grants] == [
        ("x", "READ"),
        ("y", "READ"),
        ("z", "FULL_CONTROL"),
    ]


@pytest.mark.parametrize("value", ["x", "id", "name=x", 'id="x" y', 'id="x', 'id=x"y"'])
def test_grant_header_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(("x-amz-grant-read", value))


def test_grant_header_of_another_name_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        parse(("x-amz-grant-everything", "id=x"))


def test_canned_acl_and_grants_are_not_given_at_once() -> None:
    with pytest.raises(InvalidRequest):
        parse(("x-amz-acl", "private"), ("x-amz-grant-read", "id=x"))


def test_hundred_grants_are_the_most() -> None:
    assert len(acl_requests.parse_document(policy(USER * 100)).grants) == 100
    with pytest.raises(MalformedACLError):
        acl_requests.parse_document(policy(USER * 101))
    with pytest.raises(MalformedACLError):
        parse(("x-amz-grant-read", ",".join(["id=x"] * 101)))


@pytest.mark.parametrize(
    ("kind", "element", "name"),
    [
        ("CanonicalUser", "ID", ID),
        ("Group", "URI", GROUP_URIS["AuthenticatedUsers"]),
        ("AmazonCustomerByEmail", "EmailAddress", "a@b.example"),
    ],
)
@pytest.mark.parametrize("permission", [one.value for one in Permission])
def test_document_names_grantees_in_each_way(kind: str, element: str, name: str, permission: str) -> None:
    grantee = f'<Grantee {XSI} xsi:type="{kind}"><{element}>{name}</{element}></Grantee>'
    asked = acl_requests.parse_document(policy(f"<Grant>{grantee}<Permission>{permission}</Permission></Grant>"))
    assert asked == AskedAcl(None, (AskedGrant(Kind(element), name, Permission(permission)),), ID)


def test_document_may_grant_nothing() -> None:
    assert acl_requests.parse_document(policy("")) == AskedAcl(None, (), ID)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<AccessControlPolicy/>",
        b"<Other/>",
        b"<AccessControlPolicy>",
        policy("", owner=""),
        policy("", owner="<Owner/>"),
        policy(USER, owner=OWNER * 2),
        f"<AccessControlPolicy>{OWNER}</AccessControlPolicy>".encode(),
        policy("<Other/>"),
        policy("<Grant/>"),
        policy(USER.replace("READ", "EAT")),
        policy(USER.replace("<Permission>READ</Permission>", "")),
        policy(USER.replace("CanonicalUser", "Group")),
        policy(USER.replace("CanonicalUser", "Somebody")),
        policy(USER.replace(' xsi:type="CanonicalUser"', "")),
        policy(USER.replace(ID, "")),
        policy(USER.replace("</ID>", "</ID><URI>x</URI>")),
        b'<!DOCTYPE x [<!ENTITY e "x">]>' + policy(USER),
    ],
)
def test_document_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedACLError):
        acl_requests.parse_document(body)


def test_group_is_known_by_its_uri() -> None:
    for group, uri in GROUP_URIS.items():
        assert acl_requests.group_of(uri) == group
    with pytest.raises(InvalidArgument):
        acl_requests.group_of("http://acs.amazonaws.com/groups/global/Nobody")


def test_written_document_reads_as_it_was() -> None:
    grants = (
        Grant(acl.ALL_USERS, Permission.READ),
        Grant(ID, Permission.FULL_CONTROL),
        Grant("b" * 64, Permission.WRITE),
    )
    written = acl_requests.document((ID, "the <owner>"), grants, {ID: "the <owner>"}.get)
    asked = acl_requests.parse_document(written)
    assert asked.owner == ID
    assert [(grant.name, grant.permission) for grant in asked.grants] == [
        (GROUP_URIS["AllUsers"], Permission.READ),
        (ID, Permission.FULL_CONTROL),
        ("b" * 64, Permission.WRITE),
    ]
    root = ElementTree.fromstring(written)
    space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    assert [element.text for element in root.iter(f"{space}DisplayName")] == ["the <owner>", "the <owner>"]
    kinds = [element.get("{http://www.w3.org/2001/XMLSchema-instance}type") for element in root.iter(f"{space}Grantee")]
    assert kinds == ["Group", "CanonicalUser", "CanonicalUser"]
