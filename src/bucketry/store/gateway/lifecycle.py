"""Lifecycle rules as they are set and read, and x-amz-expiration of the objects that they are about.

Amazon S3 API Reference, Put-, Get- and DeleteBucketLifecycleConfiguration, PutObject, GetObject. The rules are carried
out by the clock, not here.
"""

from __future__ import annotations

from bucketry.kernel import logs
from bucketry.store.disk.types import Version
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import expiry, lifecycle
from bucketry.store.s3.errors import MalformedXML, NoSuchLifecycleConfiguration, S3Error
from bucketry.store.s3.lifecycle import Rule

SETTING = "lifecycle"
_MINIMUM = ("x-amz-transition-default-minimum-object-size", "all_storage_classes_128K")
_log = logs.get("lifecycle")


async def get_bucket_lifecycle_configuration(context: Context) -> Response:
    text = bucket_of(context).settings.get(SETTING)
    if text is None:
        raise NoSuchLifecycleConfiguration(fields={"BucketName": context.bucket_name})
    response = xml_response(text.encode())
    response.headers.append(_MINIMUM)
    return response


async def put_bucket_lifecycle_configuration(context: Context) -> Response:
    body = await read_document(context, lifecycle.MAX_DOCUMENT_BYTES)
    if not body:
        raise MalformedXML
    rules = lifecycle.parse(body)
    await set_setting(context, SETTING, lifecycle.document(rules).decode())
    return Response(headers=[_MINIMUM])


async def delete_bucket_lifecycle_configuration(context: Context) -> Response:
    await set_setting(context, SETTING, None)
    return Response(status=204)


def rules_of(bucket: BucketRecord) -> tuple[Rule, ...]:
    """The rules of a bucket. Rules that can't be read remove nothing."""
    text = bucket.settings.get(SETTING)
    if text is None:
        return ()
    try:
        return lifecycle.parse_kept(text)
    except S3Error:
        _log.error("a bucket's lifecycle rules cannot be read and remove nothing", bucket=bucket.name)
        return ()


def expiration_fields(bucket: BucketRecord, version: Version) -> list[tuple[str, str]]:
    """x-amz-expiration of a current object that a rule lets expire."""
    if SETTING not in bucket.settings or version.is_delete_marker:
        return []
    value = expiry.expiration_field(rules_of(bucket), version)
    return [] if value is None else [("x-amz-expiration", value)]
