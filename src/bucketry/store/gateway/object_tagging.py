"""Tags of objects: read, replaced, removed.

Amazon S3 API Reference, GetObjectTagging, PutObjectTagging, DeleteObjectTagging.
"""

from __future__ import annotations

from collections.abc import Mapping

from bucketry.store.gateway import versions
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.s3.tagging import MAX_TAGGING_BYTES, parse_object_tagging, tagging_document


async def get_object_tagging(context: Context) -> Response:
    version = versions.asked_version(context, bucket_on_disk(context))
    response = xml_response(tagging_document(version.tags))
    response.headers += versions.version_fields(bucket_of(context), version)
    return response


async def put_object_tagging(context: Context) -> Response:
    tags = parse_object_tagging(await read_document(context, MAX_TAGGING_BYTES))
    return Response(headers=await _set_tags(context, tags))


async def delete_object_tagging(context: Context) -> Response:
    return Response(status=204, headers=await _set_tags(context, {}))


async def _set_tags(context: Context, tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Set them; which version has them, as fields of the answer."""
    bucket = bucket_on_disk(context)
    version_id = versions.asked_version_id(context)
    tagged = await bucket.set_tags(context.key, tags, version_id=version_id)
    if tagged is None or tagged.is_delete_marker:
        raise versions.unusable(context, bucket, version_id, tagged)
    return versions.version_fields(bucket_of(context), tagged)
