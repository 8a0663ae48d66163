"""Object Lock as it is set and read: of a bucket, and retention and legal hold of a version.

Amazon S3 API Reference, Put- and GetObjectLockConfiguration, Put- and GetObjectRetention, Put- and GetObjectLegalHold.
Whether a lock may be changed so is decided in the transaction that changes it.
"""

from __future__ import annotations

from bucketry.store.disk.types import Relock, Version
from bucketry.store.gateway import locks, versions
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.s3 import object_lock, versioning
from bucketry.store.s3.dates import iso8601
from bucketry.store.s3.errors import InvalidBucketState, MalformedXML, ObjectLockConfigurationNotFoundError
from bucketry.store.s3.object_lock import MAX_DOCUMENT_BYTES, Lock
from bucketry.store.s3.object_lock_errors import NoSuchObjectLockConfiguration, protected


async def get_object_lock_configuration(context: Context) -> Response:
    text = bucket_of(context).settings.get(locks.SETTING)
    if text is None:
        raise ObjectLockConfigurationNotFoundError(fields={"BucketName": context.bucket_name})
    return xml_response(object_lock.configuration_document(object_lock.decode(text)))


async def put_object_lock_configuration(context: Context) -> Response:
    """Enable it, where versions are kept; there is no way back. What is locked already stays as it is."""
    configuration = object_lock.parse_configuration(await _document(context))
    conflict = InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
    required = {versions.SETTING: versioning.ENABLED}
    await set_setting(context, locks.SETTING, object_lock.encode(configuration), required, conflict)
    return Response()


async def get_object_retention(context: Context) -> Response:
    version = _asked_version(context)
    if version.lock is None or not version.lock.mode:
        raise NoSuchObjectLockConfiguration
    return xml_response(object_lock.retention_document(version.lock))


async def get_object_legal_hold(context: Context) -> Response:
    version = _asked_version(context)
    if version.lock is None or not version.lock.hold:
        raise NoSuchObjectLockConfiguration
    return xml_response(object_lock.hold_document(version.lock))


async def put_object_retention(context: Context) -> Response:
    _check_bucket(context)
    asked = object_lock.parse_retention(await _document(context))
    if asked.mode:
        object_lock.check_future(asked.until_ms, iso8601(asked.until_ms), context.now_ms)
    bypasses = locks.bypasses(context, context.key, versions.asked_version_id(context))

    def relock(version: Version, now_ms: int) -> Lock | None:
        lock = version.lock or Lock()
        if not lock.may_become(asked.mode, asked.until_ms, now_ms, bypasses=bypasses):
            raise protected()
        return lock._replace(mode=asked.mode, until_ms=asked.until_ms)

    return await _set_lock(context, relock)


async def put_object_legal_hold(context: Context) -> Response:
    _check_bucket(context)
    status = object_lock.parse_hold(await _document(context))
    return await _set_lock(context, lambda version, _now_ms: (version.lock or Lock())._replace(hold=status))


async def read_retention(context: Context) -> None:
    """Make what a Retention document asks for known to conditions, before rights are decided by them."""
    asked = object_lock.parse_retention(await _document(context))
    _note(context, Lock(asked.mode, asked.until_ms))


async def read_hold(context: Context) -> None:
    """The same of a LegalHold document."""
    _note(context, Lock(hold=object_lock.parse_hold(await _document(context))))


def _note(context: Context, asked: Lock) -> None:
    values = object_lock.condition_values(asked, context.now_ms)
    context.condition_values = {**context.condition_values, **values}


async def _document(context: Context) -> bytes:
    body = await read_document(context, MAX_DOCUMENT_BYTES)
    if not body:
        raise MalformedXML
    return body


def _check_bucket(context: Context) -> None:
    if not locks.has_lock(bucket_of(context)):
        raise locks.missing_configuration()


def _asked_version(context: Context) -> Version:
    _check_bucket(context)
    return versions.asked_version(context, bucket_on_disk(context))


async def _set_lock(context: Context, relock: Relock) -> Response:
    bucket = bucket_on_disk(context)
    version_id = versions.asked_version_id(context)
    locked = await bucket.set_lock(context.key, relock, version_id=version_id)
    if locked is None or locked.is_delete_marker:
        raise versions.unusable(context, bucket, version_id, locked)
    return Response(headers=versions.version_fields(bucket_of(context), locked))
