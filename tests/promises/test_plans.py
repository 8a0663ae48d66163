"""SERVICE contract, "Plans": what can be ordered, at what price, and what becomes of the content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.marketplace.domain import catalog as catalog_module
from tests.kit.broker import Broker
from tests.kit.customer import Customer, visit
from tests.kit.programs import bucketry
from tests.kit.server import LISTEN, Server, clean_environment, run_program

DESCRIPTION = "Secure, durable, highly scalable object storage"
# name → (price, free, whether anyone may read, whether the content goes with the service)
PLANS = {
    "basic": ("$0.03 / GB / month", False, False, False),
    "basic-public": ("$0.03 / GB / month", False, True, False),
    "basic-sandbox": ("free", True, False, True),
    "basic-public-sandbox": ("free", True, True, True),
}
KEPT = [name for name, plan in PLANS.items() if not plan[3]]
SANDBOXES = [name for name, plan in PLANS.items() if plan[3]]


def fill(s3: Any, bucket: str, what: str) -> None:
    """Put objects (3, of 10 bytes together) or an unfinished upload into a bucket."""
    if "objects" in what:
        for key, body in {"a": b"12345", "b/c": b"1234", "d": b"1"}.items():
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    if "upload" in what:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="u")["UploadId"]
        s3.upload_part(Bucket=bucket, Key="u", UploadId=upload, PartNumber=1, Body=b"part")


# --- what is offered


def test_the_marketplace_offers_the_four_plans_with_their_prices(shared: Customer) -> None:
    offering = shared.ok("marketplace").out.splitlines()[1]
    assert offering.startswith("s3 ")
    assert ", ".join(PLANS) in offering
    assert DESCRIPTION in offering
    rows = shared.ok("marketplace", "-e", "s3").out.splitlines()[1:]
    for row, (name, (_, free, _, _)) in zip(rows, PLANS.items(), strict=True):
        assert row.startswith(f"{name} ")
        assert f"  {'free' if free else 'paid'} " in row
        assert row.endswith(f"usd {'0.00' if free else '0.03'}/GB/month")
    for plan in shared.ok("marketplace", "-e", "s3", "-o", "json").value:
        price, free, public, _ = PLANS[plan["name"]]
        assert (plan["price"], plan["free"], plan["public"]) == (price, free, public)


def test_the_brokers_catalog_says_the_same(server: Server) -> None:
    catalog = Broker(server).ask("GET", "/catalog").body
    (service,) = catalog["services"]
    assert (service["name"], service["description"]) == ("s3", DESCRIPTION)
    assert service["metadata"]["status"] == "Production Ready"
    found = {plan["name"]: plan for plan in service["plans"]}
    assert list(found) == list(PLANS)
    for name, (price, free, public, _) in PLANS.items():
        assert found[name]["free"] is free
        assert found[name]["metadata"]["costs"] == [{"amount": {"usd": 0 if free else 0.03}, "unit": "GB/month"}]
        assert (price == "free") is free
        assert ("anyone may read" in " ".join(found[name]["metadata"]["bullets"])) is public


@pytest.mark.parametrize("plan", PLANS)
def test_each_plan_is_one_bucket_private_or_public(customer: Customer, plan: str) -> None:
    before = len(customer.root.list_buckets()["Buckets"])
    key = customer.key(customer.order(plan))
    assert len(customer.root.list_buckets()["Buckets"]) == before + 1
    customer.s3(key).put_object(Bucket=key["bucket"], Key="k", Body=b"body")
    url = f"{key['endpoint_url']}/{key['bucket']}"
    assert visit(f"{url}/k").status == (200 if PLANS[plan][2] else 403)
    assert visit(url).status == 403


# --- what becomes of the content


@pytest.mark.parametrize("plan", KEPT)
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("objects", "holds 3 objects (10 bytes),"),
        ("upload", "1 unfinished upload,"),
        ("objects and upload", "holds 3 objects (10 bytes) and 1 unfinished upload,"),
    ],
)
def test_a_paid_plan_is_not_removed_while_the_bucket_holds_anything(
    customer: Customer, plan: str, what: str, words: str
) -> None:
    key = customer.key(customer.order(plan, "held"))
    s3 = customer.s3(key)
    fill(s3, key["bucket"], what)
    refused = customer("delete-service", "held", "-f")
    assert refused.code == 5
    assert words in refused.error
    assert refused.error.endswith("bucketry empty-bucket held")
    assert len(s3.list_objects_v2(Bucket=key["bucket"]).get("Contents", [])) == (3 if "objects" in what else 0)
    assert len(s3.list_multipart_uploads(Bucket=key["bucket"]).get("Uploads", [])) == ("upload" in what)
    assert customer.ok("service", "held", "-o", "json").value["last_operation"]["state"] == "succeeded"

    customer.ok(*refused.error.rpartition("bucketry ")[2].split(), "-f")
    customer.ok("delete-service", "held", "-f")
    assert_gone(customer, key)


@pytest.mark.parametrize("plan", SANDBOXES)
def test_a_sandboxs_content_goes_with_it(customer: Customer, plan: str) -> None:
    key = customer.key(customer.order(plan, "trial"))
    fill(customer.s3(key), key["bucket"], "objects and upload")
    customer.ok("delete-service", "trial", "-f")
    assert_gone(customer, key)


def assert_gone(customer: Customer, key: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="Not Found"):
        customer.root.head_bucket(Bucket=key["bucket"])
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        customer.s3(key).list_objects_v2(Bucket=key["bucket"])
    assert customer("service", "held").code == 3


# --- the catalog is configuration


def default_file() -> dict[str, Any]:
    path = Path(catalog_module.__file__).with_name("catalog.json")
    catalog: dict[str, Any] = json.loads(path.read_text())
    return catalog


def test_an_operator_changes_prices_and_adds_plans(fresh_server: Callable[..., Server], tmp_path: Path) -> None:
    catalog = default_file()
    plans = catalog["services"][0]["plans"]
    plans[0]["metadata"]["costs"] = [{"amount": {"usd": 0.05, "eur": 0.04}, "unit": "GB/month"}]
    plans.append(
        {
            "id": "5f0b7a52-6c5e-4a9a-9e0c-5a8a3d1c7b11",
            "name": "archive",
            "description": "A public bucket of our own making",
            "free": False,
            "metadata": {"costs": [{"amount": {"usd": 5}, "unit": "month"}]},
            "bucketry": {"public": True, "empties_on_delete": True},
        }
    )
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    (tmp_path / "own.toml").write_text(f'[catalog]\nfile = "{tmp_path / "catalog.json"}"\n')
    customer = Customer.of(fresh_server("--config", str(tmp_path / "own.toml"), workers=1), tmp_path / "home")

    shown = {plan["name"]: plan for plan in customer.ok("marketplace", "-e", "s3", "-o", "json").value}
    assert list(shown) == [*PLANS, "archive"]
    assert shown["basic"]["price"] == "$0.05 / GB / month + EUR 0.04 / GB / month"
    assert shown["archive"]["price"] == "$5 / month"
    assert "archive" in customer.ok("marketplace").out

    customer.ok("create-service", "s3", "archive", "own")
    key = customer.key("own")
    customer.s3(key).put_object(Bucket=key["bucket"], Key="k", Body=b"body")
    assert visit(f"{key['endpoint_url']}/{key['bucket']}/k").body == b"body"
    customer.ok("delete-service", "own", "-f")


def test_an_operator_replaces_it_all(fresh_server: Callable[..., Server], tmp_path: Path) -> None:
    plan = {"id": "plan-1", "name": "small", "description": "A bucket"}
    service = {"id": "service-1", "name": "shelf", "description": "Our own shelf", "plans": [plan]}
    (tmp_path / "catalog.json").write_text(json.dumps({"services": [service]}))
    environment = {"BUCKETRY_CATALOG__FILE": str(tmp_path / "catalog.json")}
    customer = Customer.of(fresh_server(workers=1, environment=environment), tmp_path / "home")
    assert [service["name"] for service in customer.ok("marketplace", "-o", "json").value] == ["shelf"]
    assert customer("create-service", "s3", "basic", "b").code == 3
    customer.ok("create-service", "shelf", "small", "b")
    key = customer.key("b")
    customer.s3(key).put_object(Bucket=key["bucket"], Key="k", Body=b"body")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prise": 1}, "prise"),
        ({"free": True}, "services[0].plans[0].free"),
        ({"bucketry": {"engine": "ceph"}}, "ceph"),
        ({"bucketry": {"quota": {"size": "1 GB"}}}, "plan basic is none of engine embedded: Parameter quota"),
    ],
    ids=["unknown key", "a price that is free", "an engine that is none", "what its engine can't do"],
)
def test_a_mistake_in_a_catalog_is_told_by_its_place(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    catalog = default_file()
    catalog["services"][0]["plans"][0].update(change)
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    environment = {**clean_environment(), "BUCKETRY_CATALOG__FILE": str(tmp_path / "catalog.json")}
    done = run_program(
        [bucketry(), "serve", "--data", str(tmp_path / "d"), *LISTEN], check=False, environment=environment
    )
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
