"""The way of the store to the disk, on which any call can fail once, and of which a power cut leaves what was synced.

`Seam` is both ways in one: `files` for what the store writes itself, and the VFS called `name` for what SQLite writes.
Every call is counted. The n-th can be told to fail, as the system would let that kind of call fail.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from bucketry.store.disk.files import Files
from bucketry.store.disk.types import Data
from tests.faults.machine import File, Folder, Machine

_numbers = itertools.count()
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


@dataclass(frozen=True)
class Fault:
    """How a call fails: by which error, and whether half of a write is done before it."""

    number: int
    is_short: bool = False

    def __str__(self) -> str:
        return errno.errorcode[self.number] + ("-short" if self.is_short else "")


# What each kind of call may fail by.
FAULTS = {
    "write": (Fault(errno.EIO), Fault(errno.ENOSPC, is_short=True)),
    "sync": (Fault(errno.EIO), Fault(errno.ENOSPC)),
    "name": (Fault(errno.ENOSPC), Fault(errno.EIO)),
    "read": (Fault(errno.EIO),),
    "lock": (Fault(errno.ENOLCK),),
}


class Seam:
    """Counts calls, fails one, and knows what is on the disk. Unregister it at the end."""

    def __init__(self, root: Path) -> None:
        self.machine = Machine(root)
        self.name = f"seam-{next(_numbers)}"
        self.files = SeamFiles(self)
        self.calls: list[str] = []  # the kind of each call
        self.on_call: Callable[[str], None] | None = None  # asked before each call, in any thread
        self.failed = ""  # the call that was failed
        self.lock = threading.RLock()
        self._fail_at = -1
        self._fault: Fault | None = None
        self._vfs = _SeamVFS(self)

    def fail(self, at: int, fault: Fault) -> None:
        """Fail the call number `at` from now on, counted from 0."""
        with self.lock:
            self.calls.clear()
            self._fail_at, self._fault = at, fault

    def mend(self) -> None:
        """From here on no call fails."""
        with self.lock:
            self._fail_at, self._fault = -1, None

    def call(self, kind: str, what: str) -> Fault | None:
        """Count a call; how it is to fail, if it is."""
        if self.on_call is not None:
            self.on_call(kind)
        self.calls.append(kind)
        if len(self.calls) - 1 == self._fail_at:
            self.failed = what
            return self._fault
        return None

    def unregister(self) -> None:
        self._vfs.unregister()


class SeamFiles(Files):
    """The store's own files."""

    def __init__(self, seam: Seam) -> None:
        self._seam = seam
        self._open: dict[int, File] = {}

    def _do(self, kind: str, what: str, act: Callable[[], Any], record: Callable[[Any], None] | None = None) -> Any:
        with self._seam.lock:
            fault = self._seam.call(kind, what)
            if fault is not None:
                raise OSError(fault.number, os.strerror(fault.number))
            result = act()
            if record is not None:
                record(result)
            return result

    @property
    def _machine(self) -> Machine:
        return self._seam.machine

    def mkdir(self, path: Path) -> None:
        super_ = super()
        self._do("name", "mkdir", lambda: super_.mkdir(path), lambda _: self._machine.add(path, Folder()))

    def sync_folder(self, path: Path) -> None:
        super_ = super()
        self._do("sync", "sync_folder", lambda: super_.sync_folder(path), lambda _: self._machine.folder(path).sync())

    def rename(self, source: Path, target: Path) -> None:
        super_ = super()
        self._do(
            "name", "rename", lambda: super_.rename(source, target), lambda _: self._machine.rename(source, target)
        )

    def link(self, source: Path, target: Path) -> None:
        super_ = super()
        self._do(
            "name",
            "link",
            lambda: super_.link(source, target),
            lambda _: self._machine.add(target, self._machine.file(source)),
        )

    def unlink(self, path: Path) -> None:
        super_ = super()
        self._do("name", "unlink", lambda: super_.unlink(path), lambda _: self._machine.remove(path))

    def rmtree(self, path: Path) -> None:
        super_ = super()
        self._do("name", "rmtree", lambda: super_.rmtree(path), lambda _: self._machine.remove(path))

    def create(self, path: Path) -> int:
        super_ = super()

        def record(descriptor: int) -> None:
            self._open[descriptor] = File()
            self._machine.add(path, self._open[descriptor])

        descriptor: int = self._do("name", "create", lambda: super_.create(path), record)
        return descriptor

    def open(self, path: Path, *, is_writable: bool = False) -> int:
        super_ = super()

        def record(descriptor: int) -> None:
            self._open[descriptor] = self._machine.file(path)

        descriptor: int = self._do("read", "open", lambda: super_.open(path, is_writable=is_writable), record)
        return descriptor

    def close(self, descriptor: int) -> None:
        with self._seam.lock:
            self._open.pop(descriptor, None)
            super().close(descriptor)

    def pread(self, descriptor: int, size: int, offset: int) -> bytearray:
        super_ = super()
        data: bytearray = self._do("read", "pread", lambda: super_.pread(descriptor, size, offset))
        return data

    def pread_cached(self, descriptor: int, size: int, offset: int) -> bytearray | None:
        return None  # so that each read has its turn

    def pwrite(self, descriptor: int, buffers: Sequence[Data], offset: int) -> None:
        data = b"".join(buffers)
        with self._seam.lock:
            fault = self._seam.call("write", "pwrite")
            if fault is not None:
                data = data[: len(data) // 2] if fault.is_short else b""
            if data:
                super().pwrite(descriptor, [data], offset)
                self._open[descriptor].pending.append((offset, data))
            if fault is not None:
                raise OSError(fault.number, os.strerror(fault.number))

    def copy_range(self, source: int, target: int, offset: int, size: int) -> None:
        self.pwrite(target, [super().pread(source, size, offset)], offset)

    def fdatasync(self, descriptor: int) -> None:
        with self._seam.lock:
            fault = self._seam.call("sync", "fdatasync")
            if fault is not None:
                self._open[descriptor].pending.clear()  # clean in memory, and lost
                raise OSError(fault.number, os.strerror(fault.number))
            self._open[descriptor].sync()

    def punch(self, descriptor: int, offset: int, size: int) -> bool:
        super_ = super()

        def record(_: bool) -> None:
            end = min(offset + size, self.size(descriptor))
            self._open[descriptor].pending.append((offset, bytes(max(0, end - offset))))

        done: bool = self._do("write", "punch", lambda: super_.punch(descriptor, offset, size), record)
        return done

    def lock(self, descriptor: int) -> None:
        fault = self._seam.call("lock", "lock")
        if fault is not None:
            raise OSError(fault.number, os.strerror(fault.number))
        super().lock(descriptor)  # not under the seam's lock: whoever has this one needs that

    def lock_shared(self, descriptor: int) -> None:
        super_ = super()
        self._do("lock", "lock_shared", lambda: super_.lock_shared(descriptor))

    def pin(self, descriptor: int, number: int) -> None:
        super_ = super()
        self._do("lock", "pin", lambda: super_.pin(descriptor, number))


class _SeamVFS(apsw.VFS):
    def __init__(self, seam: Seam) -> None:
        self._seam = seam
        super().__init__(seam.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        with self._seam.lock:
            if self._seam.call("read", "sqlite open") is not None:
                raise apsw.CantOpenError("the open failed, as the test asked for")
            return _SeamVFSFile(self._seam, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: N802 - SQLite's name
        with self._seam.lock:
            if self._seam.call("name", "sqlite delete") is not None:
                raise apsw.IOError("the removal failed, as the test asked for")
            super().xDelete(name, sync_folder)
            path = Path(name)
            self._seam.machine.remove(path)
            if sync_folder:
                self._seam.machine.folder(path.parent).sync()


class _SeamVFSFile(apsw.VFSFile):
    def __init__(self, seam: Seam, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        assert name is not None, "nothing here needs a temporary file"
        self._seam = seam
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        found = seam.machine.find(self._path)
        # As SQLite's own VFS: the first sync of a journal, by each who opened it, syncs its folder too.
        self._syncs_folder = bool(flags[0] & _JOURNALS)
        if found is None:
            found = File()
            seam.machine.add(self._path, found)
        assert isinstance(found, File)
        self._file = found

    def _fault(self, kind: str, what: str) -> Fault | None:
        return self._seam.call(kind, f"sqlite {what} of {self._path.name}")

    def xRead(self, size: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        with self._seam.lock:
            if self._fault("read", "read") is not None:
                raise apsw.IOError("the read failed, as the test asked for")
            return super().xRead(size, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        with self._seam.lock:
            fault = self._fault("write", "write")
            if fault is not None:
                data = data[: len(data) // 2] if fault.is_short else b""
            if data:
                super().xWrite(data, offset)
                self._file.pending.append((offset, bytes(data)))
            if fault is not None:
                full = fault.number == errno.ENOSPC
                raise (apsw.FullError if full else apsw.IOError)("the write failed, as the test asked for")

    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's name
        with self._seam.lock:
            if self._fault("write", "truncate") is not None:
                raise apsw.IOError("the truncation failed, as the test asked for")
            super().xTruncate(size)
            self._file.pending.append((size, None))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        with self._seam.lock:
            if self._fault("sync", "sync") is not None:
                self._file.pending.clear()  # clean in memory, and lost
                raise apsw.IOError("the sync failed, as the test asked for")
            super().xSync(flags)
            self._file.sync()
            if self._syncs_folder:
                self._syncs_folder = False
                self._seam.machine.folder(self._path.parent).sync()
