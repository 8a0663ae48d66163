"""GET /v2/catalog."""

from __future__ import annotations

import re
import uuid
from typing import Any

from jsonschema import Draft4Validator

from tests.osb.conftest import Broker

NAME = re.compile(r"[A-Za-z0-9.-]+")


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
            assert "binding_rotatable" not in plan
            assert "maintenance_info" not in plan
            assert "bucketry" not in plan


async def test_a_known_etag_is_not_sent_again(broker: Broker) -> None:
    """CAT-16."""
    etag = (await broker.ask("GET", "/catalog")).headers["ETag"]
    for header in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        assert await broker.ask("GET", "/catalog", headers={"If-None-Match": header}) == 304, header
    assert await broker.ask("GET", "/catalog", headers={"If-None-Match": '"other"'}) == 200
