"""Multipart uploads but for their end: begun, fed by parts, given up.

Amazon S3 API Reference, CreateMultipartUpload, UploadPart, AbortMultipartUpload. The headers, tags and the kind of
checksum are settled when the upload begins; a part counts once it is whole, verified and on the disk.
"""

from __future__ import annotations

from bucketry.kernel import ids
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import UploadMissing
from bucketry.store.disk.sealing import Protection
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.stored import Written
from bucketry.store.disk.types import Part, Upload
from bucketry.store.gateway import encryption, locks
from bucketry.store.gateway.asked_acls import of_new_object
from bucketry.store.gateway.bodies import ObjectBody
from bucketry.store.gateway.bucket_settings import xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.gateway.objects_put import request_tags
from bucketry.store.s3 import checksums
from bucketry.store.s3.checksums import BY_NAME, Algorithm, ChecksumType, Hasher
from bucketry.store.s3.errors import InvalidArgument, InvalidRequest, NoSuchUpload
from bucketry.store.s3.multipart import MAX_PART_BYTES, initiated_document, parse_part_number
from bucketry.store.s3.stored_headers import stored_headers


async def create_multipart_upload(context: Context) -> Response:
    headers = context.request.headers
    asked = checksums.upload_checksum(headers)
    asked_encryption = encryption.of_write(context)
    owner, acl = of_new_object(context)
    tags = request_tags(context, owner)
    upload = Upload(
        upload_id=ids.token(),
        key=context.key,
        owner=owner,
        initiator=context.caller.arn if context.caller else "",
        initiated_ms=context.now_ms,
        headers=stored_headers(headers),
        tags=tags,
        checksum_algorithm=asked[0].value if asked else "",
        checksum_type=asked[1].value if asked else "",
        acl=acl,
        encryption=asked_encryption.kept,
        lock=locks.asked_lock(context),
    )
    await bucket_on_disk(context).create_upload(upload)
    response = xml_response(initiated_document(context.bucket_name, context.key, upload.upload_id))
    response.headers += [*upload_checksum_fields(upload), *asked_encryption.fields]
    return response


def upload_checksum_fields(upload: Upload) -> list[tuple[str, str]]:
    """x-amz-checksum-algorithm and -type of an upload that has them."""
    if not upload.checksum_algorithm:
        return []
    return [
        ("x-amz-checksum-algorithm", upload.checksum_algorithm),
        ("x-amz-checksum-type", upload.checksum_type),
    ]


def find_upload(context: Context, bucket: Bucket) -> Upload:
    """The upload that the request names, which must be one of the request's key. NoSuchUpload."""
    upload_id = upload_id_of(context)
    upload = bucket.upload(upload_id)
    if upload is None or upload.key != context.key:
        raise no_such_upload(upload_id)
    return upload


def upload_id_of(context: Context) -> str:
    """The parameter uploadId. InvalidArgument where there is none."""
    upload_id = context.request.parameters.get("uploadId")
    if not upload_id:
        raise InvalidArgument(
            "This operation needs an upload id.", {"ArgumentName": "uploadId", "ArgumentValue": upload_id or ""}
        )
    return upload_id


def no_such_upload(upload_id: str) -> NoSuchUpload:
    """The error, with the id that was asked for."""
    return NoSuchUpload(fields={"UploadId": upload_id[:1024]})


def checksum_of(upload: Upload) -> tuple[Algorithm, ChecksumType]:
    """The kind of checksum that an upload's object will have: what it was begun with, else CRC64NVME, as of AWS."""
    if not upload.checksum_algorithm:
        return Algorithm.CRC64NVME, ChecksumType.FULL_OBJECT
    return BY_NAME[upload.checksum_algorithm], ChecksumType(upload.checksum_type)


async def upload_part(context: Context) -> Response:
    number = parse_part_number(context.request.parameters.get("partNumber", ""))
    bucket = bucket_on_disk(context)
    upload = find_upload(context, bucket)
    asked = encryption.of_part(context, upload)
    body = ObjectBody(context, MAX_PART_BYTES)
    own = _own_hasher(context, upload)
    header = RecordHeader("part", upload.key, context.now_ms, upload.owner, upload.upload_id, number)
    part, written = await _receive(bucket, body, header, own, asked.protection)
    try:
        await bucket.put_part(upload.upload_id, part, written)
    except UploadMissing:
        raise no_such_upload(upload.upload_id) from None  # completed or aborted while the body came
    return Response(headers=[("ETag", f'"{part.etag}"'), *part_checksum_fields(part, upload), *asked.fields])


def part_checksum_fields(part: Part, upload: Upload) -> list[tuple[str, str]]:
    """The checksum of a part as a header: the one that was sent, or of the upload's kind."""
    kind = checksum_of(upload)[0].value
    sums = {name: value for name, value in part.checksums.items() if name != kind} or part.checksums
    return [(BY_NAME[name].header, value) for name, value in sums.items()]


def _own_hasher(context: Context, upload: Upload) -> tuple[Algorithm, Hasher] | None:
    """What the server must compute of a part itself: the checksum of a whole object is made of its parts', whether
    the client sends them or not. Of a COMPOSITE one it must (InvalidRequest), and each must be of the upload's kind.
    """
    expected, kind = checksum_of(upload)
    announced = checksums.announced(context.request.headers)
    if not upload.checksum_algorithm:  # nothing was settled: a part may come with any
        return None if announced and announced.algorithm is expected else (expected, expected.hasher())
    if announced is None and kind is ChecksumType.FULL_OBJECT:
        return expected, expected.hasher()
    if announced is None or announced.algorithm is not expected:
        actual = announced.algorithm.value.lower() if announced else "null"
        raise InvalidRequest(
            f"Checksum Type mismatch occurred, expected checksum Type: {expected.value.lower()}, "
            f"actual checksum Type: {actual}"
        )
    return None


async def _receive(
    bucket: Bucket,
    body: ObjectBody,
    header: RecordHeader,
    own: tuple[Algorithm, Hasher] | None,
    protection: Protection | None,
) -> tuple[Part, Written]:
    """Read a part to the disk, verified and synced but not yet referred to."""
    assert body.size is not None, "the body of a part announces its length"
    writer = await bucket.writer(header, body.size, protection)
    if own is not None:
        body.hash_also(own[1])
    try:
        await body.pour_to(writer)
        received = body.finish()
        sums = dict(received.checksums)
        if own is not None:
            sums[own[0].value] = checksums.encode(own[1].digest())
        part = Part(header.part_number, received.size, received.md5_hex, header.modified_ms, sums)
        return part, await writer.finish(RecordFooter(received.md5_hex, dict(sums)))
    except BaseException:
        writer.abort()
        raise


async def abort_multipart_upload(context: Context) -> Response:
    bucket = bucket_on_disk(context)
    upload = find_upload(context, bucket)
    try:
        await bucket.abort_upload(upload.upload_id)
    except UploadMissing:
        raise no_such_upload(upload.upload_id) from None
    return Response(status=204)
