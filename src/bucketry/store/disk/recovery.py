"""What is done once after a start, before anybody is served, so that a crash leaves nothing behind.

The index needs nothing: SQLite replays its WAL. Buckets that were being made or removed, and empty ones that the
identity store does not know, go. One that it does not know and that holds anything is no crash's doing (an older
identity.sqlite was put back, say): it is named and kept, since nothing is deleted but by its owner. Of the others, only
those that were not closed (their WAL is still there) are looked at; what that misses, the garbage run finds.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import apsw

from bucketry.store.disk import leftovers, schema
from bucketry.store.disk.commit import LOCK_FILE
from bucketry.store.disk.descriptors import PINS_FILE
from bucketry.store.disk.errors import DiskError, IndexDamaged, from_os
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import INDEX_FILE, Index
from bucketry.store.disk.transaction import Transaction

_FOLDER = re.compile(r"[a-z0-9][a-z0-9.-]{0,254}\.[0-9a-f]{16}")
_TEMPORARY = (".new-", ".old-")


def is_bucket_folder(name: str) -> bool:
    return _FOLDER.fullmatch(name) is not None


def bucket_folders(root: Path) -> list[str]:
    """The folders of buckets, in order."""
    return sorted(path.name for path in root.iterdir() if is_bucket_folder(path.name))


def recover(root: Path, known: set[str], files: Files, vfs: str | None, now_ms: int) -> list[str]:
    """Clean up under `root`; `known`: the folders to keep. What was done, a line each; a bucket that can't be recovered
    is named, and doesn't stop the others. OSError: the folder itself can't be worked on."""
    done = []
    for path in sorted(root.iterdir()):
        if path.name.startswith(_TEMPORARY):
            files.rmtree(path)
            done.append(f"removed {path.name}, left of a bucket's making or removal")
        elif is_bucket_folder(path.name) and path.name not in known:
            if not _is_empty(path, vfs):
                done.append(f"kept {path.name}, which no bucket owns, since it is not empty or can't be read")
                continue
            gone = root / f".old-{path.name}"
            files.rename(path, gone)
            files.rmtree(gone)
            done.append(f"removed {path.name}, which no bucket owns")
    for folder in sorted(known):
        try:
            done += _restore_locks(root / folder, files)
            if not (root / folder / f"{INDEX_FILE}-wal").exists():
                continue
            done += _recover_bucket(root / folder, files, vfs, now_ms)
        except OSError as error:
            done.append(str(from_os(error, f"recovering bucket {folder}")))
        except DiskError as error:
            done.append(str(error))
    return done


def damaged(root: Path, known: set[str]) -> list[str]:
    """A sentence for each of the buckets `known` whose index can't even be opened. Quick: one that was not closed
    properly is `recover`'s, of the others the first pages alone are read, without a lock or a file beside them."""
    found = []
    for folder in sorted(known):
        path = root / folder / INDEX_FILE
        if path.with_name(f"{INDEX_FILE}-wal").exists():
            continue
        try:
            with Index(root / folder, None).errors():
                look(path, folder)
        except DiskError as error:
            found.append(str(error))
    return found


def look(path: Path, folder: str) -> None:
    """Read the first pages of an index that nobody has open. IndexDamaged, NewerFormat."""
    connection = apsw.Connection(
        f"file:{quote(str(path))}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    try:
        schema.format_of(connection, folder)
        if connection.execute("SELECT count(*) FROM totals").get != 1:
            raise IndexDamaged(f"the index of bucket {folder} has no totals; run `bucketry fsck`")
    finally:
        connection.close(True)


def _is_empty(path: Path, vfs: str | None) -> bool:
    """Whether a bucket's folder holds no version of an object, for sure."""
    index = Index(path, vfs)
    try:
        with index.errors():
            connection = index.open_reader()
            try:
                return not list(connection.execute("SELECT 1 FROM objects UNION ALL SELECT 1 FROM noncurrent LIMIT 1"))
            finally:
                connection.close()
    except DiskError:
        return False


def _restore_locks(path: Path, files: Files) -> list[str]:
    """Empty files that a copy of the folder may have left out."""
    missing = [name for name in (LOCK_FILE, PINS_FILE) if not (path / name).exists()] if path.is_dir() else []
    for name in missing:
        files.close(files.create(path / name))
    return [f"made {name} of {path.name} anew" for name in missing]


def _recover_bucket(path: Path, files: Files, vfs: str | None, now_ms: int) -> list[str]:
    index = Index(path, vfs)
    lock = files.open(path / LOCK_FILE, is_writable=True)
    try:
        files.lock(lock)
        with index.errors():
            connection = index.open_writer()
            try:
                removed = leftovers.remove_unreferenced(path / "segments", connection, files)
                done = [f"removed segment {name} of {path.name}, which nothing refers to" for name in removed]
                for name, gaps in leftovers.unused_runs(path / "segments", connection, files):
                    with connection:
                        transaction = Transaction(connection, path.name, now_ms)
                        for gap in gaps:
                            transaction.free(*gap, 0, 0, 0)
                        transaction.finish()
                    leftovers.seal(path / "segments", name, connection, files)
                    done.append(f"noted {len(gaps)} unused runs in segment {name} of {path.name}")
            finally:
                connection.close(True)
    finally:
        files.close(lock)
    return done
