"""Buckets themselves: made, looked at, removed.

Amazon S3 API Reference, CreateBucket, HeadBucket, GetBucketLocation, DeleteBucket. A bucket is a folder on the disk and
a row that names it. It is there exactly while the row is: the folder is made before it and removed after it, so that a
crash in between leaves at most a folder without a name, which the garbage run takes, and a repeat finishes the work.
"""

from __future__ import annotations

from collections.abc import Mapping

from bucketry.kernel import ids
from bucketry.store.disk import errors as disk_errors
from bucketry.store.gateway import authorise, locks, versions
from bucketry.store.gateway.acl_rights import owns_all
from bucketry.store.gateway.asked_acls import of_new_bucket
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.identity import errors as identity_errors
from bucketry.store.identity.types import Account, BucketRecord, Setting
from bucketry.store.s3 import object_lock, versioning
from bucketry.store.s3.acl import encode
from bucketry.store.s3.buckets import (
    FIRST_REGION,
    MAX_DOCUMENT_BYTES,
    NewBucket,
    check_location,
    check_ownership_header,
    location_document,
    parse_new_bucket,
)
from bucketry.store.s3.errors import (
    AccessDenied,
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    InvalidArgument,
    NoSuchBucket,
    S3Error,
    TooManyBuckets,
)
from bucketry.store.s3.names import check_bucket_name

_ID_BYTES = 8
_LOCK_HEADER = "x-amz-bucket-object-lock-enabled"


async def read_configuration(context: Context) -> None:
    """Make the region and the tags of a bucket to be known to conditions, before rights are decided by them."""
    if context.caller is None:
        raise AccessDenied
    new = await _read_new(context)
    context.condition_values = {**context.condition_values, **new.condition_values()}


async def _read_new(context: Context) -> NewBucket:
    return parse_new_bucket(await read_document(context, MAX_DOCUMENT_BYTES))


async def create_bucket(context: Context) -> Response:
    name, settings = context.bucket_name, context.services.settings
    if context.caller is None:
        raise AccessDenied
    check_bucket_name(name)
    new = await _read_new(context)
    check_location(new.constraint, settings.region)
    header = context.request.headers.get("x-amz-object-ownership")
    ownership = settings.default_object_ownership if header is None else check_ownership_header(header)
    owner = context.caller.account
    if header is not None:
        authorise.demand(context, "s3:PutBucketOwnershipControls")
    if new.tags:
        authorise.demand(context, "s3:TagResource")
    existing = context.services.identity.bucket(name)
    if existing is None:
        grants = of_new_bucket(context, owner, ownership, settings.blocks_public_access)
        first: dict[str, Setting] = {**_lock_settings(context)}
        if new.tags:
            first["tags"] = new.tags
        if grants is not None:
            first["acl"] = encode(grants)
        await _make(context, name, owner, ownership, first)
    else:
        _check_repeat(existing, owner, header, new.tags)
        if _asks_for_lock(context) and not locks.has_lock(existing):
            raise _taken(name, is_own=True)
        await _reset_acl(context, existing)
    return Response(headers=[("Location", f"/{name}")])


def _asks_for_lock(context: Context) -> bool:
    """Whether Object Lock is to be enabled in the bucket to be made. InvalidArgument."""
    text = context.request.headers.get(_LOCK_HEADER)
    if text is None or text.lower() == "false":
        return False
    if text.lower() != "true":
        raise InvalidArgument(
            "The value must be true or false.", {"ArgumentName": _LOCK_HEADER, "ArgumentValue": text[:64]}
        )
    return True


def _lock_settings(context: Context) -> dict[str, str]:
    """What a bucket with Object Lock has from its first moment; nothing where it is not asked for."""
    if not _asks_for_lock(context):
        return {}
    authorise.demand(context, "s3:PutBucketObjectLockConfiguration")
    authorise.demand(context, "s3:PutBucketVersioning")
    return {locks.SETTING: object_lock.encode(object_lock.Configuration()), versions.SETTING: versioning.ENABLED}


async def _make(context: Context, name: str, owner: Account, ownership: str, first: Mapping[str, Setting]) -> None:
    services = context.services
    bucket_id = ids.hex_id(_ID_BYTES)
    await services.disk.create_bucket(name, bucket_id)
    try:
        await services.identity.create_bucket(
            name,
            bucket_id,
            owner.account_id,
            services.settings.region,
            ownership,
            services.settings.max_buckets_per_account,
            is_public_access_blocked=services.settings.blocks_public_access,
            settings=first,
        )
    except identity_errors.IdentityError as error:
        await services.disk.remove_bucket(name, bucket_id)
        raise _refusal(error, name, owner) from None


def _refusal(error: identity_errors.IdentityError, name: str, owner: Account) -> S3Error:
    if isinstance(error, identity_errors.BucketTaken):
        return _taken(name, is_own=error.owner == owner.account_id)
    if isinstance(error, identity_errors.LimitExceeded):
        return TooManyBuckets()
    return AccessDenied()  # the account was deleted meanwhile


def _taken(name: str, is_own: bool) -> S3Error:
    return (BucketAlreadyOwnedByYou if is_own else BucketAlreadyExists)(fields={"BucketName": name})


def _check_repeat(existing: BucketRecord, owner: Account, ownership: str | None, tags: Mapping[str, str]) -> None:
    """Making a bucket again succeeds in us-east-1 for its owner, as AWS keeps it for old clients, unless something else
    is asked than there is."""
    is_own = existing.owner.account_id == owner.account_id
    is_same = ownership in (None, existing.object_ownership) and (not tags or tags == existing.tags)
    if not (is_own and is_same and existing.region == FIRST_REGION):
        raise _taken(existing.name, is_own)


async def _reset_acl(context: Context, bucket: BucketRecord) -> None:
    """Making a bucket again resets its ACL to what is asked for now, as AWS keeps that for old clients too."""
    block = bucket.public_access_block
    blocks_public = block is not None and block.block_public_acls
    grants = of_new_bucket(context, bucket.owner, bucket.object_ownership, blocks_public)
    if grants == bucket.acl or owns_all(bucket):
        return
    authorise.demand(context, "s3:PutBucketAcl", None, bucket)
    context.bucket = bucket
    await set_setting(context, "acl", None if grants is None else encode(grants))


async def head_bucket(context: Context) -> Response:
    bucket = bucket_of(context)
    headers = [("x-amz-bucket-region", bucket.region), ("x-amz-access-point-alias", "false")]
    caller = context.caller
    if caller is not None and caller.account.account_id == bucket.owner.account_id:
        totals = context.services.disk.bucket(bucket.name, bucket.bucket_id).totals()
        # As Ceph's gateway tells them, so that usage is asked in one way of both: older versions count, too.
        headers += [("X-RGW-Object-Count", str(totals.versions)), ("X-RGW-Bytes-Used", str(totals.bytes))]
    return Response(headers=headers, content_length=0)


async def get_bucket_location(context: Context) -> Response:
    return xml_response(location_document(bucket_of(context).region))


async def delete_bucket(context: Context) -> Response:
    bucket, services = bucket_of(context), context.services
    try:
        # From here on nothing can be written any more, in any process, so that nothing is lost with the row.
        await services.disk.bucket(bucket.name, bucket.bucket_id).close_for_removal()
    except disk_errors.BucketNotEmpty:
        raise BucketNotEmpty(fields={"BucketName": bucket.name}) from None
    except disk_errors.BucketMissing:
        pass  # an earlier removal came as far as the folder
    if not await services.identity.delete_bucket(bucket.name, bucket.bucket_id):
        raise NoSuchBucket(fields={"BucketName": bucket.name})
    await services.disk.remove_bucket(bucket.name, bucket.bucket_id)
    return Response(status=204)
