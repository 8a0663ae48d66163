"""GET …/last_operation of instances and bindings ("Polling Last Operation").

Everything here is done before it is answered, so platforms have no reason to ask; those that do are told how the last
order ended. What was removed, or never made, is 404.
"""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import OperationState
from bucketry.marketplace.osb import requests
from bucketry.marketplace.web.answers import json_answer

_RETRY_AFTER_S = 5


async def last_operation_of_instance(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 with state and description. An `operation` in the query, which none was given, is ignored."""
    last = (await marketplace.instances.get(requests.instance_id(request))).last_operation
    answer = json_answer({"state": last.state.value, "description": last.description})
    if last.state is OperationState.IN_PROGRESS:
        answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return answer


async def last_operation_of_binding(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 succeeded for a binding that is there."""
    await marketplace.bindings.get(requests.binding_id(request), requests.instance_id(request))
    return json_answer({"state": OperationState.SUCCEEDED.value, "description": "create succeeded"})
