"""GET …/last_operation of instances and bindings ("Polling Last Operation").

Told is how the last order ended, or how far it is, whatever `operation` the query names: there is one at a time. Also
after orders that were answered at once. What was promised and is gone by it (a deletion, an order that failed) is told
for a week: platforms take 200 `succeeded` for the end of a deletion, and 404 for nothing.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import EndedOperation, OperationState, OperationType
from bucketry.marketplace.osb import requests
from bucketry.marketplace.web.answers import json_answer

_RETRY_AFTER_S = 5


async def last_operation_of_instance(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 with state and description; 404 for what is unknown."""
    last = await marketplace.instances.last_operation(requests.instance_id(request))
    return _answer(last.type, last.state, last.description)


async def last_operation_of_binding(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """As for instances."""
    last = await marketplace.bindings.last_operation(requests.binding_id(request), requests.instance_id(request))
    if isinstance(last, EndedOperation):
        return _answer(last.type, last.state, last.description, is_binding=True)
    type_, state = last
    return _answer(type_, state, f"{type_.value} {state.value}", is_binding=True)


def _answer(
    type_: OperationType, state: OperationState, description: str, is_binding: bool = False
) -> web.StreamResponse:
    body: dict[str, Any] = {"state": state.value, "description": description}
    if state is OperationState.FAILED and type_ is not OperationType.CREATE and not is_binding:
        body["instance_usable"] = True  # what failed left it as it was
    answer = json_answer(body)
    if state is OperationState.IN_PROGRESS:
        answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return answer
