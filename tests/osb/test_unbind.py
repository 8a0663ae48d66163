"""DELETE /v2/service_instances/:instance_id/service_bindings/:binding_id."""

from __future__ import annotations

import asyncio

import pytest

from tests.osb.broker import Broker, binding


@pytest.fixture(autouse=True)
async def made(broker: Broker) -> None:
    await broker.provision("i1")
    await broker.bind("i1", "b1")


async def test_deleted_is_200_and_then_410_each_time(broker: Broker) -> None:
    """UNB-1, UNB-2."""
    answer = await broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query)
    assert answer == 200
    assert answer.body == {}
    assert broker.world.engine.keys == {}
    for path in (binding("i1", "b1"), binding("i1", "never"), binding("nowhere", "b1")):
        assert await broker.ask("DELETE", path, query=broker.ids_query) == 410


@pytest.mark.parametrize("query", ["", "service_id=S", "plan_id=P", "service_id=&plan_id=P", "service_id=S&plan_id="])
async def test_both_ids_are_required(broker: Broker, query: str) -> None:
    """UNB-3: and it stays."""
    query = query.replace("S", broker.service_id).replace("P", broker.plans["basic"])
    assert await broker.ask("DELETE", binding("i1", "b1"), query=query) == 400
    assert await broker.ask("GET", binding("i1", "b1")) == 200


async def test_a_binding_of_another_instance_stays(broker: Broker) -> None:
    """UNB-4, UNB-6."""
    await broker.provision("i2")
    assert await broker.ask("DELETE", binding("i2", "b1"), query=broker.ids_query) == 410
    assert await broker.ask("GET", binding("i1", "b1")) == 200
    assert "b1" in broker.world.engine.keys


async def test_another_service_is_400_and_it_stays(broker: Broker) -> None:
    """UNB-7."""
    assert await broker.ask("DELETE", binding("i1", "b1"), query="service_id=x&plan_id=y") == 400
    assert await broker.ask("GET", binding("i1", "b1")) == 200


async def test_an_id_can_have_a_second_life_with_new_credentials(broker: Broker) -> None:
    first = (await broker.ask("GET", binding("i1", "b1"))).body["credentials"]
    await broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query)
    await broker.bind("i1", "b1", parameters={"permissions": "read-only"})
    assert (await broker.ask("GET", binding("i1", "b1"))).body["credentials"]["uri"] != first["uri"]


async def test_deletions_at_once_delete_once(broker: Broker) -> None:
    """RACE-4."""
    answers = await asyncio.gather(
        *(broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query) for _ in range(8))
    )
    assert sorted(answer.status for answer in answers) == [200] + [410] * 7
