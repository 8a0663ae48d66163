"""PUT /v2/service_instances/:instance_id ("Provisioning")."""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.instances import Created, ExistsDifferently, InstanceOrder
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.osb import requests
from bucketry.marketplace.osb.errors import Conflict
from bucketry.marketplace.web.answers import json_answer


async def provision(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """201 made, 200 there alike, 409 there otherwise; `accepts_incomplete` makes no difference."""
    guid = requests.instance_id(request)
    body = await requests.body_of(request, requests.ProvisionBody)
    order = InstanceOrder(
        guid=guid,
        name=requests.instance_name(body.context) or guid,
        org_guid=body.organization_guid,
        space_guid=body.space_guid,
        is_local=False,
        service_guid=body.service_id,
        plan_guid=body.plan_id,
        parameters=body.parameters or {},
    )
    marketplace.instances.plan_to_order(body.service_id, body.plan_id)
    requests.check_maintenance_info(body.maintenance_info)
    outcome = await marketplace.instances.provision(order)
    if isinstance(outcome, ExistsDifferently):
        raise Conflict(f"A service instance with this id exists already, with another {outcome.difference}.")
    return json_answer({}, 201 if isinstance(outcome, Created) else 200)
