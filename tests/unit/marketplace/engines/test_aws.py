"""The engine for AWS without AWS: what its credentials name, and where its own come from."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bucketry.marketplace.domain.engine_ports import BucketSettings
from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.engines.accounts import SeveralAccounts
from bucketry.marketplace.engines.aws import AwsAccount, Login, make_aws_engine

KEY = Login("AKIDEXAMPLE", "very-secret-key")


def made(region: str = "us-east-1", login: Login = KEY, **more: Any) -> AwsAccount:
    engine = make_aws_engine(name="aws", region=region, logins=[login], **more)
    assert isinstance(engine, AwsAccount)
    return engine


@pytest.mark.parametrize(
    ("region", "endpoint", "fips_endpoint", "website"),
    [
        (
            "us-east-1",
            "s3.us-east-1.amazonaws.com",
            "s3-fips.us-east-1.amazonaws.com",
            "s3-website-us-east-1.amazonaws.com",
        ),
        (
            "eu-central-1",
            "s3.eu-central-1.amazonaws.com",
            "s3.eu-central-1.amazonaws.com",
            "s3-website.eu-central-1.amazonaws.com",
        ),
        (
            "us-gov-west-1",
            "s3.us-gov-west-1.amazonaws.com",
            "s3-fips.us-gov-west-1.amazonaws.com",
            "s3-website-us-gov-west-1.amazonaws.com",
        ),
        (
            "us-gov-east-1",
            "s3.us-gov-east-1.amazonaws.com",
            "s3-fips.us-gov-east-1.amazonaws.com",
            "s3-website.us-gov-east-1.amazonaws.com",
        ),
        (
            "cn-north-1",
            "s3.cn-north-1.amazonaws.com.cn",
            "s3.cn-north-1.amazonaws.com.cn",
            "s3-website.cn-north-1.amazonaws.com.cn",
        ),
    ],
)
def test_credentials_name_the_places_of_the_region(
    region: str, endpoint: str, fips_endpoint: str, website: str
) -> None:
    address = made(region).address("bkt-x")
    assert (address.region, address.endpoint, address.endpoint_url) == (region, endpoint, f"https://{endpoint}")
    assert address.fips_endpoint == fips_endpoint
    assert address.website_endpoint == f"http://bkt-x.{website}"
    assert not address.insecure_skip_verify


def test_with_fips_all_goes_there() -> None:
    engine = made("us-gov-west-1", uses_fips=True)
    assert engine.address("b").endpoint == "s3-fips.us-gov-west-1.amazonaws.com"
    endpoint = engine._connection.endpoint
    assert (endpoint.url, endpoint.iam_url) == (
        "https://s3-fips.us-gov-west-1.amazonaws.com",
        "https://iam.us-gov.amazonaws.com",
    )


@pytest.mark.parametrize(
    ("region", "iam", "signed_for"),
    [
        ("eu-west-1", "https://iam.amazonaws.com", "us-east-1"),
        ("us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
        ("cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_requests_are_signed_for_where_they_go(region: str, iam: str, signed_for: str) -> None:
    connection = made(region)._connection
    assert connection.iam.meta.endpoint_url == iam
    assert signer_of(connection.iam)._region_name == signed_for
    assert signer_of(connection.s3)._region_name == region


def signer_of(client: Any) -> Any:
    return client._request_signer


def test_several_logins_are_several_accounts() -> None:
    engine = make_aws_engine(name="aws", region="us-east-1", logins=[KEY, KEY])
    assert isinstance(engine, SeveralAccounts)
    assert len(engine.accounts) == 2


# ---- where its own credentials come from


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def credentials_of(engine: AwsAccount) -> tuple[str, str]:
    found = signer_of(engine._connection.s3)._credentials
    return found.access_key, found.secret_key


def test_a_key_of_the_settings_goes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    assert credentials_of(made()) == ("AKIDEXAMPLE", "very-secret-key")


def test_a_profile_is_read(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[own]\naws_access_key_id = of-profile\naws_secret_access_key = s\n")
    assert credentials_of(made(login=Login(profile="own"))) == ("of-profile", "s")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert credentials_of(made(login=Login())) == ("of-environment", "s")


class Metadata(BaseHTTPRequestHandler):
    """The instance metadata service, version 2."""

    def do_PUT(self) -> None:
        self._reply("token")

    def do_GET(self) -> None:
        if self.path.endswith("/security-credentials/"):
            return self._reply("role")
        role = {
            "Code": "Success",
            "AccessKeyId": "of-role",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": "2999-01-01T00:00:00Z",
        }
        return self._reply(json.dumps(role))

    def _reply(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_the_role_of_the_instance_is_asked_for(metadata: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
    assert credentials_of(made(login=Login())) == ("of-role", "s")


def test_the_role_of_the_container_is_asked_for(metadata: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}role")
    assert credentials_of(made(login=Login())) == ("of-role", "s")


@pytest.mark.parametrize(("login", "reason"), [(Login(), "NoCredentials"), (Login(profile="none"), "ProfileNotFound")])
async def test_without_credentials_the_operator_is_told(login: Login, reason: str) -> None:
    engine = made(login=login)
    with pytest.raises(EngineUnavailable, match=reason) as told:
        await engine.create_bucket("bkt-x", BucketSettings())
    assert "check-config" in str(told.value)
    await engine.close()


async def test_no_secret_is_told_of_an_engine_that_is_away() -> None:
    engine = made(endpoint_url="http://127.0.0.1:1")
    with pytest.raises(EngineUnavailable, match="did not answer") as told:
        await engine.create_bucket("bkt-x", BucketSettings())
    assert "very-secret-key" not in f"{told.value}{engine._connection.endpoint!r}"
    await engine.close()
