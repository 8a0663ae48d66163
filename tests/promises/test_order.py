"""SERVICE contract, "One bucket, from order to removal": the commands, what repeats of them do, exit codes, and where
data and messages go. (Each command's words and edges: tests/cli.)"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.customer import Customer
from tests.kit.deaf import deaf_port
from tests.kit.programs import require
from tests.kit.server import Server

CORS: dict[str, Any] = {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET"]}]}
MANIFEST = """\
---
applications:
- name: site
  memory: 10M
  buildpack: staticfile_buildpack
  services:
  - bound
"""

# Every command that changes something, in an order in which each works, and what a repeat of it says.
REPEATABLE = [
    (("create-service", "s3", "basic", "one"), "Service instance one already exists"),
    (("create-service-key", "one", "Bob"), "Service key Bob already exists"),
    (("update-service", "one", "-p", "basic-public"), "No changes were made."),
    (("update-service", "one", "-c", json.dumps({"cors": CORS})), "No changes were made."),
    (("push", "web"), "App web is already registered."),
    (("bind-service", "web", "one"), "App web is already bound to service instance one."),
    (("restage", "web"), "Nothing to restage"),
    (("unbind-service", "web", "one"), "Binding between one and web does not exist"),
    (("delete", "web", "-f"), "App 'web' does not exist."),
    (("delete-service-key", "one", "Bob", "-f"), "Service key Bob does not exist"),
    (("empty-bucket", "one", "-f"), "The bucket is empty."),
    (("delete-service", "one", "-f"), "Service instance one did not exist."),
]


def test_every_change_says_so_on_stderr_and_may_be_repeated(customer: Customer) -> None:
    for command, words in REPEATABLE:
        first, again = customer.ok(*command), customer.ok(*command)
        assert (first.out, again.out) == ("", ""), command
        assert "OK" in first.err.splitlines(), command
        assert words in again.err, command
        if command[0] not in ("restage", "empty-bucket"):
            assert words not in first.err, command


def test_orgs_and_spaces_may_be_made_and_removed_again_and_again(customer: Customer) -> None:
    org = f"org-of-{customer.space}"
    walk = [
        (("create-org", org), f"Organization '{org}' already exists."),
        (("create-space", "backups", "-o", org), "Space 'backups' already exists."),
        (("delete-space", "backups", "-o", org, "-f"), "Space 'backups' does not exist."),
        (("delete-org", org, "-f"), f"Org '{org}' does not exist."),
    ]
    for command, words in walk:
        first, again = customer.ok(*command), customer.ok(*command)
        assert (first.out, again.out) == ("", "")
        assert words not in first.err
        assert words in again.err


# --- what commands show


@pytest.fixture(scope="module")
def furnished(shared: Customer) -> Customer:
    """With one of everything: the instance `shown`, its key `Bob`, bound to the app `reader`."""
    shared.ok("create-service", "s3", "basic", "shown", "-c", json.dumps({"cors": CORS}), "-t", "mine, too")
    shared.ok("create-service-key", "shown", "Bob")
    shared.ok("push", "reader")
    shared.ok("bind-service", "reader", "shown")
    return shared


TABLES = {
    ("marketplace",): "s3",
    ("marketplace", "-e", "s3"): "basic",
    ("services",): "shown",
    ("service", "shown"): "shown",
    ("service-keys", "shown"): "Bob",
    ("apps",): "reader",
    ("env", "reader"): "VCAP_SERVICES",
    ("orgs",): "default",
    ("spaces",): "default",
    ("store", "list-accounts"): "marketplace",
}


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_every_table_is_data_on_stdout_and_json_on_demand(furnished: Customer, command: tuple[str, ...]) -> None:
    table = furnished.ok(*command)
    assert TABLES[command] in table.out
    assert "Getting" not in table.out
    assert "OK" not in table.out.splitlines()
    as_json = furnished.ok(*command, "-o", "json")
    assert TABLES[command] in json.dumps(as_json.value)


def test_service_shows_its_guid_and_its_parameters_alone(furnished: Customer) -> None:
    shown = furnished.ok("service", "shown", "-o", "json").value
    guid = furnished.ok("service", "shown", "--guid")
    assert (guid.out, guid.err) == (f"{shown['guid']}\n", "")
    params = furnished.ok("service", "shown", "--params")
    assert (params.value, params.err) == ({"cors": CORS}, "")
    assert shown["tags"] == ["mine", "too"]
    assert shown["bound_apps"] == ["reader"]


def test_a_key_is_a_heading_a_blank_line_and_flat_json(furnished: Customer) -> None:
    two = furnished.ok("service-key", "shown", "Bob").out
    one = furnished.ok("service-key", "Bob").out
    heading, blank, text = two.split("\n", 2)
    assert heading
    assert not heading.startswith("{")
    assert blank == ""
    credentials = json.loads(text)
    assert not any(isinstance(value, dict) for value in credentials.values())
    assert json.loads(one.split("\n", 2)[2]) == credentials
    pure = furnished.ok("service-key", "shown", "Bob", "--json")
    assert (pure.value, pure.err) == ({"credentials": credentials}, "")


def test_a_keys_name_alone_serves_while_it_is_unique(customer: Customer) -> None:
    for name in ("one", "two"):
        customer.key(customer.order(name=name), "Bob")
    ambiguous = customer("service-key", "Bob")
    assert ambiguous.code == 5
    assert "several" in ambiguous.error.lower()
    customer.ok("delete-service", "two", "-f")
    assert customer.ok("service-key", "Bob").out


def test_a_renamed_service_keeps_its_bucket_and_keys(customer: Customer) -> None:
    key = customer.key(customer.order(name="old"))
    customer.ok("rename-service", "old", "new")
    assert customer("service", "old").code == 3
    assert customer.ok("service", "new", "-o", "json").value["bucket"] == key["bucket"]
    assert customer.ok("service-key", "new", "key", "--json").value["credentials"] == key
    customer.s3(key).put_object(Bucket=key["bucket"], Key="k", Body=b"body")


def test_emptying_shows_progress_and_takes_unfinished_uploads_too(customer: Customer) -> None:
    key = customer.key(customer.order(name="full"))
    s3 = customer.s3(key, max_pool_connections=8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket=key["bucket"], Key=f"k/{n}", Body=b"x"), range(1100)))
    for part in ("a", "b"):
        upload = s3.create_multipart_upload(Bucket=key["bucket"], Key=part)["UploadId"]
        s3.upload_part(Bucket=key["bucket"], Key=part, UploadId=upload, PartNumber=1, Body=b"part")
    done = customer.ok("empty-bucket", "full", "-f")
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[1].startswith("1,000 objects and versions")
    assert lines[-2].startswith("1,100 objects and versions")
    assert "2 unfinished uploads removed" in lines[-2]
    assert s3.list_objects_v2(Bucket=key["bucket"])["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=key["bucket"])


# --- apps


def test_a_pushed_manifest_binds_its_services_and_run_uses_them(customer: Customer) -> None:
    require("aws")
    customer.order(name="bound")
    (customer.home / "manifest.yml").write_text(MANIFEST)
    pushed = customer.ok("push", "-f", "manifest.yml")
    assert "bucketry runs no apps" in pushed.err
    (entry,) = customer.ok("env", "site", "-o", "json").value["VCAP_SERVICES"]["s3"]
    assert set(entry) >= {"name", "instance_name", "instance_guid", "binding_guid", "label", "plan", "tags"}
    assert (entry["name"], entry["label"], entry["plan"]) == ("bound", "s3", "basic")
    credentials = entry["credentials"]
    assert credentials["bucket"] == customer.bucket("bound")

    (customer.home / "page.html").write_text("<p>hello</p>")
    script = 'aws s3 cp page.html s3://$BUCKET_NAME/ >&2; aws s3 ls s3://$BUCKET_NAME; printf %s "$VCAP_SERVICES"'
    ran = customer.bash(f"bucketry run site -- sh -c '{script}'")
    listing, vcap = ran.out.splitlines()
    assert listing.endswith(" page.html")
    assert json.loads(vcap)["s3"][0]["credentials"] == credentials
    assert customer("run", "site", "--", "sh", "-c", "exit 7").code == 7

    customer.ok("unbind-service", "site", "bound")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        customer.s3(credentials).list_objects_v2(Bucket=credentials["bucket"])
    assert customer.ok("env", "site").out == ""


# --- places


def test_the_same_commands_serve_in_a_space_for_backups(customer: Customer) -> None:
    org = f"org-of-{customer.space}"
    del customer.environment["BUCKETRY_SPACE"]
    customer.ok("create-org", org)
    customer.ok("create-space", "work", "-o", org)
    customer.ok("target", "-o", org, "-s", "work")
    buckets = set()
    for space in ("work", "backups"):
        customer.ok("create-space", space)
        shown = customer.ok("target", "-s", space).out
        assert f"org:            {org}\nspace:          {space}\n" in shown
        customer.ok("create-service", "s3", "basic-sandbox", "mybucket")
        customer.ok("create-service-key", "mybucket", "Bob")
        credentials = customer.ok("service-key", "Bob", "--json").value["credentials"]
        customer.s3(credentials).put_object(Bucket=credentials["bucket"], Key=space, Body=b"body")
        buckets.add(credentials["bucket"])
    assert len(buckets) == 2
    assert {space["name"] for space in customer.ok("spaces", "-o", "json").value} == {"work", "backups"}
    assert customer("delete-space", "backups", "-f").code == 5
    assert customer("delete-org", org, "-f").code == 5


def test_a_new_server_has_its_default_org_and_space(server: Server, tmp_path: Path) -> None:
    customer = Customer.of(server, tmp_path / "home")
    del customer.environment["BUCKETRY_SPACE"]
    shown = customer.ok("target").out
    assert "user:           admin\norg:            default\nspace:          default\n" in shown
    assert "default" in customer.ok("orgs").out.splitlines()
    assert "default" in customer.ok("spaces").out.splitlines()


# --- what is refused

MISTAKES = {
    "unknown service": (("create-service", "s4", "basic", "b"), 3, ["s4", "bucketry marketplace"]),
    "unknown plan": (("create-service", "s3", "gold", "b"), 3, ["gold", "basic-sandbox"]),
    "unknown parameter": (("create-service", "s3", "basic", "b", "-c", '{"colour": 1}'), 2, ['"colour"', "cors"]),
    "wrong parameter": (
        ("create-service", "s3", "basic", "b", "-c", '{"object_ownership": "Nobody"}'), 2, ["Nobody", "ObjectWriter"],
    ),
    "parameter of the engine's refusal": (
        ("create-service", "s3", "basic", "b", "-c",
         '{"cors": {"CORSRules": [{"AllowedOrigins": ["a*b*c"], "AllowedMethods": ["GET"]}]}}'), 1, ["cors"],
    ),
    "broken JSON": (("create-service", "s3", "basic", "b", "-c", '{"cors": '), 2, ["not valid JSON", "line 1"]),
    "JSON that is no object": (("create-service", "s3", "basic", "b", "-c", "[1]"), 2, ["not an object"]),
    "missing file": (("create-service", "s3", "basic", "b", "-c", "nowhere.json"), 2, ["nowhere.json"]),
    "name taken with another plan": (
        ("create-service", "s3", "basic-public", "taken"), 5, ["taken", "update-service taken -p"],
    ),
    "name taken with other parameters": (
        ("create-service", "s3", "basic", "taken", "-c", '{"object_ownership": "ObjectWriter"}'), 5, ["taken"],
    ),
    "empty name": (("create-service", "s3", "basic", ""), 2, ["name"]),
    "missing argument": (("create-service", "s3", "basic"), 2, ["SERVICE_INSTANCE"]),
    "unknown option": (("create-service", "s3", "basic", "b", "--colour", "red"), 2, ["--colour"]),
    "unknown instance": (("service", "none"), 3, ["none", "bucketry services"]),
    "key of an unknown instance": (("create-service-key", "none", "k"), 3, ["none", "bucketry services"]),
    "unknown key": (("service-key", "taken", "none"), 3, ["none", "bucketry service-keys taken"]),
    "unknown key alone": (("service-key", "none"), 3, ["none", "create-service-key"]),
    "key ordered otherwise": (
        ("create-service-key", "taken", "Bob", "-c", '{"permissions": "read-only"}'), 5,
        ["Bob", "delete-service-key taken Bob"],
    ),
    "unknown parameter of a key": (("create-service-key", "taken", "k", "-c", '{"colour": 1}'), 2, ['"colour"']),
    "broken JSON of a key": (("create-service-key", "taken", "k", "-c", "{"), 2, ["not valid JSON"]),
    "unknown app": (("bind-service", "none", "taken"), 3, ["none", "bucketry push none"]),
    "update to an unknown plan": (("update-service", "taken", "-p", "gold"), 3, ["gold", "basic"]),
    "update to a plan without protection": (("update-service", "taken", "-p", "basic-sandbox"), 2, ["basic-sandbox"]),
    "update by an unknown parameter": (("update-service", "taken", "-c", '{"colour": 1}'), 2, ['"colour"']),
    "rename to a taken name": (("rename-service", "taken", "other"), 5, ["other", "already exists"]),
    "unknown space": (("target", "-s", "none"), 3, ["none", "bucketry create-space none"]),
    "unknown command": (("create-servce", "s3"), 2, ["`bucketry create-service`"]),
    "deletion unasked": (("delete-service", "taken"), 2, ["-f"]),
    "full bucket": (("delete-service", "taken", "-f"), 5, ["1 object (4 bytes)", "bucketry empty-bucket taken"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def taken(shared: Customer) -> Customer:
    """With the instance `taken` (a key, an object) and the instance `other`, in a space of their own."""
    customer = Customer.of(shared.server, shared.home / "taken")
    key = customer.key(customer.order(name="taken"), "Bob")
    customer.order(name="other")
    customer.s3(key).put_object(Bucket=key["bucket"], Key="k", Body=b"body")
    return customer


def state_of(customer: Customer) -> Any:
    """All that orders change: records, buckets, identities."""
    instances = customer.ask("GET", f"/orgs/default/spaces/{customer.space}/instances")
    for instance in instances:
        # When it was last looked at, and how that ended, may differ.
        instance.pop("updated_at")
        instance.pop("last_operation")
        instance["keys"] = customer.ask("GET", f"/instances/{instance['guid']}/keys")
    buckets = [bucket["Name"] for bucket in customer.root.list_buckets()["Buckets"]]
    users = [user["UserName"] for user in customer.server.client("iam").list_users()["Users"]]
    return instances, customer.ask("GET", f"/orgs/default/spaces/{customer.space}/apps"), buckets, users


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_exit_code_and_changes_nothing(taken: Customer, mistake: str) -> None:
    command, code, words = MISTAKES[mistake]
    before = state_of(taken)
    refused = taken(*command)
    assert refused.code == code, refused
    for word in words:
        assert word in refused.error
    assert ".." not in refused.error
    assert state_of(taken) == before


def test_a_wrong_token_is_not_allowed_and_not_repeated(taken: Customer) -> None:
    url = taken.server.admin["api_url"]
    refused = taken("services", BUCKETRY_URL=url, BUCKETRY_TOKEN="a-wrong-token")
    assert refused.code == 4
    assert "admin.json" in refused.error
    assert "a-wrong-token" not in refused.err
    assert taken("services", BUCKETRY_URL=url).code == 4


def test_a_missing_server_is_told_with_what_starts_it(taken: Customer) -> None:
    nowhere = taken.home / "nowhere"
    refused = taken("services", BUCKETRY_DATA=str(nowhere))
    assert refused.code == 1
    assert f"bucketry serve --data {nowhere}" in refused.error
    with deaf_port() as port:
        gone = taken("services", BUCKETRY_URL=f"http://127.0.0.1:{port}", BUCKETRY_TOKEN="t")
    assert gone.code == 1
    assert f"127.0.0.1:{port}" in gone.error


@pytest.mark.parametrize("command", ["backup", "create-user", "set-space-role", "rotate-service-key", "set-org-quota"])
def test_a_command_that_is_not_there_yet_does_not_pretend(shared: Customer, command: str) -> None:
    refused = shared(command, "a", "b")
    assert refused.code == 2
    assert command in refused.error
