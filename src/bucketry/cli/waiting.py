"""Waiting for what the server does in the background (`-w`)."""

from __future__ import annotations

import sys
import time
from typing import Any

from bucketry.cli.errors import NOT_FOUND, TIMED_OUT, ApiError, CliError
from bucketry.cli.output import message, unended
from bucketry.cli.session import Session

IN_PROGRESS = "in progress"
FAILED_STATE = "failed"
WAIT_SECONDS = 600.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 3.0


def operation_state(resource: dict[str, Any]) -> str:
    """The state of a resource's last operation: `in progress`, `succeeded`, `failed`."""
    return str((resource.get("last_operation") or {}).get("state", ""))


def settle(session: Session, path: tuple[str, ...], resource: dict[str, Any], wait: bool) -> dict[str, Any] | None:
    """`resource` when its operation has ended; None if it goes on and nobody waits, or if it is gone.

    Raises CliError if the operation failed, or goes on after ten minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    pause_seconds = _FIRST_PAUSE_SECONDS
    dots = False
    while operation_state(resource) == IN_PROGRESS:
        if not wait:
            return None
        if time.monotonic() > deadline:
            raise CliError(
                f"it is still in progress after {WAIT_SECONDS:.0f} s",
                "The server goes on with it: look with `bucketry services`.",
                exit_code=TIMED_OUT,
            )
        if sys.stderr.isatty():
            unended(".")
            dots = True
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)
        try:
            resource = session.client.get(*path)
        except ApiError as error:
            if error.exit_code == NOT_FOUND:
                return None
            raise
    if dots:
        message()
    if operation_state(resource) == FAILED_STATE:
        reason = resource["last_operation"].get("description") or "the server gives no reason"
        raise CliError(f"it failed: {reason}", "Mend the cause and give the command again.")
    return resource
