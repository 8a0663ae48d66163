"""Tags of objects: read, replaced, removed.

Amazon S3 API Reference, GetObjectTagging, PutObjectTagging, DeleteObjectTagging.
"""

from __future__ import annotations

from collections.abc import Mapping

from bucketry.store.disk.types import NULL_VERSION, Version
from bucketry.store.gateway.authorise import missing_key
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.s3.errors import InvalidArgument, MalformedXML, NoSuchVersion
from bucketry.store.s3.tagging import MAX_TAGGING_BYTES, parse_object_tagging, tagging_document


async def get_object_tagging(context: Context) -> Response:
    bucket = bucket_of(context)
    check_version_parameter(context)
    version = context.services.disk.bucket(bucket.name, bucket.bucket_id).get(context.key)
    return xml_response(tagging_document(_there(context, version).tags))


async def put_object_tagging(context: Context) -> Response:
    check_version_parameter(context)
    body = await read_document(context, MAX_TAGGING_BYTES)
    if not body:
        raise MalformedXML
    await _set_tags(context, parse_object_tagging(body))
    return Response()


async def delete_object_tagging(context: Context) -> Response:
    check_version_parameter(context)
    await _set_tags(context, {})
    return Response(status=204)


async def _set_tags(context: Context, tags: Mapping[str, str]) -> None:
    bucket = bucket_of(context)
    index = context.services.disk.bucket(bucket.name, bucket.bucket_id)
    _there(context, await index.set_tags(context.key, tags))


def _there(context: Context, version: Version | None) -> Version:
    if version is None:
        raise missing_key(context, context.key)
    return version


def check_version_parameter(context: Context) -> None:
    """NoSuchVersion for a versionId other than `null`, the one of every object while buckets have no versions."""
    version_id = context.request.parameters.get("versionId")
    if version_id is None or version_id == NULL_VERSION:
        return
    if not version_id:
        raise InvalidArgument(
            "Version id cannot be the empty string", {"ArgumentName": "versionId", "ArgumentValue": ""}
        )
    raise NoSuchVersion(fields={"Key": context.key, "VersionId": version_id[:1024]})
