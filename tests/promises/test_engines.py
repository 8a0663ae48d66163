"""SERVICE contract, "Where buckets live": the same orders on several engines of one server.

A second store stands for AWS: it enforces policies, and bucketry works there as the identity of docs/aws.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.kit.aws import Bounded, make_bounded
from tests.kit.customer import Customer, visit
from tests.kit.server import Server
from tests.kit.store import Store

SETTINGS = """\
[catalog]
file = "{folder}/catalog.json"
[engines.embedded]
kind = "embedded"
[engines.aws]
kind = "aws"
region = "us-east-1"
endpoint = "{url}"
access_key_id = "{access_key_id}"
secret_access_key_file = "{folder}/secret"
permissions_boundary = "{boundary}"
"""


def plan(name: str, **bucketry: Any) -> dict[str, Any]:
    return {"id": f"id-of-{name}", "name": name, "description": name, "bucketry": bucketry}


PLANS = [plan("here"), plan("there", engine="aws"), plan("there-public", engine="aws", public=True)]


@dataclass
class Both:
    """A server with two engines, and what stands for AWS."""

    server: Server
    place: Bounded


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("engines")
    store = Store(folder / "aws")
    place = make_bounded(store)
    service = {"id": "id-of-s3", "name": "s3", "description": "s3", "plans": PLANS}
    (folder / "catalog.json").write_text(json.dumps({"services": [service]}))
    (folder / "secret").write_text(place.own.secret_access_key)
    values = {"folder": folder, "url": place.url, "boundary": place.boundary}
    (folder / "own.toml").write_text(SETTINGS.format(access_key_id=place.own.access_key_id, **values))
    server = Server(folder / "data", "--config", str(folder / "own.toml"), workers=1).start()
    yield Both(server, place)
    assert server.stop() == 0
    assert place.own.secret_access_key not in server.log.read_text()
    assert store.stop() == 0


@pytest.fixture
def customer(both: Both, tmp_path: Path) -> Customer:
    return Customer.of(both.server, tmp_path / "home")


def s3(credentials: dict[str, Any]) -> Any:
    """As a user makes a client: by what the credentials name."""
    return boto3.client(
        "s3",
        endpoint_url=credentials["endpoint_url"],
        region_name=credentials["region"],
        aws_access_key_id=credentials["access_key_id"],
        aws_secret_access_key=credentials["secret_access_key"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
    )


def test_buckets_live_where_their_plan_says(both: Both, customer: Customer) -> None:
    for name, url in (("here", both.server.admin["s3_endpoint"]), ("there", both.place.url)):
        instance = customer.order(name)
        credentials = customer.key(instance)
        bucket = credentials["bucket"]
        assert credentials["endpoint_url"] == url
        s3(credentials).put_object(Bucket=bucket, Key="a", Body=name.encode())
        assert s3(credentials).get_object(Bucket=bucket, Key="a")["Body"].read() == name.encode()
        assert visit(f"{url}/{bucket}/a").code == "AccessDenied"
        assert customer("delete-service", instance, "-f").code == 5
        assert customer.ok("empty-bucket", instance, "-f")
        customer.ok("delete-service-key", instance, "key", "-f")
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            s3(credentials).list_objects_v2(Bucket=bucket)
        customer.ok("delete-service", instance, "-f")
        assert visit(f"{url}/{bucket}/a").code == "NoSuchBucket"


def test_a_plan_is_changed_to_a_public_one_and_back(customer: Customer) -> None:
    instance = customer.order("there")
    credentials = customer.key(instance)
    s3(credentials).put_object(Bucket=credentials["bucket"], Key="a", Body=b"1")
    url = f"{credentials['endpoint_url']}/{credentials['bucket']}"
    for name, status in (("there-public", 200), ("there", 403)):
        customer.ok("update-service", instance, "-p", name)
        assert visit(f"{url}/a").status == status
        assert visit(url).status == 403


def test_a_key_for_buckets_of_two_engines_is_refused(customer: Customer) -> None:
    here, there = customer.order("here"), customer.order("there")
    refused = customer("create-service-key", there, "key", "-c", json.dumps({"additional_instances": [here]}))
    assert refused.code != 0
    assert "engine embedded" in refused.err


def test_check_config_proves_each(both: Both, customer: Customer) -> None:
    config = str(both.server.data.with_name("own.toml"))
    done = customer.ok("check-config", "--config", config)
    lines = done.out.splitlines()
    for engine in ("embedded", "aws"):
        assert f"ok     engine {engine}: all is removed again" in lines
    # Public plans are offered on one of them.
    assert [line.split(":")[0] for line in lines if "a public bucket" in line] == ["ok     engine aws"]
    assert both.place.own.secret_access_key not in done.out + done.err
