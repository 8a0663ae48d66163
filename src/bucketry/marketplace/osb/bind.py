"""PUT /v2/service_instances/:instance_id/service_bindings/:binding_id ("Binding")."""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.bindings import BindingOrder, Bound, BoundDifferently
from bucketry.marketplace.domain.errors import InstanceNotFound
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import BindingKind
from bucketry.marketplace.osb import requests
from bucketry.marketplace.osb.errors import Conflict, NotFound
from bucketry.marketplace.web.answers import json_answer


async def bind(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """201 made, 200 there alike with the same credentials, 409 there otherwise, 404 no such instance."""
    instance_guid, guid = requests.instance_id(request), requests.binding_id(request)
    body = await requests.body_of(request, requests.BindBody)
    marketplace.instances.plan_to_order(body.service_id, body.plan_id)
    app_guid = body.app
    order = BindingOrder(
        guid=guid,
        instance_guid=instance_guid,
        kind=BindingKind.APP if app_guid else BindingKind.KEY,
        name="",
        app_guid=app_guid,
        is_local=False,
        parameters=body.parameters or {},
        service_guid=body.service_id,
    )
    try:
        outcome = await marketplace.bindings.bind(order)
    except InstanceNotFound as error:
        raise NotFound(str(error)) from None
    if isinstance(outcome, BoundDifferently):
        raise Conflict(f"A binding with this id exists already, with another {outcome.difference}.")
    return json_answer({"credentials": outcome.credentials}, 201 if isinstance(outcome, Bound) else 200)
