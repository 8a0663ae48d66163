"""What all calls share: who may call, the shape of errors, request ids; and calls on orgs, spaces, the catalog."""

from __future__ import annotations

import re

import pytest

from bucketry.marketplace.domain import errors as domain
from bucketry.marketplace.manage.errors import status_of
from bucketry.marketplace.manage.routes import ROUTES
from tests.kit.manage_server import TOKEN, ManageServer

EVERY_ROUTE = [(route.method, re.sub(r"\{\w+\}", "default", route.path)) for route in ROUTES]
DELETE_DEFAULT_SPACE = ("DELETE", "/orgs/default/spaces/default")  # the other tests live there


def subclasses(kind: type[Exception]) -> list[type[Exception]]:
    """Those of the domain: engines make more of their own, whose statuses are those of their bases."""
    found = [kind] if kind.__module__ == domain.__name__ else []
    for below in kind.__subclasses__():
        found += subclasses(below)
    return found


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1], "tök"])
def test_no_call_is_open_without_the_token(server: ManageServer, method: str, path: str, token: str | None) -> None:
    refused = server.ask(method, path, token=token)
    assert (refused.status, refused.code) == (401, "InvalidToken")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert token is None or len(token) < 5 or token not in refused.text


@pytest.mark.parametrize(("method", "path"), [route for route in EVERY_ROUTE if route != DELETE_DEFAULT_SPACE])
def test_every_call_answers_json_with_a_request_id(server: ManageServer, method: str, path: str) -> None:
    answer = server.ask(method, path, {"nonsense": True} if method in ("POST", "PUT", "PATCH") else None)
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"[0-9A-Z]{16}", answer.headers["X-Request-Id"])
    assert answer.status in (200, 400, 404, 409)
    if answer.status >= 400:
        assert set(answer.value) == {"error"}
        assert {"code", "message", "remedy"} <= set(answer.value["error"])
        assert re.fullmatch(r"[A-Z][A-Za-z]+", answer.code)


@pytest.mark.parametrize("kind", subclasses(domain.DomainError)[1:])
def test_every_error_of_the_domain_has_a_status(kind: type[domain.DomainError]) -> None:
    error = kind("n", 1, 1, 1) if kind is domain.NotEmpty else kind("what happened")
    assert 400 <= status_of(error) < 500 or status_of(error) == 502


@pytest.mark.parametrize("scheme", ["Basic", "bearer  ", "Token"])
def test_another_scheme_is_no_token(server: ManageServer, scheme: str) -> None:
    import http.client

    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request("GET", "/api/v1/info", headers={"Authorization": f"{scheme} {TOKEN}"})
    response = connection.getresponse()
    assert response.status == (200 if scheme.startswith("bearer") else 401)
    connection.close()


def test_an_unknown_call_and_method_are_told_as_such(server: ManageServer) -> None:
    assert (server.ask("GET", "/nothing").status, server.ask("GET", "/nothing").code) == (404, "NoSuchRoute")
    refused = server.ask("PATCH", "/orgs")
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, "MethodNotAllowed", "GET, POST")
    assert server.ask("HEAD", "/orgs").status == 405


def test_what_nobody_foresaw_is_told_without_details(server: ManageServer, bucket: str, monkeypatch, capfd) -> None:
    async def fail(*_arguments: object) -> None:
        raise RuntimeError("s3cr3t inner matters")

    monkeypatch.setattr(server.engine, "grant", fail)
    failed = server.ask("POST", f"{bucket}/keys", {"name": "Bob"})
    assert (failed.status, failed.code) == (500, "InternalError")
    assert "s3cr3t" not in failed.text
    assert failed.headers["X-Request-Id"] in failed.value["error"]["message"]


def test_info_says_who_asks(server: ManageServer) -> None:
    assert server.ask("GET", "/info").value == {
        "name": "bucketry",
        "version": "0.0.test",
        "api_version": "1",
        "user": "admin",
    }


def test_the_catalog_has_plans_with_prices_and_schemas(server: ManageServer) -> None:
    (service,) = server.ask("GET", "/catalog").value
    plans = {plan["name"]: plan for plan in service["plans"]}
    assert list(plans) == ["basic", "basic-public", "basic-sandbox", "basic-public-sandbox"]
    assert (plans["basic"]["free"], plans["basic-sandbox"]["free"]) == (False, True)
    assert plans["basic"]["costs"] == [{"amount": {"usd": 0.03}, "unit": "GB/month"}]
    assert plans["basic-public"]["public"] is True
    assert "cors" in plans["basic"]["schemas"]["service_instance"]["create"]["parameters"]["properties"]


def test_orgs_and_spaces_come_and_go(server: ManageServer) -> None:
    made, again = (server.ask("POST", "/orgs", {"name": "acme"}) for _ in range(2))
    assert (made.status, again.status) == (201, 200)
    assert made.value == again.value
    assert "acme" in [org["name"] for org in server.ask("GET", "/orgs").value]
    made, again = (server.ask("POST", "/orgs/acme/spaces", {"name": "dev"}) for _ in range(2))
    assert (made.status, again.status) == (201, 200)
    assert server.ask("GET", "/orgs/acme/spaces").value == [made.value]
    assert (server.ask("DELETE", "/orgs/acme").status, server.ask("DELETE", "/orgs/acme").code) == (409, "NotEmpty")
    server.ask("PUT", "/orgs/acme/spaces/dev/apps/web", {})
    assert server.ask("DELETE", "/orgs/acme/spaces/dev").code == "NotEmpty"
    assert server.ask("DELETE", "/orgs/acme/spaces/dev/apps/web").status == 204
    assert server.ask("DELETE", "/orgs/acme/spaces/dev").status == 204
    assert server.ask("DELETE", "/orgs/acme").status == 204
    assert server.ask("DELETE", "/orgs/acme").code == "OrgNotFound"


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": 5}, {"name": "a", "quota": "b"}, {"name": "a\nb"}])
def test_a_wrong_name_makes_no_org_and_no_space(server: ManageServer, body: dict[str, object]) -> None:
    for path in ("/orgs", "/orgs/default/spaces"):
        before = server.ask("GET", path).value
        assert server.ask("POST", path, body).status == 400
        assert server.ask("GET", path).value == before


def test_a_space_of_another_org_is_not_found(server: ManageServer, space: str) -> None:
    server.ask("POST", "/orgs", {"name": "other"})
    name = space.rpartition("/")[2]
    assert server.ask("GET", f"/orgs/other/spaces/{name}/instances").code == "SpaceNotFound"
    assert server.ask("GET", f"/orgs/none/spaces/{name}/instances").code == "OrgNotFound"
