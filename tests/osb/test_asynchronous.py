"""Asynchronous orders: promised, followed, repeated, disturbed, and ended."""

from __future__ import annotations

import asyncio

import pytest

from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.osb.deprovision import MOST_AT_ONCE
from bucketry.marketplace.osb.promising import PATIENCE_S
from tests.osb.broker import Answer, Broker, binding, instance

ASYNC = "accepts_incomplete=true"
CORS = {"cors": {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}}
INSTANCE, BINDING = instance("i1"), binding("i1", "b1")
PLATFORM_TIMEOUT_S = 60.0  # Cloud Foundry's


async def follow(broker: Broker, path: str, operation: str = "", query: str = "") -> Answer:
    """Poll until the end: the answer that told it."""
    given = f"operation={operation}" if operation else ""
    async with asyncio.timeout(PLATFORM_TIMEOUT_S):
        while True:
            answer = await broker.ask("GET", f"{path}/last_operation", query="&".join(filter(None, (given, query))))
            assert answer == 200
            assert answer.body["state"] in ("in progress", "succeeded", "failed")
            if answer.body["state"] != "in progress":
                assert "Retry-After" not in answer.headers
                return answer
            assert int(answer.headers["Retry-After"]) > 0
            await asyncio.sleep(0.01)


async def promised(broker: Broker, method: str, path: str, body: object = None, query: str = "") -> str:
    """Order: the operation of the 202."""
    answer = await broker.ask(method, path, body, query=f"{ASYNC}&{query}")
    assert answer == 202
    assert set(answer.body) == {"operation"}  # ASY-6: no credentials
    assert 1 <= len(answer.body["operation"]) <= 10_000
    return str(answer.body["operation"])


def test_patience_ends_well_before_a_platforms() -> None:
    """LIM-1."""
    assert 0 < PATIENCE_S <= PLATFORM_TIMEOUT_S / 4


@pytest.mark.parametrize("asked", [True, False], ids=["with operation", "without"])
async def test_a_walk_through_a_life_with_whatever_is_promised(broker: Broker, asked: bool) -> None:
    """PRO-1, UPD-1, BND-1, UNB-1, DEP-1, LOI-1, LOB-1, ASY-8, ASY-10: at any broker, in a hurry or not."""

    async def ends(answer: Answer, path: str, done: int) -> None:
        assert answer.status in (done, 202)
        if answer.status == 202:
            operation = answer.body.get("operation", "") if asked else ""
            assert (await follow(broker, path, operation)).body["state"] == "succeeded"

    await ends(await broker.ask("PUT", INSTANCE, broker.order(), query=ASYNC), INSTANCE, 201)
    assert await broker.ask("GET", INSTANCE) == 200
    await ends(await broker.update("i1", ASYNC, parameters=CORS), INSTANCE, 200)
    assert (await broker.ask("GET", INSTANCE)).body["parameters"] == CORS
    await ends(await broker.ask("PUT", BINDING, broker.ids, query=ASYNC), BINDING, 201)
    assert (await broker.ask("GET", BINDING)).body["credentials"]["access_key_id"]
    await ends(await broker.ask("DELETE", BINDING, query=f"{broker.ids_query}&{ASYNC}"), BINDING, 200)
    assert await broker.ask("GET", BINDING) == 404
    await ends(await broker.ask("DELETE", INSTANCE, query=f"{broker.ids_query}&{ASYNC}"), INSTANCE, 200)
    assert await broker.ask("GET", INSTANCE) == 404
    assert await broker.ask("DELETE", INSTANCE, query=f"{broker.ids_query}&{ASYNC}") == 410


# ---- provision


async def test_a_provision_is_promised_and_ends(hasty: Broker) -> None:
    """PRO-1, ASY-1, ASY-2, ASY-3, ASY-4, LOI-4."""
    gate = hasty.world.engine.gate("configure")
    operation = await promised(hasty, "PUT", INSTANCE, hasty.order())
    await gate.reached.wait()
    assert await hasty.ask("GET", INSTANCE) == 404
    polled = await hasty.ask("GET", f"{INSTANCE}/last_operation", query=f"operation={operation}")
    assert polled.body == {"state": "in progress", "description": "create in progress"}
    assert int(polled.headers["Retry-After"]) > 0
    assert await promised(hasty, "PUT", INSTANCE, hasty.order()) == operation
    other = await hasty.ask("PUT", INSTANCE, hasty.order(parameters=CORS), query=ASYNC)
    assert other == 409
    other = await hasty.ask("PUT", INSTANCE, hasty.order("basic-public"))
    assert other == 409
    gate.open()
    assert (await follow(hasty, INSTANCE, operation)).body["description"] == "create succeeded"
    assert await hasty.ask("GET", INSTANCE) == 200
    assert await hasty.ask("PUT", INSTANCE, hasty.order(), query=ASYNC) == 200


async def test_a_provision_that_ends_soon_is_answered(broker: Broker) -> None:
    """PRO-1, PRO-17: no operation is named."""
    answer = await broker.ask("PUT", INSTANCE, broker.order(), query=ASYNC)
    assert answer == 201
    assert "operation" not in answer.body


async def test_a_promised_provision_that_fails_leaves_nothing_but_its_reason(hasty: Broker) -> None:
    """LOI-1: the end stays readable; GETI-2; orphan mitigation finds nothing."""
    gate = hasty.world.engine.gate("create_bucket")
    operation = await promised(hasty, "PUT", INSTANCE, hasty.order())
    hasty.world.engine.failures["create_bucket"] = EngineRefused("The engine refused making the bucket: too many.")
    gate.open()
    failed = await follow(hasty, INSTANCE, operation)
    assert failed.body == {"state": "failed", "description": "The engine refused making the bucket: too many."}
    await hasty.rest()
    assert (await follow(hasty, INSTANCE)).body["state"] == "failed"
    assert await hasty.ask("GET", INSTANCE) == 404
    assert await hasty.ask("DELETE", INSTANCE, query=f"{hasty.ids_query}&{ASYNC}") == 410
    assert hasty.world.engine.buckets == {}
    await hasty.provision("i1")  # the id can still be used
    assert (await follow(hasty, INSTANCE)).body["state"] == "succeeded"


async def test_identical_promised_provisions_at_once_make_one(hasty: Broker) -> None:
    """RACE-1."""
    gate = hasty.world.engine.gate("configure")
    first = asyncio.create_task(promised(hasty, "PUT", INSTANCE, hasty.order()))
    await gate.reached.wait()
    others = await asyncio.gather(*(promised(hasty, "PUT", INSTANCE, hasty.order()) for _ in range(5)))
    assert set(others) == {await first}
    gate.open()
    await follow(hasty, INSTANCE)
    assert len(hasty.world.engine.buckets) == 1


@pytest.mark.parametrize("more", ["", f"&{ASYNC}"])
async def test_what_is_being_made_takes_no_other_operation(hasty: Broker, more: str) -> None:
    """ASY-5: neither deletion, update nor binding; it comes to its end, and can be deleted then."""
    gate = hasty.world.engine.gate("configure")
    await promised(hasty, "PUT", INSTANCE, hasty.order())
    await gate.reached.wait()
    answers = await asyncio.gather(
        hasty.ask("DELETE", INSTANCE, query=hasty.ids_query + more),
        hasty.update("i1", more, parameters=CORS),
        hasty.ask("PUT", BINDING, hasty.ids, query=more),
    )
    assert [(answer.status, answer.body["error"]) for answer in answers] == [(422, "ConcurrencyError")] * 3
    assert await hasty.ask("DELETE", BINDING, query=hasty.ids_query) == 410
    gate.open()
    assert (await follow(hasty, INSTANCE)).body["state"] == "succeeded"
    assert await hasty.ask("DELETE", INSTANCE, query=hasty.ids_query) == 200


# ---- update


async def test_an_update_is_promised_and_ends(hasty: Broker) -> None:
    """UPD-1, UPD-15, ASY-2, ASY-4, ASY-5."""
    await hasty.provision("i1")
    gate = hasty.world.engine.gate("configure")
    change = {"service_id": hasty.service_id, "plan_id": hasty.plans["basic-public"], "parameters": CORS}
    operation = await promised(hasty, "PATCH", INSTANCE, change)
    await gate.reached.wait()
    before = await hasty.ask("GET", INSTANCE)
    assert (before.status, before.body["plan_id"], before.body["parameters"]) == (200, hasty.plans["basic"], {})
    assert await promised(hasty, "PATCH", INSTANCE, change) == operation
    for other in (hasty.update("i1", ASYNC, parameters={}), hasty.ask("DELETE", INSTANCE, query=hasty.ids_query)):
        answer = await other
        assert (answer.status, answer.body["error"]) == (422, "ConcurrencyError")
    gate.open()
    assert (await follow(hasty, INSTANCE, operation)).body["description"] == "update succeeded"
    after = await hasty.ask("GET", INSTANCE)
    assert (after.body["plan_id"], after.body["parameters"]) == (hasty.plans["basic-public"], CORS)


async def test_a_promised_update_that_fails_applies_nothing(hasty: Broker) -> None:
    """UPD-10, ERR-3."""
    await hasty.provision("i1")
    gate = hasty.world.engine.gate("configure")
    operation = await promised(
        hasty, "PATCH", INSTANCE, {"service_id": hasty.service_id, "plan_id": hasty.plans["basic-public"]}
    )
    hasty.world.engine.failures["configure"] = EngineRefused("The engine refused opening the bucket.")
    gate.open()
    failed = await follow(hasty, INSTANCE, operation)
    assert failed.body == {
        "state": "failed",
        "description": "The engine refused opening the bucket.",
        "instance_usable": True,
    }
    assert (await hasty.ask("GET", INSTANCE)).body["plan_id"] == hasty.plans["basic"]
    (bucket,) = hasty.world.engine.buckets.values()
    assert not bucket.settings.is_public


# ---- deprovision


async def test_a_deprovision_is_promised_and_ends(hasty: Broker) -> None:
    """DEP-1, ASY-2, ASY-8, LOI-3."""
    await hasty.provision("i1", "basic-sandbox")
    await hasty.bind("i1", "b1")
    (bucket,) = hasty.world.engine.buckets
    hasty.world.engine.fill(bucket, 12_345)
    gate = hasty.world.engine.gate("delete_bucket")
    operation = await promised(hasty, "DELETE", INSTANCE, query=hasty.ids_query)
    await gate.reached.wait()
    assert await hasty.ask("GET", INSTANCE) == 404
    polled = await hasty.ask("GET", f"{INSTANCE}/last_operation")
    assert polled.body["state"] == "in progress"
    assert await promised(hasty, "DELETE", INSTANCE, query=hasty.ids_query) == operation
    answer = await hasty.ask("DELETE", INSTANCE, query=hasty.ids_query)
    assert (answer.status, answer.body["error"]) == (422, "ConcurrencyError")
    gate.open()
    assert (await follow(hasty, INSTANCE, operation)).body["description"] == "delete succeeded"
    assert (await follow(hasty, INSTANCE)).body["state"] == "succeeded"  # it stays readable
    assert await hasty.ask("DELETE", INSTANCE, query=f"{hasty.ids_query}&{ASYNC}") == 410
    assert hasty.world.engine.buckets == {}
    assert hasty.world.engine.keys == {}
    await hasty.provision("i1")  # a second life is told by its own operations
    assert (await follow(hasty, INSTANCE)).body["description"] == "create succeeded"


async def test_a_full_sandbox_can_be_deprovisioned_asynchronously_alone(broker: Broker) -> None:
    """DEP-5, ASY-9, PRO-2, UPD-14, BND-11, UNB-5: no other order takes too long to wait for."""
    await broker.provision("i1", "basic-sandbox")
    (bucket,) = broker.world.engine.buckets
    broker.world.engine.fill(bucket, MOST_AT_ONCE + 1)
    answer = await broker.ask("DELETE", INSTANCE, query=broker.ids_query)
    assert (answer.status, answer.body["error"]) == (422, "AsyncRequired")
    assert f"{MOST_AT_ONCE:,}" in answer.body["description"]
    assert await broker.ask("GET", INSTANCE) == 200
    assert broker.world.engine.buckets[bucket].objects == MOST_AT_ONCE + 1
    assert (await broker.ask("DELETE", INSTANCE, query=f"{broker.ids_query}&{ASYNC}")).status in (200, 202)


async def test_a_promised_deprovision_of_what_was_filled_meanwhile_fails(hasty: Broker) -> None:
    """ERR-3: and all is as before."""
    await hasty.provision("i1", context={"instance_name": "pictures"})
    await hasty.bind("i1", "b1")
    (bucket,) = hasty.world.engine.buckets
    gate = hasty.world.engine.gate("delete_bucket")
    operation = await promised(hasty, "DELETE", INSTANCE, query=hasty.ids_query)
    await gate.reached.wait()
    hasty.world.engine.fill(bucket, 3, 300)
    gate.open()
    failed = await follow(hasty, INSTANCE, operation)
    assert failed.body["state"] == "failed"
    assert failed.body["instance_usable"] is True
    assert "3 objects (300 bytes)" in failed.body["description"]
    assert await hasty.ask("GET", INSTANCE) == 200
    assert await hasty.ask("GET", BINDING) == 200


# ---- bind and unbind


async def test_a_bind_is_promised_and_ends(hasty: Broker) -> None:
    """BND-1, ASY-2, ASY-3, ASY-4, ASY-6, GETB-2."""
    await hasty.provision("i1")
    gate = hasty.world.engine.gate("grant")
    order = {**hasty.ids, "bind_resource": {"app_guid": "app"}}
    operation = await promised(hasty, "PUT", BINDING, order)
    await gate.reached.wait()
    assert await hasty.ask("GET", BINDING) == 404
    polled = await hasty.ask("GET", f"{BINDING}/last_operation", query=f"operation={operation}")
    assert polled.body == {"state": "in progress", "description": "create in progress"}
    assert await promised(hasty, "PUT", BINDING, order) == operation
    assert await hasty.ask("PUT", BINDING, hasty.ids, query=ASYNC) == 409
    unbound = await hasty.ask("DELETE", BINDING, query=f"{hasty.ids_query}&{ASYNC}")
    assert (unbound.status, unbound.body["error"]) == (422, "ConcurrencyError")
    gate.open()
    assert (await follow(hasty, BINDING, operation)).body["description"] == "create succeeded"
    fetched = await hasty.ask("GET", BINDING)
    assert fetched.body["credentials"]["access_key_id"] == hasty.world.engine.keys["b1"].key.access_key_id
    again = await hasty.ask("PUT", BINDING, order, query=ASYNC)
    assert (again.status, again.body["credentials"]) == (200, fetched.body["credentials"])


async def test_a_promised_bind_that_fails_leaves_nothing_but_its_reason(hasty: Broker) -> None:
    """LOB-1."""
    await hasty.provision("i1")
    gate = hasty.world.engine.gate("grant")
    operation = await promised(hasty, "PUT", BINDING, hasty.ids)
    hasty.world.engine.failures["grant"] = EngineRefused("The engine refused making the credentials: LimitExceeded.")
    gate.open()
    failed = await follow(hasty, BINDING, operation)
    assert failed.body["state"] == "failed"
    assert "LimitExceeded" in failed.body["description"]
    assert await hasty.ask("GET", BINDING) == 404
    assert await hasty.ask("DELETE", BINDING, query=hasty.ids_query) == 410
    assert hasty.world.engine.keys == {}


async def test_an_unbind_is_promised_and_ends(hasty: Broker) -> None:
    """UNB-1, ASY-2, ASY-8, LOB-3."""
    await hasty.provision("i1")
    await hasty.bind("i1", "b1")
    gate = hasty.world.engine.gate("revoke")
    operation = await promised(hasty, "DELETE", BINDING, query=hasty.ids_query)
    await gate.reached.wait()
    assert await hasty.ask("GET", BINDING) == 404
    assert (await hasty.ask("GET", f"{BINDING}/last_operation")).body["state"] == "in progress"
    assert await promised(hasty, "DELETE", BINDING, query=hasty.ids_query) == operation
    assert (await hasty.ask("PUT", BINDING, hasty.ids, query=ASYNC)).body["error"] == "ConcurrencyError"
    gate.open()
    assert (await follow(hasty, BINDING, operation)).body["description"] == "delete succeeded"
    assert hasty.world.engine.keys == {}
    assert await hasty.ask("DELETE", BINDING, query=f"{hasty.ids_query}&{ASYNC}") == 410
