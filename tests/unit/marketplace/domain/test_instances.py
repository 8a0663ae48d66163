from __future__ import annotations

import asyncio

import pytest

from bucketry.marketplace.domain.bindings import Bound
from bucketry.marketplace.domain.engine_ports import Emptied, Usage
from bucketry.marketplace.domain.errors import (
    Busy,
    EngineRefused,
    EngineUnavailable,
    HasBindings,
    InstanceNotFound,
    InvalidName,
    InvalidParameters,
    NameTaken,
    NotEmpty,
    PaidPlansNotAllowed,
    PlanChangeRefused,
    SpaceNotFound,
    UnknownPlan,
    UnknownService,
)
from bucketry.marketplace.domain.instance_changes import Unchanged, Updated
from bucketry.marketplace.domain.instances import Created, ExistsAlike, ExistsDifferently
from bucketry.marketplace.domain.values import InstanceState, OperationState, OperationType
from tests.kit.marketplace import World

CORS = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
OTHER_CORS = {"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["PUT"]}]}


async def test_an_order_makes_a_bucket_with_its_settings(world: World) -> None:
    outcome = await world.marketplace.instances.provision(
        world.order("i1", "basic-public", parameters={"cors": CORS, "object_ownership": "ObjectWriter"})
    )
    assert isinstance(outcome, Created)
    settings = world.engine.buckets[outcome.instance.bucket].settings
    assert (settings.is_public, settings.object_ownership, settings.cors) == (True, "ObjectWriter", CORS)
    assert outcome.instance.last_operation.type is OperationType.CREATE
    assert outcome.instance.last_operation.state is OperationState.SUCCEEDED
    assert await world.marketplace.instances.get("i1") == outcome.instance


async def test_the_same_order_again_exists_alike(world: World) -> None:
    order = world.order("i1", parameters={"object_ownership": "ObjectWriter"})
    assert isinstance(await world.marketplace.instances.provision(order), Created)
    assert isinstance(await world.marketplace.instances.provision(order), ExistsAlike)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"plan": "basic-public"}, "plan"),
        ({"org_guid": "another"}, "organization"),
        ({"space_guid": "another"}, "space"),
        ({"parameters": {"object_ownership": "ObjectWriter"}}, "parameters"),
    ],
)
async def test_another_order_of_the_same_id_exists_differently(
    world: World, change: dict[str, object], difference: str
) -> None:
    await world.marketplace.instances.provision(world.order("i1"))
    outcome = await world.marketplace.instances.provision(world.order("i1", **change))  # type: ignore[arg-type]  # values of mixed types
    assert isinstance(outcome, ExistsDifferently)
    assert outcome.difference == difference


async def test_many_identical_orders_at_once_make_one_bucket(world: World) -> None:
    elsewhere = world.process()
    orders = [
        market.instances.provision(world.order("i1")) for market in (world.marketplace, elsewhere) for _ in range(8)
    ]
    outcomes = await asyncio.gather(*orders)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Created"] + ["ExistsAlike"] * 15
    assert list(world.engine.buckets) == ["bkt-i1"]


async def test_many_deletions_at_once_delete_once(world: World) -> None:
    await world.marketplace.instances.provision(world.order("i1"))
    elsewhere = world.process()
    results = await asyncio.gather(
        *(market.instances.delete("i1") for market in (world.marketplace, elsewhere) for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["InstanceNotFound"] * 7 + ["NoneType"]


async def test_orders_and_deletions_at_once_leave_a_clear_end(world: World) -> None:
    work = [world.marketplace.instances.provision(world.order("i1")) for _ in range(6)]
    work += [world.process().instances.delete("i1") for _ in range(6)]  # type: ignore[misc]  # None beside outcomes
    await asyncio.gather(*work, return_exceptions=True)
    is_there = await world.records.get_instance("i1") is not None
    assert bool(world.engine.buckets) is is_there
    assert await world.records.unfinished_instances(world.clock() + 1, 10) == []


async def test_unknown_service_and_plan_leave_no_trace(world: World) -> None:
    with pytest.raises(UnknownService):
        await world.marketplace.instances.provision(world.order("i1", service_guid="s3"))
    with pytest.raises(UnknownPlan, match="basic, basic-public"):
        await world.marketplace.instances.provision(world.order("i1", plan_guid="BASIC"))
    with pytest.raises(InvalidParameters, match="versioning"):
        await world.marketplace.instances.provision(world.order("i1", parameters={"versioning": True}))
    assert await world.records.get_instance("i1") is None


@pytest.mark.parametrize("step", ["create_bucket", "configure"])
@pytest.mark.parametrize("error", [EngineRefused("no"), EngineUnavailable("away")])
async def test_an_order_that_the_engine_fails_leaves_nothing(
    world: World, step: str, error: EngineRefused | EngineUnavailable
) -> None:
    world.engine.failures[step] = error
    with pytest.raises(type(error), match=str(error)):
        await world.marketplace.instances.provision(world.order("i1"))
    assert await world.records.get_instance("i1") is None
    assert world.engine.buckets == {}
    assert isinstance(await world.marketplace.instances.provision(world.order("i1")), Created)


async def test_what_can_not_be_undone_now_is_undone_by_the_keeper(world: World) -> None:
    world.engine.failures = {"configure": EngineUnavailable("away"), "delete_bucket": EngineUnavailable("still away")}
    with pytest.raises(EngineUnavailable, match=r"^away$"):
        await world.marketplace.instances.provision(world.order("i1"))
    assert list(world.engine.buckets) == ["bkt-i1"]
    with pytest.raises(InstanceNotFound):
        await world.marketplace.instances.get("i1")
    assert await world.marketplace.resume_unfinished() == 1
    assert world.engine.buckets == {}
    assert await world.records.get_instance("i1") is None


async def test_the_keeper_leaves_what_others_work_on(world: World) -> None:
    begun = asyncio.Event()
    finish = asyncio.Event()

    async def wait(*_arguments: object) -> None:
        begun.set()
        await finish.wait()

    world.engine.configure = wait  # type: ignore[method-assign]  # the fake engine waits here
    order = asyncio.create_task(world.marketplace.instances.provision(world.order("i1")))
    await begun.wait()
    assert await world.process().resume_unfinished() == 0
    with pytest.raises(Busy):
        await world.process(wait_ms=0).instances.delete("i1")
    finish.set()
    assert isinstance(await order, Created)


async def test_a_bucket_of_a_lost_record_keeps_its_content(world: World) -> None:
    await world.marketplace.instances.provision(world.order("i1"))
    world.engine.fill("bkt-i1", 3)
    async with world.marketplace.instances._context.holds.work("i1") as work:
        assert await work.take()
        await work.delete()  # as if the database was lost
    world.engine.failures["configure"] = EngineRefused("no")
    with pytest.raises(EngineRefused):
        await world.marketplace.instances.provision(world.order("i1"))
    assert world.engine.buckets["bkt-i1"].objects == 3
    assert await world.records.get_instance("i1") is None


# ---- by name


async def test_a_name_that_is_taken_alike_is_told(world: World) -> None:
    instance = await world.create("mine")
    outcome = await world.marketplace.instances.create(world.default_space, "mine", world.plan())
    assert isinstance(outcome, ExistsAlike)
    assert outcome.instance.guid == instance.guid


async def test_a_name_that_is_taken_otherwise_is_told(world: World) -> None:
    await world.create("mine")
    outcome = await world.marketplace.instances.create(world.default_space, "mine", world.plan("basic-public"))
    assert isinstance(outcome, ExistsDifferently)


async def test_a_name_ordered_by_many_at_once_is_made_once(world: World) -> None:
    outcomes = await asyncio.gather(
        *(market.instances.create(world.default_space, "mine", world.plan()) for market in [world.process()] * 5)
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Created"] + ["ExistsAlike"] * 4
    assert len(world.engine.buckets) == 1


@pytest.mark.parametrize("name", ["", " x", "a\nb", "a\0", "x" * 256])
async def test_odd_names_are_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidName):
        await world.marketplace.instances.create(world.default_space, name, world.plan())


async def test_a_name_may_be_any_unicode(world: World) -> None:
    instance = await world.create("Ünïcode 桶")
    assert await world.marketplace.instances.find(world.default_space, "Ünïcode 桶") == instance


async def test_a_missing_space_is_told(world: World) -> None:
    with pytest.raises(SpaceNotFound):
        await world.marketplace.instances.create("nowhere", "mine", world.plan())


async def test_a_quota_without_paid_plans_names_the_way_out(world: World) -> None:
    quota = await world.marketplace.places.create_quota("free-only", allows_paid_plans=False)
    org = await world.marketplace.places.create_org("poor", quota.guid)
    space = await world.marketplace.places.create_space(org.guid, "dev")
    with pytest.raises(PaidPlansNotAllowed) as told:
        await world.marketplace.instances.create(space.guid, "mine", world.plan("basic-public"))
    for word in ("basic-public", "$0.03 / GB / month", "poor", "free-only", "basic-public-sandbox", "update-org-quota"):
        assert word in str(told.value)
    sandbox = await world.marketplace.instances.create(space.guid, "mine", world.plan("basic-public-sandbox"))
    assert isinstance(sandbox, Created)
    with pytest.raises(PaidPlansNotAllowed):
        await world.marketplace.instances.update(sandbox.instance.guid, world.plan("basic-public").guid)


async def test_instances_are_listed_by_name_in_pages(world: World) -> None:
    for name in ("c", "a", "b"):
        await world.create(name)
    first = await world.marketplace.instances.list_in_space(world.default_space, limit=2)
    rest = await world.marketplace.instances.list_in_space(world.default_space, after_name=first[-1].name)
    assert [instance.name for instance in (*first, *rest)] == ["a", "b", "c"]


async def test_a_rename_keeps_the_bucket_and_refuses_a_taken_name(world: World) -> None:
    instance = await world.create("old")
    await world.create("taken")
    with pytest.raises(NameTaken):
        await world.marketplace.instances.rename(instance.guid, "taken")
    renamed = await world.marketplace.instances.rename(instance.guid, "new")
    assert isinstance(renamed, Updated)
    assert (renamed.instance.name, renamed.instance.bucket) == ("new", instance.bucket)
    assert isinstance(await world.marketplace.instances.rename(instance.guid, "new"), Unchanged)


# ---- changing


async def test_an_update_merges_parameters_and_null_takes_one_back(world: World) -> None:
    instance = await world.create(parameters={"cors": CORS, "object_ownership": "ObjectWriter"})
    await world.marketplace.instances.update(instance.guid, parameters={"cors": OTHER_CORS})
    changed = await world.marketplace.instances.get(instance.guid)
    assert changed.parameters == {"cors": OTHER_CORS, "object_ownership": "ObjectWriter"}
    await world.marketplace.instances.update(instance.guid, parameters={"cors": None})
    assert (await world.marketplace.instances.get(instance.guid)).parameters == {"object_ownership": "ObjectWriter"}
    assert world.engine.buckets[instance.bucket].settings.cors is None


async def test_an_update_to_what_is_changes_nothing(world: World) -> None:
    instance = await world.create(parameters={"cors": CORS})
    outcome = await world.marketplace.instances.update(instance.guid, instance.plan_guid, {"cors": CORS})
    assert isinstance(outcome, Unchanged)
    assert await world.marketplace.instances.get(instance.guid) == instance


async def test_a_plan_change_opens_and_closes_the_bucket(world: World) -> None:
    instance = await world.create()
    await world.marketplace.instances.update(instance.guid, world.plan("basic-public").guid)
    assert world.engine.buckets[instance.bucket].settings.is_public
    await world.marketplace.instances.update(instance.guid, world.plan("basic").guid)
    assert not world.engine.buckets[instance.bucket].settings.is_public


async def test_a_plan_that_drops_content_can_not_be_changed_to(world: World) -> None:
    instance = await world.create()
    with pytest.raises(PlanChangeRefused, match="protects"):
        await world.marketplace.instances.update(instance.guid, world.plan("basic-sandbox").guid)
    assert await world.marketplace.instances.get(instance.guid) == instance


async def test_a_sandbox_can_become_a_plan_that_protects(world: World) -> None:
    instance = await world.create(plan="basic-sandbox")
    await world.marketplace.instances.update(instance.guid, world.plan("basic").guid)
    world.engine.fill(instance.bucket)
    with pytest.raises(NotEmpty):
        await world.marketplace.instances.delete(instance.guid)


async def test_a_failed_update_leaves_the_instance_as_it_was(world: World) -> None:
    instance = await world.create()
    world.engine.failures["configure"] = EngineRefused("no")
    with pytest.raises(EngineRefused):
        await world.marketplace.instances.update(instance.guid, world.plan("basic-public").guid, {"cors": CORS})
    after = await world.marketplace.instances.get(instance.guid)
    assert (after.plan_guid, after.parameters, after.state) == (instance.plan_guid, {}, InstanceState.READY)
    assert after.last_operation.state is OperationState.FAILED
    assert not world.engine.buckets[instance.bucket].settings.is_public


# ---- removing


async def test_a_full_bucket_is_refused_with_what_is_in_it(world: World) -> None:
    instance = await world.create("mine")
    world.engine.fill(instance.bucket, 1234, 5_000_000, uploads=1)
    with pytest.raises(NotEmpty) as told:
        await world.marketplace.instances.delete(instance.guid)
    for words in ("1,234 objects", "5,000,000 bytes", "1 unfinished upload", "bucketry empty-bucket mine"):
        assert words in str(told.value)
    assert told.value.details == {"objects": 1234, "size_bytes": 5_000_000, "uploads": 1}
    assert await world.marketplace.instances.get(instance.guid) == instance


async def test_a_bucket_with_unfinished_uploads_alone_is_full(world: World) -> None:
    instance = await world.create()
    world.engine.fill(instance.bucket, 0, 0, uploads=2)
    with pytest.raises(NotEmpty, match="2 unfinished uploads"):
        await world.marketplace.instances.delete(instance.guid)


async def test_a_sandbox_goes_with_its_content(world: World) -> None:
    instance = await world.create(plan="basic-sandbox")
    world.engine.fill(instance.bucket, 2500, uploads=2)
    await world.marketplace.instances.delete(instance.guid)
    assert world.engine.buckets == {}


async def test_an_instance_with_keys_is_refused_unless_asked_for(world: World) -> None:
    instance = await world.create()
    bound = await world.marketplace.bindings.create_key(instance.guid, "Bob")
    assert isinstance(bound, Bound)
    with pytest.raises(HasBindings):
        await world.marketplace.instances.delete(instance.guid)
    world.engine.fill(instance.bucket)
    with pytest.raises(NotEmpty):
        await world.marketplace.instances.delete(instance.guid, with_bindings=True)
    assert bound.binding.guid in world.engine.keys, "a refused deletion must leave the keys"
    world.engine.fill(instance.bucket, 0, 0)
    await world.marketplace.instances.delete(instance.guid, with_bindings=True)
    assert (world.engine.keys, world.engine.buckets) == ({}, {})


async def test_a_deletion_that_the_engine_fails_is_finished_later(world: World) -> None:
    instance = await world.create()
    world.engine.failures["delete_bucket"] = EngineUnavailable("away")
    with pytest.raises(EngineUnavailable):
        await world.marketplace.instances.delete(instance.guid)
    assert (await world.marketplace.instances.get(instance.guid)).state is InstanceState.DELETING
    await world.marketplace.resume_unfinished()
    with pytest.raises(InstanceNotFound):
        await world.marketplace.instances.get(instance.guid)


async def test_a_deletion_resumed_on_a_bucket_that_was_filled_is_given_up(world: World) -> None:
    instance = await world.create()
    world.engine.failures["delete_bucket"] = EngineUnavailable("away")
    with pytest.raises(EngineUnavailable):
        await world.marketplace.instances.delete(instance.guid)
    world.engine.fill(instance.bucket)
    await world.marketplace.resume_unfinished()
    after = await world.marketplace.instances.get(instance.guid)
    assert (after.state, after.last_operation.state) == (InstanceState.READY, OperationState.FAILED)
    assert "empty-bucket" in after.last_operation.description


async def test_a_name_can_be_used_again_after_deletion(world: World) -> None:
    first = await world.create("mine")
    await world.marketplace.instances.delete(first.guid)
    second = await world.create("mine", plan="basic-public")
    assert second.guid != first.guid


async def test_emptying_tells_its_progress(world: World) -> None:
    instance = await world.create()
    world.engine.fill(instance.bucket, 2500, 25_000, uploads=3)
    steps = [step async for step in world.marketplace.instances.empty(instance.guid)]
    assert [step.objects for step in steps] == [0, 1000, 2000, 2500]
    assert steps[-1] == Emptied(2500, 25_000, 3)
    assert await world.marketplace.instances.usage(instance.guid) == Usage(0, 0, 0)


async def test_what_the_engine_cannot_is_refused_before_anything_is_recorded(world: World) -> None:
    quota = {"quota": {"size": "10 GB"}}
    with pytest.raises(EngineRefused, match="quota"):
        await world.marketplace.instances.provision(world.order("i1", parameters=quota))
    assert await world.records.get_instance("i1") is None
    await world.marketplace.instances.provision(world.order("i1"))
    before = await world.records.get_instance("i1")
    with pytest.raises(EngineRefused, match="quota"):
        await world.marketplace.instances.update("i1", parameters=quota)
    assert await world.records.get_instance("i1") == before
