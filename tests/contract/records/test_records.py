"""record_ports.Records, over each database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bucketry.marketplace.domain.record_ports import Duplicate, Held, Hold, HoldLost, StillReferenced
from bucketry.marketplace.domain.values import (
    App,
    Binding,
    BindingKind,
    BindingState,
    Instance,
    InstanceState,
    LastOperation,
    OperationState,
    OperationType,
    Org,
    Quota,
    Space,
)
from bucketry.marketplace.records.sql import SqlRecords

HOLD = Hold("me", 2000)
LAST = LastOperation(OperationType.CREATE, OperationState.SUCCEEDED, "create succeeded", 1)


def instance(guid: str = "i1", name: str = "mine", **changes: object) -> Instance:
    made = Instance(
        guid=guid,
        name=name,
        org_guid="o1",
        space_guid="s1",
        is_local=False,
        service_guid="service",
        plan_guid="plan",
        parameters={"b": [1, True, None, "ü"], "a": {}},
        tags=("one", "two"),
        state=InstanceState.READY,
        engine="embedded",
        bucket=f"bkt-{guid}",
        last_operation=LAST,
        created_ms=1,
        updated_ms=2,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # mixed values


def binding(guid: str = "b1", instance_guid: str = "i1", **changes: object) -> Binding:
    made = Binding(
        guid=guid,
        kind=BindingKind.KEY,
        name="",
        instance_guid=instance_guid,
        app_guid=None,
        is_local=False,
        parameters={"permissions": "read-only"},
        additional_instances=(),
        state=BindingState.READY,
        created_ms=1,
        sealed_key=b"\x00\xff",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # mixed values


async def add_places(records: SqlRecords) -> None:
    await records.insert_quota(Quota("q1", "default", True, 1))
    await records.insert_org(Org("o1", "org", "q1", 1))
    await records.insert_space(Space("s1", "space", "o1", 1))
    await records.insert_app(App("a1", "web", "s1", 1))


# ---- places


async def test_places_come_back_as_they_were(records: SqlRecords) -> None:
    await add_places(records)
    assert await records.list_quotas() == [Quota("q1", "default", True, 1)]
    assert await records.get_org("o1") == await records.find_org("org") == Org("o1", "org", "q1", 1)
    assert await records.get_space("s1") == await records.find_space("o1", "space") == Space("s1", "space", "o1", 1)
    assert await records.get_app("a1") == await records.find_app("s1", "web") == App("a1", "web", "s1", 1)
    assert [len(found) for found in (await records.list_orgs(), await records.list_spaces("o1"))] == [1, 1]
    assert await records.find_org("ORG") is None
    assert await records.find_space("o2", "space") is None


async def test_a_taken_name_is_refused(records: SqlRecords) -> None:
    await add_places(records)
    for insert in (
        records.insert_quota(Quota("q2", "default", True, 1)),
        records.insert_org(Org("o2", "org", "q1", 1)),
        records.insert_space(Space("s2", "space", "o1", 1)),
        records.insert_app(App("a2", "web", "s1", 1)),
    ):
        with pytest.raises(Duplicate) as told:
            await insert
        assert told.value.what == "name"


async def test_what_others_are_under_stays(records: SqlRecords) -> None:
    await add_places(records)
    for delete in (records.delete_quota("q1"), records.delete_org("o1"), records.delete_space("s1")):
        with pytest.raises(StillReferenced):
            await delete
    with pytest.raises(StillReferenced):
        await records.insert_space(Space("s2", "space", "nowhere", 1))
    await records.delete_app("a1")
    await records.delete_space("s1")
    await records.delete_org("o1")
    assert await records.get_org("o1") is None


# ---- instances


async def test_an_instance_comes_back_as_it_was(records: SqlRecords) -> None:
    await records.insert_instance(instance(), HOLD)
    assert await records.get_instance("i1") == instance()
    changed = instance(name="other", parameters={}, tags=(), state=InstanceState.UPDATING, updated_ms=9)
    await records.save_instance(changed, "me", release=True)
    assert await records.get_instance("i1") == changed
    assert await records.find_instances("s1", "other") == [changed]
    assert await records.find_instances("s1", "mine") == []


async def test_an_id_is_taken_once_whatever_else_is_the_same(records: SqlRecords) -> None:
    await add_places(records)
    await records.insert_instance(instance(is_local=True), HOLD)
    for again in (instance(is_local=True), instance(name="other"), instance(space_guid="s9")):
        with pytest.raises(Duplicate) as told:
            await records.insert_instance(again, HOLD)
        assert told.value.what == "guid"


async def test_names_are_unique_in_local_spaces_alone(records: SqlRecords) -> None:
    await add_places(records)
    await records.insert_instance(instance("i1", is_local=True), HOLD)
    with pytest.raises(Duplicate) as told:
        await records.insert_instance(instance("i2", is_local=True), HOLD)
    assert told.value.what == "name"
    await records.insert_instance(instance("i3"), HOLD)
    await records.insert_instance(instance("i4"), HOLD)
    with pytest.raises(StillReferenced):
        await records.insert_instance(instance("i5", space_guid="nowhere", is_local=True), HOLD)
    with pytest.raises(StillReferenced):
        await records.delete_space("s1")


async def test_a_rename_to_a_taken_name_is_refused(records: SqlRecords) -> None:
    await add_places(records)
    await records.insert_instance(instance("i1", "one", is_local=True), HOLD)
    await records.insert_instance(instance("i2", "two", is_local=True), HOLD)
    with pytest.raises(Duplicate):
        await records.save_instance(instance("i2", "one", is_local=True), "me", release=True)


async def test_a_page_begins_after_a_name(records: SqlRecords) -> None:
    for number, name in enumerate(("b", "a", "c", "d")):
        await records.insert_instance(instance(f"i{number}", name), HOLD)
    await records.insert_instance(instance("elsewhere", "b", space_guid="s2"), HOLD)
    assert [found.name for found in await records.list_instances("s1", "", 2)] == ["a", "b"]
    assert [found.name for found in await records.list_instances("s1", "b", 9)] == ["c", "d"]


# ---- holds


async def test_a_hold_is_had_by_one(records: SqlRecords) -> None:
    await records.insert_instance(instance(), HOLD)
    assert await records.hold_instance("i1", Hold("you", 9000), 1999) is Held.ELSEWHERE
    assert await records.hold_instance("nowhere", HOLD, 0) is Held.MISSING
    await records.release_instance("i1", "you")
    assert await records.hold_instance("i1", Hold("you", 9000), 1999) is Held.ELSEWHERE
    await records.release_instance("i1", "me")
    assert await records.hold_instance("i1", Hold("you", 9000), 0) == instance()


async def test_a_hold_that_ran_out_is_lost(records: SqlRecords) -> None:
    await records.insert_instance(instance(), HOLD)
    assert await records.hold_instance("i1", Hold("you", 9000), 2001) == instance()
    assert not await records.renew_hold("i1", Hold("me", 9999))
    await records.insert_binding(binding(), "you")
    for write in (
        records.save_instance(instance(), "me", release=False),
        records.delete_instance("i1", "me"),
        records.insert_binding(binding("b2"), "me"),
        records.save_binding(binding(), "me", release=True),
        records.delete_binding(binding(), "me", release=False),
    ):
        with pytest.raises(HoldLost):
            await write
    assert await records.list_bindings("i1") == [binding()]


async def test_a_renewed_hold_lasts_longer(records: SqlRecords) -> None:
    await records.insert_instance(instance(), HOLD)
    assert await records.renew_hold("i1", Hold("me", 5000))
    assert await records.hold_instance("i1", Hold("you", 9000), 4999) is Held.ELSEWHERE


async def test_one_of_many_processes_gets_the_hold(opened: Callable[[], SqlRecords]) -> None:
    processes = [opened() for _ in range(4)]
    await processes[0].insert_instance(instance(), Hold("gone", 0))
    taken = await asyncio.gather(
        *(
            process.hold_instance("i1", Hold(f"{turn} of {number}", 9000), 1)
            for turn in range(5)
            for number, process in enumerate(processes)
        )
    )
    assert sorted(type(result).__name__ for result in taken) == ["Held"] * 19 + ["Instance"]


async def test_one_of_many_processes_inserts(opened: Callable[[], SqlRecords]) -> None:
    processes = [opened() for _ in range(4)]
    results = await asyncio.gather(
        *(process.insert_instance(instance(), HOLD) for process in processes), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Duplicate"] * 3 + ["NoneType"]


async def test_the_unfinished_are_found_unless_held(records: SqlRecords) -> None:
    await records.insert_instance(instance("ready"), HOLD)
    await records.insert_instance(instance("half", state=InstanceState.CREATING), HOLD)
    await records.insert_instance(instance("with-binding"), HOLD)
    await records.insert_binding(binding("b1", "with-binding", state=BindingState.CREATING), "me")
    assert await records.unfinished_instances(1999, 10) == []
    assert sorted(await records.unfinished_instances(2001, 10)) == ["half", "with-binding"]
    assert len(await records.unfinished_instances(2001, 1)) == 1
    await records.save_binding(binding("b1", "with-binding"), "me", release=True)
    await records.save_instance(instance("half"), "me", release=True)
    assert await records.unfinished_instances(9999, 10) == []


# ---- bindings


async def test_a_binding_comes_back_as_it_was(records: SqlRecords) -> None:
    for guid in ("i1", "i2", "i3"):
        await records.insert_instance(instance(guid), HOLD)
    made = binding(app_guid="app", kind=BindingKind.APP, name="n", additional_instances=("i3", "i2"), sealed_key=None)
    await records.insert_binding(made, "me")
    assert await records.get_binding("b1") == made
    done = replace(made, sealed_key=b"sealed", state=BindingState.DELETING)
    await records.save_binding(done, "me", release=True)
    assert await records.list_bindings("i1") == await records.list_app_bindings("app") == [done]
    assert await records.list_bindings_beside("i2") == await records.list_bindings_beside("i3") == [done]
    assert await records.list_bindings_beside("i1") == []


async def test_keys_are_unique_by_name_and_apps_by_app(records: SqlRecords) -> None:
    await add_places(records)
    await records.insert_instance(instance("i1"), HOLD)
    await records.insert_instance(instance("i2"), HOLD)
    key = binding("k1", is_local=True, name="Bob")
    app = binding("p1", is_local=True, kind=BindingKind.APP, app_guid="a1")
    await records.insert_binding(key, "me")
    await records.insert_binding(app, "me")
    for again, what in (
        (replace(key, guid="k2"), "name"),
        (replace(app, guid="p2"), "app"),
        (key, "guid"),
        (replace(key, instance_guid="i2"), "guid"),
    ):
        with pytest.raises(Duplicate) as told:
            await records.insert_binding(again, "me")
        assert told.value.what == what
    await records.insert_binding(replace(key, guid="k3", instance_guid="i2"), "me")
    assert await records.find_key("i1", "Bob") == key
    assert {found.guid for found in await records.find_keys("s1", "Bob")} == {"k1", "k3"}
    assert await records.find_keys("s2", "Bob") == []
    with pytest.raises(StillReferenced):
        await records.delete_app("a1")


async def test_foreign_bindings_need_no_names(records: SqlRecords) -> None:
    await records.insert_instance(instance(), HOLD)
    for guid in ("b1", "b2"):
        await records.insert_binding(binding(guid, kind=BindingKind.APP, app_guid="theirs"), "me")
    assert len(await records.list_app_bindings("theirs")) == 2


async def test_an_instance_with_bindings_stays_and_mentions_go_with_it(records: SqlRecords) -> None:
    await records.insert_instance(instance("i1"), HOLD)
    await records.insert_instance(instance("i2"), HOLD)
    await records.insert_binding(binding(additional_instances=("i2",)), "me")
    with pytest.raises(StillReferenced):
        await records.delete_instance("i1", "me")
    await records.delete_instance("i2", "me")
    assert await records.get_binding("b1") == binding()
    with pytest.raises(StillReferenced):
        await records.insert_binding(binding("b2", additional_instances=("i2",)), "me")
    await records.delete_binding(binding(), "me", release=False)
    await records.delete_instance("i1", "me")
    assert await records.get_instance("i1") is None


async def test_bindings_are_listed_the_oldest_first(records: SqlRecords) -> None:
    await records.insert_instance(instance(), HOLD)
    for guid, created_ms in (("a", 3), ("b", 1), ("c", 2)):
        await records.insert_binding(binding(guid, created_ms=created_ms), "me")
    assert [found.guid for found in await records.list_bindings("i1")] == ["b", "c", "a"]


# ---- engines


async def test_an_engine_is_at_one_place_whoever_asks(opened: Callable[[], SqlRecords]) -> None:
    processes = [opened() for _ in range(4)]
    told = await asyncio.gather(
        *(process.claim_engine("embedded", str(number)) for number, process in enumerate(processes))
    )
    assert len(set(told)) == 1
    assert await processes[0].claim_engine("another", "here") == "here"
    assert await processes[1].claim_engine("another", "there") == "here"
