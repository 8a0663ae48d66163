"""ListMultipartUploads and ListParts.

Amazon S3 API Reference. The initiator is a user by its ARN, or an account's root by its canonical id, as AWS says it.
"""

from __future__ import annotations

from bucketry.store.disk.types import UploadPage
from bucketry.store.gateway.bucket_settings import xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.listing import account_element
from bucketry.store.gateway.multipart import find_upload, upload_checksum_fields
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.s3.list_query import parse_list_parts, parse_list_uploads
from bucketry.store.s3.listing import owner_element
from bucketry.store.s3.upload_listing import People, list_parts_document, list_uploads_document

_NOTHING = UploadPage((), (), None, "")
_ROOT = "root"


async def list_multipart_uploads(context: Context) -> Response:
    query = parse_list_uploads(context.request.parameters)
    page = _NOTHING
    if query.max_uploads:
        page = bucket_on_disk(context).list_uploads(
            query.prefix, query.delimiter, query.key_marker, query.upload_id_marker, query.max_uploads
        )
    following = None if page.next_key is None else (page.next_key, page.next_upload_id)
    people = _people(context)
    return xml_response(
        list_uploads_document(context.bucket_name, query, page.entries, page.common_prefixes, following, people)
    )


async def list_parts(context: Context) -> Response:
    query = parse_list_parts(context.request.parameters)
    bucket = bucket_on_disk(context)
    upload = find_upload(context, bucket)
    found = bucket.parts(upload.upload_id, query.part_number_marker, query.max_parts + 1)
    parts = found[: query.max_parts]
    is_truncated = len(found) > len(parts) > 0
    response = xml_response(
        list_parts_document(context.bucket_name, upload, query, parts, is_truncated, _people(context))
    )
    response.headers += upload_checksum_fields(upload)
    return response


def _people(context: Context) -> People:
    """Initiators and owners, each looked up once an answer."""
    owners: dict[str, str] = {}
    initiators: dict[str, str] = {}

    def owner(account_id: str) -> str:
        if account_id not in owners:
            owners[account_id] = account_element(context, account_id)
        return owners[account_id]

    def initiator(arn: str) -> str:
        if arn not in initiators:
            initiators[arn] = _initiator(context, arn)
        return initiators[arn]

    return People(initiator, owner)


def _initiator(context: Context, arn: str) -> str:
    if not arn:
        return owner_element("anonymous", "anonymous", "Initiator")
    account_id, _, resource = arn.removeprefix("arn:aws:iam::").partition(":")
    if resource == _ROOT:
        return account_element(context, account_id, "Initiator")
    return owner_element(arn, resource.rpartition("/")[2], "Initiator")
