"""GET /v2/catalog."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any
from urllib.parse import urlencode

from jsonschema import Draft4Validator

from bucketry.marketplace.domain import catalog
from tests.osb.broker import Broker, binding, instance
from tests.osb.conftest import Opener

NAME = re.compile(r"[A-Za-z0-9.-]+")
KNOWN = catalog.parse(
    json.dumps(
        {
            "services": [
                {
                    "id": "97D5B7F0-2E1C-4C55-9C3A-0D6E51A0F5A1",
                    "name": "S3.legacy",
                    "description": "Buckets",
                    "plans": [
                        {
                            "id": "F36990C3-62C9-4B91-8C0E-4A0C5C5E7D11",
                            "name": "basic",
                            "description": "A bucket",
                            "binding_rotatable": False,
                            "maintenance_info": {"version": "1.2.0+b-1", "description": "TLS 1.3 only"},
                            "maximum_polling_duration": 7200,
                        },
                        {
                            "id": "Free_plan~1",
                            "name": "free",
                            "description": "Another",
                            "maintenance_info": {"version": "2.0.0"},
                        },
                    ],
                }
            ]
        }
    ).encode()
)


async def services(broker: Broker) -> list[dict[str, Any]]:
    answer = await broker.ask("GET", "/catalog")
    assert answer == 200
    found: list[dict[str, Any]] = answer.body["services"]
    return found


async def test_it_is_the_same_whoever_asks(broker: Broker) -> None:
    """CAT-1."""
    first = await broker.ask("GET", "/catalog")
    headers: dict[str, str | None] = {"X-Broker-API-Originating-Identity": "cloudfoundry e30="}
    assert (await broker.ask("GET", "/catalog", headers=headers)).text == first.text


async def test_services_and_plans_have_what_they_must(broker: Broker) -> None:
    """CAT-2, CAT-3, CAT-4, CAT-5, CAT-6, CAT-10, CAT-11, CAT-12, CAT-17."""
    found = await services(broker)
    plans = [plan for service in found for plan in service["plans"]]
    ids = [entry["id"] for entry in (*found, *plans)]
    assert len(ids) == len(set(ids))
    for entry in (*found, *plans):
        assert str(uuid.UUID(entry["id"])) == entry["id"]
        assert NAME.fullmatch(entry["name"])
        assert 0 < len(entry["description"]) <= 255
        assert isinstance(entry["plan_updateable"], bool)
        assert isinstance(entry["bindable"], bool)
    for service in found:
        assert service["plans"]
        names = [plan["name"] for plan in service["plans"]]
        assert len(names) == len(set(names))
        for name in ("instances_retrievable", "bindings_retrievable", "allow_context_updates"):
            assert service[name] is True
        assert all(isinstance(tag, str) for tag in service["tags"])
        assert "requires" not in service
        assert "dashboard_client" not in service


async def test_schemas_are_draft_04(broker: Broker) -> None:
    """CAT-8, CAT-15."""
    for service in await services(broker):
        for plan in service["plans"]:
            schemas = plan["schemas"]
            for schema in (
                schemas["service_instance"]["create"]["parameters"],
                schemas["service_instance"]["update"]["parameters"],
                schemas["service_binding"]["create"]["parameters"],
            ):
                assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"
                written = json.dumps(schema)
                assert len(written) <= 64 * 1024
                assert all(target.startswith("#") for target in re.findall(r'"\$ref": "([^"]*)"', written))
                Draft4Validator.check_schema(schema)


async def test_paid_plans_are_told_by_free_and_costs(broker: Broker) -> None:
    """CAT-13, CAT-14."""
    for service in await services(broker):
        assert {"displayName", "longDescription", "providerDisplayName", "documentationUrl"} <= set(service["metadata"])
        for plan in service["plans"]:
            costs = plan["metadata"]["costs"]
            assert plan["free"] is (not any(cost["amount"]["usd"] for cost in costs))
            assert all(isinstance(cost["amount"]["usd"], float) and cost["unit"] for cost in costs)
            assert all(isinstance(bullet, str) for bullet in plan["metadata"]["bullets"])


async def test_only_what_is_done_is_declared(broker: Broker) -> None:
    """CAT-18."""
    for service in await services(broker):
        for plan in service["plans"]:
            assert plan["binding_rotatable"] is True
            assert "maintenance_info" not in plan
            assert "maximum_polling_duration" not in plan
            assert "bucketry" not in plan


async def test_what_a_plan_has_of_its_own_is_published(open_broker: Opener) -> None:
    """CAT-6, CAT-7; and ids and names are taken as they come from another broker (CAT-9)."""
    async with open_broker(known=KNOWN) as broker:
        (service,) = await services(broker)
        assert service["id"] == "97D5B7F0-2E1C-4C55-9C3A-0D6E51A0F5A1"
        basic, free = service["plans"]
        assert basic["maintenance_info"] == {"version": "1.2.0+b-1", "description": "TLS 1.3 only"}
        assert basic["maximum_polling_duration"] == 7200
        assert basic["binding_rotatable"] is False
        assert free["id"] == "Free_plan~1"
        assert "description" not in free["maintenance_info"]
        order = broker.order("free", service_id=service["id"])
        assert await broker.ask("PUT", instance("i1"), order) == 201
        wrong = {**order, "service_id": service["id"].lower()}
        assert await broker.ask("PUT", instance("i2"), wrong) == 400
        assert await broker.ask("PUT", instance("i2"), {**order, "plan_id": "free_plan~1"}) == 400
        ids = {"service_id": service["id"], "plan_id": free["id"]}
        assert await broker.ask("PUT", binding("i1", "B1"), ids) == 201
        query = urlencode(ids)
        assert await broker.ask("DELETE", binding("i1", "b1"), query=query) == 410
        assert await broker.ask("DELETE", binding("i1", "B1"), query=query) == 200
        assert await broker.ask("DELETE", instance("i1"), query=query) == 200


async def test_what_asynchronous_bindings_need_is_declared(broker: Broker) -> None:
    """ASY-7."""
    assert all(service["bindings_retrievable"] is True for service in await services(broker))


async def test_a_known_etag_is_not_sent_again(broker: Broker) -> None:
    """CAT-16."""
    etag = (await broker.ask("GET", "/catalog")).headers["ETag"]
    for header in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        assert await broker.ask("GET", "/catalog", headers={"If-None-Match": header}) == 304, header
    assert await broker.ask("GET", "/catalog", headers={"If-None-Match": '"other"'}) == 200
