"""Orgs and spaces: orgs, create-org, delete-org, spaces, create-space, delete-space."""

from __future__ import annotations

import click

from bucketry.cli import names, output
from bucketry.cli.command import json_option, server_command
from bucketry.cli.confirm import confirmed
from bucketry.cli.errors import ApiError
from bucketry.cli.parameters import force_option
from bucketry.cli.session import Session

org_option = click.option("-o", "org", metavar="ORG", shell_complete=names.orgs, help="In this org, not the target.")


@server_command("orgs")
@json_option
def orgs(session: Session, output_form: str) -> None:
    """List the orgs."""
    output.message(f"Getting orgs as {session.user}...")
    found = session.client.get("orgs")
    output.listing(output_form == "json", found, ("name",), [(item["name"],) for item in found], "No orgs found.")


@server_command("create-org")
@click.argument("org", metavar="ORG")
def create_org(session: Session, org: str) -> None:
    """Create an org."""
    output.message(f"Creating org {org} as {session.user}...")
    status, _ = session.client.request("POST", "orgs", body={"name": org})
    if status == 200:
        output.message(f"Organization '{org}' already exists.")
    output.ok()
    output.message(f"TIP: Use `bucketry target -o {org}` to target it, then `bucketry create-space SPACE`.")


@server_command("delete-org")
@click.argument("org", metavar="ORG", shell_complete=names.orgs)
@force_option
def delete_org(session: Session, org: str, force: bool) -> None:
    """Delete an org that has no spaces."""
    if not confirmed(f"Really delete the org {org}?", force):
        return
    output.message(f"Deleting org {org} as {session.user}...")
    try:
        session.client.request("DELETE", "orgs", org)
    except ApiError as error:
        if error.code != "OrgNotFound":
            raise
        output.message(f"Org '{org}' does not exist.")
    output.ok()


@server_command("spaces")
@json_option
def spaces(session: Session, output_form: str) -> None:
    """List the spaces in the target org."""
    org = session.target.org
    output.message(f"Getting spaces in org {org} as {session.user}...")
    found = session.client.get("orgs", org, "spaces")
    output.listing(output_form == "json", found, ("name",), [(item["name"],) for item in found], "No spaces found.")


@server_command("create-space")
@click.argument("space", metavar="SPACE")
@org_option
def create_space(session: Session, space: str, org: str | None) -> None:
    """Create a space."""
    org = org or session.target.org
    output.message(f"Creating space {space} in org {org} as {session.user}...")
    status, _ = session.client.request("POST", "orgs", org, "spaces", body={"name": space})
    if status == 200:
        output.message(f"Space '{space}' already exists.")
    output.ok()
    output.message(f"TIP: Use `bucketry target -o {org} -s {space}` to target it.")


@server_command("delete-space")
@click.argument("space", metavar="SPACE", shell_complete=names.spaces)
@org_option
@force_option
def delete_space(session: Session, space: str, org: str | None, force: bool) -> None:
    """Delete a space that holds no service instances or apps."""
    org = org or session.target.org
    if not confirmed(f"Really delete the space {space}?", force):
        return
    output.message(f"Deleting space {space} in org {org} as {session.user}...")
    try:
        session.client.request("DELETE", "orgs", org, "spaces", space)
    except ApiError as error:
        if error.code != "SpaceNotFound":
            raise
        output.message(f"Space '{space}' does not exist.")
    output.ok()
