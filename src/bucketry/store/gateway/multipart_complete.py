"""The end of a multipart upload: its parts become an object.

Amazon S3 API Reference, CompleteMultipartUpload. No byte moves, so that the answer comes at once whatever the size;
asked again after it was done, it answers the same again, since a client can't know whether the first answer got lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import PartMissing, UploadMissing
from bucketry.store.disk.types import NewObject, Part, Upload, Version
from bucketry.store.gateway import encryption, lifecycle, locks, versions
from bucketry.store.gateway.asked_acls import of_upload
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.multipart import checksum_of, no_such_upload, upload_id_of
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.gateway.objects_put import write_guard
from bucketry.store.gateway.parsing import parse_beside
from bucketry.store.s3.errors import InvalidPart
from bucketry.store.s3.multipart import (
    MAX_COMPLETE_BYTES,
    MAX_PARTS,
    AskedPart,
    Assembled,
    assemble,
    assembled_etag,
    check_completion_checksum,
    check_completion_headers,
    completed_document,
    parse_complete,
)


async def complete_multipart_upload(context: Context) -> Response:
    upload_id = upload_id_of(context)
    guard = write_guard(context)
    # x-amz-checksum-* of this request is the object's, not that of the document
    body = await read_document(context, MAX_COMPLETE_BYTES, has_checksum=False)
    check_completion_checksum(context.request.headers)
    bucket = bucket_on_disk(context)
    upload = bucket.upload(upload_id)
    if upload is None:
        return await _repeated(context, bucket, upload_id, body)
    if upload.key != context.key:
        raise no_such_upload(upload_id)
    encryption_fields = encryption.of_completion(context, upload)
    uploaded = bucket.parts(upload_id, 0, MAX_PARTS)
    asked, whole = await parse_beside(len(body), _assemble, body, upload, uploaded)
    check_completion_headers(context.request.headers, whole, *checksum_of(upload))
    owner, acl = of_upload(context, upload)
    modified_ms = context.services.clock_ms()
    new = NewObject(
        key=upload.key,
        etag=whole.etag,
        owner=owner,
        modified_ms=modified_ms,
        headers=upload.headers,
        checksums=whole.checksums,
        checksum_type=whole.checksum_type,
        tags=upload.tags,
        acl=acl,
        encryption=upload.encryption,
        is_versioned=versions.keeps_versions(bucket_of(context)),
        lock=locks.with_default(context, upload.lock, modified_ms),
    )
    try:
        made = await bucket.complete_upload(upload_id, [(part.part_number, part.etag) for part in asked], new, guard)
    except UploadMissing:
        return await _repeated(context, bucket, upload_id, body)  # another request completed it meanwhile
    except PartMissing as error:
        # replaced since its ETag was looked at
        raise InvalidPart(fields={"UploadId": upload_id, "PartNumber": str(error.part_number)}) from None
    response = _completed(context, made)
    response.headers += encryption_fields
    return response


def _assemble(body: bytes, upload: Upload, uploaded: Sequence[Part]) -> tuple[list[AskedPart], Assembled]:
    asked = parse_complete(body, upload.upload_id)
    by_number = {part.part_number: part for part in uploaded}
    return asked, assemble(asked, by_number, upload.upload_id, *checksum_of(upload))


async def _repeated(context: Context, bucket: Bucket, upload_id: str, body: bytes) -> Response:
    """The answer once more, where the object of this upload is still the current one; else NoSuchUpload."""
    current = bucket.get(context.key)
    if current is None or current.upload_id != upload_id:
        raise no_such_upload(upload_id)
    asked = await parse_beside(len(body), parse_complete, body, upload_id)
    try:
        is_same = assembled_etag([part.etag for part in asked]) == current.etag
    except ValueError:
        is_same = False  # an ETag that is no MD5
    if not is_same:
        raise no_such_upload(upload_id)
    return _completed(context, current)


def _completed(context: Context, made: Version) -> Response:
    request = context.request
    scheme = "https" if request.is_secure else "http"
    location = f"{scheme}://{request.headers.get('host') or ''}{request.raw_path}"
    response = xml_response(
        completed_document(location, context.bucket_name, made.key, made.etag, made.checksums, made.checksum_type)
    )
    response.headers += versions.made_fields(made)
    response.headers += lifecycle.expiration_fields(bucket_of(context), made)
    return response
