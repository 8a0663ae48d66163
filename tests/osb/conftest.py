"""The broker API over a socket: real domain, real records, an engine in memory. Ids of the tests (PRO-1, …) name rules
of the Open Service Broker API 2.17 and of its clients."""

from __future__ import annotations

import base64
import io
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bucketry.marketplace.access.tokens import Actor, BasicCredentials
from bucketry.marketplace.osb.app import ROOT, make_osb_app
from tests.kit.marketplace import World, open_world

USER, PASSWORD = "broker", "a:pass word"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]  # in any case
    text: str

    @property
    def body(self) -> dict[str, Any]:
        value = json.loads(self.text)
        assert isinstance(value, dict)
        return value

    def __eq__(self, other: object) -> bool:
        """Compared with a number, it is its status; so failures show the text."""
        return self.status == other

    __hash__ = None  # type: ignore[assignment]  # never a key


@dataclass
class Broker:
    """A client of the broker. Answers are checked for what holds for all of them."""

    url: str
    world: World
    session: aiohttp.ClientSession
    service_id: str
    plans: dict[str, str]
    headers: dict[str, str] = field(
        default_factory=lambda: {"Authorization": AUTHORIZATION, "X-Broker-API-Version": "2.17"}
    )

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: str = "",
        raw: bytes | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> Answer:
        """`path` is below /v2 and sent as it is; `headers` None: leave that one out."""
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        if data is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        sent_data = io.BytesIO(data) if data is not None and len(data) > 1 << 20 else data
        url = URL(f"{self.url}{ROOT}{path}{'?' if query else ''}{query}", encoded=True)
        async with self.session.request(method, url, data=sent_data, headers=sent, allow_redirects=False) as response:
            answer = Answer(response.status, response.headers.copy(), await response.text())
        check(answer)
        return answer

    @property
    def ids(self) -> dict[str, str]:
        return {"service_id": self.service_id, "plan_id": self.plans["basic"]}

    @property
    def ids_query(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.ids.items())

    def order(self, plan: str = "basic", **fields: object) -> dict[str, object]:
        """The body of a provision."""
        order = {**self.ids, "plan_id": self.plans[plan], "organization_guid": "org", "space_guid": "space"}
        return {**order, **fields}

    async def provision(self, guid: str | None = None, plan: str = "basic", **fields: object) -> str:
        guid = guid or str(uuid.uuid4())
        assert await self.ask("PUT", instance(guid), self.order(plan, **fields)) == 201
        return guid

    async def bind(self, instance_id: str, guid: str | None = None, **fields: object) -> str:
        guid = guid or str(uuid.uuid4())
        assert await self.ask("PUT", binding(instance_id, guid), {**self.ids, **fields}) == 201
        return guid

    async def is_unknown(self, guid: str) -> bool:
        """PRO-11: no trace of an instance."""
        statuses = [
            (await self.ask("GET", instance(guid))).status,
            (await self.ask("GET", instance(guid) + "/last_operation")).status,
            (await self.ask("DELETE", instance(guid), query=self.ids_query)).status,
        ]
        return statuses == [404, 404, 410]


def instance(guid: str) -> str:
    return f"/service_instances/{guid}"


def binding(instance_id: str, guid: str) -> str:
    return f"{instance(instance_id)}/service_bindings/{guid}"


def check(answer: Answer) -> None:
    """BODY-1, ERR-1, ERR-2, ERR-4: what holds for every answer."""
    assert answer.status < 500, answer.text
    if answer.status == 304:
        return
    assert answer.headers["Content-Type"].startswith("application/json"), answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-Id"]
    if answer.status >= 400:
        assert isinstance(answer.body["description"], str)
        assert answer.body["description"]
        error = answer.body.get("error", "Word")
        assert error.isalnum()
        assert error[0].isupper()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with open_world(tmp_path) as world:
        app = web.Application()
        credentials = BasicCredentials(USER, PASSWORD, Actor("broker", is_admin=True))
        app.add_subapp(ROOT, make_osb_app(world.marketplace, credentials))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        (host, port), *_ = runner.addresses
        (service,) = world.catalog.services
        plans = {plan.name: plan.guid for plan in service.plans}
        async with aiohttp.ClientSession() as session:
            yield Broker(f"http://{host}:{port}", world, session, service.guid, plans)
        await runner.cleanup()
