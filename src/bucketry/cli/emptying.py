"""empty-bucket: remove everything in a bucket, old versions and unfinished uploads too, with progress."""

from __future__ import annotations

from typing import Any

from bucketry.cli import output
from bucketry.cli.command import server_command
from bucketry.cli.confirm import confirmed
from bucketry.cli.errors import FAILED, PARTLY_DONE, ApiError, CliError
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
            # Each tenfold of removals is worth a line where lines stay.
            milestone = int(last.get("objects", 0)) >= max(1000, shown * 10)
            progress.show(f"{_removed(last)}...", milestone=milestone)
            shown = int(last.get("objects", 0)) if milestone else shown
    finally:
        progress.end()
    if not last.get("done"):
        raise CliError(
            f"the server stopped before the bucket of {instance} was empty",
            f"Give `bucketry empty-bucket {instance} -f` again: it goes on where it was.",
            exit_code=PARTLY_DONE if _has_begun(last) else FAILED,
        )
    output.message(f"{_removed(last)}. The bucket is empty.")
    output.ok()


def _has_begun(line: dict[str, Any]) -> bool:
    return bool(line.get("objects") or line.get("uploads"))


def _removed(line: dict[str, Any]) -> str:
    """`1,200 objects and versions (3.4 MiB) and 1 unfinished upload removed`."""
    objects, uploads = int(line.get("objects", 0)), int(line.get("uploads", 0))
    what = "object or version" if objects == 1 else "objects and versions"
    text = f"{objects:,} {what} ({output.size(int(line.get('size_bytes', 0)))})"
    if uploads:
        text += f" and {uploads:,} unfinished upload{'' if uploads == 1 else 's'}"
    return f"{text} removed"


def _raise_error(line: dict[str, Any]) -> None:
    """An error that came after the answer had begun; partly done, if anything was."""
    error = line.get("error")
    if not isinstance(error, dict):
        return
    message = str(error.get("message", ""))
    raised = ApiError(
        int(line.get("status", 500)),
        str(error.get("code", "")),
        f"{_removed(line)}, then: {message}" if _has_begun(line) else message,
        str(error.get("remedy") or ""),
    )
    if _has_begun(line):
        raised.exit_code = PARTLY_DONE
    raise raised
