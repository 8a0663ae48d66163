"""`bucketry rotate-master-key`, beside a running server or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from bucketry.cli.command import ServerCommand
from bucketry.cli.output import json_data, message, table
from bucketry.cli.session import Session
from bucketry.serve.commands import errors_in_one_line, existing_folder, pass_session, settings_of
from bucketry.serve.folder import DataFolder
from bucketry.serve.settings import Settings

if TYPE_CHECKING:
    from bucketry.marketplace.records.sql import SqlRecords
    from bucketry.serve.master_keys import MasterKeys
    from bucketry.store.identity.store import Identity

T = TypeVar("T")
Work = Callable[["MasterKeys", "Identity", "SqlRecords"], Awaitable[T]]


@click.command("rotate-master-key", cls=ServerCommand)
@click.option("--config", metavar="FILE", help="The settings file. Default: bucketry.toml in the data folder.")
@click.option("--status", is_flag=True, help="Show the keys and how many secrets need each; change nothing.")
@click.option("--end-sessions", is_flag=True, help="Temporary credentials end now too: for a key that others have.")
@click.option(
    "--grace",
    type=click.FloatRange(0.1, 3600),
    default=60.0,
    metavar="SECONDS",
    help="How long to wait for what was begun with the old key. Default: 60.",
)
@click.option("--alone", is_flag=True, help="No other server shares the PostgreSQL database.")
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", help="Of --status.")
@pass_session
@errors_in_one_line
def rotate_master_key(
    session: Session, config: str | None, status: bool, end_sessions: bool, grace: float, alone: bool, output: str
) -> int:
    """Seal all secrets under a new master key, while the server serves; repeat it after a crash.

    At the end the old key is needed for nothing but backups made before.
    """
    folder = existing_folder(session)
    settings = settings_of(folder, config)
    if status:
        _show_status(folder, settings, output)
        return 0
    from bucketry.serve.rotation import rotate

    async def work(keys: MasterKeys, identity: Identity, records: SqlRecords) -> list[str]:
        done = await rotate(
            folder,
            keys,
            identity,
            records,
            grace_seconds=grace,
            with_tokens=not end_sessions,
            may_make_key=alone or not settings.database.url,
            tell=message,
        )
        message(f"Done: {done.count} secret(s) sealed anew. {_what_is_left(keys)}")
        return done.unopened

    unopened = _with_all(folder, settings, work)
    for what in unopened:
        message(f"The secret of {what} opens under none of the keys and was left as it is; make a new one for it.")
    return 8 if unopened else 0


def _what_is_left(keys: MasterKeys) -> str:
    old = len(keys.masters) - 1
    if not old:
        return "The old key is needed for backups made before, and for nothing else."
    return f"Let {keys.source.name} give the first key alone; the other {old} are needed for backups made before."


def _show_status(folder: DataFolder, settings: Settings, output: str) -> None:
    from bucketry.serve.rotation import Use, uses

    async def work(keys: MasterKeys, identity: Identity, records: SqlRecords) -> tuple[str, list[Use], bool]:
        return keys.source.name, await uses(keys, identity, records), bool(keys.keyring.rotating_to)

    source, found, is_under_way = _with_all(folder, settings, work)
    if output == "json":
        json_data(
            {
                "source": source,
                "rotation_under_way": is_under_way,
                "keys": [
                    {
                        "key": use.name,
                        "seals": use.seals,
                        "store_secrets": use.store_secrets,
                        "binding_secrets": use.binding_secrets,
                    }
                    for use in found
                ],
            }
        )
        return
    message(f"The master key comes from {source}.")
    rows = [
        [
            use.name or "unknown",
            "seals and opens" if use.seals else "opens" if use.name else "is missing",
            str(use.store_secrets),
            str(use.binding_secrets),
        ]
        for use in found
    ]
    table(("key", "use", "secrets of the store", "of bindings"), rows)
    if is_under_way:
        message("A rotation is under way or was broken off. `bucketry rotate-master-key` goes on with it.")


def _with_all(folder: DataFolder, settings: Settings, work: Work[T]) -> T:
    from bucketry.marketplace.domain.record_ports import RecordsUnavailable
    from bucketry.marketplace.records.database import NewerRecords
    from bucketry.marketplace.records.sql import open_records
    from bucketry.serve.database_url import records_url
    from bucketry.serve.errors import ServeError
    from bucketry.serve.master_keys import open_keys
    from bucketry.serve.store_half import open_identity
    from bucketry.store.identity.errors import IdentityError

    async def run() -> T:
        keys = open_keys(folder, settings)
        try:
            identity = open_identity(folder, keys)
            try:
                records = open_records(records_url(folder, settings))
                try:
                    return await work(keys, identity, records)
                finally:
                    await records.close()
            finally:
                identity.close()
        except IdentityError as problem:
            raise ServeError(problem.text) from None
        except (NewerRecords, RecordsUnavailable) as problem:
            raise ServeError(str(problem)) from None

    return asyncio.run(run())
