"""create-service-key, service-keys, service-key in all its forms, delete-service-key."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from bucketry.cli.formats import FORMATS
from tests.cli.conftest import Cli


@pytest.fixture
def keyed(cli: Cli) -> Cli:
    """With the instance my-bucket and its key Bob."""
    cli.ok("create-service", "s3", "basic", "my-bucket")
    made = cli.ok("create-service-key", "my-bucket", "Bob")
    assert made.out == ""
    assert made.err == "Creating service key Bob for service instance my-bucket as admin...\nOK\n"
    return cli


def secret_of(cli: Cli) -> dict[str, str]:
    credentials: dict[str, str] = cli.ok("service-key", "my-bucket", "Bob", "--json").value["credentials"]
    return credentials


def test_a_key_is_one_heading_one_blank_line_then_flat_json(keyed: Cli) -> None:
    shown = keyed.ok("service-key", "my-bucket", "Bob")
    heading, blank, rest = shown.out.split("\n", 2)
    assert heading == "Getting key Bob for service instance my-bucket as admin..."
    assert blank == ""
    assert json.loads(rest) == secret_of(keyed)
    assert json.loads(shown.out.split("\n", 1)[1])["access_key_id"].startswith("BKRY")  # tail -n +2 | jq
    assert shown.err == ""


def test_the_instance_may_be_left_out_while_the_name_is_unique(keyed: Cli) -> None:
    assert keyed.ok("service-key", "Bob").out == keyed.ok("service-key", "my-bucket", "Bob").out
    assert keyed.ok("service-key", "Bob", "--json").value["credentials"] == secret_of(keyed)
    unknown = keyed("service-key", "Alice")
    assert (unknown.code, unknown.out) == (3, "")
    assert "create-service-key" in unknown.error
    keyed.ok("cs", "s3", "basic", "other")
    keyed.ok("csk", "other", "Bob")
    ambiguous = keyed("service-key", "Bob")
    assert (ambiguous.code, ambiguous.out) == (5, "")
    assert "name the instance too" in ambiguous.error


def test_keys_are_listed_without_secrets(keyed: Cli) -> None:
    listed = keyed.ok("service-keys", "my-bucket")
    assert listed.out == "name   last operation     message\nBob    create succeeded\n"
    as_json = keyed.ok("sk", "my-bucket", "-o", "json")
    assert as_json.value[0]["name"] == "Bob"
    assert secret_of(keyed)["secret_access_key"] not in as_json.out + listed.out
    assert keyed.ok("service-key", "my-bucket", "Bob", "--guid").out == as_json.value[0]["guid"] + "\n"


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_each_format_is_data_alone(keyed: Cli, form: str) -> None:
    shown = keyed.ok("service-key", "my-bucket", "Bob", "--format", form)
    assert shown.err == ""
    assert secret_of(keyed)["secret_access_key"] in shown.out
    assert "Getting key" not in shown.out


def test_the_shell_takes_the_env_format(keyed: Cli) -> None:
    script = (
        'eval "$(bucketry service-key my-bucket Bob --format env)" && printf %s "$AWS_SECRET_ACCESS_KEY@$BUCKET_NAME"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env=keyed.environment | {"PATH": f"{keyed.program_folder}:{keyed.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    credentials = secret_of(keyed)
    assert done.stdout == f"{credentials['secret_access_key']}@{credentials['bucket']}"


@pytest.mark.skipif(shutil.which("jq") is None, reason="the recipe uses jq")
def test_the_known_recipe_runs_as_printed(keyed: Cli) -> None:
    script = r"""
shopt -s expand_aliases
alias cf=bucketry
cf create-service s3 basic mybucket
export INSTANCE_NAME=mybucket KEY_NAME=Bob2
cf create-service-key "${INSTANCE_NAME}" "${KEY_NAME}"
export S3_CREDENTIALS=`cf service-key "${INSTANCE_NAME}" "${KEY_NAME}" | tail -n +2`
export AWS_ACCESS_KEY_ID=`echo "${S3_CREDENTIALS}" | jq -r .access_key_id`
export BUCKET_NAME=`echo "${S3_CREDENTIALS}" | jq -r .bucket`
export AWS_ENDPOINT_URL=`echo "${S3_CREDENTIALS}" | jq -r .endpoint_url`
echo "$AWS_ACCESS_KEY_ID $BUCKET_NAME $AWS_ENDPOINT_URL"
"""
    environment = keyed.environment | {"PATH": f"{keyed.program_folder}:{keyed.environment['PATH']}"}
    done = subprocess.run(["bash", "-ec", script], env=environment, capture_output=True, text=True, check=True)
    credentials = keyed.ok("service-key", "Bob2", "--json").value["credentials"]
    wanted = [credentials[name] for name in ("access_key_id", "bucket", "endpoint_url")]
    assert done.stdout.split() == wanted


def test_a_key_ordered_again_says_so(keyed: Cli) -> None:
    before = secret_of(keyed)
    again = keyed.ok("csk", "my-bucket", "Bob")
    assert again.err.endswith("Service key Bob already exists\nOK\n")
    assert secret_of(keyed) == before
    otherwise = keyed("csk", "my-bucket", "Bob", "-c", '{"permissions": "read-only"}')
    assert otherwise.code == 5
    assert "delete-service-key my-bucket Bob" in otherwise.error


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("-c", '{"permissions": "all"}'), 2, "permissions"),
        (("-c", '{"colour": 1}'), 2, 'Unknown parameter "colour"'),
        (("-c", "{"), 2, "not valid JSON"),
        (("-c", '{"additional_instances": ["none"]}'), 2, "no service instance none"),
    ],
)
def test_a_wrong_order_of_a_key_leaves_none(keyed: Cli, arguments: tuple[str, ...], code: int, reason: str) -> None:
    refused = keyed("create-service-key", "my-bucket", "Alice", *arguments)
    assert refused.code == code
    assert reason in refused.error
    assert [key["name"] for key in keyed.ok("service-keys", "my-bucket", "-o", "json").value] == ["Bob"]


def test_a_deleted_key_is_revoked(keyed: Cli) -> None:
    guid = keyed.ok("service-key", "my-bucket", "Bob", "--guid").out.strip()
    gone = keyed.ok("delete-service-key", "my-bucket", "Bob", "-f")
    assert gone.err.endswith("Deleting key Bob for service instance my-bucket as admin...\nOK\n")
    assert guid not in keyed.server.engine.keys
    again = keyed.ok("dsk", "my-bucket", "Bob", "-f")
    assert again.err.endswith("Service key Bob does not exist for service instance my-bucket.\nOK\n")
    assert keyed.ok("service-keys", "my-bucket").err.endswith("No service keys for service instance my-bucket\n")
    unknown = keyed("service-key", "my-bucket", "Bob")
    assert (unknown.code, unknown.out) == (3, "")
    assert "bucketry service-keys my-bucket" in unknown.error


def test_forms_exclude_each_other(keyed: Cli) -> None:
    for arguments in (("--json", "--guid"), ("--json", "--format", "env")):
        assert keyed("service-key", "my-bucket", "Bob", *arguments).code == 2
    assert "'xml' is not one of" in keyed("service-key", "my-bucket", "Bob", "--format", "xml").error
