"""The settings of a bucket that are documents: CORS, website, Block Public Access, object ownership, tags.

Amazon S3 API Reference, Get-, Put- and DeleteBucketCors, -BucketWebsite, -PublicAccessBlock, -BucketOwnershipControls,
-BucketTagging. Documents are parsed and kept in the form that this store writes, so that whatever is kept can be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from bucketry.store.gateway.acl_rights import BUCKET_OWNER_ENFORCED
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.error_documents import XML_TYPE
from bucketry.store.gateway.http import Response
from bucketry.store.identity import errors as identity_errors
from bucketry.store.identity.types import BucketRecord, PublicAccessBlock
from bucketry.store.s3 import buckets, cors, tagging, website
from bucketry.store.s3.errors import (
    InvalidBucketAclWithObjectOwnership,
    MalformedXML,
    NoSuchBucket,
    NoSuchCORSConfiguration,
    NoSuchPublicAccessBlockConfiguration,
    NoSuchTagSet,
    NoSuchWebsiteConfiguration,
    OperationAborted,
    OwnershipControlsNotFoundError,
    S3Error,
)

_SMALL_DOCUMENT_BYTES = 64 * 1024


def bucket_of(context: Context) -> BucketRecord:
    """The bucket of a request whose operation needs one: routing has refused the others."""
    assert context.bucket is not None
    return context.bucket


def xml_response(body: bytes) -> Response:
    """200 with a document."""
    return Response(headers=[XML_TYPE], body=body)


async def set_setting(
    context: Context,
    which: str,
    value: str | Mapping[str, str] | PublicAccessBlock | None,
    required: Mapping[str, str | None] | None = None,
    conflict: S3Error | None = None,
) -> None:
    """Set or remove a setting of the request's bucket, durably. NoSuchBucket when it went meanwhile. `required` are
    other settings as they must be at that moment (None: not set), else `conflict` is raised."""
    try:
        bucket_id = bucket_of(context).bucket_id
        await context.services.identity.set_bucket_setting(context.bucket_name, which, value, bucket_id, required)
    except identity_errors.NoSuchBucket:
        raise NoSuchBucket(fields={"BucketName": context.bucket_name}) from None
    except identity_errors.SettingConflict:
        raise conflict or OperationAborted() from None


async def _required(context: Context, limit_bytes: int) -> bytes:
    body = await read_document(context, limit_bytes)
    if not body:
        raise MalformedXML
    return body


async def _removed(context: Context, which: str) -> Response:
    await set_setting(context, which, None)
    return Response(status=204)


# --- CORS


async def get_bucket_cors(context: Context) -> Response:
    document = bucket_of(context).cors
    if document is None:
        raise NoSuchCORSConfiguration(fields={"BucketName": context.bucket_name})
    return xml_response(document.encode())


async def put_bucket_cors(context: Context) -> Response:
    rules = cors.parse(await _required(context, cors.MAX_DOCUMENT_BYTES))
    await set_setting(context, "cors", cors.serialise(rules).decode())
    return Response()


async def delete_bucket_cors(context: Context) -> Response:
    return await _removed(context, "cors")


# --- website


async def get_bucket_website(context: Context) -> Response:
    document = bucket_of(context).website
    if document is None:
        raise NoSuchWebsiteConfiguration(fields={"BucketName": context.bucket_name})
    return xml_response(document.encode())


async def put_bucket_website(context: Context) -> Response:
    configuration = website.parse(await _required(context, website.MAX_DOCUMENT_BYTES))
    await set_setting(context, "website", website.serialise(configuration).decode())
    return Response()


async def delete_bucket_website(context: Context) -> Response:
    return await _removed(context, "website")


# --- Block Public Access


async def get_public_access_block(context: Context) -> Response:
    block = bucket_of(context).public_access_block
    if block is None:
        raise NoSuchPublicAccessBlockConfiguration(fields={"BucketName": context.bucket_name})
    asked = buckets.AccessBlock(
        block.block_public_acls, block.ignore_public_acls, block.block_public_policy, block.restrict_public_buckets
    )
    return xml_response(buckets.access_block_document(asked))


async def put_public_access_block(context: Context) -> Response:
    asked = buckets.parse_access_block(await _required(context, _SMALL_DOCUMENT_BYTES))
    block = PublicAccessBlock(
        asked.block_public_acls, asked.ignore_public_acls, asked.block_public_policy, asked.restrict_public_buckets
    )
    await set_setting(context, "public_access_block", block)
    return Response()


async def delete_public_access_block(context: Context) -> Response:
    return await _removed(context, "public_access_block")


# --- object ownership


async def get_bucket_ownership_controls(context: Context) -> Response:
    ownership = bucket_of(context).object_ownership
    if not ownership:
        raise OwnershipControlsNotFoundError(fields={"BucketName": context.bucket_name})
    return xml_response(buckets.ownership_document(ownership))


async def put_bucket_ownership_controls(context: Context) -> Response:
    ownership = buckets.parse_ownership(await _required(context, _SMALL_DOCUMENT_BYTES))
    bucket = bucket_of(context)
    if ownership == BUCKET_OWNER_ENFORCED and any(
        grant.grantee != bucket.owner.canonical_id for grant in bucket.acl or ()
    ):
        raise InvalidBucketAclWithObjectOwnership  # they who are granted something would lose it unawares
    await set_setting(context, "object_ownership", ownership)
    return Response()


async def delete_bucket_ownership_controls(context: Context) -> Response:
    return await _removed(context, "object_ownership")


# --- tags


async def get_bucket_tagging(context: Context) -> Response:
    tags = bucket_of(context).tags
    if not tags:
        raise NoSuchTagSet(fields={"BucketName": context.bucket_name})
    return xml_response(tagging.tagging_document(tags))


async def put_bucket_tagging(context: Context) -> Response:
    tags = tagging.parse_bucket_tagging(await _required(context, tagging.MAX_TAGGING_BYTES))
    await set_setting(context, "tags", tags or None)
    return Response(status=204)


async def delete_bucket_tagging(context: Context) -> Response:
    return await _removed(context, "tags")
