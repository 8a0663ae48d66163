"""Bucketry takes another broker's place: its catalog's ids, its buckets, its users, its keys. Nobody notices."""

from __future__ import annotations

import json
import secrets
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from bucketry.marketplace.domain import catalog
from bucketry.serve import adoption_file
from tests.kit.broker import Broker
from tests.kit.other_broker import OtherBroker
from tests.kit.programs import require
from tests.kit.server import Server, boto_client, run_program

CATALOG = Path(__file__).parents[2] / "docs" / "examples" / "s3-broker-catalog.json"
SERVICE = "98FF26D0-2E01-11E5-9184-FEFF819CDC9F"
DEFAULT, PUBLIC = "EAAD05D8-2E01-11E5-9184-FEFF819CDC9F", "16A19515-C2B9-4982-80BD-69BED6A86C85"
QUERY = f"service_id={SERVICE}&plan_id={DEFAULT}"


class Migration:
    """A platform with instances of the other broker, and bucketry in its place."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.other = OtherBroker(server.client(), server.client("iam"))
        self.broker = Broker(server)
        self.list = folder / f"{uuid.uuid4()}.jsonl"

    def adopt(self, *lines: dict[str, Any], dry: bool = False, code: int = 0) -> dict[str, Any]:
        """What the command says of each instance, by id, and of the rest."""
        self.list.write_text("".join(json.dumps(line) + "\n" for line in lines))
        flags = ["--dry-run"] if dry else []
        done = self.server.run(
            "adopt", "--from", str(self.list), "--iam-path", "/cf/", "-o", "json", *flags, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        answer = json.loads(done.stdout)
        return {**answer, **{each["instance_id"]: each for each in answer["instances"]}}

    def is_known(self, instance: str) -> bool:
        return self.broker.ask("GET", f"/service_instances/{instance}").status == 200

    def client(self, credentials: dict[str, str]) -> Any:
        return self.server.client(credentials=credentials)


def line(instance: str, *bindings: str, plan: str = DEFAULT, **more: Any) -> dict[str, Any]:
    return {
        "instance_id": instance,
        "plan_id": plan,
        "organization_guid": "org",
        "space_guid": "space",
        "name": "files",
        "bindings": [{"id": guid, "app_guid": "app"} for guid in bindings],
        **more,
    }


def guids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("replaced")
    config = folder / "bucketry.toml"
    config.write_text(f'[catalog]\nfile = "{CATALOG}"\n')
    server = Server(
        folder / "data", "--config", str(config), workers=1, environment={"BUCKETRY_CATALOG__FILE": str(CATALOG)}
    ).start()
    yield server
    server.fsck()
    assert server.stop() == 0


@pytest.fixture
def migration(replaced: Server, tmp_path: Path) -> Migration:
    return Migration(replaced, tmp_path)


def test_the_other_brokers_catalog_is_offered_with_its_ids(migration: Migration) -> None:
    (service,) = migration.broker.ask("GET", "/catalog").body["services"]
    assert (service["id"], service["name"], service["plan_updateable"]) == (SERVICE, "aws-s3", False)
    assert [(plan["id"], plan["name"], plan["free"]) for plan in service["plans"]] == [
        (DEFAULT, "default", False),
        (PUBLIC, "public", False),
    ]
    (instance,) = guids(1)
    order = {"service_id": SERVICE, "plan_id": PUBLIC, "organization_guid": "o", "space_guid": "s"}
    path = f"/service_instances/{instance}"
    assert migration.broker.ask("PUT", path, order).status == 201
    assert migration.broker.ask("PUT", path, {**order, "plan_id": PUBLIC.lower()}).status == 400
    bound = migration.broker.ask("PUT", f"{path}/service_bindings/{instance}", {**order})
    made = bound.body["credentials"]
    migration.client(made).put_object(Bucket=made["bucket"], Key="k", Body=b"seen by all")
    with urllib.request.urlopen(f"{made['endpoint_url']}/{made['bucket']}/k", timeout=10) as answer:
        assert answer.read() == b"seen by all"


def test_adopted_instances_go_on_and_end_as_their_own_would(migration: Migration) -> None:
    instance, first, second = guids(3)
    bucket = migration.other.provision(instance)
    old, kept = migration.other.bind(instance, first), migration.other.bind(instance, second)
    migration.client(old).put_object(Bucket=bucket, Key="data", Body=b"kept", ACL="private")

    told = migration.adopt(line(instance, first, second), dry=True)
    assert (told[instance]["verdict"], told[instance]["new_bindings"]) == ("adopt", [first, second])
    assert not migration.is_known(instance)
    assert migration.adopt(line(instance, first, second))[instance]["verdict"] == "adopt"
    assert migration.adopt(line(instance, first, second))[instance]["verdict"] == "adopted already"

    compared = migration.server.run("reconcile", check=False)
    assert "Error" not in compared.stderr
    for guid in (first, second):
        assert guid not in compared.stdout
    path = f"/service_instances/{instance}"
    fetched = migration.broker.ask("GET", path)
    assert (fetched.status, fetched.body["plan_id"]) == (200, DEFAULT)
    assert fetched.body["parameters"] == {"object_ownership": "ObjectWriter"}
    for credentials in (old, kept):
        assert migration.client(credentials).get_object(Bucket=bucket, Key="data")["Body"].read() == b"kept"

    ids = {"service_id": SERVICE, "plan_id": DEFAULT}
    for method, body in (("GET", None), ("PUT", {**ids, "bind_resource": {"app_guid": "app"}})):
        refused = migration.broker.ask(method, f"{path}/service_bindings/{first}", body)
        assert refused.status == (404 if method == "GET" else 409)
        if method == "GET":
            assert "bind anew (or rotate)" in refused.body["description"]

    (new,) = guids(1)
    rotated = migration.broker.ask("PUT", f"{path}/service_bindings/{new}", {**ids, "predecessor_binding_id": first})
    assert rotated.status == 201
    made = rotated.body["credentials"]
    assert made["bucket"] == bucket
    migration.client(made).put_object(Bucket=bucket, Key="more", Body=b"x")
    assert migration.broker.ask("PATCH", path, {"service_id": SERVICE, "parameters": {}}).status == 200

    assert migration.broker.ask("DELETE", f"{path}/service_bindings/{first}?{QUERY}").status == 200
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        migration.client(old).get_object(Bucket=bucket, Key="data")
    users = migration.server.client("iam").list_users(PathPrefix="/cf/")["Users"]
    assert f"cf-{first}" not in {user["UserName"] for user in users}
    assert migration.client(kept).get_object(Bucket=bucket, Key="data")["Body"].read() == b"kept"

    refused = migration.broker.ask("DELETE", f"{path}?{QUERY}")
    assert refused.status == 422
    assert migration.client(kept).get_object(Bucket=bucket, Key="data")["Body"].read() == b"kept"
    for key in ("data", "more"):
        migration.client(kept).delete_object(Bucket=bucket, Key=key)
    assert migration.broker.ask("DELETE", f"{path}?{QUERY}").status == 200
    assert not migration.is_known(instance)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        migration.server.client().get_bucket_location(Bucket=bucket)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        migration.client(kept).list_objects_v2(Bucket=bucket)


def test_what_is_not_as_the_list_says_is_told_and_left_whole(migration: Migration) -> None:
    good, bare, keyless, wrong, public, missing, beside = guids(7)
    for instance in (good, bare, keyless, wrong):
        migration.other.provision(instance)
    migration.other.provision(public, is_public=True)
    key = migration.other.bind(keyless, keyless)
    migration.server.client("iam").update_access_key(
        UserName=f"cf-{keyless}", AccessKeyId=key["access_key_id"], Status="Inactive"
    )
    for binding in (good, beside):
        migration.other.bind(good, binding)
    lines = [
        line(good, good),
        line(bare, bare),
        line(keyless, keyless),
        line(wrong, bindings=[{"id": wrong, "user": f"cf-{beside}"}]),
        line(public),
        line(missing),
    ]
    for dry in (True, False):
        told = migration.adopt(*lines, dry=dry, code=8)
        assert told[good]["verdict"] == "adopt"
        said = {instance: " ".join(told[instance]["reasons"]) for instance in (bare, keyless, wrong, public, missing)}
        assert "there is no user" in said[bare]
        assert "has no active key" in said[keyless]
        assert f"names cf-{wrong}" in said[wrong]
        assert "Plan default is private" in said[public]
        assert "There is no bucket" in said[missing]
        assert f"cf-{missing}" not in told["extra_buckets"]
    assert migration.is_known(good)
    assert not any(map(migration.is_known, (bare, keyless, wrong, public, missing)))

    other = line(str(uuid.uuid4()), bucket=f"cf-{good}")
    assert "already" in migration.adopt(other, code=5)[other["instance_id"]]["reasons"][0]
    assert migration.adopt(line(public, plan=PUBLIC))[public]["verdict"] == "adopt"


def test_bindings_that_came_since_are_taken_by_a_repeat_and_the_rest_is_told(migration: Migration) -> None:
    instance, first, second, unlisted = guids(4)
    migration.other.provision(instance)
    migration.other.provision(unlisted)
    for guid in (first, second):
        migration.other.bind(instance, guid)
    told = migration.adopt(line(instance, first))
    assert told[instance]["new_bindings"] == [first]
    assert f"cf-{unlisted}" in told["extra_buckets"]
    assert f"cf-{second}" in told["extra_users"]
    told = migration.adopt(line(instance, first, second))
    assert told[instance]["new_bindings"] == [second]
    assert f"cf-{second}" not in told["extra_users"]
    assert f"cf-{instance}" not in told["extra_buckets"]


def other_account(url: str) -> dict[str, str]:
    """A key of an account that nobody else uses."""
    nobody = {"access_key_id": "root", "secret_access_key": "secret"}
    sts = boto_client("sts", nobody, {"s3_endpoint": url, "region": "us-east-1"})
    role = f"arn:aws:iam::{secrets.randbelow(10**12):012}:role/owner"
    made = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}


def test_on_aws_what_the_other_broker_made_is_taken_over(tmp_path: Path) -> None:
    """moto stands for AWS; it enforces no rights, and all its servers in a process share what is in an account."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    root = other_account(f"http://{host}:{port}")
    config = tmp_path / "bucketry.toml"
    config.write_text(
        f"""[catalog]
file = "{CATALOG}"
[engines.aws]
kind = "aws"
region = "us-east-1"
endpoint = "http://{host}:{port}"
access_key_id = "{root["access_key_id"]}"
secret_access_key = "{root["secret_access_key"]}"
bucket_prefix = "cf-"
iam_path = "/cf/"
key_wait_seconds = 0
"""
    )
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    config.rename(data / "bucketry.toml")
    server = Server(data, workers=1)
    server.start()
    try:
        migration = Migration(server, tmp_path)
        there = {"s3_endpoint": f"http://{host}:{port}", "region": "us-east-1"}
        s3, iam = boto_client("s3", root, there), boto_client("iam", root, there)
        migration.other = OtherBroker(s3, iam)
        instance, old, new = guids(3)
        bucket = migration.other.provision(instance)
        key = migration.other.bind(instance, old)
        boto_client("s3", key, there).put_object(Bucket=bucket, Key="k", Body=b"kept")
        assert migration.adopt(line(instance, old), dry=True)[instance]["verdict"] == "adopt"
        assert migration.adopt(line(instance, old))["extra_users"] == []
        path, ids = f"/service_instances/{instance}", {"service_id": SERVICE, "plan_id": DEFAULT}
        made = migration.broker.ask("PUT", f"{path}/service_bindings/{new}", ids)
        assert (made.status, made.body["credentials"]["bucket"]) == (201, bucket)
        assert boto_client("s3", key, there).get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
        assert migration.broker.ask("DELETE", f"{path}/service_bindings/{old}?{QUERY}").status == 200
        assert [user["UserName"] for user in iam.list_users(PathPrefix="/cf/")["Users"]] == [f"bucketry-{new}"]
        assert iam.list_policies(Scope="Local")["Policies"] == []
        assert migration.broker.ask("DELETE", f"{path}?{QUERY}").status == 422
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
        s3.delete_object(Bucket=bucket, Key="k")
        assert migration.broker.ask("DELETE", f"{path}?{QUERY}").status == 200
        assert s3.list_buckets()["Buckets"] == []
    finally:
        server.stop()
        moto.stop()


def test_the_recipe_of_the_page_makes_a_list(tmp_path: Path) -> None:
    text = (CATALOG.parents[1] / "adopting.md").read_text()
    recipe = "jq -nc" + text.partition("    jq -nc")[2].partition("\n\n")[0]
    guid = str(uuid.uuid4())

    def related(**names: str) -> dict[str, Any]:
        return {"relationships": {name: {"data": {"guid": value}} for name, value in names.items()}}

    answers: dict[str, list[dict[str, Any]]] = {
        "plans": [{"guid": "p", "broker_catalog": {"id": DEFAULT}}],
        "spaces": [{"guid": "s", **related(organization="o")}],
        "instances": [
            {"guid": guid, "name": "files", "tags": ["t"], **related(service_plan="p", space="s")},
            {"guid": "of-another-broker", "name": "db", "tags": [], **related(service_plan="q", space="s")},
        ],
        "bindings": [
            {"guid": "b", **related(service_instance=guid, app="a")},
            {"guid": "k", **related(service_instance=guid)},
            {"guid": "x", **related(service_instance="of-another-broker")},
        ],
    }
    for name, resources in answers.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"resources": resources}))
    require("jq")
    run_program(["sh", "-c", recipe], cwd=tmp_path)
    (order,) = adoption_file.read(tmp_path / "list.jsonl", catalog.parse(CATALOG.read_bytes()), "cf", "cf")
    assert (order.guid, order.bucket, order.plan_guid) == (guid, f"cf-{guid}", DEFAULT)
    assert (order.name, order.org_guid, order.space_guid, order.tags) == ("files", "o", "s", ("t",))
    assert [(binding.guid, binding.app_guid, binding.identity) for binding in order.bindings] == [
        ("b", "a", "cf-b"),
        ("k", None, "cf-k"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "line 1"),
        ('{"instance_id": "i"}', "plan_id"),
        (json.dumps(line("i", plan="no-plan")), "no plan no-plan"),
        (json.dumps(line("i")) + "\n" + json.dumps(line("i")), "line 2: instance i is on line 1 already"),
        (json.dumps(line("i", unknown=1)), "unknown"),
    ],
)
def test_a_list_that_is_wrong_is_refused_by_line(migration: Migration, text: str, told: str) -> None:
    migration.list.write_text(text)
    refused = migration.server.run("adopt", "--from", str(migration.list), check=False)
    assert (refused.returncode, told in refused.stderr) == (2, True), refused.stderr
