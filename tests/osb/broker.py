"""A platform's side of the Open Service Broker API, asked of a broker in this process or of any endpoint."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from yarl import URL

from bucketry.marketplace.domain.catalog import Catalog
from bucketry.marketplace.osb.app import ROOT
from tests.kit.marketplace import World

POLL_SECONDS = 300.0
_SHORT_ID = re.compile(r"[A-Za-z0-9-]{1,40}")
_IDS_OF_PATH = re.compile(r"(?<=/service_instances/)[^/?]+|(?<=/service_bindings/)[^/?]+")


@dataclass(frozen=True)
class Endpoint:
    """A broker elsewhere: BUCKETRY_OSB_URL (without /v2), BUCKETRY_OSB_USERNAME, BUCKETRY_OSB_PASSWORD."""

    url: str
    username: str
    password: str

    @classmethod
    def of_environment(cls) -> Endpoint | None:
        url = os.environ.get("BUCKETRY_OSB_URL", "").rstrip("/").removesuffix(ROOT)
        if not url:
            return None
        return cls(url, os.environ["BUCKETRY_OSB_USERNAME"], os.environ["BUCKETRY_OSB_PASSWORD"])


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


class Plans(dict[str, str]):
    """Ids by name. A test that needs a plan which this broker does not have is skipped."""

    def __missing__(self, name: str) -> str:
        pytest.skip(f"this broker has no plan {name}")


@dataclass
class Broker:
    """A client of the broker. Answers are checked for what holds for all of them.

    Tests name their instances and bindings i1, b1, …; at an endpoint elsewhere, `suffix` keeps them apart from
    those of others, in paths and in predecessor_binding_id.
    """

    url: str
    session: aiohttp.ClientSession
    authorization: str
    service_id: str = ""
    plans: dict[str, str] = field(default_factory=Plans)
    inside: World | None = None
    suffix: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    _made: dict[str, str] = field(default_factory=dict)  # path of an instance → query of its ids

    def __post_init__(self) -> None:
        self.headers = {"Authorization": self.authorization, "X-Broker-API-Version": "2.17", **self.headers}

    @property
    def world(self) -> World:
        """What is behind the broker. A test that needs it is skipped where the broker is elsewhere."""
        if self.inside is None:
            pytest.skip("needs the inside of the broker")
        return self.inside

    async def read_catalog(self) -> None:
        """Take the first service that can be bound, and its plans."""
        services = (await self.ask("GET", "/catalog")).body["services"]
        service = next(service for service in services if service["bindable"])
        self.service_id = service["id"]
        self.plans = Plans({plan["name"]: plan["id"] for plan in service["plans"]})

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
        path, body = self._own(path, body)
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        if data is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        sent_data = io.BytesIO(data) if data is not None and len(data) > 1 << 20 else data
        url = URL(f"{self.url}{ROOT}{path}{'?' if query else ''}{query}", encoded=True)
        async with self.session.request(method, url, data=sent_data, headers=sent, allow_redirects=False) as response:
            answer = Answer(response.status, response.headers.copy(), await response.text())
        check(answer)
        assert self.inside is None or answer.headers["X-Request-Id"]
        if method == "PUT" and answer.status in (201, 202) and "/service_bindings/" not in path:
            assert isinstance(body, dict)
            self._made[path] = f"service_id={body['service_id']}&plan_id={body['plan_id']}&accepts_incomplete=true"
        return answer

    def _own(self, path: str, body: object) -> tuple[str, object]:
        if not self.suffix:
            return path, body

        def own(guid: str) -> str:
            return guid + self.suffix if _SHORT_ID.fullmatch(guid) else guid

        predecessor = body.get("predecessor_binding_id") if isinstance(body, dict) else None
        if isinstance(body, dict) and isinstance(predecessor, str):
            body = {**body, "predecessor_binding_id": own(predecessor)}
        return _IDS_OF_PATH.sub(lambda found: own(found[0]), path), body

    async def forget(self) -> None:
        """Remove what a test left at an endpoint elsewhere."""
        self.suffix = ""
        for path, query in self._made.items():
            await self.ask("DELETE", path, query=query)

    async def rest(self) -> None:
        """Wait until nothing goes on behind the broker."""
        await asyncio.gather(*self.world.marketplace.background._tasks, return_exceptions=True)

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

    async def update(self, guid: str, query: str = "", **fields: object) -> Answer:
        return await self.ask("PATCH", instance(guid), {"service_id": self.service_id, **fields}, query=query)

    async def is_unknown(self, guid: str) -> bool:
        """PRO-11: no trace of an instance."""
        statuses = [
            (await self.ask("GET", instance(guid))).status,
            (await self.ask("GET", instance(guid) + "/last_operation")).status,
            (await self.ask("DELETE", instance(guid), query=self.ids_query)).status,
        ]
        return statuses == [404, 404, 410]


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


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
    if answer.status >= 400:
        assert isinstance(answer.body["description"], str)
        assert answer.body["description"]
        error = answer.body.get("error", "Word")
        assert error.isalnum()
        assert error[0].isupper()


def ids_of(catalog: Catalog) -> tuple[str, Plans]:
    (service,) = catalog.services
    return service.guid, Plans({plan.name: plan.guid for plan in service.plans})
