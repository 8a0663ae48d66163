"""SERVICE contract, "The broker": one walk of a platform through the Open Service Broker API, by plain HTTP.
(Each call with its edges: tests/osb.)"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.kernel.clock import system_clock_ms as now_ms
from bucketry.marketplace.domain.record_ports import Hold
from bucketry.marketplace.domain.values import Instance, InstanceState, LastOperation, OperationState, OperationType
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.sql import open_records
from tests.kit.broker import Broker
from tests.kit.customer import visit
from tests.kit.server import Server, clean_environment, run_program

CONTEXT = {
    "platform": "cloudfoundry", "organization_guid": "org-1", "space_guid": "space-1", "organization_name": "people",
    "space_name": "work", "instance_name": "uploads",
}  # fmt: skip
CORS: dict[str, Any] = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}


@pytest.fixture
def broker(server: Server) -> Broker:
    return Broker(server)


def test_a_platform_orders_binds_uses_and_removes_a_bucket(broker: Broker) -> None:
    (service,) = broker.ask("GET", "/catalog").body["services"]
    assert service["bindable"]
    assert service["plan_updateable"]
    plans = {plan["name"]: plan["id"] for plan in service["plans"]}
    ids = {"service_id": service["id"], "plan_id": plans["basic"]}
    query = f"?service_id={ids['service_id']}&plan_id={ids['plan_id']}"
    instance = f"/service_instances/{uuid.uuid4()}"
    binding = f"{instance}/service_bindings/{uuid.uuid4()}"
    order = {**ids, "organization_guid": "org-1", "space_guid": "space-1", "context": CONTEXT}

    assert broker.ask("PUT", binding, ids).status == 404
    assert broker.ask("PUT", instance, order).status == 201
    assert broker.ask("PUT", instance, order).status == 200
    assert broker.ask("PUT", instance, {**order, "plan_id": plans["basic-public"]}).status == 409
    fetched = broker.ask("GET", instance)
    assert (fetched.status, fetched.body["plan_id"]) == (200, ids["plan_id"])
    assert broker.ask("GET", f"{instance}/last_operation").body["state"] == "succeeded"

    bound = broker.ask("PUT", binding, {**ids, "bind_resource": {"app_guid": "app-1"}})
    again = broker.ask("PUT", binding, {**ids, "bind_resource": {"app_guid": "app-1"}})
    assert (bound.status, again.status) == (201, 200)
    assert again.body["credentials"] == bound.body["credentials"] == broker.ask("GET", binding).body["credentials"]
    assert broker.ask("PUT", binding, {**ids, "bind_resource": {"app_guid": "app-2"}}).status == 409
    assert broker.ask("GET", f"{binding}/last_operation").body["state"] == "succeeded"
    key = bound.body["credentials"]
    s3 = broker.server.client(credentials=key)
    s3.put_object(Bucket=key["bucket"], Key="k", Body=b"body")

    url = f"{key['endpoint_url']}/{key['bucket']}/k"
    assert visit(url).status == 403
    change = {**ids, "plan_id": plans["basic-public"], "parameters": {"cors": CORS}, "context": CONTEXT}
    assert broker.ask("PATCH", instance, change).status == 200
    assert visit(url).body == b"body"
    assert broker.ask("GET", instance).body["parameters"] == {"cors": CORS}
    assert broker.ask("PATCH", instance, {**ids, "plan_id": plans["basic-sandbox"]}).status == 422

    refused = broker.ask("DELETE", instance + query)
    assert (refused.status, refused.body["error"]) == (422, "BucketNotEmpty")
    assert "1 object (4 bytes)" in refused.body["description"]
    s3.delete_object(Bucket=key["bucket"], Key="k")
    assert broker.ask("DELETE", binding + query).status == 200
    assert broker.ask("DELETE", binding + query).status == 410
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.list_objects_v2(Bucket=key["bucket"])
    assert broker.ask("GET", binding).status == 404
    assert broker.ask("DELETE", instance + query).status == 200
    assert broker.ask("DELETE", instance + query).status == 410
    assert broker.ask("GET", instance).status == 404


@pytest.mark.slow
def test_what_the_page_says_empties_a_bucket(broker: Broker, tmp_path: Path) -> None:
    """docs/platforms.md: old versions and unfinished uploads too, with the credentials of a binding alone."""
    (service,) = broker.ask("GET", "/catalog").body["services"]
    ids = {"service_id": service["id"], "plan_id": service["plans"][0]["id"]}
    query = f"?service_id={ids['service_id']}&plan_id={ids['plan_id']}"
    instance = f"/service_instances/{uuid.uuid4()}"
    assert broker.ask("PUT", instance, {**ids, "organization_guid": "o", "space_guid": "s"}).status == 201
    key = broker.ask("PUT", f"{instance}/service_bindings/{uuid.uuid4()}", ids).body["credentials"]
    s3, bucket = broker.server.client(credentials=key), key["bucket"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for name in ("a", "a", "b c/d"):
        s3.put_object(Bucket=bucket, Key=name, Body=b"1")
    s3.create_multipart_upload(Bucket=bucket, Key="never finished")
    told = broker.ask("DELETE", instance + query).body["description"]
    assert f"aws s3 rm s3://{bucket} --recursive" in told
    assert "3 objects (3 bytes) and 1 unfinished upload" in told

    page = (Path(__file__).parents[2] / "docs/platforms.md").read_text()
    section = page.partition("## Emptying a bucket")[2].partition("\n## ")[0]
    script = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    environment = {
        **clean_environment(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_DEFAULT_REGION": key["region"],
        "AWS_ENDPOINT_URL": key["endpoint_url"],
        "BUCKET_NAME": bucket,
    }
    run_program(["bash", "-euo", "pipefail", "-c", script], environment=environment, cwd=tmp_path)
    assert broker.ask("DELETE", instance + query).status == 200


@pytest.mark.slow
def test_what_was_promised_is_finished_after_a_restart(fresh_server: Callable[..., Server]) -> None:
    """An order that a crash broke off, as it lies on the disk then: recorded with its operation, half made."""
    server = fresh_server(workers=1)
    broker, guid = Broker(server), str(uuid.uuid4())
    (service,) = broker.ask("GET", "/catalog").body["services"]
    plans = {plan["name"]: plan["id"] for plan in service["plans"]}
    ids = {"service_id": service["id"], "plan_id": plans["basic"]}
    order = {**ids, "organization_guid": "o", "space_guid": "s"}
    assert broker.ask("PUT", f"/service_instances/{guid}", order).status == 201
    key = broker.ask("PUT", f"/service_instances/{guid}/service_bindings/b", ids).body["credentials"]
    server.client(credentials=key).put_object(Bucket=key["bucket"], Key="k", Body=b"body")
    server.stop()

    async def break_off() -> None:
        records = open_records(sqlite_url(server.data / "marketplace.sqlite"))
        made = await records.hold_instance(guid, Hold("test", 1), 0)
        assert isinstance(made, Instance)
        begun = LastOperation(OperationType.CREATE, OperationState.IN_PROGRESS, "create in progress", now_ms(), "op-1")
        plan = plans["basic-public"]
        left = replace(made, state=InstanceState.CREATING, last_operation=begun, plan_guid=plan)
        await records.save_instance(left, "test", release=True)
        await records.close()

    asyncio.run(break_off())
    server.start()
    deadline = time.monotonic() + 30
    polled = f"/service_instances/{guid}/last_operation?operation=op-1"
    while (last := broker.ask("GET", polled)).body["state"] == "in progress":
        assert time.monotonic() < deadline
        assert int(last.headers["retry-after"]) > 0
        time.sleep(0.05)
    assert last.body == {"state": "succeeded", "description": "create succeeded"}
    assert visit(f"{server.admin['s3_endpoint']}/{key['bucket']}/k").body == b"body"


@pytest.mark.slow
def test_a_server_keeps_the_rules_of_the_specification(broker: Broker) -> None:
    """tests/osb, but for what looks inside and what is the same before any engine (bodies, headers)."""
    admin = broker.server.admin
    asked = {
        "BUCKETRY_OSB_URL": admin["api_url"],
        "BUCKETRY_OSB_USERNAME": admin["broker_username"],
        "BUCKETRY_OSB_PASSWORD": admin["broker_password"],
    }
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", "tests/osb"]
    command += [f"--ignore=tests/osb/{name}.py" for name in ("test_every_request", "test_bodies", "test_catalog")]
    done = run_program(command, environment={**clean_environment(), **asked}, timeout=250, cwd=root)
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) > 100, done.stdout


def test_only_a_platform_with_the_password_that_speaks_version_2_is_served(broker: Broker) -> None:
    anonymous = broker.ask("GET", "/catalog", Authorization=None)
    assert anonymous.status == 401
    assert anonymous.headers["www-authenticate"].startswith("Basic")
    assert broker.ask("GET", "/catalog", password="a wrong one").status == 401
    assert broker.ask("GET", "/catalog", X_Broker_API_Version=None).status == 400
    assert broker.ask("GET", "/catalog", X_Broker_API_Version="1.0").status == 412
    for version in ("2.13", "2.17"):
        assert broker.ask("GET", "/catalog", X_Broker_API_Version=version).status == 200


def test_a_wrong_order_is_told_and_leaves_nothing(broker: Broker) -> None:
    (service,) = broker.ask("GET", "/catalog").body["services"]
    instance = f"/service_instances/{uuid.uuid4()}"
    ids = {"service_id": service["id"], "plan_id": service["plans"][0]["id"]}
    order = {**ids, "organization_guid": "o", "space_guid": "s"}
    before = [bucket["Name"] for bucket in broker.server.client().list_buckets()["Buckets"]]
    for change in ({"plan_id": "none"}, {"service_id": "none"}, {"space_guid": None}, {"parameters": {"colour": 1}}):
        wrong = broker.ask("PUT", instance, {**order, **change})
        assert wrong.status == 400
        assert wrong.body["description"]
    assert broker.ask("GET", instance).status == 404
    assert [bucket["Name"] for bucket in broker.server.client().list_buckets()["Buckets"]] == before


def test_a_request_keeps_its_identity(broker: Broker) -> None:
    answer = broker.ask("GET", "/catalog", X_Broker_API_Request_Identity="e26cee84-6b38-4456-b34e-d1a9f002c956")
    assert answer.headers["x-broker-api-request-identity"] == "e26cee84-6b38-4456-b34e-d1a9f002c956"


@pytest.mark.slow
def test_a_server_that_ends_leaves_its_promises_to_the_next(
    fresh_server: Callable[..., Server], tmp_path: Path
) -> None:
    """An engine that takes everything and answers nothing: promised, not broken by SIGTERM, still followed after it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        plan = {"id": "far-plan", "name": "far", "description": "Far away", "bucketry": {"engine": "far"}}
        service = {"id": "far-service", "name": "s3", "description": "Buckets", "plans": [plan]}
        (tmp_path / "catalog.json").write_text(json.dumps({"services": [service]}))
        (tmp_path / "far.toml").write_text(
            f'[catalog]\nfile = "{tmp_path}/catalog.json"\n[engines.far]\nkind = "aws"\nregion = "us-east-1"\n'
            f'access_key_id = "AKIAFARAWAY"\nsecret_access_key = "far-away-secret-key"\n'
            f'endpoint = "{endpoint}"\niam_endpoint = "{endpoint}"\n'
        )
        server = fresh_server("--config", str(tmp_path / "far.toml"), workers=1)
        broker, instance = Broker(server), f"/service_instances/{uuid.uuid4()}"
        order = {"service_id": "far-service", "plan_id": "far-plan", "organization_guid": "o", "space_guid": "s"}
        promised = broker.ask("PUT", f"{instance}?accepts_incomplete=true", order)
        assert promised.status == 202
        polled = f"{instance}/last_operation?operation={promised.body['operation']}"
        assert broker.ask("GET", polled).body["state"] == "in progress"
        assert server.stop() == 0
        server.start()
        assert broker.ask("GET", polled).body["state"] == "in progress"
        assert broker.ask("GET", instance).status == 404
        again = broker.ask("PUT", f"{instance}?accepts_incomplete=true", order)
        assert (again.status, again.body) == (202, promised.body)
