"""`bucketry fsck`: the disk checks every bucket, and the identity store and the disk must know the same ones.

`--rebuild` makes the index of a damaged bucket anew; nobody may serve the folder meanwhile.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from bucketry.kernel.clock import system_clock_ms
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.master_keys import MasterKeys
from bucketry.serve.store_half import open_disk, open_identity
from bucketry.store.disk import rebuild
from bucketry.store.disk.errors import BucketMissing, DiskError, IndexDamaged
from bucketry.store.disk.files import Files
from bucketry.store.disk.rebuild import Rebuilt
from bucketry.store.disk.store import folder_name


async def check_store(folder: DataFolder, keys: MasterKeys, deep: bool) -> list[str]:
    """Check a data folder, served at the same time or not; each finding as a sentence. `deep` reads every byte."""
    identity = open_identity(folder, keys)
    try:
        disk = open_disk(folder)
        try:
            findings = [f"bucket {f.bucket}: {f.subject}: {f.message}" for f in await disk.check(deep)]
            for bucket in identity.all_buckets():
                try:
                    disk.bucket(bucket.name, bucket.bucket_id)
                except IndexDamaged:
                    pass  # found above
                except BucketMissing:
                    findings.append(f"bucket {bucket.name}: it is known, but its folder is gone from the disk")
            return findings
        finally:
            await disk.close()
    finally:
        identity.close()


def rebuild_store(folder: DataFolder, keys: MasterKeys, only: str | None) -> tuple[list[str], list[str]]:
    """Make the indexes of damaged buckets anew, or of the bucket named `only` in any case: (what was done, what is
    lost), a sentence each. FolderInUse: it is served."""
    folder.lock()  # held until this process ends
    identity = open_identity(folder, keys)
    try:
        buckets = identity.all_buckets()
        if only is not None and only not in {bucket.name for bucket in buckets}:
            raise ServeError(f"There is no bucket {only}.")
        done: list[str] = []
        lost: list[str] = []
        for bucket in buckets:
            path = folder.root / "buckets" / folder_name(bucket.name, bucket.bucket_id)
            if not path.is_dir() or only not in (None, bucket.name):
                continue
            record = identity.bucket(bucket.name)
            is_versioned = record is not None and "versioning" in record.settings
            rebuilt = _rebuild(path, is_versioned, is_forced=only is not None)
            if rebuilt is not None:
                done.append(_say(bucket.name, rebuilt))
                lost += [f"bucket {bucket.name}: {what}" for what in _losses(rebuilt)]
        return done, lost
    finally:
        identity.close()


def _rebuild(path: Path, is_versioned: bool, *, is_forced: bool) -> Rebuilt | None:
    files = Files()
    try:
        if not is_forced and not rebuild.is_damaged(path, files):
            return None
        return rebuild.rebuild(path, files, is_versioned=is_versioned, now_ms=system_clock_ms())
    except (OSError, apsw.Error, DiskError) as problem:
        raise ServeError(f"The index of {path.name} could not be rebuilt: {problem}. It is as it was.") from None


def _say(bucket: str, rebuilt: Rebuilt) -> str:
    return (
        f"bucket {bucket}: the index was made anew, with {rebuilt.objects} object(s) and {rebuilt.uploads} unfinished "
        f"upload(s), {rebuilt.from_segments} of them by their segments alone; the old one is kept as {rebuilt.kept_as}"
    )


def _losses(rebuilt: Rebuilt) -> list[str]:
    if rebuilt.is_all_known:
        return rebuilt.lost
    return [
        *rebuilt.lost,
        "rows of its index can't be read any more. Objects of up to 16 KiB that they held are lost, and nobody knows "
        "their names. What came back by its segment is private, has the tags of its upload and no lock, and may have "
        "been deleted shortly before; parts came back as unfinished uploads",
    ]
