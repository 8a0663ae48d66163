"""`bucketry store …`: the accounts of the embedded store, which serves without the marketplace too.

They work on the data folder itself, while it is served or not: a running server sees the change with its next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bucketry.cli.command import ServerCommand
from bucketry.cli.output import json_data, message, table
from bucketry.cli.session import Session
from bucketry.serve.commands import chosen_folder, errors_in_one_line, existing_folder, pass_session, settings_of
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder

if TYPE_CHECKING:
    from bucketry.store.identity.store import Identity

T = TypeVar("T")


class NoSuchAccount(ServeError):
    """The account that a command names is not there."""

    exit_code = 3


class AccountRefused(ServeError):
    """The account can't be made or deleted as asked."""

    exit_code = 5


def _with_identity(folder: DataFolder, work: Callable[[Identity], Awaitable[T]], may_create: bool = False) -> T:
    from bucketry.serve.master_keys import open_keys
    from bucketry.serve.store_half import open_identity  # the store's libraries are for these commands alone
    from bucketry.store.identity.errors import IdentityError

    async def run() -> T:
        identity = open_identity(folder, open_keys(folder, settings_of(folder, None), may_create=may_create))
        try:
            return await work(identity)
        except IdentityError as problem:
            raise AccountRefused(problem.text) from None
        finally:
            identity.close()

    return asyncio.run(run())


@click.group("store")
def store() -> None:
    """Accounts of the embedded store: separate owners of buckets, each with IAM users of its own."""


@store.command("create-account", cls=ServerCommand)
@click.argument("name")
@click.option("--email", default="", help="Shown with the account; nothing is sent to it.")
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", help="Default: table.")
@pass_session
@errors_in_one_line
def create_account(session: Session, name: str, email: str, output: str) -> None:
    """Create an account; prints the access key of its root, which is not shown again."""
    folder = chosen_folder(session)
    folder.make()
    account, access_key_id, secret = _with_identity(folder, lambda it: it.create_account(name, email), may_create=True)
    _print(
        output,
        {
            "account_id": account.account_id,
            "canonical_id": account.canonical_id,
            "display_name": account.display_name,
            "email": account.email,
            "access_key_id": access_key_id,
            "secret_access_key": secret,
        },
    )


@store.command("list-accounts", cls=ServerCommand)
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", help="Default: table.")
@pass_session
@errors_in_one_line
def list_accounts(session: Session, output: str) -> None:
    """List the accounts, the oldest first. No secrets."""

    async def work(identity: Identity) -> list[dict[str, str]]:
        return [
            {
                "account_id": account.account_id,
                "display_name": account.display_name,
                "email": account.email,
                "canonical_id": account.canonical_id,
            }
            for account in identity.accounts()
        ]

    accounts = _with_identity(existing_folder(session), work)
    if output == "json":
        json_data(accounts)
    else:
        names = ("account_id", "display_name", "email", "canonical_id")
        table(names, [[account[name] for name in names] for account in accounts])


@store.command("delete-account", cls=ServerCommand)
@click.argument("account_id")
@click.option("-f", "force", is_flag=True, help="Don't ask.")
@pass_session
@errors_in_one_line
def delete_account(session: Session, account_id: str, force: bool) -> None:
    """Delete an account that has no buckets, with its users and keys: they stop working at once."""
    from bucketry.serve.preparing import MARKETPLACE_ACCOUNT

    async def work(identity: Identity) -> str | None:
        account = identity.account(account_id)
        if account is None:
            return None
        if account.display_name == MARKETPLACE_ACCOUNT:
            raise AccountRefused(f"The account {account_id} is the marketplace's own and can't be deleted.")
        if not force:
            click.confirm(f"Really delete the account {account_id} ({account.display_name})?", abort=True, err=True)
        await identity.delete_account(account_id)
        return account.display_name

    name = _with_identity(existing_folder(session), work)
    if name is None:
        raise NoSuchAccount(f"There is no account {account_id}. `bucketry store list-accounts` lists them.")
    message(f"Deleted the account {account_id} ({name}).")


def _print(output: str, values: dict[str, Any]) -> None:
    if output == "json":
        json_data(values)
    else:
        width = max(map(len, values))
        for name, value in values.items():
            click.echo(f"{name.ljust(width)}  {value}")
