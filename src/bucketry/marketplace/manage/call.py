"""One call of the API, as its handler sees it: who asks, what was sent, and the things that the path names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec
from aiohttp import web

from bucketry.marketplace.access.tokens import Actor
from bucketry.marketplace.domain.errors import AppNotFound, InstanceNotFound
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.domain.values import App, Instance, Org, Space
from bucketry.marketplace.manage.errors import bad_request
from bucketry.marketplace.web.json_body import read_json_object

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what becomes the JSON body; None: no body (204)."""

    status: int
    value: object = None


@dataclass(frozen=True, slots=True)
class Call:
    """`form`: what the route says that its body is. `version` is that of the server."""

    request: web.Request
    marketplace: Marketplace
    actor: Actor
    form: type[msgspec.Struct] | None
    version: str

    async def body(self, form: type[T]) -> T:
        """The body as `form`, the route's struct. Raises MalformedBody, ApiError 400."""
        assert form is self.form, "the table of routes says what each body is"
        value = await read_json_object(self.request)
        try:
            return msgspec.convert(value, type=form)
        except msgspec.ValidationError as error:
            raise bad_request(f"The body does not fit: {error}.", "See docs/api.md for its fields.") from None

    def name(self, part: str) -> str:
        """What the path has at `{part}`."""
        return self.request.match_info[part]

    async def org(self) -> Org:
        return await self.marketplace.places.find_org(self.name("org"))

    async def space(self) -> Space:
        org = await self.org()
        return await self.marketplace.places.find_space(org.guid, self.name("space"))

    async def app(self) -> App:
        space = await self.space()
        try:
            return await self.marketplace.places.find_app(space.guid, self.name("app"))
        except AppNotFound:
            name = self.name("app")
            raise AppNotFound(f"App '{name}' not found. Register it with: bucketry push {name}") from None

    async def instance(self) -> Instance:
        """By `{guid}`, or by `{org}`, `{space}` and `{instance}`."""
        guid = self.request.match_info.get("guid")
        if guid is not None:
            return await self.marketplace.instances.get(guid)
        space = await self.space()
        try:
            return await self.marketplace.instances.find(space.guid, self.name("instance"))
        except InstanceNotFound:
            raise InstanceNotFound(
                f"Service instance '{self.name('instance')}' not found in org {self.name('org')} / space {space.name}. "
                "`bucketry services` lists those that are there."
            ) from None
