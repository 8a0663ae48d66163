"""GET /v2/service_instances/:instance_id ("Fetching a Service Instance")."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import InstanceState
from bucketry.marketplace.osb import requests
from bucketry.marketplace.osb.errors import NotFound
from bucketry.marketplace.web.answers import json_answer


async def fetch_instance(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200, or 404 for what is unknown, not made yet, or being deleted; during an update it is as before. The query's
    hints are not needed."""
    instance = await marketplace.instances.get(requests.instance_id(request))
    if instance.state is InstanceState.DELETING:
        raise NotFound("This service instance is being deleted.")
    body: dict[str, Any] = {
        "service_id": instance.service_guid,
        "plan_id": instance.plan_guid,
        "parameters": dict(instance.parameters),
    }
    if instance.maintenance_version:
        body["maintenance_info"] = {"version": instance.maintenance_version}
    return json_answer(body)
