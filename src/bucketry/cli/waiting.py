"""Waiting (`-w`): the server ends what it was asked for before it answers, and does one thing at a time with a service
instance. With `-w` a command waits ten minutes for its turn and its end; without, it ends with exit code 5 where
another operation is in the way, and with 7 where the answer takes longer than usual.
"""

from __future__ import annotations

import time
from typing import Any

import click

from bucketry.cli.errors import TIMED_OUT, ApiError, CliError
from bucketry.cli.output import Progress
from bucketry.cli.session import Session

IN_PROGRESS = "OperationInProgress"
WAIT_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 3.0

wait_option = click.option(
    "-w", "--wait", is_flag=True, help="Wait up to ten minutes, for other operations on the service instance too."
)


def change(session: Session, wait: bool, method: str, *path: str, body: object = None) -> tuple[int, Any]:
    """Status and JSON of a change, asked for again while another is in progress. CliError 7 after ten minutes."""
    deadline = time.monotonic() + WAIT_SECONDS
    if wait:
        session.client.wait_for(WAIT_SECONDS)
    pause_seconds = FIRST_PAUSE_SECONDS
    progress = Progress()
    try:
        while True:
            try:
                return session.client.request(method, *path, body=body)
            except ApiError as error:
                if error.code != IN_PROGRESS or not wait:
                    raise
                if time.monotonic() + pause_seconds > deadline:
                    raise CliError(
                        f"another operation is still in progress after {WAIT_SECONDS:.0f} s: {error.message}",
                        "Nothing was changed; look with `bucketry services`.",
                        exit_code=TIMED_OUT,
                    ) from None
            progress.show("Waiting for another operation to end...", milestone=pause_seconds == FIRST_PAUSE_SECONDS)
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)
    finally:
        progress.end()
