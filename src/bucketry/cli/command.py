"""The shape that all commands share: `--data`, `--verbose`, a Session, and errors in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from bucketry.cli.session import Session

P = ParamSpec("P")
R = TypeVar("R")


def _remember_data(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.ensure_object(Session).data_option = value


def _remember_verbose(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).verbose = True


def shared_options() -> list[click.Option]:
    """Options that stand before or after a command's name alike."""
    return [
        click.Option(
            ["--data"],
            metavar="DIR",
            expose_value=False,
            is_eager=True,
            callback=_remember_data,
            help="The server's data folder, whose admin.json names its address and token.",
        ),
        click.Option(
            ["--verbose"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_remember_verbose,
            help="Show requests, and the details of an unexpected error.",
        ),
    ]


class ServerCommand(click.Command):
    """A command that speaks to the server."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params.extend(shared_options())


def server_command(
    name: str, *, epilog: str | None = None
) -> Callable[[Callable[Concatenate[Session, P], R]], click.Command]:
    """Make a function a command; it gets the Session before its own arguments. Its docstring is the help."""

    def decorate(function: Callable[Concatenate[Session, P], R]) -> click.Command:
        command: click.Command = click.command(name, cls=ServerCommand, epilog=epilog)(
            click.make_pass_decorator(Session, ensure=True)(function)
        )
        return command

    return decorate


json_option = click.option(
    "-o",
    "--output",
    "output_form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print what was asked for.",
)
