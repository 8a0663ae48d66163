"""What can go wrong on the disk, as exceptions that say what happened, to what, and what to do.

    DiskError
      DiskFull           no room: the write left nothing behind; reads and deletes go on
      WriteFailed        the system refused to write or to sync: nothing of it is trusted
      ReadFailed         the system refused to read
      CorruptData        stored bytes that don't match their checksum: never returned
      KeyMissing         encrypted bytes without the key to read them
      IndexDamaged       a bucket's index that SQLite can't read
      NewerFormat        written by a later bucketry
      BucketMissing, BucketNotEmpty
      Locked             a lock protects the version from removal
      Superseded         the version was replaced since it was looked up: look it up again
      UploadMissing, PartMissing
      WrongSize          more or fewer bytes than were announced

What HTTP makes of them is the gateway's business.
"""

from __future__ import annotations

import errno
from pathlib import Path

import apsw

_REMEDY = "stop the server and run `bucketry fsck --rebuild`, or restore a snapshot"
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class DiskError(Exception):
    """The root of all that the disk raises on purpose."""


class DiskFull(DiskError):
    """There is no room on the file system, or the quota is used up."""


class WriteFailed(DiskError):
    """The system failed to write or sync. What was written may be anything; it is not referenced."""


class ReadFailed(DiskError):
    """The system failed to read."""


class CorruptData(DiskError):
    """Stored bytes don't match their checksum."""


class KeyMissing(DiskError):
    """Bytes are encrypted with a key that is not here: their owner's, who must bring it, or the store's."""


class IndexDamaged(DiskError):
    """The index of one bucket can't be read or written as a database. Other buckets are not concerned."""


class NewerFormat(DiskError):
    """The index was written by a newer bucketry than this."""


class BucketMissing(DiskError):
    """There is no such bucket on this disk, or no longer."""


class BucketNotEmpty(DiskError):
    """A bucket with objects can't be removed."""


class Locked(DiskError):
    """The version is protected by its lock: it can't be removed, nor its lock be changed so."""


class Superseded(DiskError):
    """The version was overwritten or deleted after it was looked up."""


class UploadMissing(DiskError):
    """No such upload is under way: never begun, completed or aborted."""


class PartMissing(DiskError):
    """A part to complete an upload with was not uploaded, or with other bytes."""

    def __init__(self, part_number: int, reason: str) -> None:
        super().__init__(f"part {part_number} {reason}")
        self.part_number = part_number


class WrongSize(DiskError):
    """A writer was given more or fewer bytes than announced."""


def from_os(error: OSError, doing: str, *, is_read: bool = False) -> DiskError:
    """The disk's word for what the system said while `doing`, such as "writing segment X"."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return DiskFull(f"no room on the disk: {doing}: {reason}; free some space, deleting objects works")
    return (ReadFailed if is_read else WriteFailed)(f"{doing}: {reason}")


def index_missing(folder: Path) -> DiskError:
    """The word for a bucket's folder in which there is no index: only where the folder is gone too was it removed."""
    if folder.is_dir():
        return IndexDamaged(f"the index of bucket {folder.name} is not in its folder any more; {_REMEDY}")
    return BucketMissing(f"bucket {folder.name} is not on this disk")


def from_sqlite(error: apsw.Error, folder: Path, index: Path) -> DiskError:
    """The disk's word for what SQLite said about `index`, of the bucket in `folder` (NAME.ID)."""
    bucket = folder.name
    if isinstance(error, apsw.FullError):
        return DiskFull(
            f"no room on the disk for the index of bucket {bucket}; free some space, deleting objects works"
        )
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return IndexDamaged(f"the index of bucket {bucket} is damaged: {error}; {_REMEDY}")
    if isinstance(error, apsw.CantOpenError):
        if not index.exists():
            return index_missing(folder)
        # No descriptor is left, or its mode was changed: no reason to take the bucket for one that is gone.
        return ReadFailed(f"the index of bucket {bucket} can't be opened: {error}")
    if isinstance(error, apsw.SQLError):
        return IndexDamaged(f"the index of bucket {bucket} is not as it should be: {error}; run `bucketry fsck`")
    return WriteFailed(f"the index of bucket {bucket} failed: {error}")
