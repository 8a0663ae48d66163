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


@database.command("copy", cls=ServerCommand)
@_config
@pass_session
@errors_in_one_line
def copy(session: Session, config: str | None) -> None:
    """Copy the records of the data folder's SQLite file to the PostgreSQL of `[database] url`, which must hold none.

    The server must be stopped. All is copied or nothing, and read back. The file is kept as marketplace.sqlite.copied.
    """
    folder = chosen_folder(session)
    settings = settings_of(folder, config)
    if not settings.database.url:
        raise ServeError("[database] url is empty. Name the PostgreSQL database there that the records are to go to.")
    file, kept = folder.marketplace_file, folder.marketplace_file.with_name("marketplace.sqlite.copied")
    if not file.exists() and kept.exists():
        message(f"The records of {folder.root} were copied before; what was copied is {kept}.")
        return
    if not file.exists():
        raise ServeError(f"{folder.root} holds no records. Name the folder with --data.")
    if kept.exists():
        raise ServeError(f"{kept} is there from a copy before. Move it away, and repeat.")
    folder.lock()  # until this process ends
    from bucketry.marketplace.records.connecting import sqlite_url  # SQLAlchemy is for these commands alone
    from bucketry.marketplace.records.copying import Copied, TargetHoldsRecords
    from bucketry.marketplace.records.copying import copy as copy_records

    with _opened_at(settings.database.url) as target, _opened_at(sqlite_url(file)) as source:
        try:
            outcome, counts = copy_records(source, target)
        except TargetHoldsRecords:
            raise ServeError(
                f"{target.name} holds other records already; nothing was copied. Give it an empty database: where only "
                "a first start of `bucketry serve` has written to it, drop it and create it again."
            ) from None
    file.rename(kept)
    said = "was copied to" if outcome is Copied.NOW else "is the same in"
    held = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    message(f"All of {source.name} {said} {target.name}: {held or 'nothing'}. The file is now {kept}.")


@contextlib.contextmanager
def _opened(session: Session, config: str | None) -> Iterator[Database]:
    """The database of the folder's settings; what is wrong with it as one sentence."""
    folder = chosen_folder(session)
    settings = settings_of(folder, config)
    if not settings.database.url and not folder.marketplace_file.exists():
        raise ServeError(f"{folder.root} holds no records. Name the folder with --data, or serve it once.")
    with _opened_at(records_url(folder, settings)) as opened:
        yield opened


@contextlib.contextmanager
def _opened_at(url: str) -> Iterator[Database]:
    from bucketry.marketplace.domain.record_ports import RecordsUnavailable  # SQLAlchemy is for these commands alone
    from bucketry.marketplace.records.database import Database, NewerRecords

    opened = Database(url)
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
