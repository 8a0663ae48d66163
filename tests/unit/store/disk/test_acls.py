"""The ACL of an object goes with its row, and other changes of the row leave it."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.store import Disk
from tests.unit.store.disk.objects import (
    OTHER,
    OTHER_ID,
    etag_of,
    make_bucket,
    new_object,
    new_upload,
    put,
    put_part,
    write,
)


async def test_acl_is_the_versions_own_and_outlives_other_tags(bucket: Bucket) -> None:
    written = await write(bucket, RecordHeader("object", "key", 1), b"1")
    first = await bucket.put(replace(new_object("key", b"1", is_versioned=True), acl="first"), written)
    second = await put(bucket, "key", b"2", is_versioned=True)
    assert (first.acl, second.acl) == ("first", "")
    changed = await bucket.set_acl("key", "second")
    assert changed == bucket.get("key") == structs.replace(second, acl="second")
    await bucket.set_tags("key", {"a": "b"})
    assert await bucket.set_acl("key", "other", version_id=first.version_id) == structs.replace(first, acl="other")
    assert bucket.get("key") == structs.replace(second, acl="second", tags={"a": "b"})
    assert bucket.get_version("key", first.version_id) == structs.replace(first, acl="other")
    assert await bucket.set_acl("missing", "x") is None


async def test_acl_of_an_upload_is_kept_for_its_object(bucket: Bucket) -> None:
    await bucket.create_upload(replace(new_upload("u", "key"), acl="given"))
    upload = bucket.upload("u")
    assert upload is not None
    assert upload.acl == "given"
    await put_part(bucket, "u", 1, b"1")
    made = await bucket.complete_upload("u", [(1, etag_of(b"1"))], replace(new_object("key", b"1"), acl=upload.acl))
    assert made.acl == "given"


async def test_copy_has_the_acl_that_it_is_given(disk: Disk, bucket: Bucket) -> None:
    written = await write(bucket, RecordHeader("object", "key", 1), b"1")
    source = await bucket.put(replace(new_object("key", b"1"), acl="first"), written)
    assert (await bucket.copy(bucket, source, new_object("copy", b"1"))).acl == ""
    other = await make_bucket(disk, OTHER, OTHER_ID)
    assert (await other.copy(bucket, source, replace(new_object("copy", b"1"), acl="mine"))).acl == "mine"
