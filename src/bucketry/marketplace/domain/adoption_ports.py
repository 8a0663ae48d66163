"""What adoption.py asks of engines and records, beside what engine_ports.py and record_ports.py ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bucketry.marketplace.domain.values import Binding, Instance


@dataclass(frozen=True, slots=True)
class ForeignBucket:
    """A bucket that another broker made. `object_ownership` None: none is set."""

    is_public: bool
    object_ownership: str | None


@dataclass(frozen=True, slots=True)
class ForeignIdentity:
    """What another broker gave a binding: active keys, and the buckets that its policies name."""

    active_keys: tuple[str, ...]
    reaches: frozenset[str]


@dataclass(frozen=True, slots=True)
class ForeignInventory:
    """Names of all that another broker may have made."""

    buckets: frozenset[str]
    identities: frozenset[str]


@runtime_checkable
class AdoptingEngine(Protocol):
    """An engine on which another broker's buckets and identities can be taken over (adoption.py). Looking changes
    nothing; as for Engine, all is safe to repeat."""

    async def find_foreign_bucket(self, bucket_name: str) -> ForeignBucket | None: ...

    async def find_foreign_identity(self, identity: str) -> ForeignIdentity | None: ...

    async def foreign_inventory(self, bucket_prefix: str, user_prefix: str, iam_path: str) -> ForeignInventory:
        """All buckets and identities whose names begin so, page by page."""
        ...

    async def revoke_foreign(self, identity: str, binding_guid: str) -> None:
        """Remove its keys, rights and itself, in this order; what is others' too stays. Nothing if it is gone."""
        ...


class AdoptionRecords(Protocol):
    """Instances and bindings that another broker made, taken into the records."""

    async def find_bucket(self, engine: str, bucket: str) -> str | None:
        """The guid of the instance that has this bucket."""
        ...

    async def adopt(self, instance: Instance | None, adopted: Sequence[Binding]) -> None:
        """Write the instance (None: it is there) and these bindings of it, all or nothing. Raises Duplicate,
        StillReferenced (the instance that was there is gone)."""
        ...
