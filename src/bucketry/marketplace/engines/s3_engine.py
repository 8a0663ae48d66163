"""What engines with an S3 API do alike: buckets named, emptied and removed, identities named and counted.

s3_iam.py and ceph.py add what is different: settings, and who a binding is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable

from bucketry.marketplace.domain.engine_ports import Emptied, Inventory
from bucketry.marketplace.engines import buckets, inspecting, names
from bucketry.marketplace.engines.connection import Connection, Endpoint


class S3Engine(ABC):
    """See engine_ports.Engine. One for each process; call close() at its end."""

    def __init__(self, name: str, endpoint: Endpoint, bucket_prefix: str, user_prefix: str) -> None:
        self.name = name
        self._bucket_prefix = names.check_bucket_prefix(bucket_prefix)
        self._user_prefix = user_prefix
        self._connection = Connection(name, endpoint)

    async def warm_up(self) -> None:
        """Make the clients now, so that the first order need not wait for it. Asks the engine nothing."""
        await self._connection.run(lambda: self._connection.s3)

    async def close(self) -> None:
        await self._connection.close()

    def bucket_name(self, instance_guid: str) -> str:
        return names.from_id(self._bucket_prefix, instance_guid)

    def identity_name(self, binding_guid: str) -> str:
        return names.from_id(self._user_prefix, binding_guid)

    async def delete_bucket(self, bucket: str) -> None:
        await self._connection.run(buckets.delete, self._connection, bucket)

    async def empty_bucket(self, bucket: str) -> AsyncIterator[Emptied]:
        steps = buckets.empty(self._connection, bucket)
        while (progress := await self._connection.run(next, steps, None)) is not None:
            yield progress

    async def revoke(self, binding_guid: str) -> None:
        await self.remove_identity(self.identity_name(binding_guid))

    async def inventory(self) -> Inventory:
        found = await self._connection.run(inspecting.buckets, self._connection, self._bucket_prefix)
        users = await self._users()
        return Inventory(
            frozenset(name for name in found if names.is_made(self._bucket_prefix, name)),
            frozenset(name for name in users if names.is_made(self._user_prefix, name)),
        )

    @abstractmethod
    async def _users(self) -> Iterable[str]:
        """All that may be identities of bindings, by name."""

    @abstractmethod
    async def remove_identity(self, identity: str) -> None: ...


def host_of(url: str) -> str:
    """host[:port] of a URL."""
    return url.partition("://")[2].partition("/")[0]
