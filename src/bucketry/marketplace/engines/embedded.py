"""The embedded store as an engine: this machine's own S3 and IAM endpoint, driven as an account of its own."""

from __future__ import annotations

from bucketry.marketplace.engines.connection import Endpoint
from bucketry.marketplace.engines.s3_iam import S3IamEngine, Site


def make_embedded_engine(
    *,
    name: str,
    endpoint_url: str,
    public_url: str,
    region: str,
    access_key_id: str,
    secret_access_key: str,
    website_domain: str,
    website_port: int | None,
    website_scheme: str = "http",
    bucket_prefix: str = "bkt-",
    default_object_ownership: str = "BucketOwnerEnforced",
    insecure_skip_verify: bool = False,
) -> S3IamEngine:
    """The engine for a store at `endpoint_url`, whose users reach it at `public_url`.

    The keys are those of the root of the marketplace's account in the store. `website_port` None: the scheme's own.
    """
    port = "" if website_port is None else f":{website_port}"
    return S3IamEngine(
        name,
        Endpoint(
            url=endpoint_url,
            iam_url=endpoint_url,
            region=region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
        ),
        Site(
            url=public_url.rstrip("/"),
            region=region,
            website_host=f"s3-website-{region}.{website_domain}{port}",
            website_scheme=website_scheme,
            bucket_prefix=bucket_prefix,
            default_object_ownership=default_object_ownership,
            insecure_skip_verify=insecure_skip_verify,
        ),
    )
