"""`bucketry snapshot DIR`: a copy of the whole data folder as of one moment, made while it is served.

What it promises: all that was answered before the command began is in it, and whole; what is answered meanwhile may be.
The identity store and the marketplace are copied as of one and the same moment, so that what the copy finds is what a
crash at that moment would have left, which both mend at the next start. Each bucket that they know is there, as of a
moment near it. Keys, settings and what else lies beside them come along. The copy has its name only when it is whole
and synced; before that it is `.NAME.unfinished`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw

from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder, write_private
from bucketry.store.disk import recovery
from bucketry.store.disk.errors import BucketMissing, DiskError
from bucketry.store.disk.files import Files
from bucketry.store.disk.snapshot import copy_bucket, copy_database
from bucketry.store.keeper.last_room import FILE

_ATTEMPTS = 50
_BUSY_MS = 10_000
_DATABASES = ("identity.sqlite", "marketplace.sqlite", "activity.sqlite")
_OWN = ("buckets", "lock", "rotation.lock", FILE)  # copied in another way, or of the running server alone
_KNOWN = "SELECT name || '.' || bucket_id FROM bucket"


class SnapshotExists(ServeError):
    """There is something at the place of the snapshot."""

    exit_code = 5


def take_snapshot(folder: DataFolder, target: Path) -> int:
    """Copy a data folder, served or not, to the new folder `target`: how many buckets it has. ServeError."""
    if target.exists():
        raise SnapshotExists(f"{target} is there already. Name a folder that isn't: a snapshot never writes over one.")
    if target.is_relative_to(folder.root):
        raise ServeError(f"{target} lies in the data folder itself. Name a folder outside {folder.root}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with folder.keys_held(is_shared=True), _unfinished(target) as place:
            count = _copy(folder, place, Files())
            _give_name(place, target)
        return count
    except (OSError, apsw.Error, DiskError) as problem:
        raise ServeError(f"The snapshot {target} could not be made: {problem}. Nothing of it is left.") from None


def _give_name(place: Path, target: Path) -> None:
    """The name lasts, or it goes again."""
    place.rename(target)
    try:
        Files().sync_folder(target.parent)
    except OSError:
        target.rename(place)
        raise


@contextlib.contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A folder to work in, locked; what an interrupted command left in it goes, and what this one leaves too."""
    place = target.with_name(f".{target.name}.unfinished")
    lock = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SnapshotExists(f"Another command is making the snapshot {target}.") from None
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        Path(f"{place}.lock").unlink(missing_ok=True)
        os.close(lock)


def _copy(folder: DataFolder, place: Path, files: Files) -> int:
    buckets = folder.root / "buckets"
    (place / "buckets").mkdir(mode=0o700)
    for path in sorted(folder.root.iterdir()):
        if not path.name.startswith((".", *_DATABASES)) and path.name not in _OWN:
            _copy_file(path, place / path.name)

    copied: set[str] = set()
    for name in recovery.bucket_folders(buckets) if buckets.exists() else []:
        with contextlib.suppress(BucketMissing):
            copied.add(_copy_one(buckets, place, name, files))
    for _ in range(_ATTEMPTS):
        known = _copy_databases(folder, place, files)
        try:
            for name in sorted(known - copied):
                copied.add(_copy_one(buckets, place, name, files))
        except BucketMissing:
            continue  # removed since: look again at what there is
        files.sync_folder(place / "buckets")
        files.sync_folder(place)
        return len(known)
    raise ServeError("Buckets come and go too quickly for a snapshot. Try again.")


def _copy_file(source: Path, target: Path) -> None:
    """Keys, settings, and what of the operator's lies beside them (a catalog, certificates), for the owner alone."""
    with contextlib.suppress(FileNotFoundError):
        if source.is_file():
            write_private(target, source.read_bytes())
        elif source.is_dir() and not source.is_symlink():
            target.mkdir(mode=0o700)
            for path in sorted(source.iterdir()):
                _copy_file(path, target / path.name)


def _copy_one(buckets: Path, place: Path, name: str, files: Files) -> str:
    target = place / "buckets" / name
    try:
        copy_bucket(buckets / name, target, files)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return name


def _copy_databases(folder: DataFolder, place: Path, files: Files) -> set[str]:
    """Copy the identity store and the marketplace as of one moment: the buckets that it knows."""
    with contextlib.ExitStack() as stack:
        views: list[tuple[apsw.Connection, Path]] = []
        lock = os.open(f"{folder.identity_file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # identities stand still until the marketplace's moment is held as well
            for path in (folder.identity_file, folder.marketplace_file, folder.root / "activity.sqlite"):
                if path.exists():
                    views.append((_view(path, stack), place / path.name))
        finally:
            os.close(lock)
        for connection, target in views:
            target.unlink(missing_ok=True)
            copy_database(connection, target, files)
        return {name for (name,) in views[0][0].execute(_KNOWN)}


def _view(path: Path, stack: contextlib.ExitStack) -> apsw.Connection:
    """A connection whose every look is at the moment of this call."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    stack.callback(connection.close, True)
    connection.set_busy_timeout(_BUSY_MS)
    connection.execute("PRAGMA query_only = 1; BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018 - the look that begins the transaction
    return connection
