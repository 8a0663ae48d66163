"""PUT /v2/service_instances/:instance_id."""

from __future__ import annotations

import asyncio
import json

import pytest

from bucketry.marketplace.domain.engine_ports import BucketSettings
from bucketry.marketplace.domain.errors import EngineRefused
from tests.kit.memory_engine import MemoryBucket
from tests.osb.broker import Broker, instance

OWNERSHIP = {"object_ownership": "ObjectWriter"}


@pytest.mark.parametrize("query", ["", "accepts_incomplete=true", "accepts_incomplete=false"])
async def test_made_is_201(broker: Broker, query: str) -> None:
    """PRO-1, PRO-17: there is no operation to name."""
    answer = await broker.ask("PUT", instance("i1"), broker.order(), query=query)
    assert answer == 201
    assert "operation" not in answer.body


async def test_the_same_again_is_200(broker: Broker) -> None:
    """PRO-3: the order of keys, headers and the query are no difference."""
    order = broker.order(parameters={**OWNERSHIP, "website": {"IndexDocument": {"Suffix": "i"}}})
    first = await broker.ask("PUT", instance("i1"), order)
    shuffled = dict(reversed(order.items())) | {
        "parameters": {"website": {"IndexDocument": {"Suffix": "i"}}, **OWNERSHIP},
        "context": {"platform": "x"},
    }
    headers: dict[str, str | None] = {"X-Broker-API-Version": "2.13", "Content-Type": "text/plain"}
    again = await broker.ask("PUT", instance("i1"), shuffled, query="accepts_incomplete=true", headers=headers)
    assert (first, again) == (201, 200)
    assert again.body.get("dashboard_url") == first.body.get("dashboard_url")
    assert len(broker.world.engine.buckets) == 1


@pytest.mark.parametrize("field", ["plan_id", "parameters", "organization_guid", "space_guid"])
async def test_the_same_id_otherwise_is_409_and_changes_nothing(broker: Broker, field: str) -> None:
    """PRO-4, PRO-5, PRO-6."""
    await broker.provision("i1")
    before = (await broker.ask("GET", instance("i1"))).text
    other: object = {"plan_id": broker.plans["basic-public"], "parameters": OWNERSHIP}.get(field, "another")
    assert await broker.ask("PUT", instance("i1"), broker.order(**{field: other})) == 409
    assert (await broker.ask("GET", instance("i1"))).text == before


@pytest.mark.parametrize("field", ["service_id", "plan_id", "organization_guid", "space_guid"])
@pytest.mark.parametrize("value", [..., "", None, 1, ["x"], {}])
async def test_required_fields_are_required(broker: Broker, field: str, value: object) -> None:
    """PRO-7, PRO-8."""
    order = broker.order()
    if value is ...:
        del order[field]
    else:
        order[field] = value
    answer = await broker.ask("PUT", instance("i1"), order)
    assert answer == 400
    assert field in answer.body["description"]
    assert await broker.is_unknown("i1")


@pytest.mark.parametrize(
    "fields",
    [
        {"parameters": []},
        {"parameters": "x"},
        {"context": "x"},
        {"context": []},
        {"maintenance_info": "1.0.0"},
        {"maintenance_info": {"version": 1}},
        {"maintenance_info": {}},
    ],
)
async def test_wrong_types_are_400(broker: Broker, fields: dict[str, object]) -> None:
    """PRO-8."""
    assert await broker.ask("PUT", instance("i1"), broker.order(**fields)) == 400
    assert await broker.is_unknown("i1")


@pytest.mark.parametrize("field", ["service_id", "plan_id"])
async def test_ids_must_be_those_of_the_catalog(broker: Broker, field: str) -> None:
    """PRO-9: not a name, not another case, not padded."""
    right = str(broker.order()[field])
    for wrong in ("s3", "basic", right.upper(), f" {right}", f"{right} ", right[:-1]):
        assert await broker.ask("PUT", instance("i1"), broker.order(**{field: wrong})) == 400
    assert await broker.is_unknown("i1")


@pytest.mark.parametrize(
    "parameters", [{"unknown": 1}, {"object_ownership": "x"}, {"cors": {}}, {"website": {}}, {"versioning": True}]
)
async def test_parameters_against_the_schema_are_400(broker: Broker, parameters: dict[str, object]) -> None:
    """PRO-10, PRO-11: refused leaves no trace, and the id can still be used."""
    answer = await broker.ask("PUT", instance("i1"), broker.order(parameters=parameters))
    assert answer == 400
    assert next(iter(parameters)) in answer.body["description"]
    assert await broker.is_unknown("i1")
    await broker.provision("i1")


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"platform": "cloudfoundry", "organization_guid": "x", "space_guid": "y", "instance_name": "n"},
        {"platform": "kubernetes", "namespace": "ns", "clusterid": "c", "instance_name": "n"},
        {"instance_name": 7},
        {"instance_name": ""},
    ],
)
async def test_any_context_is_taken(broker: Broker, context: dict[str, object]) -> None:
    """PRO-12."""
    await broker.provision("i1", context=context)


async def test_a_version_of_another_catalog_is_422(broker: Broker) -> None:
    """PRO-13: no plan has maintenance_info, so no version is right."""
    answer = await broker.ask("PUT", instance("i1"), broker.order(maintenance_info={"version": "1.0.0"}))
    assert answer == 422
    assert answer.body["error"] == "MaintenanceInfoConflict"
    assert await broker.is_unknown("i1")


@pytest.mark.parametrize("value", ["", "TRUE", "1", "maybe", "true&accepts_incomplete=false"])
async def test_odd_queries_are_no_5xx(broker: Broker, value: str) -> None:
    """PRO-15."""
    assert (await broker.ask("PUT", instance("i1"), broker.order(), query=f"accepts_incomplete={value}")).status < 500


async def test_an_id_can_have_a_second_life(broker: Broker) -> None:
    """PRO-16."""
    await broker.provision("i1")
    assert await broker.ask("DELETE", instance("i1"), query=broker.ids_query) == 200
    await broker.provision("i1", "basic-public")
    (bucket,) = broker.world.engine.buckets.values()
    assert bucket.settings.is_public


async def test_what_the_engine_refuses_is_4xx_without_a_trace(broker: Broker) -> None:
    """PRO-11; a refusal is no failure of the broker, so platforms need not mitigate."""
    broker.world.engine.failures["configure"] = EngineRefused("The engine refused setting cors: too many rules.")
    answer = await broker.ask("PUT", instance("i1"), broker.order())
    assert answer == 422
    assert "too many rules" in answer.body["description"]
    assert await broker.is_unknown("i1")
    assert broker.world.engine.buckets == {}


async def test_a_bucket_that_was_left_behind_is_not_taken_for_a_new_one(broker: Broker) -> None:
    """It was there before the order, with its content, of records that were lost: public then, and private now."""
    bucket = broker.world.engine.bucket_name("i1")
    broker.world.engine.buckets[bucket] = MemoryBucket(BucketSettings(is_public=True, cors={"CORSRules": []}), 1, 1)
    await broker.provision("i1")
    assert broker.world.engine.buckets[bucket].settings == BucketSettings()


async def test_identical_orders_at_once_make_one(broker: Broker) -> None:
    """RACE-1."""
    answers = await asyncio.gather(*(broker.ask("PUT", instance("i1"), broker.order()) for _ in range(12)))
    assert sorted(answer.status for answer in answers) == [200] * 11 + [201]
    assert len(broker.world.engine.buckets) == 1


async def test_of_different_orders_at_once_one_wins(broker: Broker) -> None:
    """RACE-2."""
    plans = list(broker.plans)
    answers = await asyncio.gather(*(broker.ask("PUT", instance("i1"), broker.order(plan)) for plan in plans))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    winner = plans[[answer.status for answer in answers].index(201)]
    assert (await broker.ask("GET", instance("i1"))).body["plan_id"] == broker.plans[winner]


async def test_independent_orders_at_once_all_succeed(broker: Broker) -> None:
    """RACE-5."""
    answers = await asyncio.gather(*(broker.ask("PUT", instance(f"i{n}"), broker.order()) for n in range(20)))
    assert {answer.status for answer in answers} == {201}


async def test_an_order_against_a_deletion_leaves_a_clear_end(broker: Broker) -> None:
    """RACE-6."""
    answers = await asyncio.gather(
        *(broker.ask("PUT", instance("i1"), broker.order()) for _ in range(5)),
        *(broker.ask("DELETE", instance("i1"), query=broker.ids_query) for _ in range(5)),
    )
    assert {answer.status for answer in answers} <= {200, 201, 410}
    is_there = (await broker.ask("GET", instance("i1"))).status == 200
    assert is_there is bool(broker.world.engine.buckets)


async def test_the_log_of_an_order_holds_no_parameters(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    await broker.provision("i1", context={"note": "confidential-context"})
    assert "confidential-context" not in json.dumps(capsys.readouterr())
