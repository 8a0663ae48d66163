"""What the domain asks of engines, which hold buckets. The values that cross are the domain's own.

Implementations live in marketplace/engines and are joined by serve/.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Permissions(StrEnum):
    """What a binding may do with the objects of its buckets."""

    READ_WRITE = "read-write"
    READ_ONLY = "read-only"
    WRITE_ONLY = "write-only"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a binding may do in its buckets, and within which limits."""

    permissions: Permissions = Permissions.READ_WRITE
    prefix: str = ""  # of the keys that it may use, in each bucket; "": all, and the bucket's settings
    source_ips: tuple[str, ...] = ()  # addresses and CIDR ranges that it may ask from; none: from anywhere
    ends_ms: int | None = None  # from when on it may do nothing


@dataclass(frozen=True, slots=True)
class BucketQuota:
    """How much a bucket may hold; None: any. One of them at least is given."""

    size_bytes: int | None = None
    objects: int | None = None


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """How a bucket is to be.

    `cors` and `website` are the documents of PutBucketCors and PutBucketWebsite in AWS's JSON form; None: none set.
    `object_ownership` None: the engine's default. `quota` None: no limit. The default value of this class is a bucket
    as it is just made.
    """

    is_public: bool = False
    object_ownership: str | None = None
    cors: Mapping[str, Any] | None = None
    website: Mapping[str, Any] | None = None
    quota: BucketQuota | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a bucket holds. `uploads` counts unfinished multipart uploads, up to a thousand."""

    objects: int
    size_bytes: int
    uploads: int

    @property
    def is_empty(self) -> bool:
        return not (self.objects or self.uploads)


@dataclass(frozen=True, slots=True)
class Emptied:
    """How much has been removed so far."""

    objects: int
    size_bytes: int
    uploads: int


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A fresh pair. The secret is shown nowhere by accident."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """Where a bucket is reached. `endpoint` is host[:port]; `fips_endpoint` equals it where there is no other."""

    bucket: str
    region: str
    endpoint: str
    endpoint_url: str
    fips_endpoint: str
    website_endpoint: str
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an engine holds that is named as ours are, by names: what was ordered, and what should not be there."""

    buckets: frozenset[str]
    identities: frozenset[str]


@dataclass(frozen=True, slots=True)
class IdentityFound:
    """The identity of a binding as it is. `has_rights`: it may do what was asked about, no more and no less."""

    access_key_ids: tuple[str, ...]
    has_rights: bool


Fence = Callable[[], None]  # asked in a thread, before what a latecomer must not do; raises record_ports.HoldLost


def unfenced() -> None:
    """The fence of those whom nobody can overtake."""


class BucketNotEmpty(Exception):
    """`Engine.delete_bucket` found something in the bucket and removed nothing."""


class Engine(Protocol):
    """Where buckets live. Every method is idempotent: create if missing, delete if there, and safe to repeat after a
    crash at any line. All may raise errors.EngineUnavailable and errors.EngineRefused."""

    name: str

    def bucket_name(self, instance_guid: str) -> str:
        """The bucket of an instance: a valid S3 name, another one for each instance id. Asks nobody."""
        ...

    def address(self, bucket: str) -> BucketAddress:
        """Where the bucket is reached. Asks nobody."""
        ...

    def check(self, settings: BucketSettings) -> None:
        """Raises EngineRefused for what no bucket of this engine can be. Asks nobody."""
        ...

    async def create_bucket(self, bucket: str, settings: BucketSettings) -> bool:
        """Make the bucket, private, with the object ownership of `settings`; nothing if it is there and ours. Whether
        it surely was made now: one that was there may be as nobody knows."""
        ...

    async def configure(self, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
        """Bring the bucket to `settings`. `since`: how it is known to be, so that only differences are asked for;
        None: not known."""
        ...

    async def delete_bucket(self, bucket: str) -> None:
        """Remove an empty bucket. Raises BucketNotEmpty, also for unfinished uploads."""
        ...

    def empty_bucket(self, bucket: str) -> AsyncIterator[Emptied]:
        """Remove all objects, versions and unfinished uploads, telling sums after each page; nothing if it is gone."""
        ...

    async def usage(self, bucket: str, most: int | None = None) -> Usage:
        """What the bucket holds; zeros for one that isn't there. `most`: it may stop counting objects beyond that."""
        ...

    async def grant(
        self,
        binding_guid: str,
        buckets: Sequence[str],
        rights: Rights,
        labels: Mapping[str, str],
        fence: Fence = unfenced,
    ) -> AccessKey:
        """Make the binding's own identity and key for `buckets`; a key of an earlier try is replaced. `fence` is asked
        between the look at such keys and their removal, and just before the new one is made."""
        ...

    async def restrict(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> None:
        """Change what an existing identity may reach; nothing if there is none."""
        ...

    async def revoke(self, binding_guid: str) -> None:
        """Remove the binding's keys, rights and identity, in this order."""
        ...

    def identity_name(self, binding_guid: str) -> str:
        """What the identity of a binding is called there: another name for each binding id. Asks nobody."""
        ...

    async def inventory(self) -> Inventory:
        """All buckets and identities whose names bucket_name() and identity_name() could have made, page by page."""
        ...

    async def deviations(self, bucket: str, settings: BucketSettings) -> Sequence[str] | None:
        """The names of settings that are not as `settings` says: `public`, and those of parameters (`cors`, …). What
        it leaves to the engine deviates in nothing. None: no such bucket."""
        ...

    async def find_identity(self, binding_guid: str, buckets: Sequence[str], rights: Rights) -> IdentityFound | None:
        """The binding's identity, compared with what grant() would let it do; None if there is none."""
        ...

    async def labels_of(self, identity: str) -> Mapping[str, str]:
        """What grant() wrote beside an identity of the inventory, as far as the engine keeps it; {} if it is gone."""
        ...

    async def keep_key(self, binding_guid: str, access_key_id: str) -> None:
        """Remove the keys of the binding's identity but this one; nothing if there is no identity."""
        ...

    async def drop_key(self, binding_guid: str, access_key_id: str) -> None:
        """Remove this key of the binding's identity; nothing if it is gone."""
        ...

    async def remove_identity(self, identity: str) -> None:
        """As revoke(), of an identity of the inventory."""
        ...
