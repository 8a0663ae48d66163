"""A copy of a bucket's folder as it was at one moment, made while others read, write and delete.

The index is copied in one read transaction; then the segments that it named then, and of those what it named.
Meanwhile no garbage run of any process touches the bucket (disk/pausing.py): what is deleted keeps its bytes.
A segment of one record is never written again and never punched, so the copy is one more name of the same file where
that can be; of a segment of many, holes will be punched: its records are copied, by reference where the file system
shares blocks. Locks and freed space are not copied; the garbage run sees to it wherever the copy is used.
"""

from __future__ import annotations

import errno
from pathlib import Path

import apsw

from bucketry.store.disk import segments
from bucketry.store.disk.bucket import SEGMENTS_FOLDER
from bucketry.store.disk.commit import LOCK_FILE
from bucketry.store.disk.descriptors import PINS_FILE
from bucketry.store.disk.errors import BucketMissing, DiskError
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import INDEX_FILE, Index
from bucketry.store.disk.pausing import Pause

Run = tuple[int, int]  # of a segment: first byte, and the one after the last

_RECORDS = "SELECT segment, record, record_size FROM extents ORDER BY segment, record"
_NO_LINK = frozenset((errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP))
_CHUNK_BYTES = 64 << 20


def copy_bucket(source: Path, target: Path, files: Files) -> None:
    """Copy the bucket in `source` into the new folder `target`, synced. Blocks. BucketMissing: it was removed
    meanwhile; OSError, DiskError. What a failure left is the caller's to remove."""
    index = Index(source, None)
    try:
        pause = Pause(source, files)
    except FileNotFoundError:
        raise BucketMissing(f"bucket {source.name} is not on this disk any more") from None
    try:
        with index.errors():
            pause.wait_to_copy()
            files.mkdir(target)
            files.mkdir(target / SEGMENTS_FOLDER)
            for name in (LOCK_FILE, PINS_FILE):
                files.close(files.create(target / name))
            connection = index.open_reader()
            try:
                connection.execute("BEGIN")
                plan = _plan(connection)
                copy_database(connection, target / INDEX_FILE, files)
            finally:
                connection.close(True)
            for name, runs in plan.items():
                paths = (source / SEGMENTS_FOLDER / name, target / SEGMENTS_FOLDER / name)
                if not (segments.is_single(name) and _link(*paths, files)):
                    _copy_records(*paths, runs, files)
    except DiskError:
        if source.exists():
            raise
        raise BucketMissing(f"bucket {source.name} is not on this disk any more") from None
    finally:
        pause.end()
    files.sync_folder(target / SEGMENTS_FOLDER)
    files.sync_folder(target)


def copy_database(source: apsw.Connection, target: Path, files: Files) -> None:
    """Copy what a connection sees into a new file that only the owner can read, synced."""
    descriptor = files.create(target)
    try:
        connection = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
            with connection.backup("main", source, "main") as backup:
                backup.step()
        finally:
            connection.close(True)
        files.fdatasync(descriptor)
    finally:
        files.close(descriptor)


def _plan(connection: apsw.Connection) -> dict[str, list[Run]]:
    """The segments that an index names, and the runs of each that hold records."""
    plan: dict[str, list[Run]] = {}
    for name, record, size in connection.execute(_RECORDS):
        runs = plan.setdefault(name, [])
        if runs and runs[-1][1] == record:
            runs[-1] = (runs[-1][0], record + size)
        else:
            runs.append((record, record + size))
    return plan


def _link(source: Path, target: Path, files: Files) -> bool:
    try:
        files.link(source, target)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True


def _copy_records(source: Path, target: Path, runs: list[Run], files: Files) -> None:
    opened = files.open(source)
    try:
        made = files.create(target)
        try:
            for begin, end in runs:
                for at in range(begin, end, _CHUNK_BYTES):
                    files.copy_range(opened, made, at, min(_CHUNK_BYTES, end - at))
            files.fdatasync(made)
        finally:
            files.close(made)
    finally:
        files.close(opened)
