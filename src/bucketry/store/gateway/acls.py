"""ACLs of buckets and objects: set and read.

Amazon S3 API Reference, GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl. Where object ownership is
BucketOwnerEnforced, ACLs are disabled: all is the bucket owner's, whatever was kept before.
"""

from __future__ import annotations

from bucketry.store.disk.types import Version
from bucketry.store.gateway import asked_acls, versions
from bucketry.store.gateway.acl_rights import ANONYMOUS_ACCOUNT, BUCKET_OWNER_ENFORCED, acl_of, bucket_acl_of
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.identity.types import Account, BucketRecord
from bucketry.store.s3 import acl, acl_requests
from bucketry.store.s3.acl import Acl
from bucketry.store.s3.acl_errors import MissingSecurityHeader, UnexpectedContent
from bucketry.store.s3.acl_requests import MAX_ACL_BYTES, parse_document, parse_headers
from bucketry.store.s3.errors import AccessDenied, OperationAborted

SETTING = "acl"


async def get_bucket_acl(context: Context) -> Response:
    bucket = bucket_of(context)
    if bucket.object_ownership == BUCKET_OWNER_ENFORCED:
        return _shown(context, bucket.owner, acl.private(bucket.owner.canonical_id))
    return _shown(context, bucket.owner, bucket_acl_of(bucket))


async def put_bucket_acl(context: Context) -> Response:
    bucket = bucket_of(context)
    grants = await _asked(context, bucket.owner, acl.CANNED_OF_BUCKETS, "s3:PutBucketAcl")
    if grants is not None:
        is_private = grants == acl.private(bucket.owner.canonical_id)
        await set_setting(context, SETTING, None if is_private else acl.encode(grants))
    return Response()


async def get_object_acl(context: Context) -> Response:
    bucket = bucket_of(context)
    version = versions.asked_version(context, bucket_on_disk(context))
    owner = _owner_of(context, bucket, version)
    if bucket.object_ownership == BUCKET_OWNER_ENFORCED:
        return _shown(context, owner, acl.private(owner.canonical_id))
    return _shown(context, owner, acl_of(version, owner.canonical_id))


async def put_object_acl(context: Context) -> Response:
    bucket, objects = bucket_of(context), bucket_on_disk(context)
    version = versions.asked_version(context, objects)
    owner = _owner_of(context, bucket, version)
    grants = await _asked(context, owner, acl.CANNED_OF_OBJECTS, asked_acls.PUT_OBJECT_ACL)
    if grants is None:
        return Response()
    text = "" if grants == acl.private(owner.canonical_id) else acl.encode(grants)

    def guard(current: Version | None) -> None:
        # Whoever might set the ACL of that object need not be allowed to set the one that came since.
        if current is None or current.sequence != version.sequence:
            raise OperationAborted("The object was replaced while its ACL was set. Try again.")

    await objects.set_acl(context.key, text, guard, versions.asked_version_id(context))
    return Response()


async def _asked(context: Context, owner: Account, names: frozenset[str], action: str) -> Acl | None:
    """The ACL of the headers or the document; None where ACLs are disabled and it says what counts then.

    MissingSecurityHeader, UnexpectedContent, MalformedACLError, AccessDenied; as `asked_acls` has it.
    """
    asked = parse_headers(context.request.headers, names) if context.has_acl_headers else None
    body = await read_document(context, MAX_ACL_BYTES)
    if asked is None:
        if not body:
            raise MissingSecurityHeader(fields={"MissingHeaderName": acl_requests.CANNED_HEADER})
        asked = parse_document(body)
        if asked.owner != owner.canonical_id:
            raise AccessDenied
    elif body:
        raise UnexpectedContent
    bucket = bucket_of(context)
    if bucket.object_ownership == BUCKET_OWNER_ENFORCED:
        asked_acls.check_disabled(context, asked)
        return None
    grants = asked_acls.resolve(context, asked, owner, bucket.owner)
    asked_acls.check_public(context, bucket, grants, action)
    return grants


def _owner_of(context: Context, bucket: BucketRecord, version: Version) -> Account:
    """Whose an object is; an account that is gone is known by its id alone."""
    if version.owner == bucket.owner.account_id or bucket.object_ownership == BUCKET_OWNER_ENFORCED:
        return bucket.owner
    if version.owner == ANONYMOUS_ACCOUNT.account_id:
        return ANONYMOUS_ACCOUNT
    return context.services.identity.account(version.owner) or Account(version.owner, version.owner, "", "")


def _shown(context: Context, owner: Account, grants: Acl) -> Response:
    def name_of(canonical_id: str) -> str | None:
        if canonical_id == owner.canonical_id:
            return owner.display_name
        account = context.services.identity.account_by_canonical_id(canonical_id)
        return None if account is None else account.display_name

    return xml_response(acl_requests.document((owner.canonical_id, owner.display_name), grants, name_of))
