"""Whether there is room for what is about to be written.

The last of the disk is kept for what must go on when it is full: a delete writes to the index before it gives anything
back, and so do the garbage run, the identity store and the marketplace. So bytes are refused while there is some room
left: min(128 MiB, a sixteenth of the file system). Where others fill the disk beyond that, keeper/last_room.py gives
some of it back.
"""

from __future__ import annotations

import time
from pathlib import Path

from bucketry.store.disk.errors import DiskFull, from_os
from bucketry.store.disk.files import Files

RESERVE_BYTES = 128 << 20
_RESERVE_SHARE = 16
_LOOK_SECONDS = 0.05  # a look is a system call; between two of them what was granted is counted


def reserve_bytes(total: int) -> int:
    """What of a file system of so many bytes is kept."""
    return min(RESERVE_BYTES, total // _RESERVE_SHARE)


class Space:
    """The room left to one process. In the loop alone."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder
        self._files = files
        self._left = 0
        self._looked = float("-inf")

    def ask(self, size: int) -> None:
        """DiskFull: `size` more bytes would take what is kept for deletes."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._look()
            self._looked = now
        if size > self._left:
            raise DiskFull(
                f"no room on the disk of {self._folder} for {size} bytes more, beside what is kept for deletes; "
                "free some space, deleting objects works"
            )
        self._left -= size

    def _look(self) -> None:
        try:
            free, total = self._files.space(self._folder)
        except OSError as error:
            raise from_os(error, f"asking how much room {self._folder} has", is_read=True) from error
        self._left = free - reserve_bytes(total)
