"""marketplace, create-service, services, service, update-service, rename-service, delete-service, empty-bucket."""

from __future__ import annotations

import json
import subprocess

import pytest

from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.domain.record_ports import Hold
from tests.cli.conftest import Cli
from tests.kit import programs

CORS = '{"cors": {"CORSRules": [{"AllowedOrigins": ["https://example.org"], "AllowedMethods": ["GET"]}]}}'


def test_the_marketplace_shows_offerings_and_plans_with_prices(cli: Cli) -> None:
    offerings = cli.ok("marketplace")
    assert offerings.err.startswith(
        f"Getting all service offerings from marketplace in org default / space {cli.space}"
    )
    header, row = offerings.out.splitlines()
    assert header.split() == ["offering", "plans", "description", "broker"]
    assert row.startswith("s3 ")
    assert "basic, basic-public, basic-sandbox, basic-public-sandbox" in row
    plans = cli.ok("marketplace", "-e", "s3").out.splitlines()
    assert plans[0].split() == ["plan", "description", "free", "or", "paid", "costs"]
    assert plans[1].startswith("basic ")
    assert plans[1].endswith("paid           usd 0.03/GB/month")
    assert plans[3].startswith("basic-sandbox ")
    assert plans[3].endswith("free           usd 0.00/GB/month")
    assert cli.ok("m", "-e", "s3", "-o", "json").value[0]["name"] == "basic"
    unknown = cli("marketplace", "-e", "s4")
    assert (unknown.code, "no service s4" in unknown.error) == (3, True)


def test_a_bucket_from_order_to_removal(cli: Cli) -> None:
    assert cli.ok("services").err.endswith("No service instances found.\n")
    made = cli.ok("create-service", "s3", "basic", "my-bucket", "-c", CORS, "-t", "mine, too", "-w")
    assert made.out == ""
    assert made.err == (
        f"Creating service instance my-bucket in org default / space {cli.space} as admin...\n"
        "Service instance my-bucket created.\nOK\n"
    )
    header, row = cli.ok("services").out.splitlines()
    assert header.split("   ")[0] == "name"
    assert header.replace("  ", " ").split() == (
        ["name", "offering", "plan", "bound", "apps", "last", "operation", "broker", "upgrade", "available"]
    )
    assert row.split() == ["my-bucket", "s3", "basic", "create", "succeeded", "bucketry", "no"]
    shown = dict(line.split(":", 1) for line in cli.ok("service", "my-bucket").out.splitlines() if ":" in line)
    assert shown["name"].strip() == "my-bucket"
    assert shown["plan"].strip() == "basic"
    assert shown["tags"].strip() == "mine, too"
    assert shown["   status"].strip() == "create succeeded"
    assert json.loads(cli.ok("service", "my-bucket", "--params").out) == json.loads(CORS)
    guid = cli.ok("service", "my-bucket", "--guid").out
    assert guid == cli.ok("service", "my-bucket", "-o", "json").value["guid"] + "\n"
    assert [item["guid"] for item in cli.ok("services", "-o", "json").value] == [guid.strip()]
    cli.ok("rename-service", "my-bucket", "renamed")
    gone = cli.ok("delete-service", "renamed", "-f")
    assert gone.err.endswith("Service instance renamed deleted.\nOK\n")
    again = cli.ok("ds", "renamed", "-f", "-w")
    assert again.err.endswith("Service instance renamed did not exist.\nOK\n")


def test_ordering_again_says_so_and_another_order_is_a_conflict(cli: Cli) -> None:
    cli.ok("cs", "s3", "basic", "my-bucket")
    again = cli.ok("cs", "s3", "basic", "my-bucket")
    assert again.err.endswith("Service instance my-bucket already exists\nOK\n")
    other_plan = cli("cs", "s3", "basic-public", "my-bucket")
    assert other_plan.code == 5
    assert "already exists with plan basic" in other_plan.error
    assert "update-service my-bucket -p PLAN" in other_plan.error
    assert cli("cs", "s3", "basic", "my-bucket", "-c", CORS).code == 5
    assert cli.ok("service", "my-bucket", "-o", "json").value["plan"] == "basic"


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("s4", "basic", "b"), 3, "There is no service s4"),
        (("s3", "gold", "b"), 3, "Its plans are: basic, basic-public"),
        (("s3", "basic", " b"), 2, "name must be"),
        (("s3", "basic", ""), 2, "name must be"),
        (("s3", "basic", "b", "-c", '{"colour": "red"}'), 2, 'Unknown parameter "colour"'),
        (("s3", "basic", "b", "-c", '{"object_ownership": 1}'), 2, "object_ownership"),
        (("s3", "basic", "b", "-c", '{"a": '), 2, "not valid JSON"),
        (("s3", "basic", "b", "-c", "[1]"), 2, "not an object"),
        (("s3", "basic", "b", "-c", "no-such-file"), 2, "neither a JSON object nor an existing file"),
        (("s3", "basic"), 2, "Missing argument 'SERVICE_INSTANCE'"),
        (("s3", "basic", "b", "c"), 2, "unexpected extra argument"),
        (("s3", "basic", "b", "--colour", "red"), 2, "No such option"),
    ],
)
def test_a_wrong_order_is_one_clear_line_and_leaves_nothing(
    cli: Cli, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    buckets = set(cli.server.engine.buckets)
    refused = cli("create-service", *arguments)
    assert refused.code == code
    assert reason in refused.error
    assert refused.out == ""
    assert cli.ok("services", "-o", "json").value == []
    assert set(cli.server.engine.buckets) == buckets


def test_parameters_from_a_file_and_from_stdin(cli: Cli) -> None:
    (cli.home / "cors.json").write_text(CORS)
    cli.ok("cs", "s3", "basic", "one", "-c", "cors.json")
    cli.ok("cs", "s3", "basic", "two", "-c", "-", stdin=CORS)
    for name in ("one", "two"):
        assert cli.ok("service", name, "--params").value == json.loads(CORS)


def test_an_engine_that_fails_is_told(cli: Cli) -> None:
    cli.server.engine.failures["create_bucket"] = EngineUnavailable("The engine embedded does not answer.")
    failed = cli("cs", "s3", "basic", "my-bucket")
    assert failed.code == 1
    assert "The engine embedded does not answer." in failed.error
    assert "request " in failed.error
    assert cli.ok("services", "-o", "json").value == []


def test_updates_change_what_is_given(cli: Cli) -> None:
    cli.ok("cs", "s3", "basic", "my-bucket")
    updated = cli.ok("update-service", "my-bucket", "-p", "basic-public", "-t", "a,b", "-c", CORS)
    assert updated.err.endswith("Update of service instance my-bucket complete.\nOK\n")
    shown = cli.ok("service", "my-bucket", "-o", "json").value
    assert (shown["plan"], shown["tags"], shown["parameters"]) == ("basic-public", ["a", "b"], json.loads(CORS))
    assert "No changes were made." in cli.ok("update-service", "my-bucket", "-p", "basic-public").err
    assert "No flags specified. No changes were made." in cli.ok("update-service", "my-bucket").err
    assert cli("update-service", "none").code == 3
    assert cli("update-service", "my-bucket", "-p", "gold").code == 3
    assert cli("update-service", "my-bucket", "-p", "basic-sandbox").code == 2


def test_a_full_bucket_is_not_removed_before_it_is_emptied(cli: Cli) -> None:
    cli.ok("cs", "s3", "basic", "my-bucket")
    cli.server.engine.fill(cli.bucket("my-bucket"), objects=12345, size_bytes=5_000_000, uploads=2)
    refused = cli("delete-service", "my-bucket", "-f")
    assert refused.code == 5
    assert "12,345 objects (5,000,000 bytes) and 2 unfinished uploads" in refused.error
    assert "bucketry empty-bucket my-bucket" in refused.error
    emptied = cli.ok("empty-bucket", "my-bucket", "-f")
    assert emptied.out == ""
    assert "1,000 objects and versions (396 KiB) removed..." in emptied.err
    assert emptied.err.endswith(
        "12,345 objects and versions (4.8 MiB) and 2 unfinished uploads removed. The bucket is empty.\nOK\n"
    )
    assert cli.ok("empty-bucket", "my-bucket", "-f").err.endswith(
        "0 objects and versions (0 B) removed. The bucket is empty.\nOK\n"
    )
    cli.ok("delete-service", "my-bucket", "-f")


def test_a_sandbox_goes_with_its_content(cli: Cli) -> None:
    cli.ok("cs", "s3", "basic-sandbox", "my-bucket")
    cli.server.engine.fill(cli.bucket("my-bucket"), objects=5)
    cli.ok("delete-service", "my-bucket", "-f")


def test_an_emptying_that_breaks_is_partly_done_and_can_be_repeated(cli: Cli) -> None:
    cli.ok("cs", "s3", "basic", "my-bucket")
    cli.server.engine.fill(cli.bucket("my-bucket"), objects=2500)
    cli.server.engine.emptying_failure = (1, EngineUnavailable("The engine embedded does not answer."))
    failed = cli("empty-bucket", "my-bucket", "-f")
    cli.server.engine.emptying_failure = (0, EngineUnavailable("The engine embedded does not answer."))
    failed_at_once = cli("empty-bucket", "my-bucket", "-f")
    cli.server.engine.emptying_failure = None
    assert failed.code == 8
    assert "1,000 objects and versions" in failed.error
    assert "does not answer" in failed.error
    assert failed_at_once.code == 1
    cli.ok("empty-bucket", "my-bucket", "-f")


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete-service", "x"),
        ("empty-bucket", "x"),
        ("delete-service-key", "x", "k"),
        ("delete", "x"),
        ("delete-org", "x"),
        ("delete-space", "x"),
    ],
)
def test_nothing_is_removed_unasked_where_nobody_can_be_asked(cli: Cli, arguments: tuple[str, ...]) -> None:
    for stdin in (None, "y\n"):
        refused = cli(*arguments, stdin=stdin)
        assert refused.code == 2
        assert "Add -f" in refused.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("service", "none"),
        ("service", "none", "--guid"),
        ("rename-service", "none", "x"),
        ("empty-bucket", "none", "-f"),
        ("service-keys", "none"),
        ("create-service-key", "none", "k"),
        ("service-key", "none", "k"),
        ("delete-service-key", "none", "k", "-f"),
    ],
)
def test_an_unknown_instance_is_not_found(cli: Cli, arguments: tuple[str, ...]) -> None:
    unknown = cli(*arguments)
    assert unknown.code == 3
    assert "Service instance 'none' not found" in unknown.error
    assert "bucketry services" in unknown.error


def test_a_taken_name_can_not_be_given_again(cli: Cli) -> None:
    cli.ok("cs", "s3", "basic", "one")
    cli.ok("cs", "s3", "basic", "two")
    refused = cli("rename-service", "one", "two")
    assert (refused.code, "two already exists" in refused.error) == (5, True)


def test_wait_waits_for_its_turn(cli: Cli) -> None:
    """Another worker holds the instance; without -w that is exit code 5, with it the command goes on afterwards."""
    cli.ok("cs", "s3", "basic", "my-bucket")
    server, guid = cli.server, cli.ok("service", "my-bucket", "--guid").out.strip()
    records = server.marketplace.instances._context.records
    hold = Hold("another", 2**60)
    server.run(records.hold_instance(guid, hold, 0))
    busy = cli("delete-service", "my-bucket", "-f")
    assert (busy.code, "in progress" in busy.error) == (5, True)
    process = subprocess.Popen(
        [programs.bucketry(), "delete-service", "my-bucket", "-f", "-w"],
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "Waiting for another operation to end..." not in (line := process.stderr.readline()):
        assert line, "it ended without waiting"
    server.run(records.release_instance(guid, "another"))
    _, rest = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "Service instance my-bucket deleted.\nOK\n")
