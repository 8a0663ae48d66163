"""Tags of objects: read, replaced, removed.

Amazon S3 API Reference, GetObjectTagging, PutObjectTagging, DeleteObjectTagging.
"""

from __future__ import annotations

from collections.abc import Mapping

from bucketry.store.gateway.authorise import missing_key
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk, check_version_id, current_version
from bucketry.store.s3.tagging import MAX_TAGGING_BYTES, parse_object_tagging, tagging_document


async def get_object_tagging(context: Context) -> Response:
    version = current_version(context, bucket_on_disk(context))
    return xml_response(tagging_document(version.tags))


async def put_object_tagging(context: Context) -> Response:
    tags = parse_object_tagging(await read_document(context, MAX_TAGGING_BYTES))
    await _set_tags(context, tags)
    return Response()


async def delete_object_tagging(context: Context) -> Response:
    await _set_tags(context, {})
    return Response(status=204)


async def _set_tags(context: Context, tags: Mapping[str, str]) -> None:
    check_version_id(context.request)
    if await bucket_on_disk(context).set_tags(context.key, tags) is None:
        raise missing_key(context, context.key)
