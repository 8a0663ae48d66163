"""PATCH /v2/service_instances/:instance_id ("Updating a Service Instance").

`parameters` replace those of the same name and leave the rest, null takes one back, `{}` changes nothing. A version in
`maintenance_info` that is the plan's asks for the upgrade to it. `previous_values` and the fields of `context` are not
relied on, but for the instance's new name.
"""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.errors import EngineRefused, InstanceNotFound, PlanChangeRefused
from bucketry.marketplace.domain.instance_changes import InstanceChange
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import UnderWay
from bucketry.marketplace.osb import promising, requests
from bucketry.marketplace.osb.errors import BadRequest, NotFound, UpdateRefused
from bucketry.marketplace.web.answers import json_answer


async def update(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 applied or nothing to do, 202 under way; 422 where the plan can't change so, with nothing applied."""
    guid = requests.instance_id(request)
    body = await requests.body_of(request, requests.UpdateBody)
    change = InstanceChange(
        plan_guid=body.plan_id,
        parameters=body.parameters,
        name=requests.instance_name(body.context),
        is_upgrade=body.maintenance_info is not None,
    )
    try:
        instance = await marketplace.instances.get(guid, is_unfinished_too=True)  # one under way is busy, not unknown
        if instance.service_guid != body.service_id:
            raise BadRequest("service_id is not that of this service instance.")
        if body.plan_id is not None and body.plan_id != instance.plan_guid:
            marketplace.instances.plan_to_order(body.service_id, body.plan_id)
        plan = marketplace.catalog.plan(body.service_id, body.plan_id or instance.plan_guid)
        requests.check_maintenance_info(body.maintenance_info, plan)
        outcome = await promising.carry_out(
            request, marketplace, lambda operation: marketplace.instances.begin_update(guid, change, operation)
        )
    except InstanceNotFound as error:
        raise NotFound(str(error)) from None
    except (PlanChangeRefused, EngineRefused) as error:
        raise UpdateRefused(str(error), error.code) from None
    return promising.promise(outcome) if isinstance(outcome, UnderWay) else json_answer({})
