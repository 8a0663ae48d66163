"""Keys, apps, bindings and what apps find in their environment, through the JSON API."""

from __future__ import annotations

import pytest

from bucketry.marketplace.domain.engine_ports import Permissions
from bucketry.marketplace.domain.errors import EngineUnavailable
from tests.kit.manage_server import ManageServer

FIELDS = {
    "uri", "access_key_id", "secret_access_key", "region", "bucket", "endpoint", "endpoint_url", "fips_endpoint",
    "insecure_skip_verify", "additional_buckets", "website_endpoint",
}  # fmt: skip


def other_instance(server: ManageServer, bucket: str, name: str = "other") -> str:
    instances = bucket.rpartition("/")[0]
    order = {"service": "s3", "plan": "basic", "name": name}
    assert server.ask("POST", instances, order).status == 201
    return f"{instances}/{name}"


def test_a_key_shows_its_secret_only_where_that_is_asked_for(server: ManageServer, bucket: str) -> None:
    made = server.ask("POST", f"{bucket}/keys", {"name": "Bob"})
    assert made.status == 201
    credentials = server.ask("GET", f"{bucket}/keys/Bob/credentials")
    assert set(credentials.value) == {"credentials"}
    document = credentials.value["credentials"]
    assert set(document) == FIELDS
    assert credentials.headers["Cache-Control"] == "no-store"
    secret = document["secret_access_key"]
    space = bucket.rpartition("/instances/")[0]
    for path in (bucket, f"{bucket}/keys", f"{bucket}/keys/Bob", f"{space}/keys/Bob", f"{space}/instances"):
        assert secret not in server.ask("GET", path).text
    assert secret not in made.text
    assert server.ask("GET", f"{bucket}/keys/Bob").value == made.value
    assert server.ask("GET", f"{bucket}/keys").value == [made.value]


def test_a_key_ordered_again_is_the_same(server: ManageServer, bucket: str) -> None:
    first = server.ask("POST", f"{bucket}/keys", {"name": "Bob", "parameters": {"permissions": "read-only"}})
    before = server.ask("GET", f"{bucket}/keys/Bob/credentials").value
    again = server.ask("POST", f"{bucket}/keys", {"name": "Bob", "parameters": {"permissions": "read-only"}})
    assert (first.status, again.status) == (201, 200)
    assert server.ask("GET", f"{bucket}/keys/Bob/credentials").value == before
    refused = server.ask("POST", f"{bucket}/keys", {"name": "Bob"})
    assert (refused.status, refused.code) == (409, "ExistsDifferently")
    assert server.engine.keys[first.value["guid"]].rights.permissions is Permissions.READ_ONLY


def test_a_key_may_reach_other_buckets_of_the_space(server: ManageServer, bucket: str) -> None:
    other = server.ask("GET", other_instance(server, bucket)).value["bucket"]
    server.ask("POST", f"{bucket}/keys", {"name": "Bob", "parameters": {"additional_instances": ["other"]}})
    credentials = server.ask("GET", f"{bucket}/keys/Bob/credentials").value["credentials"]
    assert credentials["additional_buckets"] == [other]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": ""}, 400, "InvalidName"),
        ({}, 400, "InvalidRequest"),
        ({"name": "Bob", "colour": 1}, 400, "InvalidRequest"),
        ({"name": "Bob", "parameters": {"colour": 1}}, 400, "InvalidParameters"),
        ({"name": "Bob", "parameters": {"permissions": "all"}}, 400, "InvalidParameters"),
        ({"name": "Bob", "parameters": {"additional_instances": ["none"]}}, 400, "InvalidParameters"),
        ({"name": "Bob", "parameters": {"additional_instances": ["my-bucket"]}}, 400, "InvalidParameters"),
    ],
)
def test_a_wrong_order_of_a_key_leaves_nothing(
    server: ManageServer, bucket: str, body: dict[str, object], status: int, code: str
) -> None:
    keys = set(server.engine.keys)
    refused = server.ask("POST", f"{bucket}/keys", body)
    assert (refused.status, refused.code) == (status, code)
    assert server.ask("GET", f"{bucket}/keys").value == []
    assert set(server.engine.keys) == keys


def test_an_engine_that_gives_no_key_leaves_none(server: ManageServer, bucket: str) -> None:
    server.engine.failures["grant"] = EngineUnavailable("The engine embedded is away.")
    assert server.ask("POST", f"{bucket}/keys", {"name": "Bob"}).status == 502
    assert server.ask("GET", f"{bucket}/keys").value == []


def test_a_deleted_key_is_revoked_and_gone(server: ManageServer, bucket: str) -> None:
    guid = server.ask("POST", f"{bucket}/keys", {"name": "Bob"}).value["guid"]
    assert server.ask("DELETE", f"{bucket}/keys/Bob").status == 204
    assert guid not in server.engine.keys
    for method, path in (("GET", "/Bob"), ("GET", "/Bob/credentials"), ("DELETE", "/Bob")):
        gone = server.ask(method, f"{bucket}/keys{path}")
        assert (gone.status, gone.code) == (404, "KeyNotFound")


def test_a_key_is_found_by_its_name_alone_while_that_is_unique(server: ManageServer, bucket: str) -> None:
    space = bucket.rpartition("/instances/")[0]
    assert server.ask("GET", f"{space}/keys/Bob").code == "KeyNotFound"
    made = server.ask("POST", f"{bucket}/keys", {"name": "Bob"}).value
    assert server.ask("GET", f"{space}/keys/Bob").value == made
    server.ask("POST", f"{other_instance(server, bucket)}/keys", {"name": "Bob"})
    ambiguous = server.ask("GET", f"{space}/keys/Bob")
    assert (ambiguous.status, ambiguous.code) == (409, "AmbiguousName")


def test_an_app_is_registered_once(server: ManageServer, space: str) -> None:
    first, again = (server.ask("PUT", f"{space}/apps/web", {}) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert first.value["guid"] == again.value["guid"]
    assert first.value["services"] == []
    assert server.ask("GET", f"{space}/apps").value == [first.value]
    assert server.ask("PUT", f"{space}/apps/web", {"memory": "10M"}).code == "InvalidRequest"


def test_a_bound_app_finds_vcap_services_as_cloud_foundry_gives_them(server: ManageServer, bucket: str) -> None:
    space = bucket.rpartition("/instances/")[0]
    server.ask("PATCH", bucket, {"tags": ["mine", "s3"]})
    server.ask("PUT", f"{space}/apps/web", {})
    assert server.ask("GET", f"{space}/apps/web/env").value == {"VCAP_SERVICES": {}}
    bound = server.ask("PUT", f"{bucket}/bindings/web", {})
    assert bound.status == 201
    (entry,) = server.ask("GET", f"{space}/apps/web/env").value["VCAP_SERVICES"]["s3"]
    credentials = entry.pop("credentials")
    assert set(credentials) == FIELDS
    instance = server.ask("GET", bucket).value
    assert entry == {
        "label": "s3",
        "name": "my-bucket",
        "tags": ["s3", "object-storage", "bucket", "mine"],
        "instance_name": "my-bucket",
        "instance_guid": instance["guid"],
        "binding_guid": bound.value["guid"],
        "binding_name": None,
        "plan": "basic",
        "provider": None,
        "syslog_drain_url": None,
        "volume_mounts": [],
    }
    assert instance["bound_apps"] == ["web"]
    assert server.ask("GET", f"{space}/instances").value[0]["bound_apps"] == ["web"]
    assert server.ask("GET", f"{space}/apps/web").value["services"] == ["my-bucket"]
    assert server.ask("GET", f"{bucket}/bindings").value == [bound.value]
    assert server.ask("GET", f"{bucket}/keys").value == []


def test_a_binding_name_is_what_the_app_sees(server: ManageServer, bucket: str) -> None:
    space = bucket.rpartition("/instances/")[0]
    server.ask("PUT", f"{space}/apps/web", {})
    server.ask("PUT", f"{bucket}/bindings/web", {"binding_name": "uploads"})
    (entry,) = server.ask("GET", f"{space}/apps/web/env").value["VCAP_SERVICES"]["s3"]
    assert (entry["name"], entry["binding_name"], entry["instance_name"]) == ("uploads", "uploads", "my-bucket")


def test_binding_again_is_the_same_and_otherwise_a_conflict(server: ManageServer, bucket: str) -> None:
    space = bucket.rpartition("/instances/")[0]
    server.ask("PUT", f"{space}/apps/web", {})
    first, again = (server.ask("PUT", f"{bucket}/bindings/web", {}) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert first.value == again.value
    refused = server.ask("PUT", f"{bucket}/bindings/web", {"parameters": {"permissions": "read-only"}})
    assert (refused.status, refused.code) == (409, "ExistsDifferently")


def test_an_unknown_app_can_not_be_bound(server: ManageServer, bucket: str) -> None:
    refused = server.ask("PUT", f"{bucket}/bindings/none", {})
    assert (refused.status, refused.code) == (404, "AppNotFound")
    assert "bucketry push none" in refused.value["error"]["message"]


def test_an_unbound_app_is_revoked(server: ManageServer, bucket: str) -> None:
    space = bucket.rpartition("/instances/")[0]
    server.ask("PUT", f"{space}/apps/web", {})
    guid = server.ask("PUT", f"{bucket}/bindings/web", {}).value["guid"]
    assert server.ask("DELETE", f"{bucket}/bindings/web").status == 204
    assert guid not in server.engine.keys
    assert server.ask("DELETE", f"{bucket}/bindings/web").code == "BindingNotFound"
    assert server.ask("DELETE", f"{bucket}/bindings/none").code == "AppNotFound"


def test_a_deleted_app_leaves_no_credentials(server: ManageServer, bucket: str) -> None:
    space = bucket.rpartition("/instances/")[0]
    server.ask("PUT", f"{space}/apps/web", {})
    guid = server.ask("PUT", f"{bucket}/bindings/web", {}).value["guid"]
    assert server.ask("DELETE", f"{space}/apps/web").status == 204
    assert guid not in server.engine.keys
    assert server.ask("GET", f"{bucket}/bindings").value == []
    assert server.ask("DELETE", f"{space}/apps/web").code == "AppNotFound"
