"""empty-bucket: remove everything in a bucket, old versions and unfinished uploads too, with progress."""

from __future__ import annotations

from typing import Any

from bucketry.cli import output
from bucketry.cli.command import server_command
from bucketry.cli.confirm import confirmed
from bucketry.cli.errors import PARTLY_DONE, ApiError, CliError
from bucketry.cli.instances import instance_argument
from bucketry.cli.parameters import force_option
from bucketry.cli.session import Session


@server_command("empty-bucket")
@instance_argument
@force_option
def empty_bucket(session: Session, instance: str, force: bool) -> None:
    """Remove every object, version and unfinished upload in a bucket."""
    path = session.instance_path(instance, "empty")
    if not confirmed(f"Really remove everything in the bucket of {instance}, for good?", force):
        return
    output.message(f"Emptying the bucket of service instance {instance} in {session.place}...")
    progress = output.Progress()
    last: dict[str, Any] = {}
    shown = 0
    try:
        for last in session.client.stream("POST", *path):
            _raise_error(last)
            removed = int(last.get("removed", 0))
            # Each tenfold of removals is worth a line where lines stay.
            progress.show(f"{_removed_text(removed)}...", milestone=removed >= max(1000, shown * 10))
            if removed >= max(1000, shown * 10):
                shown = removed
    finally:
        progress.end()
    if not last.get("done"):
        raise CliError(
            f"the server stopped before the bucket of {instance} was empty",
            f"Give `bucketry empty-bucket {instance} -f` again: it goes on where it was.",
            exit_code=PARTLY_DONE if last.get("removed") else 1,
        )
    output.message(f"{_removed_text(int(last.get('removed', 0)))}. The bucket is empty.")
    output.ok()


def _removed_text(count: int) -> str:
    return f"{count} {'object, version or upload' if count == 1 else 'objects, versions and uploads'} removed"


def _raise_error(line: dict[str, Any]) -> None:
    error = line.get("error")
    if not isinstance(error, dict):
        return
    removed = int(line.get("removed", 0))
    raised = ApiError(
        int(line.get("status", 500)),
        str(error.get("code", "")),
        f"{error.get('message', '')} ({_removed_text(removed)})" if removed else str(error.get("message", "")),
        str(error.get("remedy") or ""),
    )
    if removed:
        raised.exit_code = PARTLY_DONE
    raise raised
