"""Instances that a foreign platform ordered through the broker: seen and tended by their guid alone."""

from __future__ import annotations

from bucketry.kernel import ids
from bucketry.marketplace.domain.bindings import BindingOrder
from bucketry.marketplace.domain.instances import InstanceOrder
from bucketry.marketplace.domain.values import BindingKind
from tests.kit.manage_server import ManageServer


def ordered_elsewhere(server: ManageServer) -> str:
    service = server.marketplace.catalog.services[0]
    guid = ids.guid()
    order = InstanceOrder(guid, "theirs", "org-guid", "space-guid", False, service.guid, service.plans[0].guid, {})
    server.run(server.marketplace.instances.provision(order))
    app = BindingOrder(ids.guid(), guid, BindingKind.APP, "", "app-guid", False, {})
    server.run(server.marketplace.bindings.bind(app))
    return guid


def test_a_foreign_instance_is_shown_by_its_guid(server: ManageServer) -> None:
    guid = ordered_elsewhere(server)
    shown = server.ask("GET", f"/instances/{guid}").value
    assert (shown["name"], shown["org"], shown["space"], shown["bound_apps"]) == ("theirs", None, None, ["app-guid"])
    (binding,) = server.ask("GET", f"/instances/{guid}/bindings").value
    assert (binding["app"], binding["name"]) == ("app-guid", None)
    for path in ("/orgs/default/spaces/default/instances", "/orgs"):
        assert "theirs" not in server.ask("GET", path).text


def test_a_foreign_instance_can_be_emptied_and_removed_but_not_renamed(server: ManageServer) -> None:
    guid = ordered_elsewhere(server)
    server.engine.fill(server.engine.bucket_name(guid))
    assert server.ask("PATCH", f"/instances/{guid}", {"name": "ours"}).code == "InvalidRequest"
    assert server.ask("DELETE", f"/instances/{guid}").code == "BucketNotEmpty"
    assert '"done":true' in server.ask("POST", f"/instances/{guid}/empty").text
    assert server.ask("DELETE", f"/instances/{guid}").status == 204
