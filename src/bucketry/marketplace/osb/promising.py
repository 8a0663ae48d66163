"""Orders that a platform lets be asynchronous (2.17, "Asynchronous Operations"): answered when they have ended, if that
is soon, else with a promise, whose end `last_operation` tells.

Cloud Foundry polls once a minute, so a promise given early costs its user a minute; and it gives a request up after
60 s, impatient proxies after 30. PATIENCE_S is half of that, and more than a key mostly takes to be known on AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.operations import Operation, UnderWay
from bucketry.marketplace.web.answers import json_answer

PATIENCE_S = 15.0
PATIENCE = web.AppKey("patience_s", float)

_Outcome = TypeVar("_Outcome")


async def carry_out(
    request: web.Request,
    marketplace: Marketplace,
    order: Callable[[Operation | None], Coroutine[Any, Any, _Outcome]],
) -> _Outcome | UnderWay:
    """What came of the order. With `accepts_incomplete=true` it may be UnderWay, and goes on after the answer."""
    if request.query.get("accepts_incomplete") != "true":
        return await order(None)
    operation = Operation()
    return await operation.outcome(marketplace.background.start(order(operation)), request.app[PATIENCE])


def promise(under_way: UnderWay) -> web.StreamResponse:
    """202 with the operation to ask for, and nothing of what is being made."""
    return json_answer({"operation": under_way.operation_id}, 202)
