from __future__ import annotations

import asyncio

import pytest

from bucketry.marketplace.domain.errors import (
    AppNotFound,
    HasContents,
    NameTaken,
    OrgNotFound,
    QuotaNotFound,
    SpaceNotFound,
)
from tests.kit.marketplace import World


async def test_a_new_server_has_an_org_and_a_space(world: World) -> None:
    org = await world.marketplace.places.find_org("default")
    space = await world.marketplace.places.find_space(org.guid, "default")
    assert space.guid == world.default_space
    assert (await world.marketplace.places.find_quota("default")).allows_paid_plans


async def test_the_defaults_are_made_once_by_many(world: World) -> None:
    places = [world.process().places for _ in range(6)]
    spaces = await asyncio.gather(*(place.ensure_default() for place in places))
    assert {space.guid for space in spaces} == {world.default_space}


async def test_names_are_unique_where_they_are(world: World) -> None:
    places = world.marketplace.places
    one, two = await places.create_org("one"), await places.create_org("two")
    with pytest.raises(NameTaken):
        await places.create_org("one")
    await places.create_space(one.guid, "dev")
    await places.create_space(two.guid, "dev")
    with pytest.raises(NameTaken):
        await places.create_space(one.guid, "dev")
    await places.create_app(world.default_space, "web")
    with pytest.raises(NameTaken):
        await places.create_app(world.default_space, "web")
    with pytest.raises(NameTaken):
        await places.create_quota("default", allows_paid_plans=False)


async def test_what_holds_something_is_not_deleted(world: World) -> None:
    places = world.marketplace.places
    org = await places.create_org("one")
    space = await places.create_space(org.guid, "dev")
    outcome = await world.marketplace.instances.create(space.guid, "mine", world.plan())
    app = await places.create_app(space.guid, "web")
    await world.marketplace.bindings.bind_app(outcome.instance.guid, app.guid)
    with pytest.raises(HasContents):
        await places.delete_app(app.guid)
    with pytest.raises(HasContents):
        await places.delete_space(space.guid)
    with pytest.raises(HasContents):
        await places.delete_org(org.guid)
    with pytest.raises(HasContents):
        await places.delete_quota(org.quota_guid)
    await world.marketplace.instances.delete(outcome.instance.guid, with_bindings=True)
    await places.delete_app(app.guid)
    await places.delete_space(space.guid)
    await places.delete_org(org.guid)
    assert [org.name for org in await places.list_orgs()] == ["default"]


async def test_what_is_not_there_is_named(world: World) -> None:
    places = world.marketplace.places
    with pytest.raises(OrgNotFound, match="nowhere"):
        await places.find_org("nowhere")
    with pytest.raises(SpaceNotFound, match="nowhere"):
        await places.find_space("x", "nowhere")
    with pytest.raises(AppNotFound, match="nobody"):
        await places.find_app(world.default_space, "nobody")
    with pytest.raises(OrgNotFound):
        await places.create_space("nowhere", "dev")
    with pytest.raises(SpaceNotFound):
        await places.create_app("nowhere", "web")
    with pytest.raises(QuotaNotFound):
        await places.create_org("one", "no-quota")


async def test_a_quota_is_changed_for_all_its_orgs(world: World) -> None:
    places = world.marketplace.places
    quota = await places.create_quota("small", allows_paid_plans=False)
    org = await places.set_org_quota((await places.create_org("one")).guid, quota.guid)
    assert org.quota_guid == quota.guid
    assert (await places.set_quota(quota.guid, allows_paid_plans=True)).allows_paid_plans
    await places.check_plan_allowed(org.guid, world.plan())
