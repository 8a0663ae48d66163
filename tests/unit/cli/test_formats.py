"""Credentials in the forms that programs read: each text is read back by the program or its kind of parser."""

from __future__ import annotations

import configparser
import os
import subprocess

import boto3
import botocore.session
import pytest

from bucketry.cli.errors import CliError
from bucketry.cli.formats import FORMATS, Credentials

HOSTILE_SECRET = """a'b"c$(touch /nonexistent)`d`\\e /+%(x)s"""


def flat(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "uri": "s3://k:s@127.0.0.1:9000/b",
        "access_key_id": "BKRYEXAMPLE",
        "secret_access_key": "secretExample0123",
        "region": "us-east-1",
        "bucket": "bucket-1",
        "endpoint": "127.0.0.1:9000",
        "endpoint_url": "http://127.0.0.1:9000",
        "insecure_skip_verify": False,
        "additional_buckets": [],
    }
    return values | changes


def credentials(**changes: object) -> Credentials:
    return Credentials.of(flat(**changes), name="my-bucket-Bob")


def section(text: str, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return dict(parser[name])


@pytest.mark.parametrize("secret", ["secretExample0123", HOSTILE_SECRET])
def test_env_gives_the_shell_the_very_values(secret: str) -> None:
    script = FORMATS["env"](credentials(secret_access_key=secret)) + "\nenv -0"
    shown = subprocess.run(
        ["sh", "-c", script], capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
    ).stdout
    variables = dict(entry.split("=", 1) for entry in shown.decode().split("\0") if "=" in entry)
    assert variables["AWS_ACCESS_KEY_ID"] == "BKRYEXAMPLE"
    assert variables["AWS_SECRET_ACCESS_KEY"] == secret
    assert variables["AWS_DEFAULT_REGION"] == variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert variables["BUCKET_NAME"] == "bucket-1"


def test_aws_profile_is_read_by_botocore(tmp_path, monkeypatch) -> None:
    config = tmp_path / "config"
    config.write_text(FORMATS["aws"](credentials()) + "\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    session = botocore.session.Session(profile="my-bucket-Bob")
    found = session.get_credentials()
    assert (found.access_key, found.secret_key) == ("BKRYEXAMPLE", "secretExample0123")
    client = session.create_client("s3")
    assert client.meta.endpoint_url == "http://127.0.0.1:9000"
    assert client.meta.region_name == "us-east-1"
    assert client.meta.config.s3["addressing_style"] == "path"


def test_rclone_remote_names_the_endpoint_and_never_creates_buckets() -> None:
    remote = section(FORMATS["rclone"](credentials()), "my-bucket-Bob")
    assert remote["type"] == "s3"
    assert remote["provider"] == "Other"
    assert remote["endpoint"] == "http://127.0.0.1:9000"
    assert remote["no_check_bucket"] == "true"
    assert remote["secret_access_key"] == "secretExample0123"


def test_s3cmd_speaks_plain_http_by_path_where_the_endpoint_does() -> None:
    config = section(FORMATS["s3cmd"](credentials()), "default")
    assert config["host_base"] == config["host_bucket"] == "127.0.0.1:9000"
    assert config["use_https"] == "False"
    assert config["secret_key"] == "secretExample0123"


def test_boto3_snippet_runs_and_makes_a_client() -> None:
    names: dict[str, object] = {}
    exec(FORMATS["boto3"](credentials(secret_access_key=HOSTILE_SECRET)), names)  # noqa: S102 - the snippet is for running
    client = names["s3"]
    assert isinstance(client, type(boto3.client("s3", region_name="us-east-1"))) or client.meta.endpoint_url
    assert client._request_signer._credentials.secret_key == HOSTILE_SECRET
    assert names["bucket"] == "bucket-1"


def test_buckets_at_amazon_get_no_endpoint_in_profiles() -> None:
    at_amazon = credentials(endpoint_url="https://s3.us-gov-west-1.amazonaws.com", region="us-gov-west-1")
    assert "endpoint_url" not in FORMATS["aws"](at_amazon)
    assert section(FORMATS["rclone"](at_amazon), "my-bucket-Bob")["provider"] == "AWS"
    assert "%(bucket)s.s3.us-gov-west-1.amazonaws.com" in FORMATS["s3cmd"](at_amazon)
    assert "use_https = True" in FORMATS["s3cmd"](at_amazon)


def test_an_endpoint_without_url_is_taken_as_https() -> None:
    values = flat(endpoint="s3.example.org")
    del values["endpoint_url"]
    assert Credentials.of(values, name="n").endpoint_url == "https://s3.example.org"


@pytest.mark.parametrize("field", ["access_key_id", "secret_access_key", "region", "bucket", "endpoint_url"])
def test_a_value_that_would_begin_a_line_of_its_own_is_refused(field: str) -> None:
    with pytest.raises(CliError, match="control characters") as refused:
        credentials(**{field: "x\naws_secret_access_key = other"})
    assert "other" not in refused.value.line


def test_a_missing_field_is_told_by_name() -> None:
    values = flat()
    del values["region"]
    with pytest.raises(CliError, match="no region"):
        Credentials.of(values, name="n")


def test_a_profile_name_holds_no_brackets_or_line_ends() -> None:
    assert Credentials.of(flat(), name="a]\n[b ü").name == "a-b-"


def test_credentials_do_not_show_their_secret() -> None:
    assert "secretExample0123" not in repr(credentials())
