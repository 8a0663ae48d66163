"""DeleteObjects: up to a thousand keys in one request, each authorised and answered apart.

Amazon S3 API Reference, DeleteObjects. Keys without a condition go in one transaction.
"""

from __future__ import annotations

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import Locked
from bucketry.store.disk.types import Doomed, Guard, Marker, Version
from bucketry.store.gateway import events, locks, versions
from bucketry.store.gateway.authorise import allows, denied
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.parsing import parse_beside
from bucketry.store.s3.deleting import (
    MAX_DELETE_BYTES,
    AskedRemoval,
    Removal,
    delete_document,
    holds,
    parse_delete,
)
from bucketry.store.s3.errors import InvalidArgument, NoSuchKey, NoSuchVersion, PreconditionFailed, S3Error
from bucketry.store.s3.names import check_key
from bucketry.store.s3.object_lock_errors import protected


async def delete_objects(context: Context) -> Response:
    bucket = bucket_of(context)
    body = await read_document(context, MAX_DELETE_BYTES, needs_digest=True)
    asked, is_quiet = await parse_beside(len(body), parse_delete, body)
    refusals = [_refusal(context, removal) for removal in asked]
    index = context.services.disk.bucket(bucket.name, bucket.bucket_id)
    if events.SETTING in bucket.settings:
        named = {(removal.key, removal.version_id) for removal in asked if removal.version_id is not None}
        index = events.announcing(context, bucket, index, named)
    marker = versions.marker_for(context)
    plain = [
        Doomed(removal.key, removal.version_id, _bypasses(context, removal))
        for removal, refusal in zip(asked, refusals, strict=True)
        if refusal is None and not _is_conditional(removal)
    ]
    deleted = iter(await index.delete_many(plain, marker) if plain else ())
    results: list[Removal] = []
    for removal, refusal in zip(asked, refusals, strict=True):
        if refusal is not None:
            results.append(Removal(removal, refusal))
        elif _is_conditional(removal):
            results.append(await _delete_if(index, removal, marker, _bypasses(context, removal)))
        else:
            results.append(_removal(removal, next(deleted)))
    return xml_response(delete_document(results, is_quiet))


def _bypasses(context: Context, asked: AskedRemoval) -> bool:
    return asked.version_id is not None and locks.bypasses(context, asked.key, asked.version_id)


def _removal(asked: AskedRemoval, deleted: Version | Locked | None) -> Removal:
    """What became of it: `deleted` is what was removed, or the delete marker that was made, or why nothing was."""
    if isinstance(deleted, Locked):
        return Removal(asked, protected())
    if deleted is not None and deleted.is_delete_marker:
        return Removal(asked, marker_id=deleted.version_id)
    return Removal(asked)


def _refusal(context: Context, asked: AskedRemoval) -> S3Error | None:
    """Why this one may not be removed; rights come first, so that nothing else is learnt without them."""
    action = "s3:DeleteObject" if asked.version_id is None else "s3:DeleteObjectVersion"
    try:
        check_key(asked.key)
    except S3Error as error:
        return error
    if not allows(context, action, asked.key, None, asked.version_id):
        return denied(context, action, asked.key)
    if asked.version_id is not None:
        try:
            versions.check_version_id(asked.version_id)
        except InvalidArgument:
            return NoSuchVersion()
    return None


def _is_conditional(asked: AskedRemoval) -> bool:
    return asked.etag is not None or asked.modified_s is not None or asked.size is not None


async def _delete_if(index: Bucket, asked: AskedRemoval, marker: Marker | None, bypasses: bool) -> Removal:
    try:
        if asked.version_id is None:
            deleted = await index.delete(asked.key, _guard(asked), marker)
        else:
            deleted = await index.delete_version(asked.key, asked.version_id, _guard(asked), bypasses=bypasses)
    except S3Error as error:
        return Removal(asked, error)
    except Locked as error:
        return _removal(asked, error)
    return _removal(asked, deleted)


def _guard(asked: AskedRemoval) -> Guard:
    def guard(current: Version | None) -> None:
        if current is None:
            raise NoSuchKey
        if not holds(asked, current.etag, current.modified_ms, current.size):
            raise PreconditionFailed

    return guard
