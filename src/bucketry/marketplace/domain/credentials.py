"""The credentials document: what a binding or key hands to an app, under the names that S3 brokers' users read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict
from urllib.parse import quote

from bucketry.marketplace.domain.engine_ports import AccessKey, BucketAddress


class Credentials(TypedDict):
    """Flat; `additional_buckets` are bucket names."""

    uri: str
    access_key_id: str
    secret_access_key: str
    region: str
    bucket: str
    endpoint: str
    endpoint_url: str
    fips_endpoint: str
    insecure_skip_verify: bool
    additional_buckets: list[str]
    website_endpoint: str


def document(key: AccessKey, address: BucketAddress, additional_buckets: Sequence[str]) -> Credentials:
    """`uri` is s3://KEY:SECRET@HOST/BUCKET, key and secret percent-encoded."""
    user = f"{quote(key.access_key_id, safe='')}:{quote(key.secret_access_key, safe='')}"
    return Credentials(
        uri=f"s3://{user}@{address.endpoint}/{quote(address.bucket, safe='')}",
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        region=address.region,
        bucket=address.bucket,
        endpoint=address.endpoint,
        endpoint_url=address.endpoint_url,
        fips_endpoint=address.fips_endpoint,
        insecure_skip_verify=address.insecure_skip_verify,
        additional_buckets=list(additional_buckets),
        website_endpoint=address.website_endpoint,
    )
