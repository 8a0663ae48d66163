"""What the calls read from requests: ids of the path, queries, bodies of a shape.

Fields that are not named are ignored, as the specification asks ("Service Broker Errors", "Request Headers"); null for
something optional means that it is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from bucketry.marketplace.domain.catalog import Plan
from bucketry.marketplace.osb.errors import BadRequest, MaintenanceInfoConflict
from bucketry.marketplace.web.json_body import read_json_object

_ID = re.compile(r"[A-Za-z0-9\-._~]{1,255}")
_Body = TypeVar("_Body", bound=msgspec.Struct)


class MaintenanceInfo(msgspec.Struct):
    version: str


class PreviousValues(msgspec.Struct):
    plan_id: str | None = None
    service_id: str | None = None
    organization_id: str | None = None
    space_id: str | None = None
    maintenance_info: dict[str, Any] | None = None


class BindResource(msgspec.Struct):
    app_guid: str | None = None
    route: str | None = None
    space_guid: str | None = None
    app_annotations: dict[str, Any] | None = None
    credential_client_id: str | None = None


class ProvisionBody(msgspec.Struct):
    service_id: str
    plan_id: str
    organization_guid: str
    space_guid: str
    context: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    maintenance_info: MaintenanceInfo | None = None


class UpdateBody(msgspec.Struct):
    service_id: str
    plan_id: str | None = None
    context: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    maintenance_info: MaintenanceInfo | None = None
    previous_values: PreviousValues | None = None


class BindBody(msgspec.Struct):
    """Of a rotation, `predecessor_binding_id` alone may be there."""

    service_id: str | None = None
    plan_id: str | None = None
    predecessor_binding_id: str | None = None
    app_guid: str | None = None
    bind_resource: BindResource | None = None
    context: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None

    @property
    def app(self) -> str | None:
        """The application; the deprecated field counts where the newer is absent, and "" is absent."""
        return (self.bind_resource.app_guid if self.bind_resource else None) or self.app_guid or None


async def body_of(request: web.Request, shape: type[_Body]) -> _Body:
    """The body as `shape`. Raises MalformedBody, BadRequest with the place."""
    value = await read_json_object(request)
    try:
        body = msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise BadRequest(f"{place.strip('.`')}: {reason}." if place else f"{reason}.") from None
    for name in ("service_id", "plan_id", "organization_guid", "space_guid"):
        if getattr(body, name, None) == "":
            raise BadRequest(f"{name} must not be empty.")
    return body


def instance_id(request: web.Request) -> str:
    return _id(request, "instance_id")


def binding_id(request: web.Request) -> str:
    return _id(request, "binding_id")


def _id(request: web.Request, name: str) -> str:
    """One opaque segment. Other characters than the specification's come percent-encoded, and are refused whole."""
    value = request.match_info[name]
    if not _ID.fullmatch(value):
        raise BadRequest(f"{name} must be 1 to 255 of the characters A-Z, a-z, 0-9 and -._~")
    return value


async def service_id_of_deletion(request: web.Request) -> str:
    """`service_id` of a DELETE; `plan_id` has to be there, too. Both come in the query; Korifi 0.13 sends a JSON body
    with them instead. Raises BadRequest, MalformedBody."""
    given: Mapping[str, Any] = request.query
    if request.body_exists and not ("service_id" in given or "plan_id" in given):
        given = await read_json_object(request)
    for name in ("service_id", "plan_id"):
        if not isinstance(given.get(name), str) or not given[name]:
            raise BadRequest(f"The query parameter {name} is missing.")
    return str(given["service_id"])


def check_maintenance_info(info: MaintenanceInfo | None, plan: Plan | None) -> None:
    """A platform that names another version than the plan's has another catalog. Raises MaintenanceInfoConflict."""
    if info is None or (plan is not None and plan.maintenance_version and info.version == plan.maintenance_version):
        return
    has = f"version {plan.maintenance_version}" if plan is not None and plan.maintenance_version else "no version"
    raise MaintenanceInfoConflict(
        f"The plan has {has} of maintenance_info here, not {info.version!r}: the platform's catalog is outdated "
        "(Cloud Foundry: cf update-service-broker renews it)."
    )


def instance_name(context: Mapping[str, Any] | None) -> str | None:
    """What the platform calls the instance; None where it does not say."""
    name = (context or {}).get("instance_name")
    return name if isinstance(name, str) and name else None
