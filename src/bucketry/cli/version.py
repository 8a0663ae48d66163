"""version: which bucketry this is."""

from __future__ import annotations

import click

from bucketry.cli.main import version_line


@click.command("version")
def version() -> None:
    """Print the version."""
    click.echo(version_line())
