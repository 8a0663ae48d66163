"""Bodies of requests, good and bad, of all calls that have one."""

from __future__ import annotations

import json

import pytest

from tests.osb.broker import Broker, binding, instance

CALLS = [("PUT", instance("new")), ("PATCH", instance("i1")), ("PUT", binding("i1", "new"))]

MALFORMED = [
    b"",
    b" ",
    b"{",
    b"[]",
    b"1",
    b'"text"',
    b"null",
    b"\xff\xfe",
    b'{"a": NaN}',
    b'{"a": 1} trailing',
    b"[" * 50_000,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_malformed_json_is_400(broker: Broker, method: str, path: str) -> None:
    """BODY-3; and the server goes on."""
    await broker.provision("i1")
    for raw in MALFORMED:
        assert await broker.ask(method, path, raw=raw) == 400, raw[:40]
    assert await broker.ask("GET", instance("i1")) == 200


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_absurd_values_are_no_5xx(broker: Broker, method: str, path: str) -> None:
    """BODY-5: NUL, lone surrogates, numbers without end."""
    await broker.provision("i1")
    whole = json.dumps(broker.order())[:-1]
    for extra in ('"x": "\\u0000"', '"x": "\\ud800"', '"x": 1e999', '"x": ' + "9" * 5000, '"service_id": "twice"'):
        answer = await broker.ask(method, path, raw=f"{whole}, {extra}}}".encode())
        assert 400 <= answer.status < 500, extra


async def test_huge_bodies_are_refused(broker: Broker) -> None:
    """BODY-5."""
    order = broker.order(context={"x": "y" * 2_000_000})
    assert (await broker.ask("PUT", instance("i1"), order)).status in (400, 413)
    assert await broker.ask("GET", "/catalog") == 200


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "", "nonsense"],
)
async def test_the_declared_type_makes_no_difference(broker: Broker, content_type: str) -> None:
    """BODY-2."""
    headers: dict[str, str | None] = {"Content-Type": content_type}
    assert await broker.ask("PUT", instance("i1"), broker.order(), headers=headers) == 201


async def test_unknown_fields_and_parameters_are_ignored(broker: Broker) -> None:
    """BODY-4."""
    order = broker.order(future={"a": [1]}, context={"platform": "x", "deep": {"er": None}})
    assert await broker.ask("PUT", instance("i1"), order, query="future=1&accepts_incomplete=true") == 201
    change = {"service_id": broker.service_id, "previous_values": {"odd": 1}, "future": 1}
    assert await broker.ask("PATCH", instance("i1"), change, query="x=y") == 200
    bind = {**broker.ids, "bind_resource": {"future": 1}, "x": None}
    assert await broker.ask("PUT", binding("i1", "b1"), bind, query="x=") == 201
    assert await broker.ask("GET", instance("i1"), query="x=1") == 200


async def test_null_for_something_optional_is_absent(broker: Broker) -> None:
    """BODY-6."""
    nothing = dict.fromkeys(("context", "parameters", "maintenance_info"))
    assert await broker.ask("PUT", instance("i1"), broker.order(**nothing)) == 201
    assert await broker.ask("PUT", instance("i1"), broker.order()) == 200
    change = {"service_id": broker.service_id, "plan_id": None, "previous_values": None, **nothing}
    assert await broker.ask("PATCH", instance("i1"), change) == 200
    bind = {**broker.ids, "app_guid": "", "bind_resource": None, "context": None, "parameters": None}
    assert await broker.ask("PUT", binding("i1", "b1"), bind) == 201
    assert await broker.ask("PUT", binding("i1", "b1"), broker.ids) == 200


async def test_any_unicode_in_names_and_annotations(broker: Broker) -> None:
    """BODY-7."""
    context = {"instance_name": "桶 🪣 \u202e", "instance_annotations": {"ключ": "ü" * 500}}
    assert await broker.ask("PUT", instance("i1"), broker.order(context=context)) == 201
    assert await broker.ask("PUT", binding("i1", "b1"), {**broker.ids, "context": context}) == 201
