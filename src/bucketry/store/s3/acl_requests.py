"""ACLs as requests give and answers show them: the AccessControlPolicy document, x-amz-acl and x-amz-grant-* headers.

Amazon S3 API Reference, GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl. A grantee may be named by its canonical
id, the URI of a group, or an account's email address; who has that id or address is for the caller of these to find.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from bucketry.store.s3 import xml
from bucketry.store.s3.acl import GROUP_URIS, MAX_GRANTS, Acl, Permission
from bucketry.store.s3.acl_errors import MalformedACLError
from bucketry.store.s3.errors import InvalidArgument, InvalidRequest, MalformedXML
from bucketry.store.s3.headers import Headers

MAX_ACL_BYTES = 128 * 1024
CANNED_HEADER = "x-amz-acl"
GRANT_PREFIX = "x-amz-grant-"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_GRANT_HEADERS = {
    "x-amz-grant-read": Permission.READ,
    "x-amz-grant-write": Permission.WRITE,
    "x-amz-grant-read-acp": Permission.READ_ACP,
    "x-amz-grant-write-acp": Permission.WRITE_ACP,
    "x-amz-grant-full-control": Permission.FULL_CONTROL,
}
_GROUP_OF_URI = {uri: group for group, uri in GROUP_URIS.items()}
_GRANTEE = re.compile(r'\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]*)"|([^\s",]+))\s*(?:,|$)', re.IGNORECASE)


class Kind(Enum):
    """How a grantee is named: xsi:type of the document, with the element that has the name."""

    CANONICAL_USER = "ID"
    GROUP = "URI"
    EMAIL = "EmailAddress"


_TYPES = {"CanonicalUser": Kind.CANONICAL_USER, "Group": Kind.GROUP, "AmazonCustomerByEmail": Kind.EMAIL}
_HEADER_KINDS = {"id": Kind.CANONICAL_USER, "uri": Kind.GROUP, "emailaddress": Kind.EMAIL}


class AskedGrant(NamedTuple):
    """A grant as a request names it."""

    kind: Kind
    name: str
    permission: Permission


class AskedAcl(NamedTuple):
    """What a request asks for: a canned ACL, or grants (and in a document, whose the resource is)."""

    canned: str | None
    grants: tuple[AskedGrant, ...] = ()
    owner: str | None = None  # canonical id


def parse_headers(headers: Headers, names: frozenset[str]) -> AskedAcl | None:
    """The ACL of x-amz-acl (one of `names`) or x-amz-grant-*; None: none is asked for.

    InvalidArgument for a name or field that is none, InvalidRequest for both kinds at once.
    """
    canned = headers.get(CANNED_HEADER) or None  # an empty field says nothing
    if canned is not None and canned not in names:
        raise InvalidArgument(fields={"ArgumentName": CANNED_HEADER, "ArgumentValue": canned[:64]})
    grants: list[AskedGrant] = []
    for header, permission in _GRANT_HEADERS.items():
        value = headers.get(header)
        if value is not None and value.strip():
            grants += _parse_grantees(header, value, permission)
    if any(name.startswith(GRANT_PREFIX) and name not in _GRANT_HEADERS for name in headers):
        raise InvalidArgument(fields={"ArgumentName": GRANT_PREFIX + "*"})
    if not grants:
        return None if canned is None else AskedAcl(canned)
    if canned is not None:
        raise InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
    if len(grants) > MAX_GRANTS:
        raise MalformedACLError
    return AskedAcl(None, tuple(grants))


def _parse_grantees(header: str, value: str, permission: Permission) -> list[AskedGrant]:
    grants: list[AskedGrant] = []
    position = 0
    while position < len(value):
        found = _GRANTEE.match(value, position)
        if found is None:
            raise InvalidArgument(
                "Argument format not recognized", {"ArgumentName": header, "ArgumentValue": value[:256]}
            )
        grants.append(AskedGrant(_HEADER_KINDS[found[1].lower()], found[2] or found[3] or "", permission))
        position = found.end()
    return grants


def parse_document(body: bytes) -> AskedAcl:
    """The ACL of an AccessControlPolicy document. MalformedACLError."""
    try:
        root = xml.parse(body, "AccessControlPolicy", max_bytes=MAX_ACL_BYTES)
    except MalformedXML:
        raise MalformedACLError from None
    listed = root.find("AccessControlList")
    owner = root.find("Owner")
    owner_id = owner.text_of("ID") if owner is not None else None
    if listed is None or not owner_id or len(root.children) != 2:
        raise MalformedACLError
    if len(listed.children) > MAX_GRANTS or any(child.name != "Grant" for child in listed):
        raise MalformedACLError
    return AskedAcl(None, tuple(_parse_grant(grant) for grant in listed), owner_id.strip())


def _parse_grant(grant: xml.Element) -> AskedGrant:
    grantee, permission = grant.find("Grantee"), (grant.text_of("Permission") or "").strip()
    if grantee is None or len(grant.children) != 2 or permission not in Permission.__members__:
        raise MalformedACLError
    kind = _TYPES.get(grantee.attributes.get("type", ""))
    name = (grantee.text_of(kind.value) or "").strip() if kind is not None else ""
    others = {child.name for child in grantee} - {"DisplayName"}
    if kind is None or not name or others != {kind.value}:
        raise MalformedACLError
    return AskedGrant(kind, name, Permission[permission])


def group_of(uri: str) -> str:
    """The group with this URI. InvalidArgument."""
    group = _GROUP_OF_URI.get(uri)
    if group is None:
        raise InvalidArgument("Invalid group uri", {"ArgumentName": "uri", "ArgumentValue": uri[:256]})
    return group


def document(owner: tuple[str, str], acl: Acl, name_of: Callable[[str], str | None]) -> bytes:
    """The AccessControlPolicy document. `owner`: canonical id and name; `name_of` finds the name of such an id."""
    grants = "".join(
        f"<Grant>{_grantee(grant.grantee, name_of)}<Permission>{grant.permission.value}</Permission></Grant>"
        for grant in acl
    )
    owner_element = xml.wrap("Owner", xml.elements((("ID", owner[0]), ("DisplayName", owner[1]))))
    return xml.document("AccessControlPolicy", owner_element + xml.wrap("AccessControlList", grants))


def _grantee(grantee: str, name_of: Callable[[str], str | None]) -> str:
    uri = GROUP_URIS.get(grantee)
    rows: Mapping[str, str | None]
    if uri is not None:
        kind, rows = "Group", {"URI": uri}
    else:
        kind, rows = "CanonicalUser", {"ID": grantee, "DisplayName": name_of(grantee)}
    return f'<Grantee xmlns:xsi="{_XSI}" xsi:type="{kind}">{xml.elements(rows.items())}</Grantee>'
