"""The list of what is to be taken over from another broker: JSON lines, an instance each.

    {"instance_id": "…", "plan_id": "…", "organization_guid": "…", "space_guid": "…", "name": "…",
     "bindings": [{"id": "…", "app_guid": "…"}]}

Buckets are `PREFIX-INSTANCE_ID` and users `PREFIX-BINDING_ID`, unless `bucket` or `user` says so. docs/adopting.md
shows how a platform's API gives such a list.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bucketry.marketplace.domain.adoption import ForeignBinding, ForeignInstance
from bucketry.marketplace.domain.catalog import Catalog
from bucketry.serve.errors import ServeError

_MOST_TOLD = 20


class AdoptionFileError(ServeError):
    """The list can't be used; the text names each line that is wrong."""

    exit_code = 2


class _Binding(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    app_guid: str | None = None
    name: str = ""
    user: str = ""


class _Instance(msgspec.Struct, forbid_unknown_fields=True):
    instance_id: str
    plan_id: str
    organization_guid: str
    space_guid: str
    name: str = ""
    bucket: str = ""
    tags: list[str] = []
    bindings: list[_Binding] = []


def read(path: Path, catalog: Catalog, bucket_prefix: str, user_prefix: str) -> list[ForeignInstance]:
    """The instances of the file, in its order. AdoptionFileError tells all that is wrong."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as problem:
        raise AdoptionFileError(f"{path} can't be read: {problem.strerror}.") from None
    services = {plan.guid: service.guid for service in catalog.services for plan in service.plans}
    found: list[ForeignInstance] = []
    problems: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            instance = _instance(msgspec.json.decode(line, type=_Instance), services, bucket_prefix, user_prefix)
        except (msgspec.DecodeError, RecursionError, ValueError) as problem:
            problems.append(f"line {number}: {problem}")
            continue
        for what in _names(instance):
            if what in seen:
                problems.append(f"line {number}: {' '.join(what)} is on line {seen[what]} already")
            seen[what] = number
        found.append(instance)
    if problems:
        more = f"; and {len(problems) - _MOST_TOLD} more" if len(problems) > _MOST_TOLD else ""
        raise AdoptionFileError(f"{path} can't be used: {'; '.join(problems[:_MOST_TOLD])}{more}.")
    return found


def _names(instance: ForeignInstance) -> list[tuple[str, str]]:
    """What may stand in a list once."""
    of_bindings = [("binding", binding.guid) for binding in instance.bindings]
    of_bindings += [("user", binding.identity) for binding in instance.bindings]
    return [("instance", instance.guid), ("bucket", instance.bucket), *of_bindings]


def _instance(read: _Instance, services: dict[str, str], bucket_prefix: str, user_prefix: str) -> ForeignInstance:
    if read.plan_id not in services:
        raise ValueError(f"there is no plan {read.plan_id} in the catalog")
    if not read.instance_id or not all(binding.id for binding in read.bindings):
        raise ValueError("an id is empty")
    return ForeignInstance(
        guid=read.instance_id,
        name=read.name or read.instance_id,
        org_guid=read.organization_guid,
        space_guid=read.space_guid,
        service_guid=services[read.plan_id],
        plan_guid=read.plan_id,
        bucket=read.bucket or f"{bucket_prefix}-{read.instance_id}",
        tags=tuple(read.tags),
        bindings=tuple(
            ForeignBinding(
                binding.id, binding.app_guid or None, binding.name, binding.user or f"{user_prefix}-{binding.id}"
            )
            for binding in read.bindings
        ),
    )
