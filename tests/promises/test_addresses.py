"""SERVICE contract, "Running it": what the settings say is what credentials, buckets and the broker have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.kit.broker import Broker
from tests.kit.customer import Customer, visit
from tests.kit.server import Server

SETTINGS = """\
[server]
s3_url = "https://s3.example.com:8443"
website_domain = "example.com"
region = "eu-north-9"

[broker]
username = "platform"
password_file = "PASSWORD_FILE"
"""


def test_settings_name_what_users_are_told(fresh_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a password of our own\n")
    (tmp_path / "own.toml").write_text(SETTINGS.replace("PASSWORD_FILE", str(tmp_path / "password")))
    server = fresh_server("--config", str(tmp_path / "own.toml"), workers=1)
    customer = Customer.of(server, tmp_path / "home")
    name = customer.order(website={"IndexDocument": {"Suffix": "index.html"}})
    key = customer.key(name)
    assert key["endpoint_url"] == server.admin["s3_endpoint"] == "https://s3.example.com:8443"
    assert key["endpoint"] == "s3.example.com:8443"
    assert key["uri"].endswith(f"@s3.example.com:8443/{key['bucket']}")
    assert key["region"] == server.admin["region"] == "eu-north-9"
    site_port = server.ready_line.partition("  website ")[2].split()[0].rpartition(":")[2]
    assert key["website_endpoint"] == f"http://{key['bucket']}.s3-website-eu-north-9.example.com:{site_port}"
    printed = customer.ok("service-key", name, "key", "--format", "env").out
    assert "export AWS_ENDPOINT_URL=https://s3.example.com:8443\n" in printed

    site = visit(f"http://127.0.0.1:{site_port}/", Host=key["website_endpoint"].removeprefix("http://"))
    assert site.status == 403, "it is known, and private"
    assert server.admin["broker_username"] == "platform"
    assert server.admin["broker_password"] == "a password of our own"
    assert Broker(server).ask("GET", "/catalog").status == 200


def test_object_ownership_is_the_servers_where_an_order_says_nothing(
    fresh_server: Callable[..., Server], tmp_path: Path
) -> None:
    environment = {"BUCKETRY_STORE__DEFAULT_OBJECT_OWNERSHIP": "ObjectWriter"}
    customer = Customer.of(fresh_server(workers=1, environment=environment), tmp_path / "home")
    silent, told = customer.order(), customer.order(object_ownership="BucketOwnerEnforced")
    assert [ownership(customer, name) for name in (silent, told)] == ["ObjectWriter", "BucketOwnerEnforced"]
    customer.ok("update-service", told, "-c", '{"object_ownership": null}')
    assert ownership(customer, told) == "ObjectWriter"


def ownership(customer: Customer, name: str) -> str:
    controls = customer.root.get_bucket_ownership_controls(Bucket=customer.bucket(name))["OwnershipControls"]
    return str(controls["Rules"][0]["ObjectOwnership"])
