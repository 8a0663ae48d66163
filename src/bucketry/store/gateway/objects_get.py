"""GetObject and HeadObject. Amazon S3 API Reference, of both; RFC 9110, 13 and 14, for conditions and ranges."""

from __future__ import annotations

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import Superseded
from bucketry.store.disk.types import Version
from bucketry.store.gateway import authorise, encryption, events, lifecycle, locks, versions
from bucketry.store.gateway.bucket_settings import bucket_of
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Request, Response
from bucketry.store.s3.checksums import BY_NAME
from bucketry.store.s3.conditions import check_read, matches
from bucketry.store.s3.dates import http_date, parse_http_date
from bucketry.store.s3.encryption import CustomerKey
from bucketry.store.s3.errors import InvalidArgument, InvalidPart, InvalidRequest, OperationAborted
from bucketry.store.s3.ranges import ByteRange, parse_range
from bucketry.store.s3.stored_headers import answer_headers

MAX_PART_NUMBER = 10_000
_LOOK_UPS = 5  # an object that is replaced more often than this while its first bytes are looked for
_CONDITIONS = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
_OVERRIDES = {
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-content-language": "content-language",
    "response-content-type": "content-type",
    "response-expires": "expires",
}
_OVERRIDDEN_BY = frozenset(_OVERRIDES)


async def get_object(context: Context) -> Response:
    """The object, or the part or range of it that is asked for."""
    bucket = bucket_on_disk(context)
    overrides = _overrides(context)
    for _ in range(_LOOK_UPS):
        version = versions.asked_version(context, bucket)
        response, start, size, key = _answer(context, bucket, version, overrides)
        try:
            response.body = await bucket.read(version, start, size, None if key is None else key.key)
        except Superseded:
            # Overwritten or deleted since: what is there now is as good an answer, for who may have that.
            authorise.demand_operation(context)
            continue
        return response
    raise OperationAborted("The object is overwritten again and again while it is read. Try again.")


async def head_object(context: Context) -> Response:
    """What GetObject would say of the object, without its bytes."""
    bucket = bucket_on_disk(context)
    version = versions.asked_version(context, bucket)
    return _answer(context, bucket, version, _overrides(context))[0]


def bucket_on_disk(context: Context) -> Bucket:
    """The objects of the request's bucket."""
    record = context.bucket
    assert record is not None, "the pipeline finds the bucket of each operation on objects"
    bucket = context.services.disk.bucket(record.name, record.bucket_id)
    return events.announcing(context, record, bucket) if events.SETTING in record.settings else bucket


def _answer(
    context: Context, bucket: Bucket, version: Version, overrides: dict[str, str]
) -> tuple[Response, int, int, CustomerKey | None]:
    """The answer without its body, and which bytes that is: start, size, and the key that they take."""
    request = context.request
    headers = request.headers
    etag, modified = f'"{version.etag}"', http_date(version.modified_ms)
    if not _CONDITIONS.isdisjoint(headers):
        conditions = {name: headers.get(name) for name in _CONDITIONS}
        check_read(conditions, version.etag, version.modified_ms, {"ETag": etag, "Last-Modified": modified})
    fields = [("ETag", etag), ("Last-Modified", modified), ("Accept-Ranges", "bytes")]
    fields += versions.version_fields(bucket_of(context), version)
    stored = {**version.headers, **overrides} if overrides else version.headers
    fields += answer_headers(stored)
    asked = _asked_range(context, bucket, version, fields)
    key = encryption.key_to_read(context, version)
    if asked is None:
        status, start, size = 200, 0, version.size
        if version.checksums and headers.get("x-amz-checksum-mode") == "ENABLED":
            fields += checksum_fields(version)
    else:
        status, start, size = 206, asked.start, asked.length
        fields.append(("Content-Range", asked.content_range))
        if version.checksums and headers.get("x-amz-checksum-mode") == "ENABLED":
            fields += _part_checksum_fields(bucket, version, request.parameters.get("partNumber"))
    if lifecycle.SETTING in bucket_of(context).settings and "versionId" not in request.parameters:
        fields += lifecycle.expiration_fields(bucket_of(context), version)
    if version.encryption:
        fields += encryption.read_fields(version, key)
    if version.lock is not None:
        fields += locks.lock_fields(context, version)
    if version.tags and _may_read_tags(context):
        fields.append(("x-amz-tagging-count", str(len(version.tags))))
    return Response(status=status, headers=fields, content_length=size), start, size, key


def _may_read_tags(context: Context) -> bool:
    version_id = context.request.parameters.get("versionId")
    if version_id is None:
        return authorise.allows(context, "s3:GetObjectTagging", context.key)
    return authorise.allows(context, "s3:GetObjectVersionTagging", context.key, None, version_id)


def checksum_fields(version: Version) -> list[tuple[str, str]]:
    """x-amz-checksum-* and x-amz-checksum-type of a version that has checksums."""
    fields = [(BY_NAME[name].header, value) for name, value in version.checksums.items() if name in BY_NAME]
    if fields and version.checksum_type:
        fields.append(("x-amz-checksum-type", version.checksum_type))
    return fields


def _part_checksum_fields(bucket: Bucket, version: Version, part_number: str | None) -> list[tuple[str, str]]:
    """The checksum of the part that is asked for; none of another range. The type is that of the object."""
    if part_number is None:
        return []
    if not version.part_count:
        return checksum_fields(version)
    part = bucket.object_parts(version, int(part_number) - 1, 1)[0]
    fields = [(BY_NAME[name].header, value) for name, value in part.checksums.items() if name in version.checksums]
    return [*fields, ("x-amz-checksum-type", version.checksum_type)] if fields else []


def _asked_range(context: Context, bucket: Bucket, version: Version, fields: list[tuple[str, str]]) -> ByteRange | None:
    """Which bytes a Range header or partNumber asks for; None: all. Adds x-amz-mp-parts-count to `fields`."""
    request = context.request
    field = request.headers.get("range")
    part_number = request.parameters.get("partNumber")
    if part_number is not None:
        if field is not None:
            raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        if version.part_count:
            fields.append(("x-amz-mp-parts-count", str(version.part_count)))
        return _part_range(bucket, version, _part_number(part_number))
    if field is None or not _is_range_current(request, version):
        return None
    return parse_range(field, version.size)


def _part_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MAX_PART_NUMBER):
        raise InvalidArgument(
            f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive",
            {"ArgumentName": "partNumber", "ArgumentValue": text[:64]},
        )
    return int(text)


def _part_range(bucket: Bucket, version: Version, part_number: int) -> ByteRange | None:
    """The bytes of a part; those of an object that was put whole are its part 1. None: no bytes at all."""
    if not version.part_count:
        if part_number != 1:
            raise _no_such_part(part_number, 1)
        return ByteRange(0, version.size, version.size) if version.size else None
    part = bucket.part_range(version, part_number)
    if part is None:
        raise _no_such_part(part_number, version.part_count)
    start, size = part
    return ByteRange(start, size, version.size) if size else None


def _no_such_part(part_number: int, count: int) -> InvalidPart:
    return InvalidPart(
        "The requested partnumber is not satisfiable",
        {"ActualPartCount": str(count), "PartNumberRequested": str(part_number)},
    )


def _is_range_current(request: Request, version: Version) -> bool:
    """Whether If-Range, where it is given, names this very object (RFC 9110, 13.1.5); else the whole is sent."""
    field = request.headers.get("if-range")
    if field is None:
        return True
    moment_ms = parse_http_date(field)
    if moment_ms is not None:
        return moment_ms // 1000 == version.modified_ms // 1000
    return field.strip() != "*" and matches(field, version.etag, weakly=False)


def _overrides(context: Context) -> dict[str, str]:
    """The stored headers that a signed request replaces in its answer (response-content-type and its like)."""
    parameters = context.request.parameters
    if _OVERRIDDEN_BY.isdisjoint(parameters):
        return {}
    found = {header: parameters[name] for name, header in _OVERRIDES.items() if name in parameters}
    if not found:
        return found
    if context.caller is None:
        raise InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    for header, value in found.items():
        if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            raise InvalidArgument(
                "A header of the response can't hold control characters.",
                {"ArgumentName": f"response-{header}"},
            )
    return found
