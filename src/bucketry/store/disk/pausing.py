"""A snapshot keeps the garbage run from a bucket while it copies, and waits for one that is under way.

The lock is that of the whole file of pins (flock; a pin is another kind of lock), which goes with the process.
"""

from __future__ import annotations

from pathlib import Path

from bucketry.store.disk.descriptors import PINS_FILE
from bucketry.store.disk.files import Files


class Pause:
    """The right to give space back in one bucket (one holder), or to rely on nobody doing so (any number)."""

    def __init__(self, folder: Path, files: Files) -> None:
        """OSError."""
        self._files = files
        self._descriptor = files.open(folder / PINS_FILE, is_writable=True)

    def try_collect(self) -> bool:
        """Take the right to give space back, if nobody copies or collects now."""
        return self._files.try_lock(self._descriptor)

    def wait_to_copy(self) -> None:
        """Blocks until no garbage run is under way. OSError."""
        self._files.lock_shared(self._descriptor)

    def end(self) -> None:
        self._files.close(self._descriptor)
