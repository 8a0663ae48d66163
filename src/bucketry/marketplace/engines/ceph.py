"""Ceph's RADOS Gateway as an engine: buckets by its S3 API, identities and quotas by its admin API, in threads.

The marketplace has one user of the gateway, which owns all buckets; each binding has another, which owns nothing and is
named in the policies of its buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

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
from bucketry.marketplace.domain.turns import Turns, TurnsHere
from bucketry.marketplace.engines import (
    ceph_admin,
    ceph_buckets,
    ceph_inspecting,
    ceph_users,
)
from bucketry.marketplace.engines.ceph_asking import Gateway
from bucketry.marketplace.engines.ceph_buckets import Policies
from bucketry.marketplace.engines.connection import Endpoint
from bucketry.marketplace.engines.s3_engine import S3Engine, host_of

_Result = TypeVar("_Result")
_USER_PREFIX = "bucketry-"


class CephEngine(S3Engine):
    """See S3Engine.

    `endpoint_url` is where users and the marketplace reach the gateway, or the balancer before several. A bucket's
    website is `WEBSITE_SCHEME://BUCKET.WEBSITE_HOST`; "" where the gateway serves none. `turns`: those of all processes
    that change policies there; None: there is this one alone.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoint_url: str,
        access_key_id: str,
        secret_access_key: str,
        region: str = "us-east-1",
        admin_path: str = "admin",
        bucket_prefix: str = "bkt-",
        website_host: str = "",
        website_scheme: str = "http",
        turns: Turns | None = None,
    ) -> None:
        url = endpoint_url.rstrip("/")
        super().__init__(
            name, Endpoint(url, url, region, access_key_id, secret_access_key), bucket_prefix, _USER_PREFIX
        )
        self._url = url
        self._region = region
        self._website = (website_scheme, website_host)
        self._gateway = Gateway(self._connection, admin_path)
        self._policies = Policies(self._gateway, turns or TurnsHere())

    def address(self, bucket: str) -> BucketAddress:
        host, (scheme, website_host) = host_of(self._url), self._website
        return BucketAddress(
            bucket=bucket,
            region=self._region,
            endpoint=host,
            endpoint_url=self._url,
            fips_endpoint=host,
            website_endpoint=f"{scheme}://{bucket}.{website_host}" if website_host else "",
        )

    def check(self, settings: BucketSettings) -> None:
        ceph_buckets.check(settings, self.name)

    async def create_bucket(self, bucket: str, settings: BucketSettings) -> bool:
        self.check(settings)
        return await self._connection.run(ceph_buckets.create, self._gateway, self._policies, bucket)

    async def configure(self, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
        self.check(settings)
        if settings != since:
            await self._connection.run(ceph_buckets.configure, self._gateway, self._policies, bucket, settings, since)

    async def usage(self, bucket: str, most: int | None = None) -> Usage:
        return await self._connection.run(ceph_buckets.usage, self._gateway, bucket, most)

    async def grant(
        self,
        binding_guid: str,
        buckets: Sequence[str],
        rights: Rights,
        labels: Mapping[str, str],
        fence: Fence = unfenced,
    ) -> AccessKey:
        return await self._of_user(ceph_users.grant, self.identity_name(binding_guid), buckets, rights, labels, fence)

    async def restrict(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> None:
        await self._of_user(ceph_users.restrict, self.identity_name(binding_guid), buckets, rights)

    async def deviations(self, bucket: str, settings: BucketSettings) -> Sequence[str] | None:
        return await self._connection.run(ceph_inspecting.deviations, self._gateway, self._policies, bucket, settings)

    async def find_identity(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> IdentityFound | None:
        return await self._of_user(ceph_inspecting.user, self.identity_name(binding_guid), buckets, rights)

    async def labels_of(self, identity: str) -> Mapping[str, str]:
        return await self._connection.run(lambda: ceph_inspecting.labels(self._gateway, self._uid(identity)))

    async def keep_key(self, binding_guid: str, access_key_id: str) -> None:
        uid = self.identity_name(binding_guid)
        await self._connection.run(lambda: ceph_users.keep_key(self._gateway, self._uid(uid), access_key_id))

    async def drop_key(self, binding_guid: str, access_key_id: str) -> None:
        await self._of_user(ceph_users.drop_key, self.identity_name(binding_guid), access_key_id)

    async def remove_identity(self, identity: str) -> None:
        await self._of_user(ceph_users.revoke, identity)

    async def _users(self) -> Iterable[str]:
        return await self._connection.run(ceph_inspecting.users, self._gateway)

    async def _of_user(self, work: Callable[..., _Result], identity: str, *arguments: Any) -> _Result:
        """Call work(gateway, policies, uid, …) in a thread."""

        def call() -> _Result:
            return work(self._gateway, self._policies, self._uid(identity), *arguments)

        return await self._connection.run(call)

    def _uid(self, identity: str) -> str:
        """Asks for the marketplace's own user at the first time."""
        return ceph_admin.in_tenant_of(self._gateway.owner().uid, identity)
