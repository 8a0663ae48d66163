"""A whole server whose plans are on Ceph: the service contract's recipe as printed, quotas, the way there from the
embedded engine as docs/ceph.md prints it."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.ceph import Cluster
from tests.kit.customer import Customer, visit
from tests.kit.files import noise
from tests.kit.programs import require
from tests.kit.server import Server, boto_client

PAGE = Path(__file__).parents[2] / "docs" / "ceph.md"
CORS = {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET", "PUT"]}]}
HERE = {"id": "plan-here", "name": "basic-here", "description": "On this machine.", "bucketry": {"engine": "embedded"}}
SMALL = {
    "id": "plan-small",
    "name": "small",
    "description": "A single object.",
    "bucketry": {"engine": "ceph", "quota": {"size": "1 GB", "objects": 1}},
}
RECIPE = """\
alias cf=bucketry
cf create-service s3 basic mybucket
export INSTANCE_NAME=mybucket KEY_NAME=Bob
cf create-service-key "${INSTANCE_NAME}" "${KEY_NAME}"
export S3_CREDENTIALS=`cf service-key "${INSTANCE_NAME}" "${KEY_NAME}" | tail -n +2`
export AWS_ACCESS_KEY_ID=`echo "${S3_CREDENTIALS}" | jq -r .access_key_id`
export AWS_SECRET_ACCESS_KEY=`echo "${S3_CREDENTIALS}" | jq -r .secret_access_key`
export BUCKET_NAME=`echo "${S3_CREDENTIALS}" | jq -r .bucket`
export AWS_DEFAULT_REGION=`echo "${S3_CREDENTIALS}" | jq -r '.region'`
export AWS_ENDPOINT_URL=`echo "${S3_CREDENTIALS}" | jq -r .endpoint_url`
aws s3 cp ./mylocalfile s3://${BUCKET_NAME}/
aws s3 cp s3://${BUCKET_NAME}/mylocalfile ./copy
aws s3 ls s3://${BUCKET_NAME}
aws s3api put-bucket-cors --bucket $BUCKET_NAME --cors-configuration file://cors.json
cmp mylocalfile copy
"""


def client(key: dict[str, Any]) -> Any:
    return boto_client("s3", key, {"s3_endpoint": key["endpoint_url"], "region": key["region"]})


@pytest.fixture(scope="module")
def customer(ceph: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    folder = tmp_path_factory.mktemp("on-ceph")
    shipped = importlib.resources.files("bucketry.marketplace.domain").joinpath("catalog.json").read_text()
    catalog = json.loads(shipped)
    for plan in catalog["services"][0]["plans"]:
        plan["bucketry"]["engine"] = "ceph"
    catalog["services"][0]["plans"] += [HERE, SMALL]
    (folder / "catalog.json").write_text(json.dumps(catalog))
    (folder / "ceph.secret").write_text(ceph.secret_access_key)
    (folder / "bucketry.toml").write_text(
        f"""
        [engines.embedded]
        kind = "embedded"
        [engines.ceph]
        kind = "ceph"
        endpoint = "{ceph.url}"
        access_key_id = "{ceph.access_key_id}"
        secret_access_key_file = "{folder}/ceph.secret"
        website_domain = "{ceph.website_host}"
        [catalog]
        file = "{folder}/catalog.json"
        """
    )
    server = Server(folder / "data", "--config", str(folder / "bucketry.toml")).start()
    yield Customer.of(server, folder / "home")
    assert server.stop() == 0
    assert ceph.secret_access_key not in server.log.read_text()


def test_the_recipe_runs_as_printed_from_order_to_removal(customer: Customer) -> None:
    for program in ("aws", "jq"):
        require(program)
    (customer.home / "mylocalfile").write_bytes(noise(9_000_000))  # in parts
    (customer.home / "cors.json").write_text(json.dumps(CORS))
    customer.bash(RECIPE)
    url = f"{customer.key('mybucket', 'other')['endpoint_url']}/{customer.bucket('mybucket')}/mylocalfile"
    assert visit(url, "OPTIONS", Origin="https://example.org", Access_Control_Request_Method="PUT").status == 200
    assert visit(url, "OPTIONS", Origin="https://example.com", Access_Control_Request_Method="PUT").status == 403
    assert visit(url).status == 403
    for key in ("Bob", "other"):
        customer.ok("delete-service-key", "mybucket", key, "-f")
    refused = customer("delete-service", "mybucket", "-f")
    assert refused.code == 5
    assert "1 object" in refused.err
    customer.ok("empty-bucket", "mybucket", "-f")
    customer.ok("delete-service", "mybucket", "-f")
    assert customer("service", "mybucket").code == 3


def test_the_configuration_is_proven_on_ceph(customer: Customer, tmp_path: Path) -> None:
    config = customer.server.data.parent / "bucketry.toml"
    done = customer.ok("check-config", "--config", str(config))
    assert "a key that is revoked is refused" in done.out + done.err
    other = tmp_path / "bucketry.toml"
    other.write_text(config.read_text().replace("access_key_id = ", 'access_key_id = "unknown" # '))
    done = customer("check-config", "--config", str(other))
    assert done.code == 1
    assert "InvalidAccessKeyId" in done.out + done.err


def test_a_public_plan_is_a_website(customer: Customer) -> None:
    name = customer.order("basic-public", website={"IndexDocument": {"Suffix": "index.html"}}, cors=CORS)
    key = customer.key(name)
    client(key).put_object(Bucket=key["bucket"], Key="index.html", Body=b"hello", ContentType="text/html")
    page = visit(key["website_endpoint"] + "/")
    assert (page.status, page.body) == (200, b"hello")
    assert visit(f"{key['endpoint_url']}/{key['bucket']}/index.html").body == b"hello"
    assert visit(f"{key['endpoint_url']}/{key['bucket']}").status == 403


def test_a_quota_is_ordered_changed_and_taken_back(customer: Customer) -> None:
    name = customer.order(quota={"objects": 1})
    key = customer.key(name)
    s3 = client(key)
    s3.put_object(Bucket=key["bucket"], Key="a", Body=b"1")
    with pytest.raises(ClientError, match="QuotaExceeded"):
        s3.put_object(Bucket=key["bucket"], Key="b", Body=b"1")
    customer.ok("update-service", name, "-c", json.dumps({"quota": {"size": "1 GB"}}))
    s3.put_object(Bucket=key["bucket"], Key="b", Body=b"1")
    customer.ok("update-service", name, "-c", json.dumps({"quota": None}))
    s3.put_object(Bucket=key["bucket"], Key="c", Body=b"1")
    refused = customer("create-service", "s3", "basic", "owned", "-c", '{"object_ownership": "BucketOwnerEnforced"}')
    assert refused.code == 1
    assert "the engine ceph only has ObjectWriter" in refused.error
    assert customer("service", "owned").code == 3


def test_a_plan_limits_its_buckets(customer: Customer) -> None:
    refused = customer("create-service", "s3", "small", "large", "-c", '{"quota": {"objects": 2}}')
    assert refused.code == 2
    assert "plan small gives at most 1 objects" in refused.error
    key = customer.key(customer.order("small", quota={"size": "10 MB"}))
    client(key).put_object(Bucket=key["bucket"], Key="a", Body=b"1")
    with pytest.raises(ClientError, match="QuotaExceeded"):
        client(key).put_object(Bucket=key["bucket"], Key="b", Body=b"1")


def test_a_key_reaches_additional_instances_until_it_is_deleted(customer: Customer) -> None:
    one, other = customer.order(), customer.order()
    key = customer.key(one, additional_instances=[other])
    s3 = client(key)
    for bucket in (key["bucket"], *key["additional_buckets"]):
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    customer.ok("delete-service-key", one, "key", "-f")
    for bucket in (key["bucket"], *key["additional_buckets"]):
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            s3.get_object(Bucket=bucket, Key="a")


def test_a_bucket_moves_from_the_embedded_engine_as_the_page_says(customer: Customer) -> None:
    for program in ("rclone", "jq"):
        require(program)
    (script,) = re.findall(r"```sh move\n(.*?)```", PAGE.read_text(), re.DOTALL)
    old = customer.key(customer.order("basic-here", "photos"))
    written = {f"a/{number} ü": noise(size) for number, size in enumerate((0, 1, 70_000, 6_000_000))}
    for key, content in written.items():
        client(old).put_object(Bucket=old["bucket"], Key=key, Body=content, Metadata={"who": "me"})
    customer.bash(script.replace("basic-ceph", "basic"))
    new = customer.key("photos-on-ceph", "reader")
    assert new["endpoint_url"] != old["endpoint_url"]
    written["late"] = b"while it was copied"
    client(old).put_object(Bucket=old["bucket"], Key="late", Body=written["late"], Metadata={"who": "me"})
    again = "\n".join(script.splitlines()[-2:])
    customer.bash(again, **{"from": f"old:{old['bucket']}", "to": f"new:{new['bucket']}"})
    for key, content in written.items():
        found = client(new).get_object(Bucket=new["bucket"], Key=key)
        assert (found["Body"].read(), found["Metadata"]["who"]) == (content, "me")
