"""GET …/last_operation of instances and bindings."""

from __future__ import annotations

import pytest

from tests.osb.broker import Broker, binding, instance

INSTANCE = instance("i1") + "/last_operation"
BINDING = binding("i1", "b1") + "/last_operation"


async def test_it_answers_after_synchronous_orders_again_and_again(broker: Broker) -> None:
    """LOI-1, LOI-4, LOB-1, ASY-10, ERR-3."""
    await broker.provision("i1")
    await broker.bind("i1", "b1")
    for path in (INSTANCE, BINDING) * 2:
        answer = await broker.ask("GET", path)
        assert answer == 200
        assert answer.body["state"] == "succeeded"
        assert set(answer.body) <= {"state", "description"}
    await broker.ask(
        "PATCH", instance("i1"), {"service_id": broker.service_id, "parameters": {"object_ownership": "ObjectWriter"}}
    )
    assert (await broker.ask("GET", INSTANCE)).body == {"state": "succeeded", "description": "update succeeded"}


async def test_unknown_is_404(broker: Broker) -> None:
    """LOI-2, LOB-2: also a binding under another instance."""
    assert await broker.ask("GET", INSTANCE) == 404
    assert await broker.ask("GET", BINDING) == 404
    await broker.provision("i1")
    await broker.provision("i2")
    await broker.bind("i2", "b1")
    assert await broker.ask("GET", BINDING) == 404


async def test_deleted_is_404(broker: Broker) -> None:
    """LOI-3, LOB-3."""
    await broker.provision("i1")
    await broker.bind("i1", "b1")
    await broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query)
    assert await broker.ask("GET", BINDING) == 404
    await broker.ask("DELETE", instance("i1"), query=broker.ids_query)
    assert await broker.ask("GET", INSTANCE) == 404


@pytest.mark.parametrize(
    "query", ["operation=unknown", "operation=", "service_id=x&plan_id=y", "operation=a&operation=b"]
)
async def test_unknown_operations_and_hints_are_no_5xx(broker: Broker, query: str) -> None:
    """LOI-5, LOB-4."""
    await broker.provision("i1")
    await broker.bind("i1", "b1")
    for path in (INSTANCE, BINDING):
        assert (await broker.ask("GET", path, query=query)).status in (200, 400, 404)
