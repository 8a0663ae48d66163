"""Questions before something is lost for good: asked on a terminal, refused elsewhere unless `-f` is given."""

from __future__ import annotations

import sys

from bucketry.cli.errors import USAGE, CliError
from bucketry.cli.output import message, unended


def confirmed(question: str, force: bool) -> bool:
    """Whether to go on. Without a terminal nobody can be asked, and nothing is deleted by silence."""
    if force:
        return True
    if not sys.stdin.isatty():
        raise CliError(
            f"nothing was done: nobody can be asked {question!r} here", "Add -f to do it unasked.", exit_code=USAGE
        )
    unended(f"{question} [yN]: ")
    answer = sys.stdin.readline().strip().lower()
    if answer in ("y", "yes"):
        return True
    message("Delete cancelled")
    return False
