"""Access control lists as values: who is granted what, the canned ones, how they are kept, whom they let in.

Amazon S3 User Guide, "Access control list (ACL) overview": grantees are accounts, by their canonical id, and Amazon's
predefined groups; a canned ACL is a name for a list of grants. What a permission lets do is in `OBJECT_ACTIONS` and
`BUCKET_ACTIONS`, after the table "Mapping of ACL permissions and access policy permissions" there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

MAX_GRANTS = 100

ALL_USERS = "AllUsers"
AUTHENTICATED_USERS = "AuthenticatedUsers"
LOG_DELIVERY = "LogDelivery"
GROUP_URIS = {
    ALL_USERS: "http://acs.amazonaws.com/groups/global/AllUsers",
    AUTHENTICATED_USERS: "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    LOG_DELIVERY: "http://acs.amazonaws.com/groups/s3/LogDelivery",
}
PUBLIC_GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS})

# Whose what is that nobody signed for: Amazon's canonical id of the anonymous.
ANONYMOUS_ID = "65a011a29cdf8ec533ec3d1ccaae921c"


class Permission(Enum):
    READ = "READ"
    WRITE = "WRITE"
    READ_ACP = "READ_ACP"
    WRITE_ACP = "WRITE_ACP"
    FULL_CONTROL = "FULL_CONTROL"


class Grant(NamedTuple):
    """`grantee`: a canonical id, or the name of a group in `GROUP_URIS`."""

    grantee: str
    permission: Permission


Acl = tuple[Grant, ...]


class Reach(Enum):
    """How an ACL grants something to one who asks."""

    NONE = 0
    ACCOUNT = 1  # their account is named
    GROUP = 2  # they are of a group that is: everyone, or everyone who signs


# Action → what an object's ACL must grant for it.
OBJECT_ACTIONS = {
    "s3:GetObject": Permission.READ,
    "s3:GetObjectVersion": Permission.READ,
    "s3:GetObjectAttributes": Permission.READ,
    "s3:GetObjectVersionAttributes": Permission.READ,
    "s3:GetObjectAcl": Permission.READ_ACP,
    "s3:GetObjectVersionAcl": Permission.READ_ACP,
    "s3:PutObjectAcl": Permission.WRITE_ACP,
    "s3:PutObjectVersionAcl": Permission.WRITE_ACP,
}

# Action → what a bucket's ACL must grant for it. Deletion is for the owner of the object alone, beside the bucket's.
BUCKET_ACTIONS = {
    "s3:ListBucket": Permission.READ,
    "s3:ListBucketVersions": Permission.READ,
    "s3:ListBucketMultipartUploads": Permission.READ,
    "s3:PutObject": Permission.WRITE,
    "s3:DeleteObject": Permission.WRITE,
    "s3:GetBucketAcl": Permission.READ_ACP,
    "s3:PutBucketAcl": Permission.WRITE_ACP,
}

BUCKET_OWNER_FULL_CONTROL = "bucket-owner-full-control"
_GROUP_GRANTS: dict[str, Acl] = {
    "private": (),
    "public-read": (Grant(ALL_USERS, Permission.READ),),
    "public-read-write": (Grant(ALL_USERS, Permission.READ), Grant(ALL_USERS, Permission.WRITE)),
    "authenticated-read": (Grant(AUTHENTICATED_USERS, Permission.READ),),
    # Lets Amazon EC2 read machine images; here there is none, so that it grants nobody anything.
    "aws-exec-read": (),
    "bucket-owner-read": (),
    BUCKET_OWNER_FULL_CONTROL: (),
    "log-delivery-write": (Grant(LOG_DELIVERY, Permission.WRITE), Grant(LOG_DELIVERY, Permission.READ_ACP)),
}
_TO_BUCKET_OWNER = {"bucket-owner-read": Permission.READ, BUCKET_OWNER_FULL_CONTROL: Permission.FULL_CONTROL}
CANNED_OF_BUCKETS = frozenset(_GROUP_GRANTS)
CANNED_OF_OBJECTS = CANNED_OF_BUCKETS - {"log-delivery-write"}


def private(owner: str) -> Acl:
    """What counts where no ACL was given: full control of the owner (a canonical id)."""
    return (Grant(owner, Permission.FULL_CONTROL),)


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """The grants of a canned ACL of an object of `owner` in a bucket of `bucket_owner` (canonical ids). Of a bucket's
    ACL both are the same, so that `bucket-owner-…` says nothing more, as on AWS.
    """
    grants = _GROUP_GRANTS[name] + private(owner)
    permission = _TO_BUCKET_OWNER.get(name)
    return grants if permission is None or owner == bucket_owner else (*grants, Grant(bucket_owner, permission))


def reach(acl: Acl, permission: Permission, canonical_id: str | None, ignores_public: bool = False) -> Reach:
    """How far an ACL grants `permission` to an account, None: to one who did not sign.

    `ignores_public`: what it grants to the public doesn't count (Block Public Access, IgnorePublicAcls).
    """
    found = Reach.NONE
    for grant in acl:
        if grant.permission is not permission and grant.permission is not Permission.FULL_CONTROL:
            continue
        if grant.grantee == canonical_id:
            found = Reach.ACCOUNT
        elif not ignores_public and (
            grant.grantee == ALL_USERS or (grant.grantee == AUTHENTICATED_USERS and canonical_id is not None)
        ):
            return Reach.GROUP
    return found


def is_public(acl: Iterable[Grant]) -> bool:
    """Whether it grants anything to everyone or to everyone who signs: "public" in Block Public Access."""
    return any(grant.grantee in PUBLIC_GROUPS for grant in acl)


def encode(acl: Acl) -> str:
    """An ACL as it is kept: compact JSON, a list of [grantee, permission]."""
    return json.dumps([(grant.grantee, grant.permission.value) for grant in acl], separators=(",", ":"))


@lru_cache(maxsize=4096)
def decode(text: str) -> Acl:
    """What `encode` wrote. ValueError for anything else."""
    try:
        return tuple(Grant(str(grantee), Permission(permission)) for grantee, permission in json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no ACL: {error}") from None
