"""Arguments that several commands read alike: `-c` with JSON, a file or `-`, and `-t` with tags."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from bucketry.cli.errors import USAGE, CliError

MAX_PARAMETERS_SIZE_BYTES = 1024 * 1024

parameters_option = click.option(
    "-c",
    "parameters",
    metavar="JSON|FILE|-",
    help="Parameters: a JSON object, a file that holds one, or - to read it from stdin.",
)
tags_option = click.option("-t", "tags", metavar="TAGS", help="Tags of your own, separated by commas.")
force_option = click.option("-f", "--force", is_flag=True, help="Do it without asking.")


def read_parameters(value: str | None) -> dict[str, Any] | None:
    """The JSON object that `-c` names; None where it was not given."""
    if value is None:
        return None
    if value == "-":
        text, source = sys.stdin.read(MAX_PARAMETERS_SIZE_BYTES + 1), "stdin"
    elif value.lstrip().startswith(("{", "[", '"')):
        text, source = value, "the text given with -c"
    else:
        text, source = _read_file(value), value
    if len(text) > MAX_PARAMETERS_SIZE_BYTES:
        raise CliError(f"{source} is longer than 1 MiB", "Parameters are a small JSON object.", exit_code=USAGE)
    return _parse_object(text, source)


def _read_file(name: str) -> str:
    try:
        with Path(name).expanduser().open(encoding="utf-8-sig") as file:
            return file.read(MAX_PARAMETERS_SIZE_BYTES + 1)
    except FileNotFoundError:
        problem = "it is neither a JSON object nor an existing file"
    except UnicodeDecodeError:
        problem = "the file is not UTF-8 text"
    except (OSError, RuntimeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    raise CliError(
        f"-c {name!r} can't be used: {problem}",
        """Give an object like -c '{"object_ownership": "ObjectWriter"}', or the path of a file that holds one.""",
        exit_code=USAGE,
    )


def _parse_object(text: str, source: str) -> dict[str, Any]:
    remedy = """It must be one object, like '{"object_ownership": "ObjectWriter"}'."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise CliError(f"{source} is not valid JSON ({error.msg}: {place})", remedy, exit_code=USAGE) from None
    except (ValueError, RecursionError) as error:
        raise CliError(f"{source} is not valid JSON ({error})", remedy, exit_code=USAGE) from None
    if not isinstance(value, dict):
        raise CliError(f"{source} is JSON, but not an object", remedy, exit_code=USAGE)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice")
    return value


def read_tags(value: str | None) -> list[str] | None:
    """The tags of `-t "a, b"`; None where it was not given, an empty list for an empty text (which clears them)."""
    if value is None:
        return None
    return [tag.strip() for tag in value.split(",") if tag.strip()]
