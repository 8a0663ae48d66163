"""Ceph's RADOS Gateway as an engine: buckets by its S3 API, identities and quotas by its admin API, in threads.

The marketplace has one user of the gateway, which owns all buckets; each binding has another, which owns nothing and is
named in the policies of its buckets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

from bucketry.marketplace.domain.engine_ports import (
    AccessKey,
    BucketAddress,
    BucketSettings,
    Emptied,
    Fence,
    IdentityFound,
    Inventory,
    Rights,
    Usage,
    unfenced,
)
from bucketry.marketplace.domain.turns import Turns, TurnsHere
from bucketry.marketplace.engines import (
    buckets,
    ceph_admin,
    ceph_buckets,
    ceph_inspecting,
    ceph_users,
    inspecting,
    names,
)
from bucketry.marketplace.engines.ceph_asking import Gateway
from bucketry.marketplace.engines.ceph_buckets import Policies
from bucketry.marketplace.engines.connection import Connection, Endpoint
from bucketry.marketplace.engines.s3_iam import host_of

_Result = TypeVar("_Result")
_USER_PREFIX = "bucketry-"


class CephEngine:
    """See engine_ports.Engine. One for each process; call close() at its end.

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
        self.name = name
        self._url = endpoint_url.rstrip("/")
        self._region = region
        self._bucket_prefix = names.check_bucket_prefix(bucket_prefix)
        self._website = (website_scheme, website_host)
        endpoint = Endpoint(self._url, self._url, region, access_key_id, secret_access_key)
        self._connection = Connection(name, endpoint)
        self._gateway = Gateway(self._connection, admin_path)
        self._policies = Policies(self._gateway, turns or TurnsHere())

    async def warm_up(self) -> None:
        """Make the clients now, so that the first order need not wait for it. Asks the gateway nothing."""
        await self._connection.run(lambda: self._connection.s3)

    async def close(self) -> None:
        await self._connection.close()

    def bucket_name(self, instance_guid: str) -> str:
        return names.from_id(self._bucket_prefix, instance_guid)

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

    async def create_bucket(self, bucket: str, settings: BucketSettings) -> None:
        self.check(settings)
        await self._connection.run(ceph_buckets.create, self._gateway, self._policies, bucket)

    async def configure(self, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
        self.check(settings)
        if settings != since:
            await self._connection.run(ceph_buckets.configure, self._gateway, self._policies, bucket, settings, since)

    async def delete_bucket(self, bucket: str) -> None:
        await self._connection.run(buckets.delete, self._connection, bucket)

    async def empty_bucket(self, bucket: str) -> AsyncIterator[Emptied]:
        steps = buckets.empty(self._connection, bucket)
        while (progress := await self._connection.run(next, steps, None)) is not None:
            yield progress

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

    async def revoke(self, binding_guid: str) -> None:
        await self.remove_identity(self.identity_name(binding_guid))

    def identity_name(self, binding_guid: str) -> str:
        return names.from_id(_USER_PREFIX, binding_guid)

    async def inventory(self) -> Inventory:
        found = await self._connection.run(inspecting.buckets, self._connection, self._bucket_prefix)
        users = await self._connection.run(ceph_inspecting.users, self._gateway)
        return Inventory(
            frozenset(name for name in found if names.is_made(self._bucket_prefix, name)),
            frozenset(name for name in users if names.is_made(_USER_PREFIX, name)),
        )

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

    async def _of_user(self, work: Callable[..., _Result], identity: str, *arguments: Any) -> _Result:
        """Call work(gateway, policies, uid, …) in a thread."""

        def call() -> _Result:
            return work(self._gateway, self._policies, self._uid(identity), *arguments)

        return await self._connection.run(call)

    def _uid(self, identity: str) -> str:
        """Asks for the marketplace's own user at the first time."""
        return ceph_admin.in_tenant_of(self._gateway.owner().uid, identity)
