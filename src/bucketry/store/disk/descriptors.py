"""Open files of segments that are read often, a bounded number a process; and the pins of long reads.

A cached descriptor would keep the space of a removed segment, so removed ones are looked for every few seconds.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from bucketry.store.disk.files import Files

_LIMIT = 256
_SWEEP_SECONDS = 5.0
PINS_FILE = "readers.lock"


class Descriptor:
    """An open file and how many are in the middle of reading it."""

    __slots__ = ("is_cached", "number", "users")

    def __init__(self, number: int) -> None:
        self.number = number
        self.users = 0
        self.is_cached = True


class Descriptors:
    """Opens segments for reading. In the loop alone; threads may read from what was acquired."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._open: OrderedDict[str, Descriptor] = OrderedDict()  # by path; a Path takes longer to make and to hash
        self._sweeper: asyncio.TimerHandle | None = None

    def acquire(self, path: str) -> Descriptor:
        """To be released again. OSError."""
        found = self._open.get(path)
        if found is None:
            found = Descriptor(self._files.open(Path(path)))
            self._open[path] = found
            if len(self._open) > _LIMIT:
                self._forget(next(iter(self._open)))
            if self._sweeper is None:
                self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        else:
            self._open.move_to_end(path)
        found.users += 1
        return found

    def release(self, descriptor: Descriptor) -> None:
        descriptor.users -= 1
        if descriptor.users == 0 and not descriptor.is_cached:
            self._files.close(descriptor.number)

    def forget(self, path: str) -> None:
        """Open it anew the next time."""
        if path in self._open:
            self._forget(path)

    def close(self) -> None:
        """Close all that nobody is reading; the rest closes when its reader is done."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for path in list(self._open):
            self._forget(path)

    def _forget(self, path: str) -> None:
        descriptor = self._open.pop(path)
        descriptor.is_cached = False
        if descriptor.users == 0:
            self._files.close(descriptor.number)

    def _sweep(self) -> None:
        self._sweeper = None
        for path, descriptor in list(self._open.items()):
            if self._files.link_count(descriptor.number) == 0:
                self._forget(path)
        if self._open:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)


class Pins:
    """Which versions this process is in the middle of reading, for the garbage runs of all processes to see.

    A pin is a lock on one byte of the bucket's readers.lock, at the version's sequence: it costs no write, and is gone
    with the process.
    """

    def __init__(self, folder: Path, files: Files) -> None:
        self._path = folder / PINS_FILE
        self._files = files
        self._descriptor = -1
        self._counts: dict[int, int] = {}

    def add(self, sequence: int) -> None:
        """OSError."""
        count = self._counts.get(sequence, 0)
        if count == 0:
            if self._descriptor < 0:
                self._descriptor = self._files.open(self._path, is_writable=True)
            self._files.pin(self._descriptor, sequence)
        self._counts[sequence] = count + 1

    def remove(self, sequence: int) -> None:
        count = self._counts.pop(sequence)
        if count > 1:
            self._counts[sequence] = count - 1
        else:
            self._files.unpin(self._descriptor, sequence)

    @property
    def is_idle(self) -> bool:
        return not self._counts

    def close(self) -> None:
        """Let go of the file, unless somebody is still reading."""
        if not self._counts and self._descriptor >= 0:
            self._files.close(self._descriptor)
            self._descriptor = -1
