"""Service instances through the JSON API."""

from __future__ import annotations

import json

import pytest

from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from tests.kit.manage_server import ManageServer

CORS = {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET"]}]}


def order(name: str = "my-bucket", **more: object) -> dict[str, object]:
    return {"service": "s3", "plan": "basic", "name": name, **more}


def test_an_order_is_answered_with_the_instance(server: ManageServer, space: str) -> None:
    made = server.ask("POST", f"{space}/instances", order(parameters={"cors": CORS}, tags=["mine"]))
    assert made.status == 201
    shown = made.value
    assert shown["name"] == "my-bucket"
    assert (shown["service"], shown["plan"], shown["engine"]) == ("s3", "basic", "embedded")
    assert (shown["org"], shown["space"]) == ("default", space.rpartition("/")[2])
    assert shown["parameters"] == {"cors": CORS}
    assert shown["tags"] == ["mine"]
    assert shown["last_operation"]["type"] == "create"
    assert shown["last_operation"]["state"] == "succeeded"
    assert server.ask("GET", f"{space}/instances/my-bucket").value == shown
    assert server.ask("GET", f"/instances/{shown['guid']}").value == shown
    assert server.ask("GET", f"{space}/instances").value == [shown]
    assert shown["bucket"] in server.engine.buckets


def test_the_same_order_again_says_that_it_is_there(server: ManageServer, space: str) -> None:
    first = server.ask("POST", f"{space}/instances", order(parameters={"cors": CORS}))
    again = server.ask("POST", f"{space}/instances", order(parameters={"cors": CORS}))
    assert (first.status, again.status) == (201, 200)
    assert again.value["guid"] == first.value["guid"]


@pytest.mark.parametrize("change", [{"plan": "basic-public"}, {"parameters": {"cors": CORS}}])
def test_another_order_of_that_name_is_a_conflict(server: ManageServer, bucket: str, change: dict[str, object]) -> None:
    before = server.ask("GET", bucket).value
    refused = server.ask("POST", bucket.rpartition("/")[0], {**order(), **change})
    assert (refused.status, refused.code) == (409, "ExistsDifferently")
    assert "update-service my-bucket" in refused.value["error"]["remedy"]
    assert server.ask("GET", bucket).value == before


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"service": "s4"}, 404, "UnknownService"),
        ({"plan": "gold"}, 404, "UnknownPlan"),
        ({"name": ""}, 400, "InvalidName"),
        ({"name": " x"}, 400, "InvalidName"),
        ({"name": "x" * 256}, 400, "InvalidName"),
        ({"name": "a\u0000b"}, 400, "InvalidRequest"),
        ({"name": 1}, 400, "InvalidRequest"),
        ({"parameters": {"colour": "red"}}, 400, "InvalidParameters"),
        ({"parameters": {"object_ownership": "Mine"}}, 400, "InvalidParameters"),
        ({"parameters": []}, 400, "InvalidRequest"),
        ({"tags": "a,b"}, 400, "InvalidRequest"),
        ({"colour": "red"}, 400, "InvalidRequest"),
    ],
)
def test_a_wrong_order_leaves_nothing(
    server: ManageServer, space: str, change: dict[str, object], status: int, code: str
) -> None:
    buckets = set(server.engine.buckets)
    refused = server.ask("POST", f"{space}/instances", {**order(), **change})
    assert (refused.status, refused.code) == (status, code)
    assert server.ask("GET", f"{space}/instances").value == []
    assert set(server.engine.buckets) == buckets


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"nonsense", b'{"name": NaN}', b"\xff\xfe", b"{} x", b"[" * 100_000, b'{"name":"\\ud800"}'],
)
def test_a_body_that_is_no_order_is_refused(server: ManageServer, space: str, raw: bytes) -> None:
    refused = server.ask("POST", f"{space}/instances", raw=raw)
    assert (refused.status, refused.code) == (400, "InvalidRequest")


def test_a_huge_body_is_refused(server: ManageServer, space: str) -> None:
    refused = server.ask("POST", f"{space}/instances", order(tags=["x" * 2**20]))
    assert (refused.status, refused.code) == (413, "TooLarge")


@pytest.mark.parametrize(
    "failure", [EngineUnavailable("The engine embedded is away."), EngineRefused("Too many buckets.")]
)
@pytest.mark.parametrize("method", ["create_bucket", "configure"])
def test_an_engine_that_fails_is_told_and_leaves_nothing(
    server: ManageServer, space: str, failure: Exception, method: str
) -> None:
    server.engine.failures[method] = failure  # type: ignore[assignment] # both are domain errors
    refused = server.ask("POST", f"{space}/instances", order())
    status = 502 if isinstance(failure, EngineUnavailable) else 422
    assert (refused.status, refused.code) == (status, type(failure).__name__)
    assert refused.value["error"]["message"] == str(failure)
    assert server.ask("GET", f"{space}/instances").value == []
    assert server.ask("POST", f"{space}/instances", order()).status == 201


def test_plan_parameters_and_tags_can_be_changed(server: ManageServer, bucket: str) -> None:
    changed = server.ask("PATCH", bucket, {"plan": "basic-public", "parameters": {"cors": CORS}, "tags": ["a"]})
    assert changed.status == 200
    assert changed.value["changed"] is True
    assert (changed.value["plan"], changed.value["parameters"], changed.value["tags"]) == (
        "basic-public",
        {"cors": CORS},
        ["a"],
    )
    assert server.engine.buckets[changed.value["bucket"]].settings.is_public
    taken_back = server.ask("PATCH", bucket, {"parameters": {"cors": None}})
    assert taken_back.value["parameters"] == {}
    again = server.ask("PATCH", bucket, {"plan": "basic-public"})
    assert (again.status, again.value["changed"]) == (200, False)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"plan": "gold"}, 404, "UnknownPlan"),
        ({"plan": "basic-sandbox"}, 400, "PlanChangeNotSupported"),
        ({"parameters": {"colour": 1}}, 400, "InvalidParameters"),
        ({"name": "other", "tags": []}, 400, "InvalidRequest"),
        ({"name": "bad "}, 400, "InvalidName"),
        ({"bucket": "mine"}, 400, "InvalidRequest"),
    ],
)
def test_a_wrong_change_changes_nothing(
    server: ManageServer, bucket: str, changes: dict[str, object], status: int, code: str
) -> None:
    before = server.ask("GET", bucket).value
    refused = server.ask("PATCH", bucket, changes)
    assert (refused.status, refused.code) == (status, code)
    assert server.ask("GET", bucket).value == before


def test_an_instance_can_be_renamed_but_not_to_a_taken_name(server: ManageServer, bucket: str) -> None:
    instances = bucket.rpartition("/")[0]
    assert server.ask("POST", instances, order("taken")).status == 201
    assert server.ask("PATCH", bucket, {"name": "renamed"}).value["name"] == "renamed"
    assert server.ask("GET", bucket).status == 404
    refused = server.ask("PATCH", f"{instances}/renamed", {"name": "taken"})
    assert (refused.status, refused.code) == (409, "NameTaken")


def test_an_instance_goes_with_its_keys(server: ManageServer, bucket: str) -> None:
    guid = server.ask("POST", f"{bucket}/keys", {"name": "Bob"}).value["guid"]
    assert guid in server.engine.keys
    gone = server.ask("DELETE", bucket)
    assert (gone.status, gone.text) == (204, "")
    assert guid not in server.engine.keys
    assert (server.ask("GET", bucket).status, server.ask("DELETE", bucket).code) == (404, "InstanceNotFound")


def test_a_full_bucket_stays_with_its_keys_and_says_how_much_is_in_it(server: ManageServer, bucket: str) -> None:
    key = server.ask("POST", f"{bucket}/keys", {"name": "Bob"}).value["guid"]
    server.engine.fill(server.ask("GET", bucket).value["bucket"], objects=3, size_bytes=3000, uploads=1)
    refused = server.ask("DELETE", bucket)
    assert (refused.status, refused.code) == (409, "BucketNotEmpty")
    error = refused.value["error"]
    assert (error["objects"], error["size_bytes"], error["uploads"]) == (3, 3000, 1)
    assert "bucketry empty-bucket my-bucket" in error["message"]
    assert server.ask("GET", bucket).value["last_operation"]["state"] == "succeeded"
    assert key in server.engine.keys


def test_emptying_tells_its_progress_line_by_line(server: ManageServer, bucket: str) -> None:
    server.engine.fill(server.ask("GET", bucket).value["bucket"], objects=2500, size_bytes=2500, uploads=2)
    answer = server.ask("POST", f"{bucket}/empty")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    assert answer.headers["X-Request-Id"]
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["objects"] for line in lines] == [0, 1000, 2000, 2500, 2500]
    assert [line["done"] for line in lines] == [False, False, False, False, True]
    assert lines[-1] == {"objects": 2500, "size_bytes": 2500, "uploads": 2, "done": True}
    assert server.ask("DELETE", bucket).status == 204


def test_an_emptying_that_fails_in_the_middle_says_so_in_its_last_line(server: ManageServer, bucket: str) -> None:
    server.engine.fill(server.ask("GET", bucket).value["bucket"], objects=2500, size_bytes=2500)
    server.engine.emptying_failure = (1, EngineUnavailable("The engine embedded is away."))
    lines = [json.loads(line) for line in server.ask("POST", f"{bucket}/empty").text.splitlines()]
    server.engine.emptying_failure = None
    assert (lines[-1]["done"], lines[-1]["objects"], lines[-1]["status"]) == (False, 1000, 502)
    assert lines[-1]["error"]["code"] == "EngineUnavailable"
    assert json.loads(server.ask("POST", f"{bucket}/empty").text.splitlines()[-1])["done"] is True


def test_emptying_what_is_not_there_has_a_plain_status(server: ManageServer, space: str) -> None:
    assert server.ask("POST", f"{space}/instances/none/empty").code == "InstanceNotFound"
    assert server.ask("POST", "/instances/none/empty").code == "InstanceNotFound"


@pytest.mark.parametrize("name", ["größe", "a b", "a/b", "100%", "a?b#c", "a;b=c", "..a"])
def test_any_printable_name_can_be_ordered_and_found(server: ManageServer, space: str, name: str) -> None:
    from urllib.parse import quote

    path = f"{space}/instances/{quote(name, safe='')}"
    assert server.ask("POST", f"{space}/instances", order(name)).status == 201
    assert server.ask("GET", path).value["name"] == name
    assert server.ask("DELETE", path).status == 204
