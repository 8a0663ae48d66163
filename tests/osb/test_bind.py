"""PUT /v2/service_instances/:instance_id/service_bindings/:binding_id."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bucketry.marketplace.domain import catalog
from bucketry.marketplace.domain.errors import EngineRefused
from tests.osb.broker import Answer, Broker, binding, instance
from tests.osb.conftest import Opener, serve


async def bind(broker: Broker, guid: str = "b1", instance_id: str = "i1", **fields: object) -> Answer:
    return await broker.ask("PUT", binding(instance_id, guid), {**broker.ids, **fields})


async def is_unknown(broker: Broker, guid: str = "b1") -> bool:
    statuses = [
        (await broker.ask("GET", binding("i1", guid))).status,
        (await broker.ask("GET", binding("i1", guid) + "/last_operation")).status,
        (await broker.ask("DELETE", binding("i1", guid), query=broker.ids_query)).status,
    ]
    has_key = broker.inside is not None and guid in broker.inside.engine.keys
    return statuses == [404, 404, 410] and not has_key


@pytest.fixture(autouse=True)
async def made(broker: Broker) -> None:
    await broker.provision("i1")


async def test_made_is_201_with_credentials(broker: Broker) -> None:
    """BND-1, BND-10, BND-16: a service key, and nothing but credentials."""
    answer = await bind(broker)
    assert answer == 201
    assert set(answer.body) == {"credentials"}
    assert set(answer.body["credentials"]) == {
        "uri",
        "access_key_id",
        "secret_access_key",
        "region",
        "bucket",
        "endpoint",
        "endpoint_url",
        "fips_endpoint",
        "insecure_skip_verify",
        "additional_buckets",
        "website_endpoint",
    }


async def test_the_same_again_is_200_with_the_same_credentials(broker: Broker) -> None:
    """BND-2."""
    first = await bind(broker, bind_resource={"app_guid": "app"}, parameters={"permissions": "read-only"})
    again = await bind(broker, app_guid="app", parameters={"permissions": "read-only"})
    assert (first, again) == (201, 200)
    assert again.body["credentials"] == first.body["credentials"]


async def test_the_same_id_otherwise_is_409(broker: Broker) -> None:
    """BND-3, BND-4."""
    first = await bind(broker, app_guid="app")
    assert await bind(broker, app_guid="app", parameters={"permissions": "read-only"}) == 409
    assert await bind(broker, app_guid="other") == 409
    assert await bind(broker) == 409
    assert (await broker.ask("GET", binding("i1", "b1"))).body["credentials"] == first.body["credentials"]


async def test_an_id_under_another_instance_yields_nothing(broker: Broker) -> None:
    """BND-5."""
    await broker.provision("i2")
    await broker.bind("i1", "b1")
    answer = await bind(broker, instance_id="i2")
    assert answer == 409
    assert "credentials" not in answer.body


async def test_an_unknown_instance_is_404(broker: Broker) -> None:
    """BND-6."""
    assert await bind(broker, instance_id="nowhere") == 404
    assert broker.world.engine.keys == {}


async def test_a_plan_without_bindings_is_4xx(open_broker: Opener, tmp_path: Path) -> None:
    """BND-15, CAT-6: and it says so in the catalog, whatever its service does."""
    plans = [
        {"id": "p1", "name": "basic", "description": "d", "bindable": False},
        {"id": "p2", "name": "other", "description": "d"},
    ]
    known = catalog.parse(
        json.dumps({"services": [{"id": "s", "name": "s3", "description": "d", "plans": plans}]}).encode()
    )
    (tmp_path / "other").mkdir()
    async with serve(tmp_path / "other", known=known) as broker:
        published = (await broker.ask("GET", "/catalog")).body["services"][0]["plans"]
        assert [(plan["bindable"], plan["binding_rotatable"]) for plan in published] == [(False, False), (True, True)]
        await broker.provision("i1")
        for body in (broker.ids, {"predecessor_binding_id": "b0"}):
            answer = await broker.ask("PUT", binding("i1", "b1"), body)
            assert (answer.status, answer.body["error"]) == (400, "NotBindable")
        assert broker.world.engine.keys == {}


@pytest.mark.parametrize("field", ["service_id", "plan_id"])
@pytest.mark.parametrize("value", ["", None, 1, [], "unknown"])
async def test_the_ids_must_be_right(broker: Broker, field: str, value: object) -> None:
    """BND-7, BND-8, BND-9."""
    assert await bind(broker, **{field: value}) == 400
    assert await broker.ask("PUT", binding("i1", "b1"), {k: v for k, v in broker.ids.items() if k != field}) == 400
    assert await is_unknown(broker)


@pytest.mark.parametrize(
    "fields",
    [
        {"parameters": []},
        {"context": "x"},
        {"bind_resource": "x"},
        {"bind_resource": {"app_guid": 1}},
        {"bind_resource": {"route": []}},
        {"app_guid": 1},
    ],
)
async def test_wrong_types_are_400(broker: Broker, fields: dict[str, object]) -> None:
    """BND-8."""
    assert await bind(broker, **fields) == 400
    assert await is_unknown(broker)


@pytest.mark.parametrize(
    "parameters",
    [
        {"unknown": 1},
        {"permissions": "all"},
        {"prefix": ""},
        {"prefix": "a/*"},
        {"prefix": "a${aws:username}"},
        {"prefix": "a\n"},
        {"prefix": ["a"]},
        {"source_ip": []},
        {"source_ip": "everywhere"},
        {"source_ip": ["192.0.2.1", "192.0.2.1/24"]},
        {"source_ip": ["1.2.3.4/33"]},
        {"expires_in": 5},
        {"expires_in": "soon"},
        {"expires_in": "0d"},
        {"expires_in": "5s"},
        {"expires_in": "99999w"},
        {"expires_in": "1d\n"},
        {"additional_instances": ["nobody"]},
    ],
)
async def test_bad_parameters_leave_nothing(broker: Broker, parameters: dict[str, object]) -> None:
    """BND-12."""
    answer = await bind(broker, parameters=parameters)
    assert answer == 400
    assert next(iter(parameters)) in answer.body["description"]
    assert await is_unknown(broker)


async def test_each_binding_has_its_own_credentials(broker: Broker) -> None:
    """BND-13, BND-14: several of one application, too."""
    answers = [await bind(broker, f"b{number}", app_guid="app") for number in range(3)]
    assert len({answer.body["credentials"]["access_key_id"] for answer in answers}) == 3


async def test_another_space_may_bind(broker: Broker) -> None:
    """A shared instance: the app's space is not the instance's."""
    assert (
        await bind(broker, bind_resource={"app_guid": "a", "space_guid": "theirs"}, context={"space_guid": "s"}) == 201
    )


async def test_a_credential_client_is_a_key(broker: Broker) -> None:
    """BND-10."""
    assert await bind(broker, bind_resource={"credential_client_id": "c"}) == 201


async def test_additional_instances_are_found_by_the_platforms_names(broker: Broker) -> None:
    await broker.provision("i2", context={"instance_name": "second"})
    answer = await bind(broker, parameters={"additional_instances": ["second"]})
    assert answer == 201
    assert len(answer.body["credentials"]["additional_buckets"]) == 1


async def test_what_the_engine_refuses_is_4xx_and_leaves_nothing(broker: Broker) -> None:
    broker.world.engine.failures["grant"] = EngineRefused("The engine refused making the credentials: LimitExceeded.")
    answer = await bind(broker)
    assert answer == 422
    assert "LimitExceeded" in answer.body["description"]
    assert await is_unknown(broker)


async def test_identical_orders_at_once_make_one_key(broker: Broker) -> None:
    """RACE-1, RACE-3."""
    answers = await asyncio.gather(*(bind(broker) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] * 9 + [201]
    assert len({answer.body["credentials"]["access_key_id"] for answer in answers}) == 1


async def test_independent_orders_at_once_all_succeed(broker: Broker) -> None:
    """RACE-5: on one instance."""
    answers = await asyncio.gather(*(bind(broker, f"b{number}") for number in range(12)))
    assert {answer.status for answer in answers} == {201}
    assert len(broker.world.engine.keys) == 12


async def test_a_binding_does_not_outlive_a_deletion_at_once(broker: Broker) -> None:
    """RACE-6."""
    await asyncio.gather(
        *(bind(broker, f"b{number}") for number in range(5)),
        broker.ask("DELETE", instance("i1"), query=broker.ids_query),
    )
    if (await broker.ask("GET", instance("i1"))).status == 404:
        assert broker.world.engine.keys == {}
