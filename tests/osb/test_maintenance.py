"""Versions of plans: `maintenance_info` of orders and updates, and the upgrade of an instance."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from bucketry.marketplace.domain import catalog
from bucketry.marketplace.domain.catalog import Catalog
from tests.osb.broker import Answer, Broker, instance
from tests.osb.conftest import Opener

CORS = {"cors": {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}}


def versions(**by_plan: str) -> Catalog:
    """The default catalog with versions of its plans (`basic_public`: of basic-public)."""
    (service,) = catalog.default().services
    plans = [
        dataclasses.replace(plan, maintenance_version=by_plan.get(plan.name.replace("-", "_"), ""))
        for plan in service.plans
    ]
    return Catalog((dataclasses.replace(service, plans=tuple(plans)),))


@pytest.fixture
async def broker(open_broker: Opener) -> AsyncIterator[Broker]:
    async with open_broker(known=versions(basic="1.1.0", basic_public="2.0.0")) as broker:
        yield broker


async def version_of(broker: Broker, guid: str = "i1") -> object:
    return (await broker.ask("GET", instance(guid))).body.get("maintenance_info")


async def set_back(broker: Broker) -> None:
    """As if i1 was made when its plan was at 1.0.0."""
    async with broker.world.marketplace.instances._context.holds.work("i1") as work:
        made = await work.take()
        assert made is not None
        await work.save(dataclasses.replace(made, maintenance_version="1.0.0"), last=True)


@pytest.fixture
async def upgradable(broker: Broker) -> Broker:
    await broker.provision("i1")
    await set_back(broker)
    return broker


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "1.1.0 ", "", "1.1"])
async def test_an_order_of_another_version_is_422(broker: Broker, version: str) -> None:
    """PRO-13."""
    answer = await broker.ask("PUT", instance("i1"), broker.order(maintenance_info={"version": version}))
    assert (answer.status, answer.body["error"]) == (422, "MaintenanceInfoConflict")
    assert "1.1.0" in answer.body["description"]
    assert await broker.is_unknown("i1")


async def test_an_order_of_a_plan_without_version_is_422(broker: Broker) -> None:
    """PRO-13."""
    order = broker.order("basic-sandbox", maintenance_info={"version": "1.1.0"})
    assert (await broker.ask("PUT", instance("i1"), order)).body["error"] == "MaintenanceInfoConflict"


async def test_the_catalogs_version_is_taken_and_told(broker: Broker) -> None:
    """PRO-14, GETI-1: with its other fields ignored; without one it is the catalog's."""
    info = {"version": "1.1.0", "description": "of another day", "future": 1}
    assert await broker.ask("PUT", instance("i1"), broker.order(maintenance_info=info)) == 201
    assert await broker.ask("PUT", instance("i1"), broker.order()) == 200
    assert await version_of(broker) == {"version": "1.1.0"}
    await broker.provision("i2", "basic-sandbox")
    assert await version_of(broker, "i2") is None


async def upgrade(broker: Broker, version: str = "1.1.0", **fields: object) -> Answer:
    return await broker.update("i1", maintenance_info={"version": version}, **fields)


async def test_an_instance_stays_at_its_version_until_it_is_upgraded(upgradable: Broker) -> None:
    """UPD-9, GETI-1: who may read is set anew, what users have set since stays; once more is nothing to do."""
    assert await upgradable.update("i1", parameters=CORS) == 200
    assert await version_of(upgradable) == {"version": "1.0.0"}
    (bucket,) = upgradable.world.engine.buckets.values()
    configured = dataclasses.replace(bucket.settings, cors={"CORSRules": []}, website={"IndexDocument": {}})
    bucket.settings = dataclasses.replace(configured, is_public=True)
    assert await upgrade(upgradable) == 200
    assert await version_of(upgradable) == {"version": "1.1.0"}
    assert bucket.settings == configured
    before = await upgradable.world.records.get_instance("i1")
    assert await upgrade(upgradable) == 200
    assert await upgradable.world.records.get_instance("i1") == before


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_an_upgrade_to_another_version_is_422_and_applies_nothing(upgradable: Broker, version: str) -> None:
    """UPD-9: not to that of another plan, nor to the one that it has."""
    answer = await upgrade(upgradable, version, parameters=CORS)
    assert (answer.status, answer.body["error"]) == (422, "MaintenanceInfoConflict")
    assert (await upgradable.ask("GET", instance("i1"))).body["parameters"] == {}
    assert await version_of(upgradable) == {"version": "1.0.0"}


async def test_the_version_is_that_of_the_plan_asked_for(upgradable: Broker) -> None:
    """UPD-9."""
    public = upgradable.plans["basic-public"]
    assert (await upgrade(upgradable, "1.1.0", plan_id=public)).body["error"] == "MaintenanceInfoConflict"
    assert await upgrade(upgradable, "2.0.0", plan_id=public) == 200
    assert await version_of(upgradable) == {"version": "2.0.0"}


async def test_a_change_of_plan_brings_its_version(upgradable: Broker) -> None:
    """UPD-9, GETI-1."""
    assert await upgradable.update("i1", plan_id=upgradable.plans["basic-public"]) == 200
    assert await version_of(upgradable) == {"version": "2.0.0"}


async def test_an_upgrade_can_be_promised(open_broker: Opener) -> None:
    """UPD-1, ASY-2."""
    async with open_broker(patience_s=0.0, known=versions(basic="1.1.0")) as broker:
        await broker.provision("i1")
        await set_back(broker)
        gate = broker.world.engine.gate("configure")
        info = {"version": "1.1.0"}
        first = await broker.update("i1", "accepts_incomplete=true", maintenance_info=info)
        assert first == 202
        await gate.reached.wait()
        assert await version_of(broker) == {"version": "1.0.0"}
        again = await broker.update("i1", "accepts_incomplete=true", maintenance_info=info)
        assert (again.status, again.body) == (202, first.body)
        gate.open()
        await broker.rest()
        assert await version_of(broker) == {"version": "1.1.0"}
