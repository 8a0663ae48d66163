"""The things the marketplace keeps: quotas, orgs, spaces, apps, instances, bindings. Values; changes make new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Parameters = Mapping[str, Any]


class InstanceState(StrEnum):
    """Only a ready instance is anybody's. The others are orders under way, or left by a crash for the keeper to settle:
    creating and failed are undone, updating is taken back, deleting is finished."""

    CREATING = "creating"
    READY = "ready"
    UPDATING = "updating"
    DELETING = "deleting"
    FAILED = "failed"


class BindingState(StrEnum):
    """As InstanceState: what is left creating or deleting is removed by the keeper."""

    CREATING = "creating"
    READY = "ready"
    DELETING = "deleting"


class BindingKind(StrEnum):
    APP = "app"
    KEY = "key"


class OperationType(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class OperationState(StrEnum):
    IN_PROGRESS = "in progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LastOperation:
    """What was last done to an instance, in the words of cf: `create succeeded`.

    `id` is what the orderer follows it by, where it may go on after it was answered; "" for all others.
    """

    type: OperationType
    state: OperationState
    description: str
    time_ms: int
    id: str = ""

    @property
    def is_promised(self) -> bool:
        """Whether it is under way and somebody was told, or could have been, that it will come to an end."""
        return bool(self.id) and self.state is OperationState.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class EndedOperation:
    """How a promised operation ended whose instance or binding is not there (any more). `binding_guid` "" for those of
    instances."""

    instance_guid: str
    binding_guid: str
    type: OperationType
    state: OperationState
    description: str
    ended_ms: int


@dataclass(frozen=True, slots=True)
class PendingChange:
    """What an update is making of an instance, so that it can be finished or taken back after a crash."""

    name: str
    plan_guid: str
    parameters: Parameters
    tags: Sequence[str]
    maintenance_version: str


@dataclass(frozen=True, slots=True)
class Quota:
    """Rules of an org. One called `default` is always there."""

    guid: str
    name: str
    allows_paid_plans: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class Org:
    guid: str
    name: str
    quota_guid: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Space:
    guid: str
    name: str
    org_guid: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class App:
    """A name that instances can be bound to. Bucketry runs no apps."""

    guid: str
    name: str
    space_guid: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Instance:
    """A bucket that was ordered.

    `maintenance_version`: that of the plan's maintenance_info when the bucket was last configured; "": it had none.
    `pending` while an update is under way.

    `is_local`: its org and space are this server's (ordered by the command line); otherwise they are ids of a foreign
    platform, kept as they came, and names need not be unique there.
    """

    guid: str
    name: str
    org_guid: str
    space_guid: str
    is_local: bool
    service_guid: str
    plan_guid: str
    parameters: Parameters
    tags: Sequence[str]
    state: InstanceState
    engine: str
    bucket: str
    last_operation: LastOperation
    created_ms: int
    updated_ms: int
    maintenance_version: str = ""
    pending: PendingChange | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """Credentials of one app or key for an instance's bucket.

    `name` is unique among the keys of an instance; app bindings and those of foreign platforms may have none ("").
    `app_guid` None for keys. `additional_instances` are guids, resolved from the names in `parameters`.
    `sealed_key` is the access key pair, sealed under the context `binding|GUID`; None until it is made.
    `operation_id` as in LastOperation, of the order that is under way. `predecessor_guid`: the binding that this one
    was rotated from. `identity` is what its identity is called where another broker made it; "": as the engine says.
    Of such a one the pair is not known.
    """

    guid: str
    kind: BindingKind
    name: str
    instance_guid: str
    app_guid: str | None
    is_local: bool
    parameters: Parameters
    additional_instances: Sequence[str]
    state: BindingState
    created_ms: int
    sealed_key: bytes | None = field(default=None, repr=False)
    operation_id: str = ""
    predecessor_guid: str | None = None
    identity: str = ""
