"""Orgs and spaces."""

from __future__ import annotations

import msgspec

from bucketry.marketplace.domain.errors import NameTaken
from bucketry.marketplace.domain.values import Org, Space
from bucketry.marketplace.manage.call import Answer, Call
from bucketry.marketplace.manage.views import NameView, moment


class NewPlace(msgspec.Struct, forbid_unknown_fields=True):
    """An org or a space."""

    name: str


async def list_orgs(call: Call) -> Answer:
    """All orgs, by name."""
    return Answer(200, [_view(org) for org in await call.marketplace.places.list_orgs()])


async def create_org(call: Call) -> Answer:
    """Make an org with the default quota. 201, or 200 if it is there."""
    wanted = await call.body(NewPlace)
    places = call.marketplace.places
    try:
        return Answer(201, _view(await places.create_org(wanted.name)))
    except NameTaken:
        return Answer(200, _view(await places.find_org(wanted.name)))


async def delete_org(call: Call) -> Answer:
    """Remove an org that has no spaces."""
    org = await call.org()
    await call.marketplace.places.delete_org(org.guid)
    return Answer(204)


async def list_spaces(call: Call) -> Answer:
    """The spaces of an org, by name."""
    org = await call.org()
    return Answer(200, [_view(space) for space in await call.marketplace.places.list_spaces(org.guid)])


async def create_space(call: Call) -> Answer:
    """Make a space. 201, or 200 if it is there."""
    org = await call.org()
    wanted = await call.body(NewPlace)
    places = call.marketplace.places
    try:
        return Answer(201, _view(await places.create_space(org.guid, wanted.name)))
    except NameTaken:
        return Answer(200, _view(await places.find_space(org.guid, wanted.name)))


async def delete_space(call: Call) -> Answer:
    """Remove a space that holds no service instances or apps."""
    space = await call.space()
    await call.marketplace.places.delete_space(space.guid)
    return Answer(204)


def _view(place: Org | Space) -> NameView:
    return NameView(place.guid, place.name, moment(place.created_ms))
