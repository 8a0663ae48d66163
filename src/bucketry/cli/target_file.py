"""The remembered target: a small TOML file with the org and the space, readable by its owner alone."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from bucketry.cli.errors import CliError

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Target:
    """The org and space that commands work in, by name. The space is empty after an org without one was targeted."""

    org: str = DEFAULT_NAME
    space: str = DEFAULT_NAME


def read_target(path: Path) -> Target:
    """The remembered target, default/default where there is none. A damaged file is an error, not a guess."""
    try:
        text = path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return Target()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} can't be read: {error}", "Mend or remove it.") from None
    import tomllib  # only where there is a file: otherwise each start of the program would pay for it

    try:
        values = tomllib.loads(text).get("target", {})
    except tomllib.TOMLDecodeError as error:
        raise CliError(f"{path} is not valid TOML: {error}", "Mend or remove it.") from None
    org = values.get("org", DEFAULT_NAME) if isinstance(values, dict) else None
    space = values.get("space", DEFAULT_NAME) if isinstance(values, dict) else None
    if not isinstance(org, str) or not isinstance(space, str) or not org:
        raise CliError(f"{path} must hold org and space as text under [target]", "Mend or remove it.")
    return Target(org, space)


def write_target(path: Path, target: Target) -> None:
    """Remember `target`, whole or not at all."""
    lines = ["[target]", f"org = {_toml_text(target.org)}", f"space = {_toml_text(target.space)}", ""]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        temporary.replace(path)
    except OSError as error:
        raise CliError(
            f"the target can't be remembered in {path}: {error.strerror}", "Mend the folder's rights."
        ) from None


def _toml_text(text: str) -> str:
    # What json.dumps writes is a TOML basic string too, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
