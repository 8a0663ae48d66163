"""Versions of objects, as requests name them: `versionId`, x-amz-version-id, delete markers, and the bucket's setting.

Amazon S3 User Guide, "Retaining multiple versions of objects with S3 Versioning", "Working with delete markers";
API Reference, PutBucketVersioning, GetBucketVersioning, ListObjectVersions. The setting is looked up before the
transaction: whatever it says by then, no version that has an id of its own is removed without being named.
"""

from __future__ import annotations

from bucketry.store.disk import version_ids
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.types import NULL_VERSION, Marker, Version, VersionPage
from bucketry.store.gateway import authorise
from bucketry.store.gateway.acl_rights import judged_version
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.listing import owner_elements
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import versioning
from bucketry.store.s3.dates import http_date
from bucketry.store.s3.errors import (
    AccessDenied,
    InvalidArgument,
    InvalidBucketState,
    MalformedXML,
    MethodNotAllowed,
    NoSuchVersion,
    S3Error,
)
from bucketry.store.s3.list_query import parse_list_versions

SETTING = "versioning"
_OBJECT_LOCK = "object_lock"  # of gateway/locks.py
_NOTHING = VersionPage((), (), None, "")


def keeps_versions(bucket: BucketRecord) -> bool:
    """Whether what is written gets an id of its own. A setting that can't be read counts so: then nothing is lost."""
    return bucket.settings.get(SETTING, versioning.SUSPENDED) != versioning.SUSPENDED


def has_versions(bucket: BucketRecord) -> bool:
    """Whether versioning was ever enabled: answers tell version ids from then on."""
    return SETTING in bucket.settings


def version_fields(bucket: BucketRecord, version: Version) -> list[tuple[str, str]]:
    """x-amz-version-id of what is read."""
    return [("x-amz-version-id", version.version_id)] if SETTING in bucket.settings else []


def made_fields(version: Version) -> list[tuple[str, str]]:
    """x-amz-version-id of what was written: S3 tells it where it is an id, not where versioning is suspended."""
    return [("x-amz-version-id", version.version_id)] if version.version_id != NULL_VERSION else []


def marker_for(context: Context) -> Marker | None:
    """What hides an object that is deleted without naming a version; None: it is removed."""
    bucket = bucket_of(context)
    if SETTING not in bucket.settings:
        return None
    return Marker(bucket.owner.account_id, context.services.clock_ms(), keeps_versions(bucket))


def check_version_id(version_id: str) -> None:
    """InvalidArgument for what never was a version's id."""
    if version_id != NULL_VERSION and version_ids.sequence_of(version_id) is None:
        text = "Invalid version id specified" if version_id else "Version id cannot be the empty string"
        raise InvalidArgument(text, {"ArgumentName": "versionId", "ArgumentValue": version_id[:128]})


def asked_version_id(context: Context) -> str | None:
    """`versionId` of the request; None: the current version is meant. InvalidArgument."""
    version_id = context.request.parameters.get("versionId")
    if version_id is not None:
        check_version_id(version_id)
    return version_id


def refuse_version_id(context: Context) -> None:
    """InvalidArgument for a write that names the version it would make."""
    version_id = context.request.parameters.get("versionId")
    if version_id is not None:
        text = "This operation does not accept a version-id."
        raise InvalidArgument(text, {"ArgumentName": "versionId", "ArgumentValue": version_id[:128]})


def asked_version(context: Context, bucket: Bucket) -> Version:
    """The object version that a request means.

    NoSuchKey, NoSuchVersion; AccessDenied for who may not know what is missing; MethodNotAllowed for a delete marker
    that is named; InvalidArgument.
    """
    version_id = asked_version_id(context)
    version = judged_version(context, bucket_of(context), context.key, version_id)
    if version is None:
        version = bucket.get(context.key) if version_id is None else bucket.get_version(context.key, version_id)
    if version is None or version.is_delete_marker:
        raise unusable(context, bucket, version_id, version)
    return version


def unusable(context: Context, bucket: Bucket, version_id: str | None, found: Version | None) -> S3Error:
    """The error where what a request means is not there, or is a delete marker that it names."""
    if found is not None and version_id is not None:
        return _is_marker(context, found)
    if version_id is not None:
        return missing_version(context, context.key, version_id)
    return _missing(context, bucket)


def _missing(context: Context, bucket: Bucket) -> S3Error:
    """The error for a key without a current object; whether a delete marker hides it, it tells who may know."""
    error = authorise.missing_key(context, context.key)
    if has_versions(bucket_of(context)) and not isinstance(error, AccessDenied):
        marker = bucket.latest_marker(context.key)
        if marker is not None:
            error.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}
    return error


def missing_version(context: Context, key: str, version_id: str, bucket: BucketRecord | None = None) -> S3Error:
    """The error for a version that is not there: who may not list the bucket doesn't learn that."""
    error = authorise.missing_key(context, key, bucket)
    if isinstance(error, AccessDenied):
        return error
    return NoSuchVersion(fields={"Key": key, "VersionId": version_id})


def _is_marker(context: Context, marker: Version) -> MethodNotAllowed:
    return MethodNotAllowed(
        fields={"Method": context.request.method, "ResourceType": "DeleteMarker"},
        headers={
            "Allow": "DELETE",
            "Last-Modified": http_date(marker.modified_ms),
            "x-amz-delete-marker": "true",
            "x-amz-version-id": marker.version_id,
        },
    )


async def get_bucket_versioning(context: Context) -> Response:
    return xml_response(versioning.versioning_document(bucket_of(context).settings.get(SETTING, "")))


async def put_bucket_versioning(context: Context) -> Response:
    body = await read_document(context, versioning.MAX_DOCUMENT_BYTES)
    if not body:
        raise MalformedXML
    status = versioning.parse_versioning(body)
    if status == versioning.ENABLED:
        await set_setting(context, SETTING, status)
        return Response()
    conflict = InvalidBucketState(
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
    )
    await set_setting(context, SETTING, status, {_OBJECT_LOCK: None}, conflict)
    return Response()


async def list_object_versions(context: Context) -> Response:
    bucket = bucket_of(context)
    query = parse_list_versions(context.request.parameters)
    if query.version_id_marker:
        check_version_id(query.version_id_marker)
    page = _NOTHING
    if query.max_keys > 0:  # S3 says of a page of none that there is no more, whatever there is
        index = context.services.disk.bucket(bucket.name, bucket.bucket_id)
        page = index.list_versions(
            query.prefix, query.delimiter, query.key_marker, query.version_id_marker, query.max_keys
        )
    owners = owner_elements(context, {entry.owner for entry in page.entries})
    markers = None if page.next_key is None else (page.next_key, page.next_version_id)
    return xml_response(
        versioning.list_versions_document(bucket.name, query, page.entries, page.common_prefixes, markers, owners)
    )
