"""PUT /v2/service_instances/:instance_id ("Provisioning")."""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.instances import Created, ExistsDifferently, InstanceOrder
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import UnderWay
from bucketry.marketplace.osb import promising, requests
from bucketry.marketplace.osb.errors import Conflict
from bucketry.marketplace.web.answers import json_answer


async def provision(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """201 made, 200 there alike, 202 under way, 409 there otherwise, or being made otherwise."""
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
    plan = marketplace.instances.plan_to_order(body.service_id, body.plan_id)
    requests.check_maintenance_info(body.maintenance_info, plan)
    outcome = await promising.carry_out(
        request, marketplace, lambda operation: marketplace.instances.begin_provision(order, operation)
    )
    if isinstance(outcome, UnderWay):
        return promising.promise(outcome)
    if isinstance(outcome, ExistsDifferently):
        raise Conflict(f"A service instance with this id exists already, with another {outcome.difference}.")
    return json_answer({}, 201 if isinstance(outcome, Created) else 200)
