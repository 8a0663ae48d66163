"""The ACL that a request asks for, and whose what it writes will be.

Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket", "Blocking public access to
your Amazon S3 storage"; API Reference, CreateBucket, PutObject, CopyObject, CreateMultipartUpload, PutBucketAcl.
An ACL that says no more than what counts without one is not kept, and takes no further right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bucketry.store.disk.types import Upload
from bucketry.store.gateway import authorise
from bucketry.store.gateway.acl_rights import ANONYMOUS_ACCOUNT, BUCKET_OWNER_ENFORCED, owns_all
from bucketry.store.gateway.bucket_settings import bucket_of
from bucketry.store.gateway.context import Context
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account, BucketRecord
from bucketry.store.s3 import acl
from bucketry.store.s3.acl import Acl, Grant
from bucketry.store.s3.acl_errors import (
    AmbiguousGrantByEmailAddress,
    InvalidBucketAclWithBlockPublicAccessError,
    UnresolvableGrantByEmailAddress,
)
from bucketry.store.s3.acl_requests import AskedAcl, AskedGrant, Kind, group_of, parse_headers
from bucketry.store.s3.errors import (
    AccessControlListNotSupported,
    AccessDenied,
    InvalidArgument,
    InvalidBucketAclWithObjectOwnership,
)

BUCKET_OWNER_PREFERRED = "BucketOwnerPreferred"
PUT_OBJECT_ACL = "s3:PutObjectAcl"


class Ownership(NamedTuple):
    """Whose a new object will be, and its ACL as it is kept ("": none)."""

    account_id: str
    acl: str


def of_new_object(context: Context) -> Ownership:
    """Whose the object will be that the request writes, for a caller who may set the ACL that it asks for.

    AccessDenied, AccessControlListNotSupported, InvalidArgument, InvalidRequest, UnresolvableGrantByEmailAddress.
    """
    bucket = bucket_of(context)
    is_enforced = owns_all(bucket)
    writer = context.caller.account if context.caller is not None else ANONYMOUS_ACCOUNT
    owner = bucket.owner if is_enforced else writer
    asked = parse_headers(context.request.headers, acl.CANNED_OF_OBJECTS) if context.has_acl_headers else None
    if asked is None:
        return Ownership(owner.account_id, "")
    if is_enforced:
        check_disabled(context, asked)
        return Ownership(owner.account_id, "")
    if bucket.object_ownership == BUCKET_OWNER_PREFERRED and asked.canned == acl.BUCKET_OWNER_FULL_CONTROL:
        owner = bucket.owner
    grants = resolve(context, asked, owner, bucket.owner)
    if grants == acl.private(owner.canonical_id):
        return Ownership(owner.account_id, "")
    check_public(context, bucket, grants, PUT_OBJECT_ACL)
    authorise.demand_of_new(context, PUT_OBJECT_ACL)
    return Ownership(owner.account_id, acl.encode(grants))


def of_upload(context: Context, upload: Upload) -> Ownership:
    """Whose the object of an upload will be: as was settled when it began, but where ACLs were disabled since."""
    bucket = bucket_of(context)
    return Ownership(bucket.owner.account_id, "") if owns_all(bucket) else Ownership(upload.owner, upload.acl)


def of_new_bucket(context: Context, owner: Account, ownership: str, blocks_public: bool) -> Acl | None:
    """The ACL that a bucket to be made shall have; None: none but its owner's. As AWS refuses it where ACLs or public
    ones are off: InvalidBucketAclWithObjectOwnership, InvalidBucketAclWithBlockPublicAccessError.
    """
    asked = parse_headers(context.request.headers, acl.CANNED_OF_BUCKETS) if context.has_acl_headers else None
    if asked is None:
        return None
    grants = resolve(context, asked, owner, owner)
    if grants == acl.private(owner.canonical_id):
        return None
    if ownership == BUCKET_OWNER_ENFORCED:
        raise InvalidBucketAclWithObjectOwnership
    if blocks_public and acl.is_public(grants):
        raise InvalidBucketAclWithBlockPublicAccessError
    authorise.demand(context, "s3:PutBucketAcl")
    return grants


def check_disabled(context: Context, asked: AskedAcl) -> None:
    """AccessControlListNotSupported where ACLs are disabled, but for what says just that: full control of the bucket's
    owner. `private` of the bucket's own account says so too; rclone and others send it with each object.
    """
    bucket = bucket_of(context)
    caller = context.caller
    if asked.canned is not None:
        is_own = caller is not None and caller.account.account_id == bucket.owner.account_id
        says_so = asked.canned == acl.BUCKET_OWNER_FULL_CONTROL or (asked.canned == "private" and is_own)
    else:
        says_so = resolve(context, asked, bucket.owner, bucket.owner) == acl.private(bucket.owner.canonical_id)
    if not says_so:
        raise AccessControlListNotSupported


def check_public(context: Context, bucket: BucketRecord, grants: Acl, action: str) -> None:
    """AccessDenied for a public ACL where Block Public Access forbids such."""
    block = bucket.public_access_block
    if block is None or not block.block_public_acls or not acl.is_public(grants):
        return
    denied = authorise.denied(context, action, context.key or None)
    if context.caller is None:
        raise denied
    raise AccessDenied(
        f"{denied.text} because public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 "
        "Block Public Access."
    )


def resolve(context: Context, asked: AskedAcl, owner: Account, bucket_owner: Account) -> Acl:
    """The grants that are asked for, their grantees found; each once, those to groups first, as canned ACLs have them.

    InvalidArgument, UnresolvableGrantByEmailAddress, AmbiguousGrantByEmailAddress.
    """
    if asked.canned is not None:
        return acl.canned(asked.canned, owner.canonical_id, bucket_owner.canonical_id)
    known = {owner.canonical_id, bucket_owner.canonical_id}
    identity = context.services.identity
    found = [Grant(_FINDERS[grant.kind](identity, grant, known), grant.permission) for grant in asked.grants]
    return tuple(sorted(dict.fromkeys(found), key=lambda grant: grant.grantee not in acl.GROUP_URIS))


def _by_id(identity: Identity, grant: AskedGrant, known: set[str]) -> str:
    if grant.name not in known and identity.account_by_canonical_id(grant.name) is None:
        raise InvalidArgument("Invalid id", {"ArgumentName": "CanonicalUser/ID", "ArgumentValue": grant.name[:256]})
    return grant.name


def _by_uri(_identity: Identity, grant: AskedGrant, _known: set[str]) -> str:
    return group_of(grant.name)


def _by_email(identity: Identity, grant: AskedGrant, _known: set[str]) -> str:
    found = identity.accounts_by_email(grant.name)
    if not found:
        raise UnresolvableGrantByEmailAddress
    if len(found) > 1:
        raise AmbiguousGrantByEmailAddress
    return found[0].canonical_id


_FINDERS: dict[Kind, Callable[[Identity, AskedGrant, set[str]], str]] = {
    Kind.CANONICAL_USER: _by_id,
    Kind.GROUP: _by_uri,
    Kind.EMAIL: _by_email,
}
