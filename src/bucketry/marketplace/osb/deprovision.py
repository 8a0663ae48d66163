"""DELETE /v2/service_instances/:instance_id ("Deprovisioning").

The specification leaves open what happens to bindings that are left: here they go with the instance, so that no
credentials outlive a platform that forgot to unbind. A bucket that holds something, on a plan that keeps it, is refused
with 422, and all is as before, bindings too.
"""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.errors import EngineRefused, InstanceNotFound, NotEmpty
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.osb import promising, requests
from bucketry.marketplace.osb.errors import BadRequest, DeletionRefused, Gone
from bucketry.marketplace.web.answers import json_answer

# With more objects the content of a bucket does not go within a platform's 60 s: engines remove a thousand in one to
# three seconds.
MOST_AT_ONCE = 10_000


async def deprovision(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 removed, 202 under way, 410 not there (any more), 422 AsyncRequired for what takes long.

    `service_id` must be the instance's. `plan_id` must be there, but another one does not hinder: a platform that
    missed the answer to an update could never delete otherwise.
    """
    guid = requests.instance_id(request)
    service_id = await requests.service_id_of_deletion(request)
    try:
        if (await marketplace.instances.get(guid, is_unfinished_too=True)).service_guid != service_id:
            raise BadRequest("service_id is not that of this service instance.")
        under_way = await promising.carry_out(
            request,
            marketplace,
            lambda operation: marketplace.instances.begin_deletion(
                guid, operation, with_bindings=True, most_at_once=MOST_AT_ONCE
            ),
        )
    except InstanceNotFound as error:
        raise Gone(str(error)) from None
    except (NotEmpty, EngineRefused) as error:
        raise DeletionRefused(str(error), error.code) from None
    return promising.promise(under_way) if under_way is not None else json_answer({})
