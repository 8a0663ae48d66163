"""Several accounts as one engine: buckets go to the first that has room, their identities live beside them.

Where a bucket lives nobody writes down: the accounts are asked for it. So an order that a crash broke off goes on in
the account where it began, and a lost database costs nothing. See docs/decisions/0062-several-accounts.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from bucketry.marketplace.domain.adoption_ports import AdoptingEngine
from bucketry.marketplace.domain.engine_ports import (
    AccessKey,
    BucketAddress,
    BucketSettings,
    Emptied,
    Engine,
    Fence,
    IdentityFound,
    Inventory,
    Rights,
    Usage,
    unfenced,
)
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines.adopting import AdoptingSeveral
from bucketry.marketplace.engines.connection import LimitReached


class Account(Engine, AdoptingEngine, Protocol):
    """An engine that is one of several."""

    async def has_bucket(self, bucket: str) -> bool | None:
        """Whether the bucket is this account's; None where it is another's, or may not be asked for."""
        ...

    async def is_nearly_full(self) -> bool:
        """Whether there is hardly room for more."""
        ...

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class SeveralAccounts(AdoptingSeveral):
    """See engine_ports.Engine. All accounts are in the same region, and name buckets and identities alike."""

    def __init__(self, name: str, accounts: Sequence[Account]) -> None:
        self.name = name
        self.accounts: Sequence[Account] = accounts
        self._first = accounts[0]
        self._homes: dict[str, Account] = {}

    async def warm_up(self) -> None:
        """As S3IamEngine.warm_up()."""
        for account in self.accounts:
            await account.warm_up()

    async def close(self) -> None:
        for account in self.accounts:
            await account.close()

    def bucket_name(self, instance_guid: str) -> str:
        return self._first.bucket_name(instance_guid)

    def address(self, bucket: str) -> BucketAddress:
        return self._first.address(bucket)

    def check(self, settings: BucketSettings) -> None:
        self._first.check(settings)

    # ---- buckets

    async def create_bucket(self, bucket: str, settings: BucketSettings) -> bool:
        self._homes.pop(bucket, None)  # another process may have removed it since
        home = await self._home(bucket)
        if home is not None:
            await home.create_bucket(bucket, settings)
            return False
        refused: LimitReached | None = None
        for account in await self._by_room():
            try:
                is_new = await account.create_bucket(bucket, settings)
            except LimitReached as reason:
                refused = reason
                continue
            self._homes[bucket] = account
            return is_new
        assert refused is not None, "one account at least was asked"
        raise refused

    async def configure(self, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
        await (await self._home(bucket) or self._first).configure(bucket, settings, since)

    async def delete_bucket(self, bucket: str) -> None:
        await (await self._home(bucket) or self._first).delete_bucket(bucket)
        self._homes.pop(bucket, None)

    async def empty_bucket(self, bucket: str) -> AsyncIterator[Emptied]:
        async for progress in (await self._home(bucket) or self._first).empty_bucket(bucket):
            yield progress

    async def usage(self, bucket: str, most: int | None = None) -> Usage:
        return await (await self._home(bucket) or self._first).usage(bucket, most)

    async def deviations(self, bucket: str, settings: BucketSettings) -> Sequence[str] | None:
        return await (await self._home(bucket) or self._first).deviations(bucket, settings)

    async def _home(self, bucket: str) -> Account | None:
        """The account that has the bucket; None if none has it."""
        if (known := self._homes.get(bucket)) is not None:
            return known
        answers = [await account.has_bucket(bucket) for account in self.accounts]
        if True in answers:
            home = self._homes[bucket] = self.accounts[answers.index(True)]
            return home
        if None in answers:
            raise EngineUnavailable(
                f"Account {answers.index(None) + 1} of engine {self.name} does not say whether it has bucket {bucket}. "
                "The operator finds the reason with: bucketry check-config"
            )
        return None

    async def _by_room(self) -> list[Account]:
        """The accounts in their order, those that are nearly full last."""
        full = [await account.is_nearly_full() for account in self.accounts]
        return [account for _, account in sorted(zip(full, self.accounts, strict=True), key=lambda pair: pair[0])]

    # ---- identities

    async def grant(
        self,
        binding_guid: str,
        buckets: Sequence[str],
        rights: Rights,
        labels: Mapping[str, str],
        fence: Fence = unfenced,
    ) -> AccessKey:
        homes = [await self._home(bucket) for bucket in buckets]
        home = homes[0]
        if home is None:
            raise EngineRefused(f"None of the accounts of engine {self.name} has bucket {buckets[0]} (any more).")
        for bucket, other in zip(buckets, homes, strict=True):
            if other is not home:
                raise EngineRefused(
                    f"Bucket {bucket} is kept in another account of engine {self.name} than bucket {buckets[0]}, out "
                    "of reach of its credentials. Order a key of its own for that service instance."
                )
        return await home.grant(binding_guid, buckets, rights, labels, fence)

    async def restrict(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> None:
        for account in self.accounts:
            await account.restrict(binding_guid, buckets, rights)

    async def revoke(self, binding_guid: str) -> None:
        await self.remove_identity(self.identity_name(binding_guid))

    def identity_name(self, binding_guid: str) -> str:
        return self._first.identity_name(binding_guid)

    async def inventory(self) -> Inventory:
        found = [await account.inventory() for account in self.accounts]
        return Inventory(
            frozenset().union(*(one.buckets for one in found)), frozenset().union(*(one.identities for one in found))
        )

    async def find_identity(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> IdentityFound | None:
        for account in self.accounts:
            if (found := await account.find_identity(binding_guid, buckets, rights)) is not None:
                return found
        return None

    async def labels_of(self, identity: str) -> Mapping[str, str]:
        for account in self.accounts:
            if labels := await account.labels_of(identity):
                return labels
        return {}

    async def keep_key(self, binding_guid: str, access_key_id: str) -> None:
        for account in self.accounts:
            await account.keep_key(binding_guid, access_key_id)

    async def drop_key(self, binding_guid: str, access_key_id: str) -> None:
        for account in self.accounts:
            await account.drop_key(binding_guid, access_key_id)

    async def remove_identity(self, identity: str) -> None:
        """In each account, also where one of the others does not answer."""
        failure: EngineUnavailable | EngineRefused | None = None
        for account in self.accounts:
            try:
                await account.remove_identity(identity)
            except (EngineUnavailable, EngineRefused) as reason:
                failure = reason
        if failure is not None:
            raise failure
