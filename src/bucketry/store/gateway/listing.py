"""ListObjects, ListObjectsV2 and ListBuckets.

Amazon S3 API Reference. What a query means and what a document looks like is in s3/list_query and s3/listing; here it
meets the bucket's index and the accounts.
"""

from __future__ import annotations

from collections.abc import Iterable

from bucketry.store.disk.types import Page
from bucketry.store.gateway.acl_rights import owns_all
from bucketry.store.gateway.bucket_settings import bucket_of, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.identity.types import Account, BucketRecord
from bucketry.store.s3.errors import AccessDenied, InvalidArgument
from bucketry.store.s3.list_query import (
    ListQuery,
    make_token,
    parse_limit,
    parse_list_objects,
    parse_list_objects_v2,
    read_token,
)
from bucketry.store.s3.listing import (
    list_buckets_document,
    list_objects_document,
    list_objects_v2_document,
    owner_element,
)

_MAX_BUCKETS = 10_000  # of a page of ListBuckets
_PAGING = ("max-buckets", "continuation-token", "prefix", "bucket-region")
_NOTHING = Page((), (), None)


async def list_objects(context: Context) -> Response:
    bucket = bucket_of(context)
    query = parse_list_objects(context.request.parameters)
    page = _page(context, bucket, query)
    owners = owner_elements(context, {entry.owner for entry in page.entries})
    body = list_objects_document(bucket.name, query, page.entries, page.common_prefixes, page.next_key, owners)
    return xml_response(body)


async def list_objects_v2(context: Context) -> Response:
    bucket = bucket_of(context)
    query = parse_list_objects_v2(context.request.parameters)
    if query.wants_owner:
        return xml_response(_document_v2(context, bucket, query))
    moment = context.services.disk.bucket(bucket.name, bucket.bucket_id).moment()
    body = context.services.pages.get(bucket.bucket_id, query, moment)
    if body is None:
        body = _document_v2(context, bucket, query)
        context.services.pages.note(bucket.bucket_id, query, moment, body)
    return xml_response(body)


def _document_v2(context: Context, bucket: BucketRecord, query: ListQuery) -> bytes:
    page = _page(context, bucket, query)
    owners = owner_elements(context, {entry.owner for entry in page.entries}) if query.wants_owner else {}
    token = None if page.next_key is None else make_token(page.next_key)
    return list_objects_v2_document(bucket.name, query, page.entries, page.common_prefixes, token, owners)


def _page(context: Context, bucket: BucketRecord, query: ListQuery) -> Page:
    if query.max_keys == 0:
        return _NOTHING  # S3 says then that there is no more, whatever there is
    index = context.services.disk.bucket(bucket.name, bucket.bucket_id)
    return index.list_objects(query.prefix, query.delimiter, query.start, query.max_keys)


def owner_elements(context: Context, account_ids: Iterable[str]) -> dict[str, str]:
    """The Owner element of each account; one that is gone has its id alone."""
    return {account_id: account_element(context, account_id) for account_id in account_ids}


def account_element(context: Context, account_id: str, name: str = "Owner") -> str:
    """The Owner or Initiator element of an account."""
    bucket = context.bucket
    account: Account | None
    if bucket is not None and (bucket.owner.account_id == account_id or (name == "Owner" and owns_all(bucket))):
        account = bucket.owner
    else:
        account = context.services.identity.account(account_id)
    if account is None:
        return owner_element(account_id, account_id, name)
    return owner_element(account.canonical_id, account.display_name, name)


async def list_buckets(context: Context) -> Response:
    caller = context.caller
    if caller is None:
        raise AccessDenied
    parameters = context.request.parameters
    prefix = parameters.get("prefix", "")
    token = parameters.get("continuation-token")
    after = read_token(token) if token else ""
    limit = parse_limit(parameters, "max-buckets", _MAX_BUCKETS, _MAX_BUCKETS + 1)
    if not 0 < limit <= _MAX_BUCKETS:
        raise InvalidArgument(
            f"Argument max-buckets must be an integer between 1 and {_MAX_BUCKETS}",
            {"ArgumentName": "max-buckets", "ArgumentValue": parameters.get("max-buckets", "")},
        )
    region = parameters.get("bucket-region")
    if region is not None and region != context.services.settings.region:
        found = []
    else:
        found = context.services.identity.buckets(caller.account.account_id, prefix, after, limit + 1)
    rows, rest = found[:limit], found[limit:]
    body = list_buckets_document(
        rows,
        owner_element(caller.account.canonical_id, caller.account.display_name),
        prefix=prefix if "prefix" in parameters else None,
        next_token=make_token(rows[-1].name) if rest else None,
        with_region=any(name in parameters for name in _PAGING),
    )
    return xml_response(body)
