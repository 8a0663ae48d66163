"""target, orgs, spaces, and making and removing them."""

from __future__ import annotations

from tests.cli.conftest import Cli


def without_space(cli: Cli) -> Cli:
    """With the remembered target alone, no variable."""
    del cli.environment["BUCKETRY_SPACE"]
    return cli


def test_the_target_is_default_and_remembered_when_chosen(cli: Cli) -> None:
    space = cli.space
    without_space(cli)
    shown = cli.ok("target").out
    assert shown == (
        f"API endpoint:   {cli.server.url}\nAPI version:    1\nuser:           admin\n"
        "org:            default\nspace:          default\n"
    )
    assert f"space:          {space}\n" in cli.ok("target", "-s", space).out
    assert f"space:          {space}\n" in cli.ok("target").out
    config = cli.home / ".config" / "bucketry" / "config.toml"
    assert config.stat().st_mode & 0o777 == 0o600
    assert f"space {space}" in cli.ok("services").err


def test_an_unknown_target_is_not_remembered(cli: Cli) -> None:
    without_space(cli)
    assert cli("target", "-s", "none").code == 3
    assert cli("target", "-o", "none").code == 3
    assert "space:          default" in cli.ok("target").out


def test_orgs_and_spaces_as_in_cf(cli: Cli) -> None:
    without_space(cli)
    org = f"org-of-{cli.space}"
    made = cli.ok("create-org", org)
    assert made.err.startswith(f"Creating org {org} as admin...\nOK\n")
    assert f"Organization '{org}' already exists." in cli.ok("create-org", org).err
    assert org in cli.ok("orgs").out.splitlines()
    assert cli.ok("orgs").out.splitlines()[0] == "name"
    assert "(none: choose one" in cli.ok("target", "-o", org).out
    untargeted = cli("services")
    assert (untargeted.code, "target -s SPACE" in untargeted.error) == (2, True)
    cli.ok("create-space", "backups")
    assert "Space 'backups' already exists." in cli.ok("create-space", "backups", "-o", org).err
    assert cli.ok("spaces").out == "name\nbackups\n"
    assert "space:          backups" in cli.ok("target", "-o", org).out
    cli.ok("create-service", "s3", "basic-sandbox", "copies")
    refused = cli("delete-space", "backups", "-f")
    assert (refused.code, "still has service instances" in refused.error) == (5, True)
    assert cli("delete-org", org, "-f").code == 5
    cli.ok("delete-service", "copies", "-f")
    cli.ok("delete-space", "backups", "-o", org, "-f")
    assert "Space 'backups' does not exist." in cli.ok("delete-space", "backups", "-o", org, "-f").err
    cli.ok("delete-org", org, "-f")
    assert f"Org '{org}' does not exist." in cli.ok("delete-org", org, "-f").err
    gone = cli("services")
    assert (gone.code, f"Organization '{org}' not found" in gone.error) == (3, True)


def test_variables_go_before_the_remembered_target(cli: Cli) -> None:
    without_space(cli)
    told = cli.ok("target", "-s", cli.space, BUCKETRY_ORG="default")
    assert "BUCKETRY_ORG is set" in told.err
    assert "space default as" in cli.ok("services", BUCKETRY_SPACE="default").err


def test_the_same_name_in_two_spaces_is_two_buckets(cli: Cli) -> None:
    cli.ok("create-space", f"{cli.space}-2")
    buckets = set()
    for space in (cli.space, f"{cli.space}-2"):
        cli.ok("create-service", "s3", "basic", "mybucket", BUCKETRY_SPACE=space)
        buckets.add(cli.ok("service", "mybucket", "-o", "json", BUCKETRY_SPACE=space).value["bucket"])
    assert len(buckets) == 2


def test_names_for_people_in_json(cli: Cli) -> None:
    assert cli.space in [space["name"] for space in cli.ok("spaces", "-o", "json").value]
    assert "default" in [org["name"] for org in cli.ok("orgs", "-o", "json").value]


def test_a_paid_plan_needs_a_quota_that_has_them(cli: Cli) -> None:
    places = cli.server.marketplace.places
    org = f"poor-{cli.space}"
    quota = cli.server.run(places.create_quota(org, allows_paid_plans=False))
    cli.server.run(places.create_org(org, quota.guid))
    cli.ok("create-space", "dev", "-o", org)
    refused = cli("create-service", "s3", "basic", "b", BUCKETRY_ORG=org, BUCKETRY_SPACE="dev")
    assert refused.code == 4
    for part in ("Plan basic costs $0.03 / GB / month", f"quota {org} of org {org}", "free plan basic-sandbox"):
        assert part in refused.error
    cli.ok("create-service", "s3", "basic-sandbox", "b", BUCKETRY_ORG=org, BUCKETRY_SPACE="dev")
