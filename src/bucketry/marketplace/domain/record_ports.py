"""What the domain asks of the place where its records are kept.

The implementation lives in marketplace/records and is joined by serve/. Records decide races by the database's
constraints, so that several processes can share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bucketry.marketplace.domain.adoption_ports import AdoptionRecords
from bucketry.marketplace.domain.values import App, Binding, EndedOperation, Instance, Org, Quota, Space


class Duplicate(Exception):
    """A record with this `what` ("guid", "name", "app") is there already; nothing was written."""

    def __init__(self, what: str) -> None:
        super().__init__(f"duplicate {what}")
        self.what = what


class StillReferenced(Exception):
    """The record has others under it (or the one above it is gone); nothing was written."""


class HoldLost(Exception):
    """The hold on an instance ran out and another took it; nothing was written. No DomainError, so that nobody who
    undoes what failed undoes the work of the one who has the hold now."""


class RecordsUnavailable(Exception):
    """The database can't be reached, or can't work. What was being written then may be there or not: whoever was in the
    middle of an order stops where it is, and the order is finished or undone later. The text is fit for callers."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to work on one instance, across processes, until `until_ms` unless renewed."""

    holder: str
    until_ms: int


class Held(Enum):
    """Why there is no hold."""

    ELSEWHERE = "elsewhere"  # another one has it
    MISSING = "missing"  # there is no such instance


class PlaceRecords(Protocol):
    """Quotas, orgs, spaces, apps. insert raises Duplicate("name"), delete raises StillReferenced."""

    async def insert_quota(self, quota: Quota) -> None: ...
    async def save_quota(self, quota: Quota) -> None: ...
    async def delete_quota(self, guid: str) -> None: ...
    async def list_quotas(self) -> list[Quota]: ...

    async def insert_org(self, org: Org) -> None: ...
    async def save_org(self, org: Org) -> None: ...
    async def delete_org(self, guid: str) -> None: ...
    async def get_org(self, guid: str) -> Org | None: ...
    async def find_org(self, name: str) -> Org | None: ...
    async def list_orgs(self) -> list[Org]: ...

    async def insert_space(self, space: Space) -> None: ...
    async def save_space(self, space: Space) -> None: ...
    async def delete_space(self, guid: str) -> None: ...
    async def get_space(self, guid: str) -> Space | None: ...
    async def find_space(self, org_guid: str, name: str) -> Space | None: ...
    async def list_spaces(self, org_guid: str) -> list[Space]: ...

    async def insert_app(self, app: App) -> None: ...
    async def delete_app(self, guid: str) -> None: ...
    async def get_app(self, guid: str) -> App | None: ...
    async def find_app(self, space_guid: str, name: str) -> App | None: ...
    async def list_apps(self, space_guid: str) -> list[App]: ...


class InstanceRecords(Protocol):
    """Instances, and the holds on them."""

    async def insert_instance(self, instance: Instance, hold: Hold) -> None:
        """Write a new instance, held. Raises Duplicate("guid"|"name"), StillReferenced if its local space is gone."""
        ...

    async def hold_instance(self, guid: str, hold: Hold, now_ms: int) -> Instance | Held:
        """Take the hold if it is free, its own already, or ran out before `now_ms`, and read the instance as it is
        then."""
        ...

    async def renew_hold(self, guid: str, hold: Hold) -> bool:
        """Move the end of a hold that is still ours; False if it is not."""
        ...

    async def release_instance(self, guid: str, holder: str) -> None:
        """Give the hold back; nothing if it isn't ours any more."""
        ...

    async def save_instance(self, instance: Instance, holder: str, release: bool) -> None:
        """Write the instance. Raises HoldLost, Duplicate("name")."""
        ...

    async def delete_instance(self, guid: str, holder: str, told: EndedOperation | None = None) -> None:
        """Remove the instance, and its mentions in other bindings. Raises HoldLost, StillReferenced (own bindings).
        `told`: what is to be told of it from now on, in place of what was told of an earlier one with its id."""
        ...

    async def get_instance(self, guid: str) -> Instance | None: ...

    async def find_instances(self, space_guid: str, name: str) -> list[Instance]:
        """Those of this name; more than one only on foreign platforms (at most two are told)."""
        ...

    async def list_instances(self, space_guid: str, after_name: str, limit: int) -> list[Instance]:
        """By name; a page begins after `after_name` ("" for the first)."""
        ...

    async def list_all_instances(self, after_guid: str, limit: int) -> list[Instance]:
        """All, unfinished or not, by guid; a page begins after `after_guid` ("" for the first)."""
        ...

    async def unfinished_instances(self, now_ms: int, limit: int) -> list[str]:
        """Guids of instances whose hold is free or ran out, and which are unfinished or have an unfinished binding."""
        ...


class BindingRecords(Protocol):
    """Bindings and keys. Writing needs the hold of their instance: each may raise HoldLost."""

    async def insert_binding(self, binding: Binding, holder: str) -> None:
        """Raises Duplicate("guid"|"name"|"app"), StillReferenced (its app or an additional instance is gone)."""
        ...

    async def save_binding(self, binding: Binding, holder: str, release: bool) -> None: ...

    async def delete_binding(
        self, binding: Binding, holder: str, release: bool, told: EndedOperation | None = None
    ) -> None:
        """`told` as in delete_instance."""
        ...

    async def get_binding(self, guid: str) -> Binding | None: ...

    async def find_key(self, instance_guid: str, name: str) -> Binding | None: ...

    async def find_keys(self, space_guid: str, name: str) -> list[Binding]:
        """Service keys of this name in a space, over all its instances (at most two are told)."""
        ...

    async def list_bindings(self, instance_guid: str) -> list[Binding]:
        """All of an instance, finished or not, the oldest first."""
        ...

    async def list_app_bindings(self, app_guid: str) -> list[Binding]: ...

    async def list_bindings_beside(self, instance_guid: str) -> list[Binding]:
        """Bindings of other instances that name this one among their additional instances."""
        ...


class EndedRecords(Protocol):
    """What is told of promised operations whose instance or binding is gone."""

    async def get_ended(self, instance_guid: str, binding_guid: str) -> EndedOperation | None: ...

    async def forget_ended(self, before_ms: int) -> None:
        """Remove what ended before that moment."""
        ...


class SealedRecords(Protocol):
    """The sealed key pairs of all bindings, whoever works on them."""

    async def list_sealed(self, after_guid: str, limit: int) -> list[tuple[str, bytes]]:
        """Guids and sealed pairs, in the order of guids; "" for the first page."""
        ...

    async def replace_sealed(self, changes: Sequence[tuple[str, bytes, bytes]]) -> None:
        """(guid, before, after): put `after` in the place of `before`, where it still is; all in one step."""
        ...

    async def sealed_with(self) -> dict[bytes, int]:
        """How many pairs need which key, by the key's id."""
        ...


class Records(PlaceRecords, InstanceRecords, BindingRecords, EndedRecords, SealedRecords, AdoptionRecords, Protocol):
    """The whole of the marketplace's state. Each call may raise RecordsUnavailable."""

    def clock_ms(self) -> int:
        """Now, by the clock that all processes which share the records go by: that of holds."""
        ...

    async def claim_engine(self, engine: str, place: str) -> str:
        """The place of an engine that each server has one of, under the same name: `place`, unless claimed before."""
        ...

    async def check(self) -> None:
        """Raises RecordsUnavailable where nothing can be read."""
        ...

    async def close(self) -> None: ...
