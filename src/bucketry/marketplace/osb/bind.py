"""PUT /v2/service_instances/:instance_id/service_bindings/:binding_id ("Binding", "Binding Rotation")."""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.bindings import BindingOrder, Bound, BoundDifferently
from bucketry.marketplace.domain.errors import InstanceNotFound
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import UnderWay
from bucketry.marketplace.domain.values import BindingKind
from bucketry.marketplace.osb import promising, requests
from bucketry.marketplace.osb.binding_document import document
from bucketry.marketplace.osb.errors import BadRequest, Conflict, NotFound
from bucketry.marketplace.web.answers import json_answer


async def bind(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """201 made, 200 there alike with the same credentials, 202 under way, 409 there otherwise, 404 no such instance.

    With `predecessor_binding_id` it is a rotation: app and parameters are the predecessor's, and the ids of service
    and plan need not be there; if they are, they have to be right.
    """
    instance_guid, guid = requests.instance_id(request), requests.binding_id(request)
    body = await requests.body_of(request, requests.BindBody)
    is_rotation = body.predecessor_binding_id is not None
    if body.service_id is not None and body.plan_id is not None:
        marketplace.instances.plan_to_order(body.service_id, body.plan_id)
    elif not is_rotation:
        raise BadRequest(f"The field {'service_id' if body.service_id is None else 'plan_id'} is missing.")
    app_guid = body.app
    order = BindingOrder(
        guid=guid,
        instance_guid=instance_guid,
        kind=BindingKind.APP if app_guid else BindingKind.KEY,
        name="",
        app_guid=app_guid,
        is_local=False,
        parameters={} if is_rotation else body.parameters or {},
        service_guid=body.service_id,
        predecessor_guid=body.predecessor_binding_id,
    )
    try:
        outcome = await promising.carry_out(
            request, marketplace, lambda operation: marketplace.bindings.begin_bind(order, operation)
        )
    except InstanceNotFound as error:
        raise NotFound(str(error)) from None
    if isinstance(outcome, UnderWay):
        return promising.promise(outcome)
    if isinstance(outcome, BoundDifferently):
        raise Conflict(f"A binding with this id exists already, with another {outcome.difference}.")
    return json_answer(document(outcome.binding, outcome.credentials), 201 if isinstance(outcome, Bound) else 200)
