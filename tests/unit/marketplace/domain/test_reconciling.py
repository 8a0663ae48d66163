"""Records and engines compared, and mended: what is found, what is done about it, what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketSettings, Permissions, Rights
from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.domain.reconciling import Finding, Kind
from bucketry.marketplace.domain.record_ports import Hold
from bucketry.marketplace.domain.values import BindingState, InstanceState
from tests.kit.marketplace import World
from tests.kit.memory_engine import MemoryBucket, MemoryKey
from tests.kit.orders import (
    BESIDE,
    BINDING,
    CORS,
    INSTANCE,
    OTHER,
    SECOND,
    USERS_CORS,
    a_reached_instance,
    assert_sound,
    credentials,
    facts,
)

EXTRA_GUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"


@pytest.fixture(autouse=True)
async def ordered(world: World) -> None:
    await a_reached_instance(world)


def bucket(world: World) -> MemoryBucket:
    return world.engine.buckets[world.engine.bucket_name(INSTANCE)]


async def findings(world: World) -> list[Finding]:
    return [finding async for finding in world.marketplace.reconciling.findings()]


async def mended(world: World) -> dict[Kind, str]:
    return {finding.kind: await world.marketplace.mending.mend(finding) for finding in await findings(world)}


def open_to_all(world: World) -> None:
    bucket(world).settings = replace(bucket(world).settings, is_public=True)


def more_rights(world: World) -> None:
    world.engine.keys[BINDING].rights = Rights(Permissions.READ_ONLY)


def other_buckets(world: World) -> None:
    world.engine.keys[BESIDE].buckets = (world.engine.bucket_name(OTHER),)


def another_key(world: World) -> None:
    world.engine.keys[BINDING].other_keys.append("AKIAOFNOBODY")


def an_extra_bucket(world: World) -> None:
    world.engine.buckets[world.engine.bucket_name(EXTRA_GUID)] = MemoryBucket(BucketSettings())


def an_extra_bucket_of_a_strange_name(world: World) -> None:
    world.engine.buckets["bkt-q"] = MemoryBucket(BucketSettings())


def an_extra_identity(world: World) -> None:
    labels = {"bucketry:instance": INSTANCE, "bucketry:binding": EXTRA_GUID}
    world.engine.keys[EXTRA_GUID] = MemoryKey(AccessKey("AKIAEXTRA", "x"), (), Rights(), labels)


def an_extra_identity_without_labels(world: World) -> None:
    world.engine.keys["nobody"] = MemoryKey(AccessKey("AKIAEXTRA", "x"), (), Rights(), {})


MENDABLE = [
    (open_to_all, Kind.SETTINGS),
    (more_rights, Kind.RIGHTS),
    (other_buckets, Kind.RIGHTS),
    (another_key, Kind.EXTRA_KEY),
    (an_extra_bucket, Kind.EXTRA_BUCKET),
    (an_extra_bucket_of_a_strange_name, Kind.EXTRA_BUCKET),
    (an_extra_identity, Kind.EXTRA_IDENTITY),
    (an_extra_identity_without_labels, Kind.EXTRA_IDENTITY),
]


async def test_what_is_as_ordered_is_no_finding(world: World) -> None:
    assert await findings(world) == []


@pytest.mark.parametrize(("spoil", "kind"), MENDABLE, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_finding_is_told_and_mended(world: World, spoil: Callable[[World], None], kind: Kind) -> None:
    before, handed_out = await facts(world), await credentials(world)
    spoil(world)
    spoilt = await facts(world)
    (finding,) = await findings(world)
    assert (finding.kind, finding.is_mendable, finding.is_note) == (kind, True, False)
    assert await facts(world) == spoilt, "comparing changes nothing"
    assert await mended(world) == {kind: ""}
    assert await findings(world) == []
    assert (await facts(world), await credentials(world)) == (before, handed_out)
    await assert_sound(world)


async def test_a_bucket_that_holds_something_is_never_removed(world: World) -> None:
    an_extra_bucket(world)
    name = world.engine.bucket_name(EXTRA_GUID)
    (empty,) = await findings(world)
    world.engine.fill(name, objects=0, uploads=1)
    (finding,) = await findings(world)
    assert (finding.kind, finding.is_mendable) == (Kind.EXTRA_BUCKET, False)
    for told in (finding, empty):  # also where it was empty when it was found
        assert await world.marketplace.mending.mend(told) != ""
    assert world.engine.buckets[name].uploads == 1
    assert await world.records.get_instance(EXTRA_GUID) is None


async def test_what_the_users_of_a_bucket_changed_is_theirs(world: World) -> None:
    bucket(world).settings = replace(bucket(world).settings, cors=USERS_CORS)
    assert await findings(world) == []
    await world.marketplace.instances.update(INSTANCE, parameters={"cors": CORS})
    bucket(world).settings = replace(bucket(world).settings, cors=USERS_CORS, is_public=True)
    found = {finding.kind: finding for finding in await findings(world)}
    assert set(found) == {Kind.SETTINGS, Kind.USERS_SETTINGS}
    assert found[Kind.USERS_SETTINGS].is_note
    await mended(world)
    assert bucket(world).settings == BucketSettings(cors=USERS_CORS)


async def test_a_lost_bucket_is_told_and_not_made_anew(world: World) -> None:
    del world.engine.buckets[world.engine.bucket_name(INSTANCE)]
    (finding,) = await findings(world)
    assert (finding.kind, finding.is_mendable, finding.instance_guid) == (Kind.LOST_BUCKET, False, INSTANCE)
    assert await world.marketplace.mending.mend(finding) == finding.remedy
    assert world.engine.bucket_name(INSTANCE) not in world.engine.buckets


async def test_lost_credentials_are_told_with_the_way_to_others(world: World) -> None:
    await world.engine.revoke(BINDING)
    world.engine.keys[SECOND].key = AccessKey("AKIAANOTHER", "x")
    found = {finding.kind: finding for finding in await findings(world)}
    assert {kind: finding.binding_guid for kind, finding in found.items()} == {
        Kind.LOST_IDENTITY: BINDING,
        Kind.LOST_KEY: SECOND,
    }
    for finding in found.values():
        assert not finding.is_mendable
        assert "rotate" in finding.remedy
    await mended(world)
    assert world.engine.keys[SECOND].key.access_key_id == "AKIAANOTHER", "the only key is never removed"


async def test_a_secret_under_another_master_key_is_told(world: World) -> None:
    binding = await world.records.get_binding(BINDING)
    assert binding is not None
    await world.records.hold_instance(INSTANCE, Hold("t", world.clock() + 1000), world.clock())
    sealed = Envelope([b"o" * 32]).seal(json.dumps(["AKIA", "x"]), f"binding|{BINDING}")
    await world.records.save_binding(replace(binding, sealed_key=sealed), "t", release=True)
    (finding,) = await findings(world)
    assert (finding.kind, finding.is_mendable) == (Kind.SEALED_SECRET, False)


async def test_what_is_under_way_is_left_alone(world: World) -> None:
    instance = await world.records.get_instance(INSTANCE)
    binding = await world.records.get_binding(SECOND)
    assert instance is not None
    assert binding is not None
    hold = Hold("t", world.clock() + 1000)
    await world.records.hold_instance(OTHER, hold, world.clock())
    await world.records.hold_instance(INSTANCE, hold, world.clock())
    await world.records.save_binding(replace(binding, state=BindingState.DELETING), "t", release=False)
    await world.engine.revoke(SECOND)
    assert await findings(world) == []
    open_to_all(world)
    (finding,) = await findings(world)
    assert await world.marketplace.mending.mend(finding) != "", "another has it"
    assert bucket(world).settings.is_public
    await world.records.save_instance(replace(instance, state=InstanceState.UPDATING), "t", release=True)
    assert await findings(world) == []
    assert await world.marketplace.mending.mend(finding) != ""
    assert bucket(world).settings.is_public


async def test_an_order_of_what_was_extra_is_not_taken_away(world: World) -> None:
    an_extra_bucket(world)
    an_extra_identity(world)
    found = await findings(world)
    await world.marketplace.instances.provision(world.order(EXTRA_GUID))
    for finding in found:
        why = await world.marketplace.mending.mend(finding)
        assert bool(why) is (finding.kind is Kind.EXTRA_BUCKET)
    assert world.engine.bucket_name(EXTRA_GUID) in world.engine.buckets
    await assert_sound(world)


async def test_an_engine_that_does_not_answer_is_a_finding(world: World) -> None:
    world.engine.failures["inventory"] = EngineUnavailable("The engine is away.")
    (finding,) = await findings(world)
    assert (finding.kind, finding.text) == (Kind.NO_ENGINE, "The engine is away.")
    world.engine.failures["deviations"] = EngineUnavailable("The engine is away.")
    (finding,) = await findings(world)
    assert finding.kind is Kind.NO_ENGINE
