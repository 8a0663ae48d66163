"""PutObject and DeleteObject. Amazon S3 API Reference, of both; User Guide, "Conditional requests".

Of a body nothing is kept unless all that was announced of it holds. Conditions are asked twice: before the body is
read, so that an upload in vain ends early, and in the transaction, where nobody can come between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.piecewise import PiecewiseWriter
from bucketry.store.disk.sealed_writing import AnyWriter
from bucketry.store.disk.sealing import Protection
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.stored import Written
from bucketry.store.disk.types import Guard, NewObject, Version
from bucketry.store.gateway import authorise, encryption, lifecycle, locks, versions
from bucketry.store.gateway.asked_acls import of_new_object
from bucketry.store.gateway.bodies import ObjectBody, Received
from bucketry.store.gateway.bucket_settings import bucket_of
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.encryption import Encryption
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.s3.checksums import BY_NAME
from bucketry.store.s3.conditions import check_delete, check_write, check_write_fields
from bucketry.store.s3.object_lock import Lock
from bucketry.store.s3.stored_headers import stored_headers
from bucketry.store.s3.tagging import parse_tag_header

FULL_OBJECT = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Description:
    """What a request says of the object that it writes, beside its bytes; its caller may say so."""

    owner: str
    acl: str
    headers: Mapping[str, str]
    tags: Mapping[str, str]
    asked_lock: Lock | None
    encryption: Encryption


def describe(context: Context) -> Description:
    """What the request's headers say of the object to be. AccessDenied and the errors of what is said wrongly."""
    owner, acl = of_new_object(context)
    tags = request_tags(context, owner)
    headers = stored_headers(context.request.headers)
    asked_lock = locks.asked_lock(context)
    if locks.has_lock(bucket_of(context)):
        locks.check_digest(context, locks.with_default(context, asked_lock, context.now_ms))
    return Description(owner, acl, headers, tags, asked_lock, encryption.of_write(context))


async def put_object(context: Context) -> Response:
    """Store the body as the object of this key."""
    versions.refuse_version_id(context)
    guard = write_guard(context)
    described = describe(context)
    body = ObjectBody(context, needs_length=False)
    bucket = bucket_on_disk(context)
    if guard is not None:
        guard(bucket.get(context.key))
    header, protection = record_header(context, described), described.encryption.protection
    received, written = await receive(bucket, body, header, protection)
    made = await make_object(context, bucket, described, received, written, guard)
    fields = [("ETag", f'"{received.md5_hex}"'), *received_fields(received), *versions.made_fields(made)]
    fields += lifecycle.expiration_fields(bucket_of(context), made)
    fields += described.encryption.fields
    return Response(headers=fields)


def record_header(context: Context, described: Description) -> RecordHeader:
    """What is written before the bytes of an object."""
    return RecordHeader(
        "object",
        context.key,
        context.now_ms,
        described.owner,
        headers=dict(described.headers),
        tags=dict(described.tags),
    )


async def make_object(
    context: Context,
    bucket: Bucket,
    described: Description,
    received: Received,
    written: Written,
    guard: Guard | None = None,
) -> Version:
    """Make bytes that came whole the object of the request's key."""
    modified_ms = context.services.clock_ms()
    new = NewObject(
        key=context.key,
        etag=received.md5_hex,
        owner=described.owner,
        modified_ms=modified_ms,
        headers=described.headers,
        checksums=received.checksums,
        checksum_type=FULL_OBJECT if received.checksums else "",
        tags=described.tags,
        acl=described.acl,
        is_versioned=versions.keeps_versions(bucket_of(context)),
        lock=locks.with_default(context, described.asked_lock, modified_ms),
        encryption=described.encryption.kept,
    )
    return await bucket.put(new, written, guard)


async def receive(
    bucket: Bucket, body: ObjectBody, header: RecordHeader, protection: Protection | None
) -> tuple[Received, Written]:
    """Read a body to the disk, verified and synced but not yet referred to: pass it to a change of the bucket, once."""
    size = body.size
    writer: PiecewiseWriter | AnyWriter
    if size is None:
        writer = bucket.piecewise_writer(header, protection)
    else:
        writer = await bucket.writer(header, size, protection)
    try:
        await body.pour_to(writer)
        received = body.finish()
        return received, await writer.finish(record_footer(received))
    except BaseException:
        writer.abort()
        raise


def record_footer(received: Received) -> RecordFooter:
    """What is written after the bytes of an object."""
    return RecordFooter(received.md5_hex, received.checksums, FULL_OBJECT if received.checksums else "")


def received_fields(received: Received) -> list[tuple[str, str]]:
    """The checksum that was verified, as fields of the answer to an upload of a whole object."""
    if not received.checksums:
        return []
    fields = [(BY_NAME[name].header, value) for name, value in received.checksums.items()]
    return [*fields, ("x-amz-checksum-type", FULL_OBJECT)]


def write_guard(context: Context) -> Guard | None:
    """What If-Match and If-None-Match of a write ask of the object that is there; None: nothing."""
    headers = context.request.headers
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    if if_match is None and if_none_match is None:
        return None
    check_write_fields(if_match, if_none_match)
    key = context.key

    def guard(current: Version | None) -> None:
        check_write(if_match, if_none_match, key, _etag(current))

    return guard


def request_tags(context: Context, owner: str) -> Mapping[str, str]:
    """The tags of x-amz-tagging for an object that will be of `owner` (an account), if the caller may set them.

    AccessDenied, InvalidTag, InvalidArgument.
    """
    header = context.request.headers.get("x-amz-tagging")
    if not header:
        return {}
    if owner == bucket_of(context).owner.account_id:
        authorise.demand(context, "s3:PutObjectTagging", context.key)
    else:
        authorise.demand_of_new(context, "s3:PutObjectTagging")
    return parse_tag_header(header)


async def delete_object(context: Context) -> Response:
    """Remove the object, or the version that is named; one that is not there is no error. Where the bucket keeps
    versions and none is named, a delete marker hides them all."""
    version_id = versions.asked_version_id(context)
    if_match = context.request.headers.get("if-match")

    def guard(current: Version | None) -> None:
        check_delete(if_match, _etag(current))

    asked = guard if if_match is not None else None
    bucket = bucket_on_disk(context)
    if version_id is None:
        deleted = await bucket.delete(context.key, asked, versions.marker_for(context))
    else:
        bypasses = locks.bypasses(context, context.key, version_id)
        deleted = await bucket.delete_version(context.key, version_id, asked, bypasses=bypasses)
    fields: list[tuple[str, str]] = []
    if deleted is not None and deleted.is_delete_marker:
        fields = [("x-amz-delete-marker", "true"), ("x-amz-version-id", deleted.version_id)]
    elif version_id is not None and versions.has_versions(bucket_of(context)):
        fields = [("x-amz-version-id", version_id)]
    return Response(status=204, headers=fields)


def _etag(version: Version | None) -> str | None:
    return None if version is None or version.is_delete_marker else version.etag
