"""`bucketry fsck`: the disk checks every bucket, and the identity store and the disk must know the same ones."""

from __future__ import annotations

from bucketry.serve.folder import DataFolder
from bucketry.serve.store_half import open_disk, open_identity
from bucketry.store.disk.errors import BucketMissing


async def check_store(folder: DataFolder, deep: bool) -> list[str]:
    """Check a data folder, served at the same time or not; each finding as a sentence. `deep` reads every byte."""
    identity = open_identity(folder, folder.master_key(may_create=False))
    try:
        disk = open_disk(folder)
        try:
            findings = [f"bucket {f.bucket}: {f.subject}: {f.message}" for f in await disk.check(deep)]
            for bucket in identity.all_buckets():
                try:
                    disk.bucket(bucket.name, bucket.bucket_id)
                except BucketMissing:
                    findings.append(f"bucket {bucket.name}: it is known, but its folder is gone from the disk")
            return findings
        finally:
            await disk.close()
    finally:
        identity.close()
