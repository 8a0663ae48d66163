"""What platforms send in the way that each does it: Cloud Foundry, Korifi, Crossplane's provider-osb."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.osb.broker import Broker, binding, instance

ASYNC = "accepts_incomplete=true"
CLOUD_FOUNDRY: dict[str, Any] = {
    "platform": "cloudfoundry",
    "organization_guid": "3b2ce7c5-0a0f-4b6f-9d63-6a0f2c7b6a01",
    "space_guid": "9a7c0f0a-1f4b-4d3e-8f59-1b2f3f5d9c02",
    "organization_name": "people",
    "space_name": "work",
    "organization_annotations": {},
    "space_annotations": {"company.example/cost-center": "4711"},
}
KUBERNETES: dict[str, Any] = {
    "platform": "kubernetes",
    "namespace": "team-a",
    "clusterid": "8a7c0f0a",
    "instance_name": "photos",
    "namespace_annotations": {"note": "ü"},
    "instance_annotations": {},
}


def identity(platform: str, **value: object) -> dict[str, str | None]:
    encoded = base64.b64encode(json.dumps(value).encode()).decode()
    return {"X-Broker-API-Originating-Identity": f"{platform} {encoded}", "X-Broker-API-Version": "2.15"}


def is_done(status: int) -> bool:
    return status in (200, 201, 202)


async def test_cloud_foundry(broker: Broker) -> None:
    """PRO-12, UPD-1, UPD-11, UPD-12, BND-14, OID-1: as cf create-service, rename-service, update-service, bind-service
    twice (`--strategy multiple`) and back."""
    headers = identity("cloudfoundry", user_id="683ea748-3092-4ff4-b656-39cacc4d5360")
    named = {**CLOUD_FOUNDRY, "instance_name": "photos"}
    order = broker.order(
        organization_guid=CLOUD_FOUNDRY["organization_guid"],
        space_guid=CLOUD_FOUNDRY["space_guid"],
        context=named,
    )
    made = await broker.ask("PUT", instance("i1"), order, query=ASYNC, headers=headers)
    assert is_done(made.status)
    previous = {
        "plan_id": broker.plans["basic"],
        "service_id": broker.service_id,
        "organization_id": CLOUD_FOUNDRY["organization_guid"],
        "space_id": CLOUD_FOUNDRY["space_guid"],
    }
    renamed = {
        "service_id": broker.service_id,
        "context": {**named, "instance_name": "pictures"},
        "previous_values": previous,
    }
    assert is_done((await broker.ask("PATCH", instance("i1"), renamed, query=ASYNC, headers=headers)).status)
    change = {**renamed, "plan_id": broker.plans["basic-public"], "parameters": {}}
    assert is_done((await broker.ask("PATCH", instance("i1"), change, query=ASYNC, headers=headers)).status)
    bind = {
        **broker.ids,
        "app_guid": "app",
        "bind_resource": {"app_guid": "app", "space_guid": CLOUD_FOUNDRY["space_guid"], "app_annotations": {}},
        "context": CLOUD_FOUNDRY,
    }
    keys = set()
    for guid in ("b1", "b2"):
        bound = await broker.ask("PUT", binding("i1", guid), bind, query=ASYNC, headers=headers)
        assert bound == 201
        keys.add(bound.body["credentials"]["access_key_id"])
    assert len(keys) == 2
    query = f"{ASYNC}&{broker.ids_query}"
    for path in (binding("i1", "b1"), binding("i1", "b2"), instance("i1")):
        assert is_done((await broker.ask("DELETE", path, query=query, headers=headers)).status)


async def test_a_plan_changes_both_ways_and_credentials_stay(broker: Broker) -> None:
    """UPD-2: basic and basic-public."""
    await broker.provision("i1")
    await broker.bind("i1", "b1")
    before = (await broker.ask("GET", binding("i1", "b1"))).text
    for plan in ("basic-public", "basic", "basic-public"):
        assert await broker.update("i1", plan_id=broker.plans[plan]) == 200
        assert (await broker.ask("GET", instance("i1"))).body["plan_id"] == broker.plans[plan]
        assert (await broker.ask("GET", binding("i1", "b1"))).text == before


async def test_korifi(broker: Broker) -> None:
    """BODY-6: null and "" for what is not there; no identity, no context."""
    order = broker.order(parameters=None, context=None)
    assert is_done((await broker.ask("PUT", instance("i1"), order, query=ASYNC)).status)
    assert is_done((await broker.ask("PUT", instance("i1"), order, query=ASYNC)).status)
    bind = {**broker.ids, "app_guid": "", "bind_resource": {"app_guid": ""}, "parameters": None, "context": None}
    assert await broker.ask("PUT", binding("i1", "b1"), bind, query=ASYNC) == 201
    assert is_done((await broker.ask("DELETE", binding("i1", "b1"), query=f"{broker.ids_query}&{ASYNC}")).status)


@pytest.mark.parametrize("query", ["", ASYNC])
async def test_korifi_0_13_deletes_by_a_body(broker: Broker, query: str) -> None:
    """DEP-3, UNB-3, BODY-2: the ids in JSON, without a type; what is missing there is missing."""
    await broker.provision("i1")
    await broker.bind("i1", "b1")
    for path in (binding("i1", "b1"), instance("i1")):
        for body in (
            {},
            {"service_id": broker.service_id},
            {**broker.ids, "plan_id": ""},
            {**broker.ids, "plan_id": 1},
        ):
            assert await broker.ask("DELETE", path, raw=json.dumps(body).encode(), query=query) == 400
        assert await broker.ask("DELETE", path, raw=b"{", query=query) == 400
        raw, headers = json.dumps(broker.ids).encode(), {"Content-Type": ""}
        assert is_done((await broker.ask("DELETE", path, raw=raw, query=query, headers=dict(headers))).status)


async def test_crossplane(broker: Broker) -> None:
    """PRO-12, ROT-1, OID-1: names from Kubernetes; a rotation by its predecessor alone."""
    headers = identity("kubernetes", username="system:crossplane", uid="1", groups=["a"], extra={"k": ["v"]})
    order = broker.order(context=KUBERNETES)
    assert is_done((await broker.ask("PUT", instance("i1"), order, query=ASYNC, headers=headers)).status)
    found = await broker.ask("GET", instance("i1"), headers=headers)
    assert found.body["service_id"] == broker.service_id
    bind = {**broker.ids, "context": KUBERNETES, "bind_resource": {}, "parameters": {"expires_in": "1h"}}
    bound = await broker.ask("PUT", binding("i1", "b1"), bind, query=ASYNC, headers=headers)
    assert bound.body["metadata"]["renew_before"] < bound.body["metadata"]["expires_at"]
    rotated = await broker.ask(
        "PUT", binding("i1", "b2"), {"predecessor_binding_id": "b1"}, query=ASYNC, headers=headers
    )
    assert rotated == 201
    assert rotated.body["credentials"] != bound.body["credentials"]


@pytest.mark.parametrize("context", [{**CLOUD_FOUNDRY, "instance_name": "photos"}, KUBERNETES])
async def test_names_come_from_the_context(broker: Broker, context: dict[str, Any]) -> None:
    """PRO-12: what the platform calls an instance is what its refusals call it, and what a developer names."""
    await broker.provision("i1", context=context)
    await broker.provision("i2", context={**context, "instance_name": "second"})
    answer = await broker.ask(
        "PUT", binding("i2", "b1"), {**broker.ids, "parameters": {"additional_instances": ["photos"]}}
    )
    assert answer == 201
    assert len(answer.body["credentials"]["additional_buckets"]) == 1
    found = await broker.world.records.get_instance("i1")
    assert found is not None
    assert found.name == "photos"
