"""CopyObject and UploadPartCopy: bytes that are here already, under another name.

Amazon S3 API Reference, of both. Each asks for the right to read the source and the right to write the target, in
whichever buckets they are. Inside a bucket no byte moves; what must be known of the bytes (a part's MD5, a checksum
that was asked for) is computed by reading them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import Superseded, UploadMissing
from bucketry.store.disk.sealing import STORE_KEY
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.stored import Written
from bucketry.store.disk.types import NewObject, Part, Version
from bucketry.store.gateway import authorise, encryption, lifecycle, locks, versions
from bucketry.store.gateway.acl_rights import judged_version
from bucketry.store.gateway.asked_acls import of_new_object
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.encryption import Encryption
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.multipart import checksum_of, find_upload, no_such_upload
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.gateway.objects_put import request_tags, write_guard
from bucketry.store.gateway.rehashing import digests_of
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import checksums
from bucketry.store.s3.checksums import Algorithm, ChecksumType
from bucketry.store.s3.conditions import check_copy_source
from bucketry.store.s3.copying import (
    MAX_COPY_BYTES,
    CopySource,
    copy_conditions,
    parse_copy_range,
    parse_copy_source,
    replaces,
)
from bucketry.store.s3.encryption import SOURCE_CUSTOMER
from bucketry.store.s3.errors import AccessDenied, InvalidRequest, NoSuchBucket, OperationAborted
from bucketry.store.s3.multipart import copied_document, parse_part_number
from bucketry.store.s3.stored_headers import REDIRECT, check_redirect, stored_headers

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Source:
    """What is copied, found and allowed."""

    asked: CopySource
    record: BucketRecord
    bucket: Bucket
    version: Version
    customer_key: bytes | None = field(repr=False)


async def copy_object(context: Context) -> Response:
    return await _while_replaced(context, _copy_object)


async def upload_part_copy(context: Context) -> Response:
    return await _while_replaced(context, _upload_part_copy)


async def _while_replaced(context: Context, attempt: Callable[[Context], Awaitable[Response]]) -> Response:
    """Try again with what is there now, where the source is overwritten between look-up and copy."""
    for _ in range(_ATTEMPTS):
        try:
            return await attempt(context)
        except Superseded:
            continue
    raise OperationAborted("The source is overwritten again and again while it is copied. Try again.")


async def _copy_object(context: Context) -> Response:
    versions.refuse_version_id(context)
    guard = write_guard(context)
    headers = context.request.headers
    replaces_metadata = replaces(headers, "x-amz-metadata-directive", "metadata")
    replaces_tags = replaces(headers, "x-amz-tagging-directive", "tagging")
    source = _find_source(context)
    version = source.version
    if version.size > MAX_COPY_BYTES:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {MAX_COPY_BYTES}"
        )
    is_current = source.asked.version_id is None or not versions.has_versions(source.record)
    is_itself = is_current and source.record is context.bucket and version.key == context.key
    changes = replaces_metadata or REDIRECT in headers or "x-amz-storage-class" in headers
    if is_itself and not changes and not encryption.is_asked(context):
        raise InvalidRequest(
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )
    owner, acl = of_new_object(context)  # an ACL is never copied, nor is a lock
    lock = locks.with_default(context, locks.asked_lock(context), context.now_ms)
    asked = encryption.of_write(context, version)
    etag, sums, kind = await _digests(context, source)
    new = NewObject(
        key=context.key,
        etag=etag,
        owner=owner,
        modified_ms=context.services.clock_ms(),
        headers=_new_headers(context, version, replaces_metadata),
        checksums=sums,
        checksum_type=kind,
        tags=_new_tags(context, source, replaces_tags, owner),
        acl=acl,
        lock=lock,
        is_versioned=versions.keeps_versions(bucket_of(context)),
        encryption=asked.kept,
    )
    bucket = bucket_on_disk(context)
    if _may_share(source, bucket, asked):
        made = await bucket.copy(source.bucket, version, new, guard)
    else:
        header = RecordHeader("object", new.key, new.modified_ms, owner, headers=dict(new.headers), tags=dict(new.tags))
        made = await bucket.put(new, await _rewritten(source, 0, version.size, bucket, header, asked), guard)
    response = xml_response(
        copied_document("CopyObjectResult", made.etag, made.modified_ms, made.checksums, made.checksum_type)
    )
    response.headers += [*_source_fields(source), *versions.made_fields(made)]
    response.headers += lifecycle.expiration_fields(bucket_of(context), made)
    response.headers += asked.fields
    return response


def _may_share(source: _Source, target: Bucket, asked: Encryption) -> bool:
    """Whether the copy may refer to the very bytes: both plain, or of the store's key and in one bucket."""
    if source.version.encryption == "":
        return asked.kept == ""
    return source.version.encryption == STORE_KEY == asked.kept and source.bucket is target


async def _rewritten(
    source: _Source, start: int, size: int, bucket: Bucket, header: RecordHeader, asked: Encryption
) -> Written:
    """The bytes of the source, encrypted as is asked; to be referred to. Superseded, CorruptData, DiskFull."""
    found = await source.bucket.read(source.version, start, size, source.customer_key)
    try:
        writer = await bucket.writer(header, size, asked.protection)
        try:
            if isinstance(found, bytes | bytearray | memoryview):
                await writer.write(found)
            else:
                async for block in found:
                    await writer.write(block)
            return await writer.finish(RecordFooter(source.version.etag))
        except BaseException:
            writer.abort()
            raise
    finally:
        if not isinstance(found, bytes | bytearray | memoryview):
            found.close()


def _source_fields(source: _Source) -> list[tuple[str, str]]:
    if not versions.has_versions(source.record):
        return []
    return [("x-amz-copy-source-version-id", source.version.version_id)]


def _new_headers(context: Context, version: Version, replaces_metadata: bool) -> Mapping[str, str]:
    """The copy's headers. A redirect is never taken from the source, only from the request."""
    if replaces_metadata:
        return stored_headers(context.request.headers)
    kept = {name: value for name, value in version.headers.items() if name != REDIRECT}
    redirect = context.request.headers.get(REDIRECT)
    if redirect is not None:
        check_redirect(redirect)
        kept[REDIRECT] = redirect
    return kept


def _new_tags(context: Context, source: _Source, replaces_tags: bool, owner: str) -> Mapping[str, str]:
    """The copy's tags, for a caller who may read the source's and set the target's."""
    if replaces_tags:
        return request_tags(context, owner)
    tags = source.version.tags
    if tags:
        action = "s3:GetObjectTagging" if source.asked.version_id is None else "s3:GetObjectVersionTagging"
        authorise.demand(context, action, source.version.key, source.record, source.asked.version_id)
        authorise.demand(context, "s3:PutObjectTagging", context.key)
    return tags


async def _digests(context: Context, source: _Source) -> tuple[str, Mapping[str, str], str]:
    """ETag and checksums of the copy, and their type. They are those of its bytes as a whole: what the source has of
    its parts alone is computed anew, and so is a checksum that x-amz-checksum-algorithm asks for.
    """
    name = context.request.headers.get("x-amz-checksum-algorithm")
    version = source.version
    is_assembled = "-" in version.etag
    algorithm = checksums.algorithm_named(name) if name is not None else None
    if algorithm is None and not (is_assembled and version.checksum_type == ChecksumType.COMPOSITE.value):
        if not is_assembled:
            return version.etag, version.checksums, version.checksum_type
        found = await digests_of(source.bucket, version, 0, version.size, None, source.customer_key)
        return found.md5_hex, version.checksums, version.checksum_type
    if algorithm is None:
        algorithm = checksums.algorithm_named(next(iter(version.checksums)))
    etag, known = version.etag, _full_checksum(version, algorithm)
    if known is None or is_assembled:
        found = await digests_of(source.bucket, version, 0, version.size, algorithm, source.customer_key)
        etag, known = found.md5_hex, found.checksum
    return etag, {algorithm.value: known}, ChecksumType.FULL_OBJECT.value


def _full_checksum(version: Version, algorithm: Algorithm) -> str | None:
    """The checksum of all bytes of a version, where it is known."""
    if version.checksum_type == ChecksumType.COMPOSITE.value:
        return None
    return version.checksums.get(algorithm.value)


async def _upload_part_copy(context: Context) -> Response:
    number = parse_part_number(context.request.parameters.get("partNumber", ""))
    bucket = bucket_on_disk(context)
    upload = find_upload(context, bucket)
    asked = encryption.of_part(context, upload)
    source = _find_source(context)
    version = source.version
    asked_range = context.request.headers.get("x-amz-copy-source-range")
    start, size = (0, version.size) if asked_range is None else parse_copy_range(asked_range, version.size)
    if size > MAX_COPY_BYTES:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {MAX_COPY_BYTES}"
        )
    algorithm, _ = checksum_of(upload)
    etag, sums = await _part_digests(source, start, size, algorithm)
    part = Part(number, size, etag, context.services.clock_ms(), sums)
    try:
        if _may_share(source, bucket, asked):
            made = await bucket.copy_part(upload.upload_id, part, source.bucket, version, start)
        else:
            header = RecordHeader("part", upload.key, part.modified_ms, upload.owner, upload.upload_id, number)
            written = await _rewritten(source, start, size, bucket, header, asked)
            made = await bucket.put_part(upload.upload_id, part, written)
    except UploadMissing:
        raise no_such_upload(upload.upload_id) from None
    response = xml_response(copied_document("CopyPartResult", made.etag, made.modified_ms, made.checksums))
    response.headers += [*_source_fields(source), *asked.fields]
    return response


async def _part_digests(source: _Source, start: int, size: int, algorithm: Algorithm) -> tuple[str, dict[str, str]]:
    """ETag and checksum of a range; of a whole object what is known of it already."""
    version = source.version
    known = _full_checksum(version, algorithm)
    if size == version.size and "-" not in version.etag and known is not None:
        return version.etag, {algorithm.value: known}
    found = await digests_of(source.bucket, version, start, size, algorithm, source.customer_key)
    return found.md5_hex, {algorithm.value: found.checksum}


def _find_source(context: Context) -> _Source:
    """The source of a copy: named rightly, allowed, there, and as its conditions want it, asked in this order.

    Raises InvalidArgument, NoSuchBucket, AccessDenied, NoSuchKey, NoSuchVersion, PreconditionFailed.
    """
    headers = context.request.headers
    asked = parse_copy_source(headers.get("x-amz-copy-source") or "")
    record = bucket_of(context)
    if asked.bucket != record.name:
        found = context.services.identity.bucket(asked.bucket)
        if found is None:
            raise NoSuchBucket(fields={"BucketName": asked.bucket})
        record = found
    expected = headers.get("x-amz-source-expected-bucket-owner")
    if expected is not None and expected != record.owner.account_id:
        raise AccessDenied
    action = "s3:GetObject" if asked.version_id is None else "s3:GetObjectVersion"
    authorise.demand(context, action, asked.key, record, asked.version_id)
    bucket = context.services.disk.bucket(record.name, record.bucket_id)
    version = _source_version(context, asked, record, bucket)
    check_copy_source(copy_conditions(headers), version.etag, version.modified_ms)
    key = encryption.key_to_read(context, version, SOURCE_CUSTOMER)
    return _Source(asked, record, bucket, version, None if key is None else key.key)


def _source_version(context: Context, asked: CopySource, record: BucketRecord, bucket: Bucket) -> Version:
    judged = judged_version(context, record, asked.key, asked.version_id)
    if asked.version_id is None:
        version = judged or bucket.get(asked.key)
        if version is None:
            raise authorise.missing_key(context, asked.key, record)
        return version
    versions.check_version_id(asked.version_id)
    version = judged or bucket.get_version(asked.key, asked.version_id)
    if version is None:
        raise versions.missing_version(context, asked.key, asked.version_id, record)
    if version.is_delete_marker:
        raise InvalidRequest(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        )
    return version
