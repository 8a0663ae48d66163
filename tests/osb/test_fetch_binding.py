"""GET /v2/service_instances/:instance_id/service_bindings/:binding_id."""

from __future__ import annotations

import pytest

from tests.osb.broker import Broker, binding


async def test_it_is_as_bound(broker: Broker) -> None:
    """GETB-1."""
    await broker.provision("i1")
    parameters = {"permissions": "write-only"}
    made = await broker.ask("PUT", binding("i1", "b1"), {**broker.ids, "parameters": parameters})
    answer = await broker.ask("GET", binding("i1", "b1"))
    assert answer == 200
    assert answer.body == {"credentials": made.body["credentials"], "parameters": parameters}


async def test_unknown_deleted_and_anothers_are_404(broker: Broker) -> None:
    """GETB-2."""
    await broker.provision("i1")
    await broker.provision("i2")
    await broker.bind("i1", "b1")
    for path in (binding("i1", "b2"), binding("i2", "b1"), binding("nowhere", "b1")):
        answer = await broker.ask("GET", path)
        assert answer == 404
        assert "credentials" not in answer.body
    await broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query)
    assert await broker.ask("GET", binding("i1", "b1")) == 404


@pytest.mark.parametrize("query", ["service_id=x", "plan_id=y&service_id=", "a=b"])
async def test_hints_are_optional(broker: Broker, query: str) -> None:
    """GETB-3."""
    await broker.provision("i1")
    await broker.bind("i1", "b1")
    assert await broker.ask("GET", binding("i1", "b1"), query=query) == 200
