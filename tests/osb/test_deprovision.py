"""DELETE /v2/service_instances/:instance_id."""

from __future__ import annotations

import asyncio

import pytest

from tests.osb.broker import Broker, binding, instance


@pytest.mark.parametrize("more", ["", "&accepts_incomplete=true", "&accepts_incomplete=false"])
async def test_deleted_is_200_and_then_410_each_time(broker: Broker, more: str) -> None:
    """DEP-1, DEP-2."""
    await broker.provision("i1")
    answer = await broker.ask("DELETE", instance("i1"), query=broker.ids_query + more)
    assert answer == 200
    assert answer.body == {}
    for _ in range(2):
        assert await broker.ask("DELETE", instance("i1"), query=broker.ids_query + more) == 410


async def test_what_was_never_made_is_410(broker: Broker) -> None:
    """DEP-2: orphan mitigation."""
    assert await broker.ask("DELETE", instance("never"), query=broker.ids_query) == 410


@pytest.mark.parametrize("query", ["", "service_id=S", "plan_id=P", "service_id=&plan_id=P", "service_id=S&plan_id="])
async def test_both_ids_are_required(broker: Broker, query: str) -> None:
    """DEP-3: and it stays."""
    await broker.provision("i1")
    query = query.replace("S", broker.service_id).replace("P", broker.plans["basic"])
    assert await broker.ask("DELETE", instance("i1"), query=query) == 400
    assert await broker.ask("GET", instance("i1")) == 200


async def test_another_service_is_400_and_another_plan_does_not_hinder(broker: Broker) -> None:
    """DEP-4."""
    await broker.provision("i1")
    assert await broker.ask("DELETE", instance("i1"), query="service_id=other&plan_id=other") == 400
    assert await broker.ask("GET", instance("i1")) == 200
    query = f"service_id={broker.service_id}&plan_id={broker.plans['basic-public']}"
    assert await broker.ask("DELETE", instance("i1"), query=query) == 200


async def test_bindings_that_are_left_go_with_it(broker: Broker) -> None:
    """DEP-6, DEP-7: those of others stay."""
    await broker.provision("i1")
    await broker.provision("i2")
    await broker.bind("i1", "b1")
    await broker.bind("i2", "b2")
    assert await broker.ask("DELETE", instance("i1"), query=broker.ids_query) == 200
    assert set(broker.world.engine.keys) == {"b2"}
    assert await broker.ask("GET", binding("i1", "b1")) == 404
    assert await broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query) == 410
    assert await broker.ask("GET", binding("i2", "b2")) == 200


async def test_a_full_bucket_is_422_and_all_stays(broker: Broker) -> None:
    """ERR-3; a 4xx, so that no platform mitigates an orphan."""
    await broker.provision("i1", context={"instance_name": "pictures"})
    await broker.bind("i1", "b1")
    (bucket,) = broker.world.engine.buckets
    broker.world.engine.fill(bucket, 3, 300)
    answer = await broker.ask("DELETE", instance("i1"), query=broker.ids_query)
    assert answer == 422
    assert answer.body["error"] == "BucketNotEmpty"
    assert answer.body["instance_usable"] is True
    assert "update_repeatable" not in answer.body
    assert "3 objects (300 bytes)" in answer.body["description"]
    assert f"aws s3 rm s3://{bucket} --recursive" in answer.body["description"]
    assert await broker.ask("GET", binding("i1", "b1")) == 200
    assert "b1" in broker.world.engine.keys
    assert (await broker.ask("GET", instance("i1") + "/last_operation")).body["state"] == "succeeded"


async def test_a_sandbox_goes_with_its_content(broker: Broker) -> None:
    await broker.provision("i1", "basic-sandbox")
    (bucket,) = broker.world.engine.buckets
    broker.world.engine.fill(bucket, 3, 300, uploads=1)
    assert await broker.ask("DELETE", instance("i1"), query=broker.ids_query) == 200
    assert broker.world.engine.buckets == {}


async def test_deletions_at_once_delete_once(broker: Broker) -> None:
    """RACE-4."""
    await broker.provision("i1")
    answers = await asyncio.gather(*(broker.ask("DELETE", instance("i1"), query=broker.ids_query) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [410] * 7
