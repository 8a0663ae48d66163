"""Binding rotation: PUT of a binding with `predecessor_binding_id`; and bindings that end by themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tests.osb.broker import Answer, Broker, binding, instance
from tests.osb.conftest import Opener
from tests.osb.test_catalog import KNOWN

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\dZ")


async def rotate(broker: Broker, guid: str = "b2", predecessor: object = "b1", **fields: object) -> Answer:
    return await broker.ask("PUT", binding("i1", guid), {"predecessor_binding_id": predecessor, **fields})


async def credentials(broker: Broker, guid: str) -> dict[str, object]:
    found: dict[str, object] = (await broker.ask("GET", binding("i1", guid))).body["credentials"]
    return found


@pytest.fixture
async def broker(broker: Broker) -> Broker:
    """With a binding to rotate."""
    await broker.provision("i1")
    await broker.bind("i1", "b1", bind_resource={"app_guid": "app"}, parameters={"permissions": "read-only"})
    return broker


async def test_the_predecessor_alone_suffices(broker: Broker) -> None:
    """ROT-1, ROT-2, ROT-3, BND-13: both are valid, each with its own credentials, of the same rights."""
    before = await credentials(broker, "b1")
    answer = await rotate(broker)
    assert answer == 201
    assert answer.body["credentials"]["access_key_id"] != before["access_key_id"]
    assert answer.body["credentials"]["bucket"] == before["bucket"]
    assert await credentials(broker, "b1") == before
    fetched = await broker.ask("GET", binding("i1", "b2"))
    assert fetched.body == {"credentials": answer.body["credentials"], "parameters": {"permissions": "read-only"}}


async def test_rights_and_application_are_the_predecessors(broker: Broker) -> None:
    """ROT-3: parameters beside it do not count."""
    assert await rotate(broker, parameters={"permissions": "read-write"}, app_guid="other") == 201
    old, new = (broker.world.engine.keys[guid] for guid in ("b1", "b2"))
    assert (new.rights, new.buckets) == (old.rights, old.buckets)
    assert new.labels["bucketry:app"] == "app"


async def test_the_predecessor_can_be_deleted_then(broker: Broker) -> None:
    """ROT-2: its deletion leaves the new one, and the rotation can still be repeated."""
    first = await rotate(broker)
    assert await broker.ask("DELETE", binding("i1", "b1"), query=broker.ids_query) == 200
    assert await credentials(broker, "b2") == first.body["credentials"]
    assert await rotate(broker) == 200
    third = await rotate(broker, "b3", "b2")
    assert third == 201
    assert third.body["credentials"] != first.body["credentials"]


@pytest.mark.parametrize("predecessor", ["unknown", "", "deleted", "elsewhere", "b2"])
async def test_a_wrong_predecessor_makes_nothing(broker: Broker, predecessor: str) -> None:
    """ROT-4: unknown, deleted, of another instance, itself."""
    await broker.provision("i2")
    await broker.bind("i2", "elsewhere")
    await broker.bind("i1", "deleted")
    await broker.ask("DELETE", binding("i1", "deleted"), query=broker.ids_query)
    assert await rotate(broker, predecessor=predecessor) == 400
    assert await broker.ask("GET", binding("i1", "b2")) == 404
    assert await broker.ask("DELETE", binding("i1", "b2"), query=broker.ids_query) == 410


async def test_a_binding_that_is_there_is_not_its_own_predecessor(broker: Broker) -> None:
    """ROT-4."""
    before = await credentials(broker, "b1")
    assert await rotate(broker, "b1", "b1") == 400
    assert await credentials(broker, "b1") == before


async def test_an_expired_predecessor_makes_nothing(broker: Broker) -> None:
    """ROT-4."""
    await broker.bind("i1", "brief", parameters={"expires_in": "60s"})
    broker.world.clock.now_ms += 60_000
    assert await rotate(broker, predecessor="brief") == 400
    assert "b2" not in broker.world.engine.keys


@pytest.mark.parametrize("predecessor", [1, True, ["b1"], {"id": "b1"}])
async def test_a_predecessor_of_the_wrong_type_is_400(broker: Broker, predecessor: object) -> None:
    """ROT-5."""
    assert await rotate(broker, predecessor=predecessor) == 400
    assert await broker.ask("GET", binding("i1", "b2")) == 404


async def test_no_predecessor_is_an_ordinary_bind(broker: Broker) -> None:
    """ROT-5, BODY-6: null is absent, and then the ids are required."""
    assert await rotate(broker, predecessor=None) == 400
    assert await rotate(broker, predecessor=None, **broker.ids) == 201


async def test_the_same_again_is_200_and_another_predecessor_409(broker: Broker) -> None:
    """ROT-6."""
    first = await rotate(broker)
    again = await rotate(broker, **broker.ids)
    assert (first, again) == (201, 200)
    assert again.body["credentials"] == first.body["credentials"]
    await broker.bind("i1", "b3")
    assert await rotate(broker, predecessor="b3") == 409
    assert await broker.ask("PUT", binding("i1", "b2"), broker.ids) == 409
    assert await credentials(broker, "b2") == first.body["credentials"]


async def test_ids_that_are_given_have_to_be_right(broker: Broker) -> None:
    """BND-9."""
    assert await rotate(broker, service_id="x", plan_id="y") == 400
    assert await rotate(broker, service_id="x") == 400
    assert await rotate(broker, service_id="") == 400
    assert await broker.ask("GET", binding("i1", "b2")) == 404


async def test_a_plan_that_does_not_rotate_makes_nothing(open_broker: Opener) -> None:
    """ROT-7: no ordinary binding either."""
    async with open_broker(known=KNOWN) as broker:
        await broker.provision("i1")
        await broker.bind("i1", "b1")
        assert await rotate(broker, **broker.ids) == 400
        assert set(broker.world.engine.keys) == {"b1"}


async def test_a_rotation_can_be_promised(hasty: Broker) -> None:
    """ROT-1, ASY-2."""
    await hasty.provision("i1")
    await hasty.bind("i1", "b1")
    gate = hasty.world.engine.gate("grant")
    body = {"predecessor_binding_id": "b1"}
    first = await hasty.ask("PUT", binding("i1", "b2"), body, query="accepts_incomplete=true")
    assert first == 202
    await gate.reached.wait()
    again = await hasty.ask("PUT", binding("i1", "b2"), body, query="accepts_incomplete=true")
    assert (again.status, again.body) == (202, first.body)
    gate.open()
    await hasty.rest()
    assert await hasty.ask("PUT", binding("i1", "b2"), body, query="accepts_incomplete=true") == 200


# ---- the end of credentials


async def test_an_end_is_told_wherever_the_binding_is(broker: Broker) -> None:
    """BND-17, GETB-1: when bound, bound again, fetched, rotated."""
    parameters = {"expires_in": "4h"}
    asked = {**broker.ids, "parameters": parameters}
    made = await broker.ask("PUT", binding("i1", "b2"), asked)
    again = await broker.ask("PUT", binding("i1", "b2"), asked)
    fetched = await broker.ask("GET", binding("i1", "b2"))
    rotated = await rotate(broker, "b3", "b2")
    metadata = made.body["metadata"]
    assert set(metadata) == {"expires_at", "renew_before"}
    assert again.body["metadata"] == fetched.body["metadata"] == metadata
    for told in (metadata, rotated.body["metadata"]):
        assert MOMENT.fullmatch(told["expires_at"])
        assert MOMENT.fullmatch(told["renew_before"])
        assert told["renew_before"] <= told["expires_at"]


async def test_an_end_is_counted_from_the_order(broker: Broker) -> None:
    """BND-17, ROT-3: a rotation begins another life of the same length, and is to come in its last quarter."""
    started = datetime(2026, 2, 28, 22, 30, 0, 250_000, UTC)
    broker.world.clock.now_ms = round(started.timestamp() * 1000)
    await broker.bind("i1", "b2", parameters={"expires_in": "2h"})
    made = (await broker.ask("GET", binding("i1", "b2"))).body["metadata"]
    assert made == {"expires_at": "2026-03-01T00:30:00.2Z", "renew_before": "2026-03-01T00:00:00.2Z"}
    broker.world.clock.now_ms += 3_600_000
    assert (await rotate(broker, "b3", "b2")).body["metadata"]["expires_at"] == "2026-03-01T01:30:00.2Z"


async def test_what_does_not_end_has_no_metadata(broker: Broker) -> None:
    """BND-17."""
    assert "metadata" not in (await broker.ask("GET", binding("i1", "b1"))).body
    assert await broker.ask("DELETE", instance("i1"), query=broker.ids_query) == 200
