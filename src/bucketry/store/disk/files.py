"""The only module that writes, syncs, links, renames and removes files (SQLite's own, by its VFS, apart).

A test gives its own subclass of `Files`: one that fails the n-th call, or forgets what was not synced. So each method
is one thing that the system may refuse, all raise OSError, and none retries after a failed sync. Linux is assumed where
the standard library has no word for it: holes by fallocate(2), locks by F_OFD_SETLK (fcntl(2)), writeback by
sync_file_range(2).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01
_SYNC_FILE_RANGE_WRITE = 2
_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid
_NO_COPY = frozenset((errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL))
_NO_HOLES = frozenset((errno.EOPNOTSUPP, errno.ENOSYS))

_libc = ctypes.CDLL(None, use_errno=True)
for _name, _types in (
    ("fallocate", (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)),
    ("sync_file_range", (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)),
):
    getattr(_libc, _name).argtypes = _types


def is_blank(data: bytes | memoryview) -> bool:
    """Whether all bytes are zero, as those of a hole are."""
    return not any(data)


class Files:
    """What the store asks of the file system. All paths are made of ids, never of what a client sent."""

    # Folders

    def mkdir(self, path: Path) -> None:
        path.mkdir(mode=0o700)

    def sync_folder(self, path: Path) -> None:
        """Make the entries of a folder (new, renamed, removed) survive a power cut."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a file; one that is gone already is fine."""
        path.unlink(missing_ok=True)

    def rmtree(self, path: Path) -> None:
        """Remove a folder and all in it; one that is gone already is fine."""
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            if path.exists():  # something in it went away meanwhile
                shutil.rmtree(path)

    def space(self, path: Path) -> tuple[int, int]:
        """(free bytes, all bytes) of the file system that a folder is on."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    # Descriptors

    def create(self, path: Path) -> int:
        """A new file, open for reading and writing. FileExistsError if there is one."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, path: Path, *, is_writable: bool = False) -> int:
        return os.open(path, (os.O_RDWR if is_writable else os.O_RDONLY) | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def link_count(self, descriptor: int) -> int:
        """How many names the file has: 0 once it was removed."""
        return os.fstat(descriptor).st_nlink

    # Bytes

    def pread(self, descriptor: int, size: int, offset: int) -> bytearray:
        """`size` bytes at `offset`, fewer only at the end of the file."""
        buffer = bytearray(size)
        view = memoryview(buffer)
        done = 0
        while done < size:
            count = os.preadv(descriptor, [view[done:]], offset + done)
            if count == 0:
                return buffer[:done]
            done += count
        return buffer

    def pread_cached(self, descriptor: int, size: int, offset: int) -> bytearray | None:
        """`size` bytes if they lie in memory, without ever waiting for the disk; None: read them in a thread."""
        buffer = bytearray(size)
        try:
            count = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP):
                return None
            raise
        return buffer if count == size else None

    def pwrite(self, descriptor: int, buffers: Sequence[bytes | bytearray | memoryview], offset: int) -> None:
        """All of `buffers`, one after the other, at `offset`."""
        total = sum(map(len, buffers))
        done = os.pwritev(descriptor, buffers, offset)
        if done == total:
            return
        rest = memoryview(b"".join(buffers))
        while done < total:
            count = os.pwrite(descriptor, rest[done:], offset + done)
            if count == 0:
                raise OSError(errno.EIO, "the system wrote nothing")
            done += count

    def copy_range(self, source: int, target: int, offset: int, size: int) -> None:
        """`size` bytes at `offset` of a file to the same place in another, or fewer at its end; blocks are shared where
        the file system can."""
        done = 0
        try:
            while done < size:
                count = os.copy_file_range(source, target, size - done, offset + done, offset + done)
                if count == 0:
                    return
                done += count
        except OSError as error:
            if error.errno not in _NO_COPY:
                raise
            self.pwrite(target, [self.pread(source, size - done, offset + done)], offset + done)

    def allocate(self, descriptor: int, size: int) -> None:
        """Take the room of a file's first `size` bytes, which read as zeros."""
        os.posix_fallocate(descriptor, 0, size)

    def fdatasync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def start_writeback(self, descriptor: int, offset: int, size: int) -> None:
        """Let the system begin to write out a range, so that the sync at the end has less to wait for. No promise."""
        _libc.sync_file_range(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE)

    def punch(self, descriptor: int, offset: int, size: int) -> bool:
        """Give the space of a range back; it reads as zeros. False where the file system can't."""
        if _libc.fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, offset, size) == 0:
            return True
        number = ctypes.get_errno()
        if number in _NO_HOLES:
            return False
        raise OSError(number, os.strerror(number))

    # Locks: of whole files (flock: one holder a descriptor, fair, gone with the process), and of single bytes.

    def lock(self, descriptor: int) -> None:
        """Wait for the exclusive lock of a file. The system wakes who waits in order; two busy processes share it
        evenly (measured: with a second lock that enforces turns, p99 of commits stays the same)."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def lock_shared(self, descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH)

    def try_lock(self, descriptor: int) -> bool:
        """Take the exclusive lock if nobody holds any."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self, descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def pin(self, descriptor: int, number: int) -> None:
        """Hold a shared lock on byte `number` of a file, which need not have so many bytes."""
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, number, 1, 0))

    def unpin(self, descriptor: int, number: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, number, 1, 0))

    def find_pin(self, descriptor: int, first: int, count: int) -> int | None:
        """A number from `first` on, below `first + count`, that another descriptor has pinned, if any."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, count, 0)
        kind, _, start, _, _ = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else max(start, first)
