"""An engine in memory: the port's promises without any S3, so that the faces can be tested in milliseconds.

It is no substitute for the contract tests of real engines; it keeps what they are told, and fails where it is asked to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import (
    AccessKey,
    BucketAddress,
    BucketNotEmpty,
    BucketSettings,
    Emptied,
    Fence,
    IdentityFound,
    Inventory,
    Rights,
    Usage,
    unfenced,
)
from bucketry.marketplace.domain.errors import DomainError, EngineRefused, EngineUnavailable

PAGE_SIZE = 1000


@dataclass
class MemoryBucket:
    settings: BucketSettings
    objects: int = 0
    size_bytes: int = 0
    uploads: int = 0


@dataclass
class MemoryKey:
    key: AccessKey
    buckets: Sequence[str]
    rights: Rights
    labels: Mapping[str, str]
    other_keys: list[str] = field(default_factory=list)


@dataclass
class Gate:
    """Where calls wait until they are let through."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        self.opened.set()


@dataclass
class MemoryEngine:
    """`failures`: method name → the error that its next call raises; `is_away`: every call does.
    `fail_emptying_after`: pages until one."""

    name: str = "embedded"
    buckets: dict[str, MemoryBucket] = field(default_factory=dict)
    keys: dict[str, MemoryKey] = field(default_factory=dict)
    failures: dict[str, DomainError] = field(default_factory=dict)
    emptying_failure: tuple[int, DomainError] | None = None
    gates: dict[str, Gate] = field(default_factory=dict)
    is_away: bool = False

    def gate(self, method: str) -> Gate:
        """Calls of the method wait at this gate from now on, and fail, if they have to, behind it."""
        return self.gates.setdefault(method, Gate())

    def fill(self, bucket: str, objects: int = 1, size_bytes: int = 10, uploads: int = 0) -> None:
        """Put something into a bucket."""
        held = self.buckets[bucket]
        held.objects, held.size_bytes, held.uploads = objects, size_bytes, uploads

    def bucket_name(self, instance_guid: str) -> str:
        return f"bkt-{instance_guid}"

    def address(self, bucket: str) -> BucketAddress:
        host = "127.0.0.1:9000"
        website = f"http://{bucket}.s3-website-us-east-1.localhost:9001/"
        return BucketAddress(bucket, "us-east-1", host, f"http://{host}", host, website)

    def check(self, settings: BucketSettings) -> None:
        if settings.quota is not None:
            raise EngineRefused("Parameter quota: this engine can't limit a bucket.")

    async def create_bucket(self, bucket: str, settings: BucketSettings) -> bool:
        await self._pass("create_bucket")
        is_new = bucket not in self.buckets
        self.buckets.setdefault(bucket, MemoryBucket(BucketSettings(object_ownership=settings.object_ownership)))
        return is_new

    async def configure(self, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
        await self._pass("configure")
        held = self.buckets[bucket]
        asked = {one.name: getattr(settings, one.name) for one in fields(settings)}
        if since is not None:
            asked = {name: value for name, value in asked.items() if value != getattr(since, name)}
        held.settings = replace(held.settings, **asked)

    async def delete_bucket(self, bucket: str) -> None:
        await self._pass("delete_bucket")
        held = self.buckets.get(bucket)
        if held is not None and (held.objects or held.uploads):
            raise BucketNotEmpty(bucket)
        self.buckets.pop(bucket, None)

    async def empty_bucket(self, bucket: str) -> AsyncIterator[Emptied]:
        await self._pass("empty_bucket")
        held, removed, pages = self.buckets.get(bucket, MemoryBucket(BucketSettings())), Emptied(0, 0, 0), 0
        while held.objects or held.uploads:
            if self.emptying_failure is not None and pages == self.emptying_failure[0]:
                raise self.emptying_failure[1]
            page = min(held.objects, PAGE_SIZE)
            size_bytes = held.size_bytes if page == held.objects else held.size_bytes * page // held.objects
            removed = Emptied(removed.objects + page, removed.size_bytes + size_bytes, removed.uploads)
            held.objects, held.size_bytes, pages = held.objects - page, held.size_bytes - size_bytes, pages + 1
            if not held.objects:
                removed = Emptied(removed.objects, removed.size_bytes, held.uploads)
                held.uploads = 0
            yield removed

    async def usage(self, bucket: str, most: int | None = None) -> Usage:
        held = self.buckets.get(bucket)
        return Usage(held.objects, held.size_bytes, held.uploads) if held else Usage(0, 0, 0)

    async def grant(
        self,
        binding_guid: str,
        buckets: Sequence[str],
        rights: Rights,
        labels: Mapping[str, str],
        fence: Fence = unfenced,
    ) -> AccessKey:
        """A key that was made meanwhile stays beside the new one, as on real engines."""
        await self._pass("grant")
        if earlier := self._key_ids(binding_guid):
            await asyncio.to_thread(fence)
        await asyncio.to_thread(fence)
        await self._pass("make_key")
        key = AccessKey(ids.access_key_id(), ids.secret_access_key())
        if set(self._key_ids(binding_guid)) - set(earlier):
            self.keys[binding_guid].other_keys.append(key.access_key_id)
        else:
            self.keys[binding_guid] = MemoryKey(key, tuple(buckets), rights, dict(labels))
        await self._pass("answer_key")
        return key

    def _key_ids(self, binding_guid: str) -> list[str]:
        held = self.keys.get(binding_guid)
        return [held.key.access_key_id, *held.other_keys] if held is not None else []

    async def restrict(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> None:
        await self._pass("restrict")
        if binding_guid in self.keys:
            self.keys[binding_guid].buckets, self.keys[binding_guid].rights = tuple(buckets), rights

    async def revoke(self, binding_guid: str) -> None:
        await self._pass("revoke")
        self.keys.pop(binding_guid, None)

    def identity_name(self, binding_guid: str) -> str:
        return binding_guid

    async def inventory(self) -> Inventory:
        await self._pass("inventory")
        return Inventory(frozenset(self.buckets), frozenset(self.keys))

    async def deviations(self, bucket: str, settings: BucketSettings) -> Sequence[str] | None:
        await self._pass("deviations")
        held = self.buckets.get(bucket)
        if held is None:
            return None
        is_so = {
            "public": held.settings.is_public == settings.is_public,
            "object_ownership": settings.object_ownership in (None, held.settings.object_ownership),
            "cors": held.settings.cors == settings.cors,
            "website": held.settings.website == settings.website,
        }
        return [name for name, is_alike in is_so.items() if not is_alike]

    async def find_identity(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> IdentityFound | None:
        held = self.keys.get(binding_guid)
        if held is None:
            return None
        ids_ = (held.key.access_key_id, *held.other_keys)
        return IdentityFound(ids_, (tuple(held.buckets), held.rights) == (tuple(buckets), rights))

    async def labels_of(self, identity: str) -> Mapping[str, str]:
        return self.keys[identity].labels if identity in self.keys else {}

    async def keep_key(self, binding_guid: str, access_key_id: str) -> None:
        held = self.keys.get(binding_guid)
        if held is not None:
            held.other_keys = [key for key in held.other_keys if key == access_key_id]

    async def drop_key(self, binding_guid: str, access_key_id: str) -> None:
        await self._pass("drop_key")
        held = self.keys.get(binding_guid)
        if held is None:
            return
        if held.key.access_key_id != access_key_id:
            held.other_keys = [key for key in held.other_keys if key != access_key_id]
        else:
            del self.keys[binding_guid]

    async def remove_identity(self, identity: str) -> None:
        await self._pass("remove_identity")
        self.keys.pop(identity, None)

    async def _pass(self, method: str) -> None:
        if gate := self.gates.get(method):
            gate.reached.set()
            await gate.opened.wait()
        if self.is_away:
            raise EngineUnavailable("The engine can't be reached.")
        if failure := self.failures.pop(method, None):
            raise failure
