"""What no bucket of this store has: acceleration, replication, payment by requesters, inventories, tiers.

It can be read, and what is answered is true; who wants to set it is told NotImplemented. Tools ask for these when they
look at a bucket.

Amazon S3 API Reference, the operations of these names.
"""

from __future__ import annotations

from bucketry.store.gateway.bucket_settings import xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.s3 import xml
from bucketry.store.s3.errors import NoSuchConfiguration, ReplicationConfigurationNotFoundError


async def get_bucket_abac(_context: Context) -> Response:
    return xml_response(xml.document("AbacStatus", xml.element("Status", "Disabled")))


async def get_bucket_accelerate_configuration(_context: Context) -> Response:
    return xml_response(xml.document("AccelerateConfiguration", ""))


async def get_bucket_replication(context: Context) -> Response:
    raise ReplicationConfigurationNotFoundError(fields={"BucketName": context.bucket_name})


async def get_bucket_request_payment(_context: Context) -> Response:
    return xml_response(xml.document("RequestPaymentConfiguration", xml.element("Payer", "BucketOwner")))


async def list_bucket_analytics_configurations(context: Context) -> Response:
    return _none(context, "ListBucketAnalyticsConfigurationResult")


async def list_bucket_intelligent_tiering_configurations(context: Context) -> Response:
    return _none(context, "ListBucketIntelligentTieringConfigurationsOutput")


async def list_bucket_inventory_configurations(context: Context) -> Response:
    return _none(context, "ListInventoryConfigurationsResult")


async def list_bucket_metrics_configurations(context: Context) -> Response:
    return _none(context, "ListMetricsConfigurationsResult")


def _none(context: Context, root: str) -> Response:
    """An empty list; the one that is asked for by its `id` is not there."""
    if "id" in context.request.parameters:
        raise NoSuchConfiguration(fields={"BucketName": context.bucket_name})
    return xml_response(xml.document(root, xml.element("IsTruncated", False)))
