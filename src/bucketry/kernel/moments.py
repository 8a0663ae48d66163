"""Whether a SQLite database in WAL mode has changed, told by a look at memory: no lock, no statement, no system call.

All processes of a database share some memory, the WAL index ("WAL-mode File Format", section 2.1). It begins with a
header, written twice, that each commit and each recovery makes anew: a counter of transactions, the number of frames in
the log, their checksum, two salts. Every reader's transaction begins by looking whether that header is still what it
was: as long as it is, nothing was committed; `Moments` makes the same look. So what was read from the database
after one look is still true while later looks give the same, whoever commits, and however a process died in the middle.

The memory is asked of SQLite's own VFS (sqlite3_io_methods.xShmMap). Opening the file here and closing it again would
cancel the locks that SQLite has on it ("How To Corrupt An SQLite Database File", section 2.2).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import apsw

_HEADER_BYTES = 96  # two copies of 48
_LAYOUT = 3007000  # the first number of the header: that of all SQLites since 3.7.0
_REGION_BYTES = 32768
_POINTER_BYTES = ctypes.sizeof(ctypes.c_void_p)
_SHM_MAP_AT = 13 * _POINTER_BYTES  # in sqlite3_io_methods, whose first member is its version
_LEAST_METHODS = 2  # the first version that has it
_ShmMap = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)
)


def _unknown() -> bytes:
    return b""


class Moments:
    """The moments of one database, as one open connection sees them. Close it before the connection: the memory is the
    connection's."""

    __slots__ = ("now",)

    now: Callable[[], bytes]
    """What the header is now; b"" where it can't be told, and nothing may be taken for unchanged."""

    def __init__(self, connection: apsw.Connection) -> None:
        """`connection` has read from its database before."""
        self.now = _unknown
        address = _wal_index(connection)
        if address:
            header = memoryview((ctypes.c_ubyte * _HEADER_BYTES).from_address(address))
            if header[:4].cast("B").cast("I")[0] == _LAYOUT:
                self.now = header.tobytes

    def close(self) -> None:
        """From here on nothing is told."""
        self.now = _unknown


def _wal_index(connection: apsw.Connection) -> int:
    """Where the WAL index of a connection lies in memory; 0: it has none."""
    file = ctypes.c_void_p()
    if not connection.file_control("main", apsw.SQLITE_FCNTL_FILE_POINTER, ctypes.addressof(file)) or not file.value:
        return 0
    methods = ctypes.c_void_p.from_address(file.value).value
    if not methods or ctypes.c_int.from_address(methods).value < _LEAST_METHODS:
        return 0
    shm_map = ctypes.c_void_p.from_address(methods + _SHM_MAP_AT).value
    if not shm_map:
        return 0
    found = ctypes.c_void_p()
    if _ShmMap(shm_map)(file, 0, _REGION_BYTES, 0, ctypes.byref(found)) != apsw.SQLITE_OK:
        return 0
    return found.value or 0
