"""`bucketry database …`: what is in the database of the marketplace's records, and its schema brought up to date.

They work on the database that the settings of a data folder name, while it is served or not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from bucketry.cli.command import ServerCommand
from bucketry.cli.output import json_data, message
from bucketry.cli.session import Session
from bucketry.serve.commands import chosen_folder, errors_in_one_line, pass_session, settings_of
from bucketry.serve.database_url import records_url
from bucketry.serve.errors import ServeError

if TYPE_CHECKING:
    from bucketry.marketplace.records.database import Database
    from bucketry.marketplace.records.overview import Overview

_STATES = {
    "empty": "empty: the first start of `bucketry serve` makes the schema, or `bucketry database upgrade`",
    "older": "older than this bucketry: its next start brings it forward, or `bucketry database upgrade`",
    "current": "up to date",
    "newer": "newer than this bucketry, which refuses it: run the version that wrote it",
}
_config = click.option("--config", metavar="FILE", help="The settings file. Default: bucketry.toml in the data folder.")


@click.group("database")
def database() -> None:
    """The database of the marketplace's records: SQLite in the data folder, or the PostgreSQL of `[database] url`."""


@database.command("status", cls=ServerCommand)
@_config
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", help="Default: table.")
@pass_session
@errors_in_one_line
def status(session: Session, config: str | None, output: str) -> None:
    """Show which database it is, its schema, its size, and how much it holds. Changes nothing."""
    from bucketry.marketplace.records.overview import overview

    with _opened(session, config) as opened:
        found = overview(opened)
    if output == "json":
        json_data(
            {
                "database": found.database,
                "schema": found.version,
                "newest_known": found.newest,
                "state": found.state,
                "size_bytes": found.size_bytes,
                "rows": found.rows,
            }
        )
    else:
        _print(found)


@database.command("upgrade", cls=ServerCommand)
@_config
@pass_session
@errors_in_one_line
def upgrade(session: Session, config: str | None) -> None:
    """Bring the schema to the newest that this bucketry knows, as each start of `bucketry serve` does too."""
    with _opened(session, config) as opened:
        before = opened.version()
        opened.migrate()
        after = opened.version()
    if before == after:
        message(f"{opened.name} is up to date (schema {after}).")
    else:
        message(f"{opened.name} was brought from {f'schema {before}' if before else 'nothing'} to schema {after}.")


@contextlib.contextmanager
def _opened(session: Session, config: str | None) -> Iterator[Database]:
    """The database of the folder's settings; what is wrong with it as one sentence."""
    folder = chosen_folder(session)
    settings = settings_of(folder, config)
    if not settings.database.url and not folder.marketplace_file.exists():
        raise ServeError(f"{folder.root} holds no records. Name the folder with --data, or serve it once.")
    from bucketry.marketplace.domain.record_ports import RecordsUnavailable  # SQLAlchemy is for these commands alone
    from bucketry.marketplace.records.database import Database, NewerRecords

    opened = Database(records_url(folder, settings))
    try:
        yield opened
    except (NewerRecords, RecordsUnavailable) as problem:
        raise ServeError(str(problem)) from None
    finally:
        opened.dispose()


def _print(found: Overview) -> None:
    lines = {
        "database": found.database,
        "schema": found.version or "-",
        "newest known": found.newest,
        "state": _STATES[found.state],
        "size": f"{found.size_bytes:,} bytes",
        **{name.replace("_", " "): f"{count:,}" for name, count in found.rows.items()},
    }
    width = max(map(len, lines))
    for name, value in lines.items():
        click.echo(f"{name.ljust(width)}  {value}")
