"""DELETE /v2/service_instances/:instance_id/service_bindings/:binding_id ("Unbinding")."""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.errors import BindingNotFound, InstanceNotFound
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.osb import promising, requests
from bucketry.marketplace.osb.errors import BadRequest, Gone
from bucketry.marketplace.web.answers import json_answer


async def unbind(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 revoked and removed, 202 under way, 410 not there (any more), also under another instance. Ids as in
    deprovision.py."""
    instance_guid, guid = requests.instance_id(request), requests.binding_id(request)
    service_id = await requests.service_id_of_deletion(request)
    try:
        if (await marketplace.instances.get(instance_guid)).service_guid != service_id:
            raise BadRequest("service_id is not that of this service instance.")
        under_way = await promising.carry_out(
            request, marketplace, lambda operation: marketplace.bindings.begin_unbind(guid, instance_guid, operation)
        )
    except (BindingNotFound, InstanceNotFound) as error:
        raise Gone(str(error)) from None
    return promising.promise(under_way) if under_way is not None else json_answer({})
