"""Server access logging as it is set and read. Amazon S3 API Reference, PutBucketLogging, GetBucketLogging.

A target that can't take logs is refused when it is named, so that nobody waits for a log that never comes.
"""

from __future__ import annotations

from bucketry.store.gateway import access_logs, log_delivery
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.s3 import access_log
from bucketry.store.s3.errors import MalformedXML
from bucketry.store.s3.logging_errors import InvalidTargetBucketForLogging


async def get_bucket_logging(context: Context) -> Response:
    return xml_response(access_log.document(access_logs.destination_of(bucket_of(context))))


async def put_bucket_logging(context: Context) -> Response:
    body = await read_document(context, access_log.MAX_DOCUMENT_BYTES)
    if not body:
        raise MalformedXML
    destination = access_log.parse(body)
    if destination is None:
        await set_setting(context, access_logs.SETTING, None)
        return Response()
    target = context.services.identity.bucket(destination.bucket)
    reason = log_delivery.refusal(bucket_of(context), target, destination.prefix)
    if reason is not None:
        raise InvalidTargetBucketForLogging(reason, {"TargetBucket": destination.bucket[:255]})
    await set_setting(context, access_logs.SETTING, access_log.document(destination).decode())
    return Response()
