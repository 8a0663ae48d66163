"""Rows of the tables as the domain's values, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from bucketry.marketplace.domain.values import (
    App,
    Binding,
    BindingKind,
    BindingState,
    EndedOperation,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
    Org,
    PendingChange,
    Quota,
    Space,
)

Row = sa.Row[Any]


def quota(row: Row) -> Quota:
    return Quota(row.guid, row.name, bool(row.allows_paid_plans), row.created_ms)


def org(row: Row) -> Org:
    return Org(row.guid, row.name, row.quota_guid, row.created_ms)


def space(row: Row) -> Space:
    return Space(row.guid, row.name, row.org_guid, row.created_ms)


def app(row: Row) -> App:
    return App(row.guid, row.name, row.space_guid, row.created_ms)


def instance(row: Row) -> Instance:
    return Instance(
        guid=row.guid,
        name=row.name,
        org_guid=row.org_guid,
        space_guid=row.space_guid,
        is_local=row.local_space_guid is not None,
        service_guid=row.service_guid,
        plan_guid=row.plan_guid,
        parameters=json.loads(row.parameters),
        tags=tuple(json.loads(row.tags)),
        state=InstanceState(row.state),
        engine=row.engine,
        bucket=row.bucket,
        last_operation=LastOperation(
            OperationType(row.last_type),
            OperationState(row.last_state),
            row.last_description,
            row.last_ms,
            row.operation_id,
        ),
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        maintenance_version=row.maintenance_version,
        pending=None if row.pending is None else PendingChange(**json.loads(row.pending)),
    )


def instance_columns(value: Instance) -> dict[str, Any]:
    last = value.last_operation
    return {
        "guid": value.guid,
        "name": value.name,
        "org_guid": value.org_guid,
        "space_guid": value.space_guid,
        "local_space_guid": value.space_guid if value.is_local else None,
        "service_guid": value.service_guid,
        "plan_guid": value.plan_guid,
        "parameters": json.dumps(value.parameters),
        "tags": json.dumps(list(value.tags)),
        "state": value.state.value,
        "engine": value.engine,
        "bucket": value.bucket,
        "last_type": last.type.value,
        "last_state": last.state.value,
        "last_description": last.description,
        "last_ms": last.time_ms,
        "created_ms": value.created_ms,
        "updated_ms": value.updated_ms,
        "operation_id": last.id,
        "maintenance_version": value.maintenance_version,
        "pending": None if value.pending is None else json.dumps(asdict(value.pending)),
    }


def binding(row: Row, additional_instances: Sequence[str]) -> Binding:
    return Binding(
        guid=row.guid,
        kind=BindingKind(row.kind),
        name=row.name,
        instance_guid=row.instance_guid,
        app_guid=row.app_guid,
        is_local=row.local_key_name is not None or row.local_app_guid is not None,
        parameters=json.loads(row.parameters),
        additional_instances=tuple(additional_instances),
        state=BindingState(row.state),
        created_ms=row.created_ms,
        sealed_key=None if row.sealed_key is None else bytes(row.sealed_key),
        operation_id=row.operation_id,
        predecessor_guid=row.predecessor_guid,
        identity=row.identity,
    )


def binding_columns(value: Binding) -> dict[str, Any]:
    is_key = value.kind is BindingKind.KEY
    return {
        "guid": value.guid,
        "kind": value.kind.value,
        "name": value.name,
        "local_key_name": value.name if value.is_local and is_key else None,
        "instance_guid": value.instance_guid,
        "app_guid": value.app_guid,
        "local_app_guid": value.app_guid if value.is_local and not is_key else None,
        "parameters": json.dumps(value.parameters),
        "state": value.state.value,
        "created_ms": value.created_ms,
        "sealed_key": value.sealed_key,
        "operation_id": value.operation_id,
        "predecessor_guid": value.predecessor_guid,
        "identity": value.identity,
    }


def mentions(value: Binding) -> list[dict[str, Any]]:
    """The rows of the additional instances."""
    return [
        {"binding_guid": value.guid, "instance_guid": guid, "position": position}
        for position, guid in enumerate(value.additional_instances)
    ]


def ended(row: Row) -> EndedOperation:
    return EndedOperation(
        row.instance_guid,
        row.binding_guid,
        OperationType(row.type),
        OperationState(row.state),
        row.description,
        row.ended_ms,
    )


def ended_columns(value: EndedOperation) -> dict[str, Any]:
    return {
        "instance_guid": value.instance_guid,
        "binding_guid": value.binding_guid,
        "type": value.type.value,
        "state": value.state.value,
        "description": value.description,
        "ended_ms": value.ended_ms,
    }
