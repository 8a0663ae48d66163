"""DELETE /v2/service_instances/:instance_id ("Deprovisioning").

The specification leaves open what happens to bindings that are left: here they go with the instance, so that no
credentials outlive a platform that forgot to unbind. A bucket that holds something, on a plan that keeps it, is refused
with 422, and all is as before, bindings too.
"""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.errors import InstanceNotFound, NotEmpty
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.osb import requests
from bucketry.marketplace.osb.errors import BadRequest, DeletionRefused, Gone
from bucketry.marketplace.web.answers import json_answer


async def deprovision(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 removed, 410 not there (any more).

    `service_id` must be the instance's. `plan_id` must be there, but another one does not hinder: a platform that
    missed the answer to an update could never delete otherwise.
    """
    guid = requests.instance_id(request)
    service_id = requests.required_query(request, "service_id")
    requests.required_query(request, "plan_id")
    try:
        if (await marketplace.instances.get(guid, is_unfinished_too=True)).service_guid != service_id:
            raise BadRequest("service_id is not that of this service instance.")
        await marketplace.instances.delete(guid, with_bindings=True)
    except InstanceNotFound as error:
        raise Gone(str(error)) from None
    except NotEmpty as error:
        raise DeletionRefused(str(error), error.code) from None
    return json_answer({})
