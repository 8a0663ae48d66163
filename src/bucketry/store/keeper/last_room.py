"""A file that keeps the last room on the disk, and goes when there is none left: deletes go on though others filled it.

The store refuses bytes before the disk is full (disk/space.py), but a log or a database beside it does not. A delete, a
revoked key, an order that ends all write to an index before they give anything back; without a byte left none could.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from bucketry.kernel import logs
from bucketry.store.disk.files import Files
from bucketry.store.disk.space import reserve_bytes

FILE = "last-room"
INTERVAL_SECONDS = 1.0
_BYTES = 16 << 20
_SHARE = 64  # of a small disk no more than this part
_NONE_LEFT_BYTES = 512 << 10  # less is too little for an index to grow
_log = logs.get("keeper")


class LastRoom:
    """Kept by one process of a data folder."""

    def __init__(self, root: Path, files: Files | None = None) -> None:
        self._root = root
        self._path = root / FILE
        self._files = files or Files()

    async def run(self, _stop: asyncio.Event) -> None:
        """`look`, as a chore."""
        self.look()

    def look(self) -> None:
        """Give the room up where there is none left, take it again where there is plenty. OSError."""
        free, total = self._files.space(self._root)
        is_kept = self._path.exists()
        if is_kept and free < _NONE_LEFT_BYTES:
            size = self._path.stat().st_size
            self._files.unlink(self._path)
            _log.error(
                "no room on the disk; what was kept for deletes is given up now. Free some space",
                folder=str(self._root),
                kept_bytes=size,
            )
        elif not is_kept and free > reserve_bytes(total) + (size := min(_BYTES, total // _SHARE)):
            self._take(size)

    def _take(self, size: int) -> None:
        descriptor = self._files.create(self._path)
        try:
            self._files.allocate(descriptor, size)
        except OSError:
            self._files.unlink(self._path)
            raise
        finally:
            self._files.close(descriptor)
