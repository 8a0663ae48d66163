"""The program `bucketry`: the list of commands, each loaded when it is called, and errors in one line.

A command is a line in COMMANDS: its name, where it is (`module:attribute`), and its summary, so that `--help` and
completion load nothing. Those of the server (serve, fsck, …) are only named here; this package never imports it.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from dataclasses import dataclass

import click

from bucketry.cli import command as shared
from bucketry.cli.errors import FAILED, INTERRUPTED, USAGE, CliError


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: where it is, what it does in a line, and the short names that cf gives it."""

    name: str
    target: str
    summary: str
    aliases: tuple[str, ...] = ()


COMMANDS: dict[str, tuple[Entry, ...]] = {
    "Buckets": (
        Entry("marketplace", "marketplace:marketplace", "List what can be ordered.", ("m",)),
        Entry("create-service", "instances:create_service", "Create a service instance: a bucket.", ("cs",)),
        Entry("services", "instances:services", "List the service instances in the target space.", ("s",)),
        Entry("service", "instances:service", "Show a service instance."),
        Entry(
            "update-service",
            "instances:update_service",
            "Change the plan, the parameters or the tags of a service instance.",
        ),
        Entry("rename-service", "instances:rename_service", "Give a service instance another name."),
        Entry(
            "empty-bucket", "emptying:empty_bucket", "Remove every object, version and unfinished upload in a bucket."
        ),
        Entry(
            "delete-service",
            "instances:delete_service",
            "Delete a service instance with its keys and bindings.",
            ("ds",),
        ),
    ),
    "Keys": (
        Entry(
            "create-service-key",
            "keys:create_service_key",
            "Create a key: credentials of its own for a bucket.",
            ("csk",),
        ),
        Entry("service-keys", "keys:service_keys", "List the keys of a service instance.", ("sk",)),
        Entry("service-key", "keys:service_key", "Show the credentials of a key."),
        Entry(
            "delete-service-key",
            "keys:delete_service_key",
            "Delete a key: its credentials stop working at once.",
            ("dsk",),
        ),
    ),
    "Apps": (
        Entry("push", "apps:push", "Register apps, and bind the services of their manifest.", ("p",)),
        Entry("apps", "apps:apps", "List the apps in the target space.", ("a",)),
        Entry("delete", "apps:delete", "Delete an app: its bindings' credentials stop working at once.", ("d",)),
        Entry(
            "bind-service",
            "bindings:bind_service",
            "Bind a service instance to an app: credentials of its own for it.",
            ("bs",),
        ),
        Entry(
            "unbind-service",
            "bindings:unbind_service",
            "Take a service instance from an app: its credentials stop working at once.",
            ("us",),
        ),
        Entry("env", "bindings:env", "Show VCAP_SERVICES of an app, its credentials in it.", ("e",)),
        Entry("restage", "bindings:restage", "Say that nothing needs restaging: bucketry runs no apps.", ("rg",)),
        Entry("run", "bindings:run", "Run a command here with an app's VCAP_SERVICES and AWS_* variables."),
    ),
    "Orgs and spaces": (
        Entry("target", "target:target", "Show or choose the org and space that commands work in.", ("t",)),
        Entry("orgs", "spaces:orgs", "List the orgs.", ("o",)),
        Entry("create-org", "spaces:create_org", "Create an org.", ("co",)),
        Entry("delete-org", "spaces:delete_org", "Delete an org that has no spaces."),
        Entry("spaces", "spaces:spaces", "List the spaces in the target org."),
        Entry("create-space", "spaces:create_space", "Create a space.", ("csp",)),
        Entry("delete-space", "spaces:delete_space", "Delete a space that holds no service instances or apps."),
    ),
    "The server": (
        Entry("serve", "bucketry.serve.commands:serve", "Serve buckets from this machine."),
        Entry(
            "check-config",
            "bucketry.serve.check_config:check_config",
            "Try all that the settings name, each engine with a bucket made and removed.",
        ),
        Entry("fsck", "bucketry.serve.commands:fsck", "Check the store: references, counters, with --deep every byte."),
        Entry(
            "snapshot",
            "bucketry.serve.commands:snapshot",
            "Copy the data folder as it is now, also while it is served.",
        ),
        Entry(
            "adopt",
            "bucketry.serve.adopt_command:adopt",
            "Take over the instances and bindings of another broker.",
        ),
        Entry(
            "rotate-master-key",
            "bucketry.serve.rotate_command:rotate_master_key",
            "Seal all secrets under a new master key, while the server serves.",
        ),
        Entry("database", "bucketry.serve.database:database", "The database of the records: its state, its schema."),
        Entry(
            "reconcile",
            "bucketry.serve.reconcile_command:reconcile",
            "Compare the orders with what the engines hold; with --fix, mend it.",
        ),
        Entry("store", "bucketry.serve.accounts:store", "Accounts of the embedded store, without the marketplace."),
    ),
    "This program": (
        Entry("completion", "completion:completion", "Print the completion script of a shell."),
        Entry("version", "version:version", "Print the version.", ("v",)),
    ),
}

ENTRIES = {entry.name: entry for entries in COMMANDS.values() for entry in entries}
NAME_BY_ALIAS = {alias: entry.name for entry in ENTRIES.values() for alias in entry.aliases}


def load(entry: Entry) -> click.Command:
    """The command that an entry names: one of this package, or by the whole name of its module elsewhere."""
    module_name, _, attribute = entry.target.partition(":")
    if "." not in module_name:
        module_name = f"bucketry.cli.{module_name}"
    loaded = getattr(importlib.import_module(module_name), attribute)
    assert isinstance(loaded, click.Command)
    return loaded


class Commands(click.Group):
    """The commands of COMMANDS, loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = ENTRIES.get(NAME_BY_ALIAS.get(cmd_name, cmd_name))
        return load(entry) if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(_shown(entry)) for entry in ENTRIES.values())
        for title, entries in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(_shown(entry).ljust(width), entry.summary) for entry in entries])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem  # loaded by the shell's completion alone

        found = [
            CompletionItem(entry.name, help=entry.summary)
            for entry in ENTRIES.values()
            if entry.name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if (
            args
            and not args[0].startswith("-")
            and self.get_command(ctx, args[0]) is None
            and not ctx.resilient_parsing
        ):
            import difflib  # only for somebody who mistyped

            near = difflib.get_close_matches(args[0], ENTRIES, n=1)
            hint = f"Did you mean `{ctx.info_name} {near[0]}`?" if near else f"See `{ctx.info_name} --help`."
            raise CliError(f"there is no command {args[0]!r}", hint, exit_code=USAGE)
        return super().resolve_command(ctx, args)


def _shown(entry: Entry) -> str:
    return ", ".join((entry.name, *entry.aliases))


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(version_line())
        context.exit()


def version_line() -> str:
    """`bucketry version X`."""
    from importlib.metadata import version  # takes as long to load as the whole rest

    return f"bucketry version {version('bucketry')}"


program = Commands(
    name="bucketry",
    help="A managed S3 service: order a bucket, get credentials for it, use it with any S3 tool.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    params=[
        *shared.shared_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Print the version.",
        ),
    ],
)


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Errors are printed here, each in a line on stderr."""
    verbose = "--verbose" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is no failure
    try:
        result = program.main(arguments, prog_name="bucketry", complete_var="_BUCKETRY_COMPLETE", standalone_mode=False)
        sys.stdout.flush()
    except CliError as error:
        _print_error(error.line)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.UsageError as error:
        help_command = f"`{error.ctx.command_path} --help`" if error.ctx else "`bucketry --help`"
        _print_error(f"{error.format_message().rstrip('.')}. See {help_command}.")
        return USAGE
    except click.ClickException as error:
        _print_error(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _print_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout went away (`| head`); nothing is left to say, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if verbose:
            import traceback  # only for somebody who asked for it

            traceback.print_exc()
        hint = "" if verbose else " Add --verbose to see where, and report it."
        _print_error(f"unexpected {type(error).__name__}: {error}.{hint}")
        return FAILED
    return result if isinstance(result, int) else 0


def _print_error(text: str) -> None:
    from bucketry.cli.output import message

    is_word = text.partition(" ")[0].isalpha()  # not an address or a path, which keep their letters
    message(f"Error: {text[:1].upper() if is_word else text[:1]}{text[1:]}")


def main() -> None:
    """The entry point of the program."""
    sys.exit(run(sys.argv[1:]))
