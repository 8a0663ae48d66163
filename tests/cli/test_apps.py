"""push, apps, delete, bind-service, unbind-service, env, restage, run."""

from __future__ import annotations

import json
import sys

import pytest

from bucketry.marketplace.domain.errors import EngineUnavailable
from tests.cli.conftest import Cli

MANIFEST = """\
---
applications:
- name: web
  memory: 10M
  buildpack: staticfile_buildpack
  services:
  - my-bucket
- name: worker   # another one
  services:
  - name: my-bucket
    binding_name: uploads
    parameters: {permissions: read-only}
"""
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def bound(cli: Cli) -> Cli:
    """With the instance my-bucket, bound to the app web."""
    cli.ok("create-service", "s3", "basic", "my-bucket")
    cli.ok("push", "web")
    done = cli.ok("bind-service", "web", "my-bucket")
    assert done.err.splitlines()[0] == (
        f"Binding service instance my-bucket to app web in org default / space {cli.space} as admin..."
    )
    assert "bucketry run web -- COMMAND" in done.err
    return cli


def test_push_registers_a_name_and_says_that_nothing_runs(cli: Cli) -> None:
    first, again = cli.ok("push", "web"), cli.ok("push", "web")
    assert "App web registered." in first.err
    assert "bucketry runs no apps" in first.err
    assert "App web is already registered." in again.err
    assert cli.ok("apps").out == "name   bound services\nweb\n"
    assert [app["name"] for app in cli.ok("a", "-o", "json").value] == ["web"]


def test_push_binds_the_services_of_the_manifest(cli: Cli) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    (cli.home / "manifest.yml").write_text(MANIFEST)
    for _ in range(2):
        cli.ok("push")
    assert cli.ok("apps").out == "name     bound services\nweb      my-bucket\nworker   my-bucket\n"
    (entry,) = cli.ok("env", "worker", "-o", "json").value["VCAP_SERVICES"]["s3"]
    assert entry["name"] == entry["binding_name"] == "uploads"
    assert "   web, worker   create succeeded   " in cli.ok("services").out


def test_push_takes_one_app_of_the_manifest_or_renames_a_single_one(cli: Cli) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    (cli.home / "manifests").mkdir()
    (cli.home / "manifests" / "manifest.yml").write_text(MANIFEST)
    cli.ok("push", "worker", "-f", "manifests")
    assert [app["name"] for app in cli.ok("apps", "-o", "json").value] == ["worker"]
    unknown = cli("push", "none", "-f", "manifests/manifest.yml")
    assert (unknown.code, "only web, worker" in unknown.error) == (2, True)
    (cli.home / "one.yml").write_text("applications:\n- memory: 10M\n")
    assert cli("push", "-f", "one.yml").code == 2
    cli.ok("push", "named", "-f", "one.yml")
    assert [app["name"] for app in cli.ok("apps", "-o", "json").value] == ["named", "worker"]


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("", "no list of `applications`"),
        ("applications: []\n", "empty"),
        ("applications:\n- name: [a]\n", "not a text"),
        ("applications:\n- name: ((app))\n", "variable"),
        ("applications:\n- name: a\n- name: a\n", "same name"),
        ("applications:\n- name: a\n  services: b\n", "not a list"),
        ("applications:\n- name: a\n  services:\n  - {parameters: {}}\n", "no name"),
        ("applications:\n- &base\n  name: a\n", "line 2: anchors"),
        ("applications:\n\t- name: a\n", "line 2: indentation must be spaces"),
    ],
)
def test_a_wrong_manifest_registers_nothing(cli: Cli, manifest: str, reason: str) -> None:
    (cli.home / "manifest.yml").write_text(manifest)
    refused = cli("push")
    assert refused.code == 2
    assert reason in refused.error
    assert cli.ok("apps", "-o", "json").value == []


def test_a_manifest_with_an_unknown_service_registers_nothing(cli: Cli) -> None:
    (cli.home / "manifest.yml").write_text(MANIFEST)
    refused = cli("push")
    assert (refused.code, "'my-bucket' not found" in refused.error) == (3, True)
    assert cli.ok("apps", "-o", "json").value == []


def test_push_without_name_and_manifest_is_told(cli: Cli) -> None:
    assert "bucketry push APP" in cli("push").error
    assert cli("push", "-f", "none.yml").code == 2


def test_a_push_that_breaks_half_way_is_partly_done(cli: Cli) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    (cli.home / "manifest.yml").write_text(MANIFEST)
    cli.server.engine.failures["grant"] = EngineUnavailable("The engine embedded does not answer.")
    broken = cli("push")
    assert broken.code == 8
    assert "done in part only" in broken.error
    cli.ok("push")


def test_env_shows_vcap_services(bound: Cli) -> None:
    shown = bound.ok("env", "web")
    assert shown.err == f"Getting env variables for app web in org default / space {bound.space} as admin...\n"
    heading, rest = shown.out.split("\n", 1)
    assert heading == "System-Provided:"
    name, text = rest.split(": ", 1)
    assert name == "VCAP_SERVICES"
    assert {"VCAP_SERVICES": json.loads(text)} == bound.ok("env", "web", "-o", "json").value
    assert json.loads(text)["s3"][0]["credentials"]["secret_access_key"]
    bound.ok("push", "unbound")
    empty = bound.ok("env", "unbound")
    assert (empty.out, "No system-provided env variables" in empty.err) == ("", True)


def test_binding_again_says_so(bound: Cli) -> None:
    again = bound.ok("bs", "web", "my-bucket")
    assert "App web is already bound to service instance my-bucket." in again.err
    otherwise = bound("bs", "web", "my-bucket", "-c", '{"permissions": "read-only"}')
    assert (otherwise.code, "unbind-service web my-bucket" in otherwise.error) == (5, True)


def test_unbinding_revokes_and_repeats(bound: Cli) -> None:
    guid = bound.ok("env", "web", "-o", "json").value["VCAP_SERVICES"]["s3"][0]["binding_guid"]
    bound.ok("unbind-service", "web", "my-bucket")
    assert guid not in bound.server.engine.keys
    again = bound.ok("us", "web", "my-bucket")
    assert again.err.endswith("Binding between my-bucket and web does not exist\nOK\n")


def test_deleting_an_app_revokes_and_repeats(bound: Cli) -> None:
    guid = bound.ok("env", "web", "-o", "json").value["VCAP_SERVICES"]["s3"][0]["binding_guid"]
    bound.ok("delete", "web", "-f")
    assert guid not in bound.server.engine.keys
    assert "App 'web' does not exist." in bound.ok("delete", "web", "-f").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("bind-service", "none", "my-bucket"),
        ("unbind-service", "none", "my-bucket"),
        ("env", "none"),
        ("restage", "none"),
        ("run", "none", "--", "true"),
    ],
)
def test_an_unknown_app_says_how_to_make_it(cli: Cli, arguments: tuple[str, ...]) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    unknown = cli(*arguments)
    assert unknown.code == 3
    assert "bucketry push none" in unknown.error


def test_restage_says_that_nothing_is_needed(bound: Cli) -> None:
    assert "Nothing to restage" in bound.ok("restage", "web").err


def test_run_gives_the_command_its_environment_and_passes_its_exit_code_on(bound: Cli) -> None:
    inherited = {
        "AWS_SESSION_TOKEN": "old",
        "AWS_PROFILE": "mine",
        "AWS_ENDPOINT_URL_S3": "http://x",
        "BUCKETRY_TOKEN": "t",
    }
    shown = bound.ok("run", "web", "--", sys.executable, "-c", SHOW, **inherited)
    environment = shown.value
    entry = json.loads(environment["VCAP_SERVICES"])["s3"][0]
    assert environment["AWS_ACCESS_KEY_ID"] == entry["credentials"]["access_key_id"]
    assert environment["AWS_SECRET_ACCESS_KEY"] == entry["credentials"]["secret_access_key"]
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["BUCKET_NAME"] == entry["credentials"]["bucket"]
    assert set(environment).isdisjoint(inherited)
    assert bound("run", "web", "--", "sh", "-c", "exit 7").code == 7
    assert bound.ok("run", "web", "--", "cat", stdin="through").out == "through"


def test_run_tells_a_command_that_can_not_be_started(bound: Cli) -> None:
    assert bound("run", "web", "--", "no-such-command").code == 127
    (bound.home / "data").write_text("")
    assert bound("run", "web", "--", "./data").code == 126
    assert bound("run", "web").code == 2


def test_run_asks_for_a_choice_between_several_services(bound: Cli) -> None:
    bound.ok("cs", "s3", "basic", "other")
    bound.ok("bs", "web", "other")
    several = bound.ok("run", "web", "--", sys.executable, "-c", SHOW)
    assert "AWS_ACCESS_KEY_ID" not in several.value
    assert "my-bucket, other" in several.err
    chosen = bound.ok("run", "web", "--service", "other", "--", sys.executable, "-c", SHOW).value
    assert chosen["BUCKET_NAME"] == bound.bucket("other")
    assert bound("run", "web", "--service", "none", "--", "true").code == 3
