from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bucketry.kernel.envelope import EnvelopeError
from bucketry.marketplace.domain.bindings import BindingOrder, Bound, BoundAlike, BoundDifferently
from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.domain.errors import (
    AmbiguousName,
    AppNotFound,
    BindingNotFound,
    EngineRefused,
    EngineUnavailable,
    InstanceNotFound,
    InvalidParameters,
    NotBindable,
)
from bucketry.marketplace.domain.values import BindingKind, Instance
from tests.kit.marketplace import ENVELOPE, World


def order(guid: str, instance: Instance, app: str | None = None, **parameters: object) -> BindingOrder:
    kind = BindingKind.APP if app else BindingKind.KEY
    return BindingOrder(guid, instance.guid, kind, "", app, False, parameters)


async def test_a_key_has_credentials_of_its_own_for_its_bucket(world: World) -> None:
    instance = await world.create()
    one = await world.marketplace.bindings.create_key(instance.guid, "one")
    two = await world.marketplace.bindings.create_key(instance.guid, "two")
    assert isinstance(one, Bound)
    assert isinstance(two, Bound)
    assert one.credentials["access_key_id"] != two.credentials["access_key_id"]
    assert one.credentials["bucket"] == instance.bucket
    granted = world.engine.keys[one.binding.guid]
    assert (granted.buckets, granted.rights.permissions) == ((instance.bucket,), Permissions.READ_WRITE)
    assert granted.labels["bucketry:instance"] == instance.guid


async def test_the_uri_can_be_taken_apart_again(world: World) -> None:
    instance = await world.create()
    bound = await world.marketplace.bindings.create_key(instance.guid, "one")
    assert isinstance(bound, Bound)
    parts = urlsplit(bound.credentials["uri"])
    assert (parts.scheme, parts.path.lstrip("/")) == ("s3", instance.bucket)
    assert unquote(parts.password or "") == bound.credentials["secret_access_key"]
    assert f"{parts.hostname}:{parts.port}" == bound.credentials["endpoint"]


async def test_the_same_order_again_has_the_same_credentials(world: World) -> None:
    instance = await world.create()
    first = await world.marketplace.bindings.create_key(instance.guid, "Bob", {"permissions": "read-only"})
    again = await world.marketplace.bindings.create_key(instance.guid, "Bob", {"permissions": "read-only"})
    assert isinstance(first, Bound)
    assert isinstance(again, BoundAlike)
    assert again.credentials == first.credentials
    assert isinstance(await world.marketplace.bindings.create_key(instance.guid, "Bob"), BoundDifferently)
    assert len(world.engine.keys) == 1


async def test_many_identical_orders_at_once_make_one_key(world: World) -> None:
    instance = await world.create()
    markets = [world.marketplace, world.process()] * 6
    outcomes = await asyncio.gather(*(market.bindings.bind(order("b", instance)) for market in markets))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Bound"] + ["BoundAlike"] * 11
    keys = {o.credentials["access_key_id"] for o in outcomes if isinstance(o, Bound | BoundAlike)}
    assert keys == {world.engine.keys["b"].key.access_key_id}


async def test_an_id_of_another_instance_never_yields_its_credentials(world: World) -> None:
    one, two = await world.create("one"), await world.create("two")
    assert isinstance(await world.marketplace.bindings.bind(order("b", one)), Bound)
    outcome = await world.marketplace.bindings.bind(order("b", two))
    assert isinstance(outcome, BoundDifferently)
    assert outcome.difference == "instance"
    with pytest.raises(BindingNotFound):
        await world.marketplace.bindings.get("b", two.guid)
    with pytest.raises(BindingNotFound):
        await world.marketplace.bindings.unbind("b", two.guid)
    assert "b" in world.engine.keys


async def test_another_app_or_parameters_differ(world: World) -> None:
    instance = await world.create()
    await world.marketplace.bindings.bind(order("b", instance, "app"))
    for other in (
        order("b", instance, "other"),
        order("b", instance),
        order("b", instance, "app", permissions="read-only"),
    ):
        assert isinstance(await world.marketplace.bindings.bind(other), BoundDifferently)


async def test_an_app_is_bound_once(world: World) -> None:
    instance = await world.create()
    app = await world.marketplace.places.create_app(world.default_space, "web")
    first = await world.marketplace.bindings.bind_app(instance.guid, app.guid)
    again = await world.marketplace.bindings.bind_app(instance.guid, app.guid)
    assert isinstance(first, Bound)
    assert isinstance(again, BoundAlike)
    assert [binding.guid for binding in await world.marketplace.bindings.list_for_app(app.guid)] == [first.binding.guid]
    with pytest.raises(AppNotFound):
        await world.marketplace.bindings.bind_app(instance.guid, "nobody")


async def test_a_foreign_app_may_be_bound_several_times(world: World) -> None:
    instance = await world.create()
    for guid in ("b1", "b2"):
        assert isinstance(await world.marketplace.bindings.bind(order(guid, instance, "app")), Bound)


async def test_the_pair_at_rest_is_sealed_to_its_binding(world: World) -> None:
    instance = await world.create()
    bound = await world.marketplace.bindings.create_key(instance.guid, "one")
    assert isinstance(bound, Bound)
    secret = bound.credentials["secret_access_key"]
    assert secret.encode() not in world.file.read_bytes()
    assert secret not in repr(bound.binding)
    assert bound.binding.sealed_key is not None
    assert secret in ENVELOPE.open(bound.binding.sealed_key, f"binding|{bound.binding.guid}")
    moved = replace(bound.binding, guid="another")
    with pytest.raises(EnvelopeError):
        await world.marketplace.bindings.credentials(moved)


async def test_unbinding_revokes_at_once_and_only_once(world: World) -> None:
    instance = await world.create()
    await world.marketplace.bindings.bind(order("b", instance))
    await world.marketplace.bindings.unbind("b", instance.guid)
    assert world.engine.keys == {}
    with pytest.raises(BindingNotFound):
        await world.marketplace.bindings.unbind("b", instance.guid)


async def test_a_revocation_that_the_engine_fails_is_finished_later(world: World) -> None:
    instance = await world.create()
    await world.marketplace.bindings.bind(order("b", instance))
    world.engine.failures["revoke"] = EngineUnavailable("away")
    with pytest.raises(EngineUnavailable):
        await world.marketplace.bindings.unbind("b", instance.guid)
    with pytest.raises(BindingNotFound):
        await world.marketplace.bindings.get("b", instance.guid)
    await world.marketplace.resume_unfinished()
    assert world.engine.keys == {}
    assert await world.records.get_binding("b") is None


@pytest.mark.parametrize("error", [EngineRefused("no"), EngineUnavailable("away")])
async def test_a_binding_that_the_engine_fails_leaves_nothing(
    world: World, error: EngineRefused | EngineUnavailable
) -> None:
    instance = await world.create()
    world.engine.failures["grant"] = error
    with pytest.raises(type(error)):
        await world.marketplace.bindings.bind(order("b", instance))
    assert await world.records.get_binding("b") is None
    assert isinstance(await world.marketplace.bindings.bind(order("b", instance)), Bound)


async def test_an_unknown_instance_and_unknown_parameters_are_refused(world: World) -> None:
    instance = await world.create()
    with pytest.raises(InstanceNotFound):
        await world.marketplace.bindings.bind(order("b", replace(instance, guid="nowhere")))
    for parameters in ({"prefix": "*"}, {"expires_in": "1s"}, {"source_ip": "::g"}, {"permissions": "all"}):
        with pytest.raises(InvalidParameters):
            await world.marketplace.bindings.bind(order("b", instance, **parameters))
    assert await world.records.get_binding("b") is None


async def test_rights_are_those_that_were_ordered_and_end_counted_from_the_order(world: World) -> None:
    instance = await world.create()
    parameters = {"permissions": "read-only", "prefix": "a/", "source_ip": "192.0.2.7", "expires_in": "2h"}
    made = await world.marketplace.bindings.bind(order("b", instance, **parameters))
    granted = world.engine.keys["b"].rights
    assert granted == Rights(Permissions.READ_ONLY, "a/", ("192.0.2.7",), made.binding.created_ms + 2 * 3600 * 1000)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"source_ip": "192.0.2.7/24"}, r"did you mean 192\.0\.2\.0/24\?"),
        ({"source_ip": ["::1", "here"]}, "'here' is no address or range"),
        ({"expires_in": "59s"}, "from 60s to 3660d"),
        ({"expires_in": "11000d"}, "from 60s to 3660d"),
        ({"expires_in": "soon"}, "12h or 90d"),
        ({"prefix": "a/*"}, "Without"),
    ],
)
async def test_wrong_limits_are_told_apart(world: World, parameters: dict[str, Any], words: str) -> None:
    instance = await world.create()
    with pytest.raises(InvalidParameters, match=words):
        await world.marketplace.bindings.bind(order("b", instance, **parameters))


async def test_a_plan_without_credentials_says_so(world: World) -> None:
    service = world.catalog.services[0]
    plans = tuple(replace(plan, is_bindable=False) for plan in service.plans)
    world.catalog = replace(world.catalog, services=(replace(service, plans=plans),))
    instance = await world.create()
    with pytest.raises(NotBindable):
        await world.process().bindings.create_key(instance.guid, "one")


# ---- additional instances


async def test_additional_instances_are_reached_too(world: World) -> None:
    one, two, three = [await world.create(name) for name in ("one", "two", "three")]
    bound = await world.marketplace.bindings.create_key(
        one.guid, "Bob", {"additional_instances": ["three", "two"], "permissions": "read-only"}
    )
    assert isinstance(bound, Bound)
    assert bound.credentials["additional_buckets"] == [three.bucket, two.bucket]
    assert world.engine.keys[bound.binding.guid].buckets == (one.bucket, three.bucket, two.bucket)
    assert await world.marketplace.bindings.credentials(bound.binding) == bound.credentials


@pytest.mark.parametrize("name", ["nobody", "one"])
async def test_an_additional_instance_must_be_another_one_there(world: World, name: str) -> None:
    one = await world.create("one")
    with pytest.raises(InvalidParameters, match="additional_instances"):
        await world.marketplace.bindings.create_key(one.guid, "Bob", {"additional_instances": [name]})
    assert world.engine.keys == {}


async def test_an_additional_instance_of_another_space_is_not_found(world: World) -> None:
    one = await world.create("one")
    org = await world.marketplace.places.create_org("theirs")
    space = await world.marketplace.places.create_space(org.guid, "dev")
    await world.marketplace.instances.create(space.guid, "secret", world.plan())
    with pytest.raises(InvalidParameters, match="secret"):
        await world.marketplace.bindings.create_key(one.guid, "Bob", {"additional_instances": ["secret"]})


async def test_a_removed_additional_instance_is_reached_no_more(world: World) -> None:
    one, two = await world.create("one"), await world.create("two")
    bound = await world.marketplace.bindings.create_key(one.guid, "Bob", {"additional_instances": ["two"]})
    assert isinstance(bound, Bound)
    await world.marketplace.instances.delete(two.guid)
    assert world.engine.keys[bound.binding.guid].buckets == (one.bucket,)
    binding = await world.marketplace.bindings.get(bound.binding.guid)
    assert (await world.marketplace.bindings.credentials(binding))["additional_buckets"] == []


async def test_two_bindings_across_each_other_do_not_wait_forever(world: World) -> None:
    one, two = await world.create("one"), await world.create("two")
    await asyncio.gather(
        *(
            world.process().bindings.create_key(mine.guid, f"k{n}", {"additional_instances": [other]})
            for n in range(4)
            for mine, other in ((one, "two"), (two, "one"))
        )
    )
    assert len(world.engine.keys) == 8


# ---- finding


async def test_a_key_is_found_by_name_and_by_name_alone(world: World) -> None:
    one, two = await world.create("one"), await world.create("two")
    bound = await world.marketplace.bindings.create_key(one.guid, "Bob")
    assert isinstance(bound, Bound)
    assert await world.marketplace.bindings.find_key(one, "Bob") == bound.binding
    assert await world.marketplace.bindings.find_key_in_space(world.default_space, "Bob") == bound.binding
    with pytest.raises(BindingNotFound):
        await world.marketplace.bindings.find_key(two, "Bob")
    await world.marketplace.bindings.create_key(two.guid, "Bob")
    with pytest.raises(AmbiguousName):
        await world.marketplace.bindings.find_key_in_space(world.default_space, "Bob")
