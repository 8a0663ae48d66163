"""The server's own commands: serve and fsck. They work on a data folder of this machine, not over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bucketry.cli.command import ServerCommand
from bucketry.cli.errors import CliError
from bucketry.cli.locate import default_data_folder
from bucketry.cli.output import message
from bucketry.cli.session import Session
from bucketry.serve.errors import ServeError, SettingsError
from bucketry.serve.folder import DataFolder
from bucketry.serve.settings import Settings, load

pass_session = click.make_pass_decorator(Session, ensure=True)


def errors_in_one_line(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the server refuses before it runs, as the command line says errors."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except ServeError as problem:
            raise CliError(str(problem), exit_code=problem.exit_code) from None

    return wrapped


def chosen_folder(session: Session) -> DataFolder:
    """The data folder: --data, then BUCKETRY_DATA, then the platform's."""
    named = session.data_option or os.environ.get("BUCKETRY_DATA")
    return DataFolder(Path(named).absolute() if named else default_data_folder(os.environ))


def existing_folder(session: Session) -> DataFolder:
    """The chosen folder, which must hold a server's data already."""
    folder = chosen_folder(session)
    if not folder.identity_file.exists():
        raise ServeError(f"{folder.root} holds no data of bucketry. Name the folder with --data, or serve it once.")
    return folder


def settings_of(folder: DataFolder, config: str | None, flags: dict[str, object] | None = None) -> Settings:
    """The settings of a folder: the file named, or bucketry.toml in the folder where there is one."""
    inside = folder.root / "bucketry.toml"
    path = Path(config) if config else inside if inside.exists() else None
    return load(path, os.environ, flags)


@click.command("serve", cls=ServerCommand)
@click.option("--config", metavar="FILE", help="The settings file. Default: bucketry.toml in the data folder.")
@click.option("--s3-listen", metavar="HOST:PORT", help="Where S3 and IAM are served. Default: 127.0.0.1:9000.")
@click.option("--website-listen", metavar="HOST:PORT", help="Where websites are served. Default: 127.0.0.1:9001.")
@click.option("--api-listen", metavar="HOST:PORT", help="Where broker and API are served. Default: 127.0.0.1:8080.")
@click.option("--workers", type=click.IntRange(1, 256), help="Store processes. Default: one a core.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Default: info.")
@pass_session
@errors_in_one_line
def serve(session: Session, config: str | None, **flags: Any) -> int:
    """Serve buckets from this machine: S3, websites, the broker and the API.

    The first start makes the data folder, its keys and admin.json. Prints one line that begins with `ready`.
    """
    folder = chosen_folder(session)
    settings = settings_of(folder, config, {f"server.{name}": value for name, value in flags.items()})
    from bucketry.serve.program import serve as run  # the server's libraries are for this command alone

    return run(folder, settings)


@click.command("fsck", cls=ServerCommand)
@click.option("--deep", is_flag=True, help="Read every object and compare its checksums.")
@click.option("--rebuild", is_flag=True, help="First make damaged indexes anew; the server must be stopped.")
@click.option("--bucket", metavar="NAME", help="With --rebuild: make the index of this bucket anew in any case.")
@pass_session
@errors_in_one_line
def fsck(session: Session, deep: bool, rebuild: bool, bucket: str | None) -> int:
    """Check the store: references, counters and, with --deep, every byte. Exit code 1 where something is wrong."""
    folder = existing_folder(session)
    if bucket is not None and not rebuild:
        raise click.UsageError("--bucket goes with --rebuild.")
    from bucketry.serve.checking import check_store, rebuild_store  # the store's libraries are for this command alone
    from bucketry.serve.master_keys import open_keys

    keys = open_keys(folder, settings_of(folder, None))
    if rebuild:
        done, lost = rebuild_store(folder, keys, bucket)
        for line in [*done, *lost] or ["No index is damaged."]:
            message(line)
    findings = asyncio.run(check_store(folder, keys, deep))
    for finding in findings:
        click.echo(finding)
    message(f"{len(findings)} problem(s) found." if findings else "The store is sound.")
    return 1 if findings or (rebuild and lost) else 0


@click.command("snapshot", cls=ServerCommand)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@pass_session
@errors_in_one_line
def snapshot(session: Session, directory: Path) -> None:
    """Copy the data folder to the new folder DIR as it is now, served or not. To restore, copy it back.

    DIR holds the master key: keep it as safe as the data folder. Records on PostgreSQL are not in it.
    """
    folder = existing_folder(session)
    from bucketry.serve.snapshot import take_snapshot  # the store's libraries are for this command alone

    count = take_snapshot(folder, directory.absolute())
    message(f"{directory} holds {count} bucket(s), and all that was answered before.")
    if _has_records_elsewhere(folder):
        message(
            "The marketplace's orders and credentials are NOT in it: they are in the PostgreSQL database of "
            "[database] url. Back that up with pg_dump at the same time."
        )


def _has_records_elsewhere(folder: DataFolder) -> bool:
    """Settings that can't be read are no reason against a snapshot; a folder that was served has records somewhere."""
    with contextlib.suppress(SettingsError):
        if settings_of(folder, None).database.url:
            return True
    return folder.admin_file.exists() and not folder.marketplace_file.exists()
