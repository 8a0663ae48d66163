"""docs/cli.md: the reference of the command line, made from `--help` of every command."""

from __future__ import annotations

import click

from bucketry.cli import main

WIDTH = 100
INTRODUCTION = """\
# The command line

The verbs are Cloud Foundry's, so that `alias cf=bucketry` makes known recipes work. stdout carries data, stderr
messages and progress; `-o json` prints what a table would. Deletions ask on a terminal; elsewhere they need `-f`.

**The server** is found by `--data DIR` (through `admin.json` in it), `BUCKETRY_URL` with `BUCKETRY_TOKEN`,
`BUCKETRY_DATA`, `./bucketry-data` where it exists, or the platform's data folder, in this order. **The target** is the
org and the space that commands work in: those of `bucketry target`, or of `BUCKETRY_ORG` and `BUCKETRY_SPACE`;
`default` both otherwise. `NO_COLOR` is honoured.

**Manifests** are read in the YAML that they are usually written in: no anchors, tags, or `((variables))` in names.

| exit code | meaning |
|---|---|
| 0 | done, or done before |
| 1 | failed |
| 2 | wrong usage: options, names, parameters |
| 3 | not found |
| 4 | not allowed |
| 5 | conflict: not empty, exists differently, in progress |
| 7 | a wait timed out |
| 8 | partly done |
| 130 | interrupted |
"""


def text() -> str:
    parts = [INTRODUCTION]
    root = _context(main.program, "bucketry", None)
    parts.append(_help(root, 2))
    for title, entries in main.COMMANDS.items():
        parts.append(f"\n## {title}\n")
        for entry in entries:
            parts.append(_help(_context(main.load(entry), entry.name, root), 3, entry.aliases))
    return "".join(parts)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    return click.Context(command, info_name=name, parent=parent, **settings)


def _help(context: click.Context, level: int, aliases: tuple[str, ...] = ()) -> str:
    """The heading and the help of a command, then those below it."""
    also = f" ({', '.join(aliases)})" if aliases else ""
    path = context.command_path if context.parent is None else context.command_path.removeprefix("bucketry ")
    shown = f"\n{'#' * level} {path}{also}\n\n```\n{context.get_help()}\n```\n"
    command = context.command
    if isinstance(command, click.Group) and context.parent is not None:
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            shown += _help(_context(below, name, context), level + 1)
    return shown
