"""Locks of versions on their way in and out: what a write asks for or the bucket gives, who may bypass, who may know.

Amazon S3 User Guide, "Locking objects with Object Lock", "Object Lock considerations". Whether a version may go is
decided in the transaction that would remove it, by the disk; here is who asks.
"""

from __future__ import annotations

from bucketry.store.disk.types import Version
from bucketry.store.gateway import authorise
from bucketry.store.gateway.bucket_settings import bucket_of
from bucketry.store.gateway.context import Context
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import checksums, object_lock
from bucketry.store.s3.dates import iso8601
from bucketry.store.s3.errors import InvalidRequest
from bucketry.store.s3.object_lock import HOLD_HEADER, MODE_HEADER, UNTIL_HEADER, Lock

SETTING = "object_lock"
_HEADERS = frozenset({MODE_HEADER, UNTIL_HEADER, HOLD_HEADER})


def has_lock(bucket: BucketRecord) -> bool:
    """Whether Object Lock is enabled in a bucket."""
    return SETTING in bucket.settings


def asked_lock(context: Context) -> Lock | None:
    """What the headers of a write ask for, for a caller who may set it; None: nothing.

    InvalidArgument; InvalidRequest where the bucket has no Object Lock; AccessDenied.
    """
    headers = context.request.headers
    if _HEADERS.isdisjoint(headers):
        return None
    lock = object_lock.parse_headers(headers, context.now_ms)
    if lock is None:
        return None
    if not has_lock(bucket_of(context)):
        raise missing_configuration()
    if lock.mode:
        authorise.demand(context, "s3:PutObjectRetention", context.key)
    if lock.hold:
        authorise.demand(context, "s3:PutObjectLegalHold", context.key)
    return lock


def with_default(context: Context, asked: Lock | None, made_ms: int) -> Lock | None:
    """The lock of a version that is made at `made_ms`: what was asked for, with the bucket's default retention where
    that says nothing of one."""
    text = bucket_of(context).settings.get(SETTING)
    if text is None or (asked is not None and asked.mode):
        return asked
    default = object_lock.decode(text).default
    if default is None:
        return asked
    return Lock(default.mode, default.until_ms(made_ms), asked.hold if asked is not None else "")


def check_digest(context: Context, lock: Lock | None) -> None:
    """InvalidRequest where what is to be kept unchanged comes without a checksum. API Reference, PutObject: Content-MD5
    or a checksum is required for an upload with a retention period."""
    headers = context.request.headers
    if lock is None or not lock.mode or "content-md5" in headers or checksums.announced(headers) is not None:
        return
    raise InvalidRequest(
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    )


def bypasses(context: Context, key: str, version_id: str | None) -> bool:
    """Whether the request asks to bypass governance, and its caller may."""
    asked = (context.request.headers.get(object_lock.BYPASS_HEADER) or "").strip().lower()
    return asked == "true" and authorise.allows(context, "s3:BypassGovernanceRetention", key, None, version_id)


def lock_fields(context: Context, version: Version) -> list[tuple[str, str]]:
    """x-amz-object-lock-* of a version that has a lock, as far as the caller may know of it."""
    lock = version.lock
    if lock is None:
        return []
    version_id = context.request.parameters.get("versionId")
    fields = []
    if lock.mode and authorise.allows(context, "s3:GetObjectRetention", context.key, None, version_id):
        fields += [(MODE_HEADER, lock.mode), (UNTIL_HEADER, iso8601(lock.until_ms))]
    if lock.hold and authorise.allows(context, "s3:GetObjectLegalHold", context.key, None, version_id):
        fields.append((HOLD_HEADER, lock.hold))
    return fields


def missing_configuration() -> InvalidRequest:
    """The error for a lock where Object Lock is not enabled."""
    return InvalidRequest("Bucket is missing Object Lock Configuration")
