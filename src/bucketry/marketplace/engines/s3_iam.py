"""An engine that speaks S3 and IAM: engine_ports.Engine over buckets.py and identities.py, in threads.

What differs between those that speak both (where they are, how their websites are called) is in `Site` and in the small
files beside this one that make it (embedded.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bucketry.marketplace.domain.engine_ports import (
    AccessKey,
    BucketAddress,
    BucketSettings,
    Fence,
    IdentityFound,
    Rights,
    Usage,
    unfenced,
)
from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.engines import buckets, identities, inspecting
from bucketry.marketplace.engines import rights as policies
from bucketry.marketplace.engines.adopting import Adopting
from bucketry.marketplace.engines.connection import Endpoint
from bucketry.marketplace.engines.s3_engine import S3Engine, host_of


@dataclass(frozen=True, slots=True)
class Site:
    """What users are told, and how things are called there.

    `url` is the S3 endpoint as users reach it. A bucket's website is `WEBSITE_SCHEME://BUCKET.WEBSITE_HOST`.
    """

    url: str
    region: str
    website_host: str
    website_scheme: str = "http"
    fips_url: str | None = None
    partition: str = "aws"
    bucket_prefix: str = "bkt-"
    user_prefix: str = "bucketry-"
    iam_path: str = "/bucketry/"
    permissions_boundary: str = ""
    default_object_ownership: str = "BucketOwnerEnforced"
    insecure_skip_verify: bool = False


class S3IamEngine(S3Engine, Adopting):
    """See S3Engine."""

    def __init__(self, name: str, endpoint: Endpoint, site: Site) -> None:
        super().__init__(name, endpoint, site.bucket_prefix, site.user_prefix)
        self._site = site
        self._host = host_of(site.url)
        self._fips_host = host_of(site.fips_url) if site.fips_url else self._host

    def address(self, bucket: str) -> BucketAddress:
        return BucketAddress(
            bucket=bucket,
            region=self._site.region,
            endpoint=self._host,
            endpoint_url=self._site.url,
            fips_endpoint=self._fips_host,
            website_endpoint=f"{self._site.website_scheme}://{bucket}.{self._site.website_host}",
            insecure_skip_verify=self._site.insecure_skip_verify,
        )

    def check(self, settings: BucketSettings) -> None:
        if settings.quota is not None:
            raise EngineRefused(
                f"Parameter quota: the engine {self.name} can't limit a bucket; order it without, or on another plan."
            )

    async def create_bucket(self, bucket: str, settings: BucketSettings) -> bool:
        return await self._connection.run(buckets.create, self._connection, bucket, settings)

    async def configure(self, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
        if settings == since:
            return
        site = self._site
        await self._connection.run(
            buckets.configure,
            self._connection,
            bucket,
            settings,
            since,
            site.default_object_ownership,
            site.partition,
        )

    async def usage(self, bucket: str, most: int | None = None) -> Usage:
        return await self._connection.run(buckets.usage, self._connection, bucket, most)

    async def grant(
        self,
        binding_guid: str,
        buckets: Sequence[str],
        rights: Rights,
        labels: Mapping[str, str],
        fence: Fence = unfenced,
    ) -> AccessKey:
        policy = policies.of_binding(buckets, rights, self._site.partition)
        who = self._identity(binding_guid)
        return await self._connection.run(identities.grant, self._connection, who, policy, labels, fence)

    async def restrict(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> None:
        policy = policies.of_binding(buckets, rights, self._site.partition)
        await self._connection.run(identities.restrict, self._connection, self._identity(binding_guid), policy)

    async def deviations(self, bucket: str, settings: BucketSettings) -> Sequence[str] | None:
        site = self._site
        return await self._connection.run(inspecting.deviations, self._connection, bucket, settings, site.partition)

    async def find_identity(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> IdentityFound | None:
        policy = policies.of_binding(buckets, rights, self._site.partition)
        user = self.identity_name(binding_guid)
        return await self._connection.run(inspecting.user, self._connection, user, policy)

    async def labels_of(self, identity: str) -> Mapping[str, str]:
        return await self._connection.run(inspecting.labels, self._connection, identity)

    async def keep_key(self, binding_guid: str, access_key_id: str) -> None:
        user = self.identity_name(binding_guid)
        await self._connection.run(identities.delete_keys, self._connection, user, access_key_id)

    async def drop_key(self, binding_guid: str, access_key_id: str) -> None:
        user = self.identity_name(binding_guid)
        await self._connection.run(identities.drop_key, self._connection, user, access_key_id)

    async def remove_identity(self, identity: str) -> None:
        await self._connection.run(identities.revoke, self._connection, identity)

    async def _users(self) -> Iterable[str]:
        return await self._connection.run(inspecting.users, self._connection, self._site.iam_path)

    def _identity(self, binding_guid: str) -> identities.Identity:
        site = self._site
        return identities.Identity(self.identity_name(binding_guid), site.iam_path, site.permissions_boundary)
