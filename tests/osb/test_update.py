"""PATCH /v2/service_instances/:instance_id."""

from __future__ import annotations

import pytest

from bucketry.marketplace.domain.errors import EngineRefused
from tests.osb.broker import Answer, Broker, instance

CORS = {"cors": {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}}
OWNERSHIP = {"object_ownership": "ObjectWriter"}


async def update(broker: Broker, **fields: object) -> Answer:
    return await broker.ask("PATCH", instance("i1"), {"service_id": broker.service_id, **fields})


async def state(broker: Broker) -> tuple[str, dict[str, object]]:
    body = (await broker.ask("GET", instance("i1"))).body
    return next(name for name, guid in broker.plans.items() if guid == body["plan_id"]), body["parameters"]


@pytest.fixture(autouse=True)
async def made(broker: Broker) -> None:
    await broker.provision("i1", parameters=OWNERSHIP)


async def test_applied_is_200(broker: Broker) -> None:
    """UPD-1, UPD-2, UPD-15."""
    for _ in range(2):
        assert await update(broker, plan_id=broker.plans["basic-public"], parameters=CORS) == 200
        assert await state(broker) == ("basic-public", {**OWNERSHIP, **CORS})
    (bucket,) = broker.world.engine.buckets.values()
    assert bucket.settings.is_public


async def test_what_cloud_foundry_always_sends_changes_nothing(broker: Broker) -> None:
    """UPD-1, UPD-7, UPD-8: the unchanged plan and `parameters: {}`."""
    answer = await update(broker, plan_id=broker.plans["basic"], parameters={}, context={"platform": "cloudfoundry"})
    assert answer == 200
    assert answer.body == {}
    assert await update(broker) == 200
    assert await state(broker) == ("basic", OWNERSHIP)


async def test_null_takes_a_parameter_back(broker: Broker) -> None:
    assert await update(broker, parameters={"object_ownership": None}) == 200
    assert await state(broker) == ("basic", {})


async def test_a_plan_that_can_not_be_changed_to_is_422(broker: Broker) -> None:
    """UPD-2, UPD-3, ERR-3."""
    answer = await update(broker, plan_id=broker.plans["basic-sandbox"], parameters=CORS)
    assert answer == 422
    assert answer.body["instance_usable"] is True
    assert answer.body["update_repeatable"] is False
    assert await state(broker) == ("basic", OWNERSHIP)


@pytest.mark.parametrize("value", [..., "", None, 1, []])
async def test_the_service_is_required(broker: Broker, value: object) -> None:
    """UPD-4, UPD-5."""
    body = {} if value is ... else {"service_id": value}
    assert await broker.ask("PATCH", instance("i1"), {**body, "parameters": CORS}) == 400
    assert await state(broker) == ("basic", OWNERSHIP)


@pytest.mark.parametrize(
    "fields",
    [
        {"plan_id": 1},
        {"plan_id": ""},
        {"parameters": []},
        {"context": 1},
        {"previous_values": "x"},
        {"maintenance_info": []},
    ],
)
async def test_wrong_types_are_400(broker: Broker, fields: dict[str, object]) -> None:
    """UPD-5."""
    assert await update(broker, **fields) == 400


async def test_unknown_services_and_plans_are_400(broker: Broker) -> None:
    """UPD-6."""
    assert await update(broker, plan_id="basic-public") == 400
    assert await broker.ask("PATCH", instance("i1"), {"service_id": "s3", "parameters": CORS}) == 400
    assert await state(broker) == ("basic", OWNERSHIP)


async def test_a_version_of_another_catalog_is_422(broker: Broker) -> None:
    """UPD-9."""
    answer = await update(broker, maintenance_info={"version": "2.0.0"}, parameters=CORS)
    assert answer == 422
    assert answer.body["error"] == "MaintenanceInfoConflict"
    assert await state(broker) == ("basic", OWNERSHIP)


@pytest.mark.parametrize("parameters", [{"unknown": 1}, {"object_ownership": "x"}, {**CORS, "website": {}}])
async def test_bad_parameters_apply_nothing_of_the_request(broker: Broker, parameters: dict[str, object]) -> None:
    """UPD-10."""
    assert await update(broker, plan_id=broker.plans["basic-public"], parameters=parameters) == 400
    assert await state(broker) == ("basic", OWNERSHIP)


async def test_what_the_engine_refuses_applies_nothing(broker: Broker) -> None:
    """UPD-10."""
    broker.world.engine.failures["configure"] = EngineRefused("The engine refused setting cors.")
    assert await update(broker, plan_id=broker.plans["basic-public"], parameters=CORS) == 422
    assert await state(broker) == ("basic", OWNERSHIP)
    (bucket,) = broker.world.engine.buckets.values()
    assert not bucket.settings.is_public


@pytest.mark.parametrize("is_right", [True, False])
async def test_previous_values_are_not_relied_on(broker: Broker, is_right: bool) -> None:
    """UPD-11."""
    previous = {"plan_id": broker.plans["basic"] if is_right else "x", "service_id": broker.service_id}
    assert await update(broker, previous_values=previous, parameters=CORS) == 200


async def test_a_rename_arrives_by_context_alone(broker: Broker) -> None:
    """UPD-12."""
    assert await update(broker, context={"platform": "cloudfoundry", "instance_name": "renamed"}) == 200
    found = await broker.world.records.get_instance("i1")
    assert found is not None
    assert found.name == "renamed"


async def test_an_unknown_instance_is_404(broker: Broker) -> None:
    """UPD-13."""
    assert await broker.ask("PATCH", instance("nowhere"), {"service_id": broker.service_id}) == 404
