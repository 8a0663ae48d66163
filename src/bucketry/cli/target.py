"""target: show or choose the org and the space that commands work in."""

from __future__ import annotations

import click

from bucketry.cli import names, output
from bucketry.cli.command import server_command
from bucketry.cli.errors import NOT_FOUND, CliError
from bucketry.cli.session import Session, config_file
from bucketry.cli.target_file import Target, write_target


@server_command("target")
@click.option("-o", "org", metavar="ORG", shell_complete=names.orgs, help="Work in this org.")
@click.option("-s", "space", metavar="SPACE", shell_complete=names.spaces, help="Work in this space.")
def target(session: Session, org: str | None, space: str | None) -> None:
    """Show or choose the org and space that commands work in."""
    user = session.user
    current = session.target
    if org or space:
        current = _chosen(session, org or current.org, space)
        write_target(config_file(session.environment), current)
        _warn_of_variables(session)
    output.pairs(
        {
            "API endpoint": session.address.url,
            "API version": session.info.get("api_version", ""),
            "user": user,
            "org": current.org,
            "space": current.space or "(none: choose one with `bucketry target -s SPACE`)",
        }
    )


def _chosen(session: Session, org: str, space: str | None) -> Target:
    """The new target, once the server says that it exists. An org's only space is taken with it, as cf does."""
    found = [str(item["name"]) for item in session.client.get("orgs", org, "spaces")]
    if space is None:
        return Target(org, found[0] if len(found) == 1 else "")
    if space not in found:
        raise CliError(
            f"org {org} has no space {space}",
            f"Make it with `bucketry create-space {space} -o {org}`, or see `bucketry spaces`.",
            exit_code=NOT_FOUND,
        )
    return Target(org, space)


def _warn_of_variables(session: Session) -> None:
    for name in ("BUCKETRY_ORG", "BUCKETRY_SPACE"):
        if session.environment.get(name):
            output.message(f"{name} is set and goes before the remembered target.")
