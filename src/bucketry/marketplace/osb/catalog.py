"""GET /v2/catalog ("Catalog Management"): all that can be ordered, the same whoever asks."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from bucketry.marketplace.domain import schemas
from bucketry.marketplace.domain.catalog import Catalog, Plan, Service


def document(catalog: Catalog) -> dict[str, Any]:
    """The catalog in the shape of the specification. Only what the broker does is declared."""
    return {"services": [_service(service) for service in catalog.services]}


def handler(catalog: Catalog) -> Handler:
    """The catalog does not change while the server runs, so it is written once; ETags spare platforms the reading."""
    body = msgspec.json.encode(document(catalog))
    etag = hashlib.sha256(body).hexdigest()[:32]

    async def get(request: web.Request) -> web.StreamResponse:
        known = request.if_none_match or ()
        if any(tag.value in (etag, "*") for tag in known):
            answer = web.Response(status=304)
        else:
            answer = web.Response(body=body, content_type="application/json")
        answer.etag = etag
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    return get


def _service(service: Service) -> dict[str, Any]:
    return {
        "id": service.guid,
        "name": service.name,
        "description": service.description,
        "tags": list(service.tags),
        "bindable": any(plan.is_bindable for plan in service.plans),
        "plan_updateable": any(plan.is_updateable for plan in service.plans),
        "instances_retrievable": True,
        "bindings_retrievable": True,
        "allow_context_updates": True,
        "metadata": dict(service.metadata),
        "plans": [_plan(plan) for plan in service.plans],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    optional: dict[str, Any] = {}
    if plan.maintenance_version:
        optional["maintenance_info"] = {"version": plan.maintenance_version}
        if plan.maintenance_description:
            optional["maintenance_info"]["description"] = plan.maintenance_description
    if plan.maximum_polling_seconds is not None:
        optional["maximum_polling_duration"] = plan.maximum_polling_seconds
    return {
        "id": plan.guid,
        "name": plan.name,
        "description": plan.description,
        "free": plan.is_free,
        "bindable": plan.is_bindable,
        "plan_updateable": plan.is_updateable,
        "binding_rotatable": plan.is_bindable and plan.is_rotatable,
        "metadata": dict(plan.metadata),
        "schemas": schemas.published(),
        **optional,
    }
