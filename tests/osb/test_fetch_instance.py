"""GET /v2/service_instances/:instance_id."""

from __future__ import annotations

import pytest

from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.domain.values import InstanceState
from tests.osb.broker import Broker, check, instance

CORS = {"cors": {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}}


async def test_it_is_there_at_once(broker: Broker) -> None:
    """GETI-1, GETI-4."""
    await broker.provision("i1", "basic-public", parameters=CORS)
    answer = await broker.ask("GET", instance("i1"))
    assert answer == 200
    assert answer.body == {
        "service_id": broker.service_id,
        "plan_id": broker.plans["basic-public"],
        "parameters": CORS,
    }


async def test_unknown_and_deleted_are_404(broker: Broker) -> None:
    """GETI-2."""
    assert await broker.ask("GET", instance("i1")) == 404
    await broker.provision("i1")
    await broker.ask("DELETE", instance("i1"), query=broker.ids_query)
    assert await broker.ask("GET", instance("i1")) == 404


@pytest.mark.parametrize("query", ["", "service_id=x", "plan_id=y&service_id=", "a=b"])
async def test_hints_are_optional(broker: Broker, query: str) -> None:
    """GETI-3."""
    await broker.provision("i1")
    assert await broker.ask("GET", instance("i1"), query=query) == 200


async def test_what_is_half_deleted_is_404(broker: Broker) -> None:
    await broker.provision("i1")
    broker.world.engine.failures["delete_bucket"] = EngineUnavailable("The engine is away.")
    with pytest.raises(AssertionError, match="away"):
        check(await broker.ask("DELETE", instance("i1"), query=broker.ids_query))
    found = await broker.world.records.get_instance("i1")
    assert found is not None
    assert found.state is InstanceState.DELETING
    assert await broker.ask("GET", instance("i1")) == 404
    assert (await broker.ask("DELETE", instance("i1"), query=broker.ids_query)).status in (200, 410)
    assert await broker.is_unknown("i1")
