"""Server access logs: a line for each request to a bucket that has them, and their delivery into the target bucket.

Amazon S3 User Guide, "Logging requests with server access logging". Delivery is best effort, as Amazon's: lines are
kept in memory until there are many, some time has passed, or the process stops in peace; a killed process loses its
own. A bucket that logs nothing pays one look into its settings a request. Whether the service may write into the
target is asked at each delivery: where the target no longer lets it, the lines are dropped, and the log says so.
"""

from __future__ import annotations

import hashlib
from functools import partial
from secrets import token_hex

from bucketry.kernel import logs
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.types import NewObject
from bucketry.store.gateway import encryption, log_delivery, versions
from bucketry.store.gateway.context import Context, Services
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.log_lines import Waiting
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import access_log
from bucketry.store.s3.access_log import Destination, Entry
from bucketry.store.s3.errors import S3Error
from bucketry.store.s3.operations import Resource

SETTING = "logging"
_log = logs.get("gateway.access_log")


def note(context: Context, response: Response, error: S3Error | None, host_id: str) -> None:
    """A request to a bucket with the setting was answered."""
    services, bucket = context.services, context.bucket
    assert bucket is not None
    text = access_log.line(_entry(context, bucket, response, error, host_id))
    delay = services.settings.access_log_seconds
    services.log_lines.add(bucket, text, context.now_ms, delay, partial(deliver, services))


def destination_of(bucket: BucketRecord) -> Destination | None:
    """Where a bucket's log goes; None: nowhere, also where the setting can't be read."""
    text = bucket.settings.get(SETTING)
    if text is None:
        return None
    try:
        return access_log.parse_kept(text)
    except S3Error:
        _log.error("a bucket's logging cannot be read and logs nothing", bucket=bucket.name)
        return None


async def deliver(services: Services, lines: Waiting) -> None:
    """Write the lines of a bucket as an object into its target."""
    services.identity.refresh()
    source = lines.source
    destination = destination_of(source)
    if destination is None:
        return
    target = services.identity.bucket(destination.bucket)
    reason = log_delivery.refusal(source, target, destination.prefix)
    if reason is not None or target is None:
        _log.warning("access log lines are lost", bucket=source.name, target=destination.bucket, reason=reason)
        return
    now_ms = services.clock_ms()
    key = access_log.object_key(
        destination,
        source.name,
        source.owner.account_id,
        source.region,
        lines.began_ms,
        now_ms,
        token_hex(8).upper(),
    )
    data = "".join(lines.text).encode()
    bucket = services.disk.bucket(target.name, target.bucket_id)
    headers = {"content-type": "text/plain"}
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    how = encryption.of_default(target)
    header = RecordHeader("object", key, now_ms, target.owner.account_id, headers=headers)
    writer = await bucket.writer(header, len(data), how.protection)
    try:
        await writer.write(data)
        written = await writer.finish(RecordFooter(etag))
    finally:
        writer.abort()
    new = NewObject(
        key,
        etag,
        target.owner.account_id,
        now_ms,
        headers,
        {},
        is_versioned=versions.keeps_versions(target),
        encryption=how.kept,
    )
    await bucket.put(new, written)


def _entry(context: Context, bucket: BucketRecord, response: Response, error: S3Error | None, host_id: str) -> Entry:
    request, operation, claim, caller = context.request, context.operation, context.claim, context.caller
    is_object = operation.resource is Resource.OBJECT
    requester = ""
    if caller is not None:
        requester = caller.account.canonical_id if caller.user is None else caller.arn
    sent = response.content_length
    if sent is None and isinstance(response.body, (bytes, bytearray, memoryview)):
        sent = len(response.body)
    if request.method == "HEAD" or response.status in (204, 304):
        sent = None
    fields = {name.lower(): value for name, value in response.headers}
    return Entry(
        bucket_owner=bucket.owner.canonical_id,
        bucket=bucket.name,
        time_ms=context.now_ms,
        remote_ip=request.remote_ip,
        requester=requester,
        request_id=request.request_id,
        operation=access_log.operation_name(operation.name, operation.method, operation.marker, is_object=is_object),
        key=context.key,
        method=request.method,
        target=f"{request.raw_path}?{request.raw_query}" if request.raw_query else request.raw_path,
        status=response.status,
        error_code=error.code if error is not None else "",
        bytes_sent=sent or None,
        object_size=_object_size(context, response, fields, error) if is_object else None,
        total_ms=max(0, context.services.clock_ms() - context.now_ms),
        referer=request.headers.get("referer") or "",
        user_agent=request.headers.get("user-agent") or "",
        version_id=request.parameters.get("versionId") or fields.get("x-amz-version-id", ""),
        host_id=host_id,
        signature_version="" if claim is None else f"SigV{claim.version}",
        auth_type="" if claim is None else "QueryString" if claim.is_presigned else "AuthHeader",
        host=request.headers.get("host") or "",
    )


def _object_size(context: Context, response: Response, fields: dict[str, str], error: S3Error | None) -> int | None:
    if error is not None:
        return None
    if context.operation.name in ("PutObject", "UploadPart"):
        return context.request.content_length
    if context.operation.name not in ("GetObject", "HeadObject"):
        return None
    total = fields.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else response.content_length
