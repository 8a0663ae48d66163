"""`bucketry fsck`: the disk's own check, over every bucket that the identity store knows."""

from __future__ import annotations

from bucketry.serve.folder import DataFolder
from bucketry.serve.store_half import open_disk, open_identity


async def check_store(folder: DataFolder, deep: bool) -> list[str]:
    """Check a data folder, served at the same time or not; each finding as a sentence. `deep` reads every byte."""
    identity = open_identity(folder, folder.master_key(may_create=False))
    try:
        disk = open_disk(folder)
        try:
            known = {(bucket.name, bucket.bucket_id) for bucket in identity.all_buckets()}
            return [str(finding) for finding in await disk.check(known, deep=deep)]
        finally:
            await disk.close()
    finally:
        identity.close()
