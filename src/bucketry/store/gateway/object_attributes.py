"""GetObjectAttributes. Amazon S3 API Reference: it takes the right to read the object, and its own."""

from __future__ import annotations

from bucketry.store.disk.types import Part
from bucketry.store.gateway import authorise, encryption, versions
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.s3.attributes import Attributes, attributes_document, parse_asked
from bucketry.store.s3.dates import http_date


async def get_object_attributes(context: Context) -> Response:
    version_id = context.request.parameters.get("versionId")
    action = "s3:GetObject" if version_id is None else "s3:GetObjectVersion"
    authorise.demand(context, action, context.key, None, version_id)
    asked = parse_asked(context.request.headers)
    bucket = bucket_on_disk(context)
    version = versions.asked_version(context, bucket)
    encryption.key_to_read(context, version)
    parts: list[Part] = []
    if "ObjectParts" in asked.names and version.part_count:
        parts = bucket.object_parts(version, asked.part_number_marker, asked.max_parts + 1)
    found = Attributes(
        version.etag,
        version.size,
        version.checksums,
        version.checksum_type,
        version.part_count,
        parts[: asked.max_parts],
        len(parts) > asked.max_parts,
    )
    response = xml_response(attributes_document(asked, found))
    response.headers.append(("Last-Modified", http_date(version.modified_ms)))
    response.headers += versions.version_fields(bucket_of(context), version)
    return response
