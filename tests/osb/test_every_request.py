"""What every request passes: credentials, version, identities, paths."""

from __future__ import annotations

import asyncio
import base64

import pytest

from tests.osb.broker import Broker, binding, instance

ROUTES = [
    ("GET", "/catalog"),
    ("PUT", instance("i1")),
    ("GET", instance("i1")),
    ("PATCH", instance("i1")),
    ("DELETE", instance("i1")),
    ("GET", instance("i1") + "/last_operation"),
    ("PUT", binding("i1", "b1")),
    ("GET", binding("i1", "b1")),
    ("DELETE", binding("i1", "b1")),
    ("GET", binding("i1", "b1") + "/last_operation"),
]
WRONG = [
    None,
    "",
    "Basic",
    "Basic %%%",
    "Basic " + base64.b64encode(b"no-colon").decode(),
    "Basic " + base64.b64encode(b"broker:wrong").decode(),
    "Bearer abcdefgh",
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("is_there", [True, False])
async def test_nobody_gets_anything_without_credentials(broker: Broker, method: str, path: str, is_there: bool) -> None:
    """AUTH-1, AUTH-2, AUTH-3, AUTH-4."""
    if is_there:
        await broker.provision("i1")
        await broker.bind("i1", "b1")
    body = broker.order() if method in ("PUT", "PATCH") else None
    for header in WRONG:
        answer = await broker.ask(method, path, body, query=broker.ids_query, headers={"Authorization": header})
        assert answer == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    if is_there:
        for there in (instance("i1"), binding("i1", "b1")):
            assert await broker.ask("GET", there) == 200
    else:
        assert await broker.is_unknown("i1")


async def test_the_scheme_may_have_any_case(broker: Broker) -> None:
    """AUTH-4."""
    header = broker.headers["Authorization"].replace("Basic", "bASIC")
    assert await broker.ask("GET", "/catalog", headers={"Authorization": header}) == 200


@pytest.mark.parametrize("version", ["2.0", "2.3", "2.13", "2.15", "2.17", "2.99", "2.170"])
async def test_every_version_2_is_served(broker: Broker, version: str) -> None:
    """VER-3."""
    assert await broker.ask("GET", "/catalog", headers={"X-Broker-API-Version": version}) == 200


@pytest.mark.parametrize(
    ("version", "status"),
    [(None, 400), ("1.0", 412), ("3.0", 412), ("20.1", 412), ("2", 400), ("2.x", 400), ("", 400), ("2.17.1", 400)],
)
async def test_other_versions_are_refused_and_change_nothing(broker: Broker, version: str | None, status: int) -> None:
    """VER-1, VER-2, VER-4, VER-5."""
    answer = await broker.ask("PUT", instance("i1"), broker.order(), headers={"X-Broker-API-Version": version})
    assert answer == status
    assert "2.17" in answer.body["description"]
    assert await broker.is_unknown("i1")


async def test_the_request_identity_comes_back(broker: Broker) -> None:
    """RID-1, RID-2, RID-3: on successes and errors, never another's."""
    name = "X-Broker-API-Request-Identity"

    async def check(number: int) -> None:
        identity = f"request {number} ~/+="
        path = "/catalog" if number % 2 else instance("nowhere")
        headers: dict[str, str | None] = {name: identity}
        if number % 3 == 0:
            headers["Authorization"] = None
        assert (await broker.ask("GET", path, headers=headers)).headers[name] == identity

    await asyncio.gather(*(check(number) for number in range(30)))
    assert name not in (await broker.ask("GET", "/catalog")).headers


@pytest.mark.parametrize(
    "identity",
    [
        "cloudfoundry " + base64.b64encode(b'{"user_id": "683ea748"}').decode(),
        "kubernetes " + base64.b64encode(b'{"username": "d", "uid": "1", "groups": ["a"], "extra": {}}').decode(),
        "other " + base64.b64encode(b"{}").decode(),
        "cloudfoundry",
        "cloudfoundry %%%",
        "cloudfoundry " + base64.b64encode(b"[1]").decode(),
        "cloudfoundry " + base64.b64encode(b"\xff").decode(),
        "cloudfoundry " + base64.b64encode(b"[" * 4000).decode(),
    ],
)
async def test_any_originating_identity_is_taken(broker: Broker, identity: str) -> None:
    """OID-1, OID-2."""
    headers: dict[str, str | None] = {"X-Broker-API-Originating-Identity": identity}
    assert await broker.ask("PUT", instance("i1"), broker.order(), headers=headers) == 201


async def test_who_ordered_what_is_in_the_log(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    """OID-1, RID-1: for orders that are refused, with the reason; for nobody without credentials."""
    broker.world  # noqa: B018  # the log of a broker elsewhere is not here
    who = base64.b64encode(b'{"username": "system:serviceaccount:x", "uid": "1"}').decode()
    headers: dict[str, str | None] = {
        "X-Broker-API-Originating-Identity": f"kubernetes {who}",
        "X-Broker-API-Request-Identity": "e26cee84",
    }
    await broker.ask("PUT", instance("i1"), broker.order(parameters={"colour": 1}), headers=headers)
    line = next(line for line in capsys.readouterr().out.splitlines() if "order" in line)
    for word in ("PUT", "status=400", "colour", "kubernetes", "system:serviceaccount:x", "e26cee84"):
        assert word in line
    await broker.ask("PUT", instance("i1"), broker.order(), headers={"Authorization": None})
    assert "order" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/catalog"),
        ("POST", instance("i1")),
        ("PATCH", binding("i1", "b1")),
        ("DELETE", instance("i1") + "/last_operation"),
        ("GET", "/service_instances"),
        ("GET", "/nothing"),
        ("GET", "//catalog"),
        ("GET", "/catalog/"),
    ],
)
async def test_unknown_paths_and_methods_are_told(broker: Broker, method: str, path: str) -> None:
    """ERR-5."""
    assert (await broker.ask(method, path)).status in (404, 405)
    assert await broker.ask(method, path, headers={"Authorization": None}) == 401


async def test_answers_are_not_stored_by_anybody(broker: Broker) -> None:
    answer = await broker.ask("GET", instance("nowhere"))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# ---- ids


@pytest.mark.parametrize("guid", ["a", "A", "a.b~c_d-e", ".hidden", "0" * 100, "x" * 255, "-", "%7Etilde"])
async def test_ids_of_all_allowed_characters_live(broker: Broker, guid: str) -> None:
    """IDS-1."""
    await broker.provision(guid)
    assert await broker.ask("GET", instance(guid)) == 200
    await broker.bind(guid, guid)
    assert await broker.ask("GET", binding(guid, guid)) == 200
    assert await broker.ask("DELETE", instance(guid), query=broker.ids_query) == 200


async def test_ids_that_differ_in_case_are_two(broker: Broker) -> None:
    """IDS-1: also in the buckets behind them."""
    await broker.provision("abc")
    assert await broker.ask("GET", instance("ABC")) == 404
    await broker.provision("ABC")
    assert len(broker.world.engine.buckets) == 2


@pytest.mark.parametrize("guid", ["a%2F..%2Fi1", "i1%2Fservice_bindings", "a%00b", "%ff", "a%20b", "a;b", "%C3%BC"])
async def test_other_characters_never_reach_another_resource(broker: Broker, guid: str) -> None:
    """IDS-2."""
    await broker.provision("i1")
    for method, body in (("PUT", broker.order("basic-public")), ("GET", None), ("DELETE", None)):
        answer = await broker.ask(method, instance(guid), body, query=broker.ids_query)
        assert answer.status in (400, 404), answer.text
    assert (await broker.ask("GET", instance("i1"))).body["plan_id"] == broker.plans["basic"]


async def test_an_id_of_dots_is_one_opaque_segment(broker: Broker) -> None:
    """IDS-1, IDS-2: dots are allowed characters, and lead nowhere."""
    await broker.provision("i1")
    await broker.provision("%2e%2e", plan="basic-public")
    assert (await broker.ask("GET", instance("i1"))).body["plan_id"] == broker.plans["basic"]
    query = f"service_id={broker.service_id}&plan_id={broker.plans['basic-public']}"
    assert await broker.ask("DELETE", instance("%2e%2e"), query=query) == 200
    assert await broker.ask("GET", instance("i1")) == 200


async def test_too_long_ids_are_refused(broker: Broker) -> None:
    """IDS-3."""
    assert 400 <= (await broker.ask("PUT", instance("x" * 256), broker.order())).status < 500
    assert 400 <= (await broker.ask("GET", instance("x" * 7000))).status < 500
