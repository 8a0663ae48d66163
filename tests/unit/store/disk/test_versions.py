"""Versions: which one of a key is current, what hides it, what is kept, listed, found by its id, and removed."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from bucketry.store.disk import version_ids
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import BucketNotEmpty, Superseded
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import NULL_VERSION, Doomed, ListedVersion, Marker, Part, Version
from tests.unit.store.disk.objects import (
    OTHER,
    OTHER_ID,
    content,
    etag_of,
    make_bucket,
    multipart,
    new_object,
    new_upload,
    open_disk,
    put,
    read,
    segment_bytes,
)

NOW_MS = 1_700_000_000_000
ENABLED = Marker("owner", NOW_MS, is_versioned=True)
SUSPENDED = Marker("owner", NOW_MS, is_versioned=False)


async def new(bucket: Bucket, key: str, data: bytes = b"data") -> Version:
    return await put(bucket, key, data, is_versioned=True)


async def hide(bucket: Bucket, key: str, marker: Marker = ENABLED) -> Version:
    made = await bucket.delete(key, marker=marker)
    assert made is not None
    assert made.is_delete_marker
    return made


def listed(bucket: Bucket) -> list[tuple[str, str, bool, bool]]:
    entries = bucket.list_versions().entries
    return [(entry.key, entry.version_id, entry.is_latest, entry.is_delete_marker) for entry in entries]


def counted(bucket: Bucket) -> tuple[int, int, int]:
    totals = bucket.totals()
    return totals.objects, totals.versions, totals.bytes


async def test_older_versions_are_kept_and_found_by_their_ids(bucket: Bucket) -> None:
    datas = [b"first", b"x" * 100_000, b"y" * 600_000]
    made = [await new(bucket, "key", data) for data in datas]
    assert len({version.version_id for version in made}) == 3
    assert bucket.get("key") == made[-1]
    for version, data in zip(made, datas, strict=True):
        found = bucket.get_version("key", version.version_id)
        assert found == version
        assert await content(bucket, version) == data
    assert listed(bucket) == [("key", made[at].version_id, at == 2, False) for at in (2, 1, 0)]
    assert counted(bucket) == (1, 3, sum(map(len, datas)))


async def test_ids_name_versions_of_their_own_key_alone(bucket: Bucket) -> None:
    one, other = await new(bucket, "one"), await new(bucket, "other")
    assert bucket.get_version("other", one.version_id) is None
    assert bucket.get_version("one", other.version_id) is None
    assert bucket.get_version("one", version_ids.make(one.sequence)) is None  # same row, another name
    assert bucket.get_version("one", NULL_VERSION) is None
    assert bucket.get_version("missing", one.version_id) is None


async def test_marker_hides_and_its_removal_shows_again(bucket: Bucket) -> None:
    version = await new(bucket, "key")
    assert bucket.latest_marker("key") is None
    marker = await hide(bucket, "key")
    assert bucket.get("key") is None
    assert bucket.list_objects().entries == []
    assert bucket.latest_marker("key") == marker
    assert bucket.get_version("key", marker.version_id) == marker
    assert bucket.get_version("key", version.version_id) == version
    assert counted(bucket) == (0, 2, 4)
    second = await hide(bucket, "key")
    assert listed(bucket) == [
        ("key", second.version_id, True, True),
        ("key", marker.version_id, False, True),
        ("key", version.version_id, False, False),
    ]
    assert await bucket.delete_version("key", second.version_id) == second
    assert bucket.get("key") is None
    assert bucket.latest_marker("key") == marker
    assert await bucket.delete_version("key", marker.version_id) == marker
    assert bucket.get("key") == version
    assert bucket.latest_marker("key") is None
    assert counted(bucket) == (1, 1, 4)


async def test_key_that_never_was_can_be_hidden(bucket: Bucket) -> None:
    marker = await hide(bucket, "key")
    assert listed(bucket) == [("key", marker.version_id, True, True)]
    version = await new(bucket, "key")
    assert bucket.get("key") == version
    assert listed(bucket)[1] == ("key", marker.version_id, False, True)


async def test_removed_version_is_gone_with_its_bytes(bucket: Bucket, disk: Disk) -> None:
    made = [await new(bucket, "key", bytes([number]) * 6_000_000) for number in range(3)]
    assert segment_bytes(bucket) > 18_000_000
    assert await bucket.delete_version("key", made[1].version_id) == made[1]
    assert await bucket.delete_version("key", made[1].version_id) is None
    assert bucket.get("key") == made[2]
    await bucket.delete_version("key", made[2].version_id)
    assert bucket.get("key") == made[0]
    await disk.collect_garbage()
    assert segment_bytes(bucket) < 7_000_000
    assert await read(bucket, "key") == bytes(6_000_000)
    with pytest.raises(Superseded):
        await content(bucket, made[2])
    assert counted(bucket) == (1, 1, 6_000_000)
    await bucket.delete_version("key", made[0].version_id)
    assert counted(bucket) == (0, 0, 0)
    assert listed(bucket) == []


async def test_newest_that_is_left_becomes_current_even_past_a_removed_marker(bucket: Bucket) -> None:
    first = await new(bucket, "key", b"first")
    marker = await hide(bucket, "key")
    second = await new(bucket, "key", b"second")
    await bucket.delete_version("key", second.version_id)
    assert bucket.get("key") is None
    assert bucket.latest_marker("key") == marker
    third = await new(bucket, "key", b"third")
    await bucket.delete_version("key", marker.version_id)
    assert bucket.get("key") == third
    await bucket.delete_version("key", third.version_id)
    assert bucket.get("key") == first
    assert await read(bucket, "key") == b"first"


async def test_null_version_is_replaced_wherever_it_is(bucket: Bucket) -> None:
    plain = await put(bucket, "key", b"plain")
    assert plain.version_id == NULL_VERSION
    versioned = await new(bucket, "key", b"versioned")
    assert bucket.get_version("key", NULL_VERSION) == plain
    assert counted(bucket) == (1, 2, 14)
    suspended = await put(bucket, "key", b"suspended")
    assert listed(bucket) == [("key", NULL_VERSION, True, False), ("key", versioned.version_id, False, False)]
    assert bucket.get_version("key", NULL_VERSION) == suspended
    assert counted(bucket) == (1, 2, 18)
    again = await put(bucket, "key", b"again")
    assert bucket.get("key") == again
    assert counted(bucket) == (1, 2, 14)


async def test_suspended_marker_takes_the_place_of_the_null_version(bucket: Bucket) -> None:
    await put(bucket, "key", b"plain")
    versioned = await new(bucket, "key", b"versioned")
    marker = await hide(bucket, "key", SUSPENDED)
    assert marker.version_id == NULL_VERSION
    assert listed(bucket) == [("key", NULL_VERSION, True, True), ("key", versioned.version_id, False, False)]
    await hide(bucket, "key", SUSPENDED)
    assert len(listed(bucket)) == 2
    assert (await put(bucket, "key", b"new")).version_id == NULL_VERSION
    assert listed(bucket) == [("key", NULL_VERSION, True, False), ("key", versioned.version_id, False, False)]
    await bucket.delete_version("key", NULL_VERSION)
    assert bucket.get("key") == versioned


async def test_removal_that_did_not_know_of_versions_destroys_none(bucket: Bucket) -> None:
    """The bucket's setting is looked up before the transaction: it may have changed by then."""
    version = await new(bucket, "key")
    made = await bucket.delete("key")
    assert made is not None
    assert made.is_delete_marker
    assert bucket.get_version("key", version.version_id) == version
    assert await bucket.delete("key") is None  # nothing is current


async def test_many_are_removed_in_order_and_in_one_go(bucket: Bucket) -> None:
    a, b = await new(bucket, "a"), await new(bucket, "b")
    done = await bucket.delete_many(
        [Doomed("a"), Doomed("a", a.version_id), Doomed("b", b.version_id), Doomed("b", b.version_id), Doomed("c")],
        ENABLED,
    )
    assert [version and version.is_delete_marker for version in done] == [True, False, False, None, True]
    assert [(key, hidden) for key, _, _, hidden in listed(bucket)] == [("a", True), ("c", True)]
    assert counted(bucket) == (0, 2, 0)


async def test_guards_see_the_version_that_is_named(bucket: Bucket) -> None:
    first, second = await new(bucket, "key", b"1"), await new(bucket, "key", b"2")
    seen: list[Version | None] = []
    await bucket.delete_version("key", first.version_id, seen.append)
    await bucket.delete_version("key", first.version_id, seen.append)
    await bucket.delete("key", seen.append, ENABLED)
    await put(bucket, "key", b"3", seen.append)
    assert seen == [first, None, second, None]


async def test_tags_are_a_versions_own(bucket: Bucket) -> None:
    first, second = await new(bucket, "key", b"1"), await new(bucket, "key", b"2")
    await bucket.set_tags("key", {"a": "first"}, version_id=first.version_id)
    await bucket.set_tags("key", {"a": "second"})
    for version, value in ((first, "first"), (second, "second")):
        found = bucket.get_version("key", version.version_id)
        assert found is not None
        assert found.tags == {"a": value}
    marker = await hide(bucket, "key")
    assert await bucket.set_tags("key", {"a": "b"}) is None
    assert await bucket.set_tags("key", {"a": "b"}, version_id=marker.version_id) == marker
    assert bucket.get_version("key", marker.version_id) == marker


async def test_copies_share_the_bytes_of_older_versions(bucket: Bucket, disk: Disk) -> None:
    other = await make_bucket(disk, OTHER, OTHER_ID)
    data = b"old" * 2_000_000
    old = await new(bucket, "key", data)
    await new(bucket, "key", b"new")
    before = segment_bytes(bucket)
    await bucket.copy(bucket, old, new_object("key", data, is_versioned=True))
    await bucket.copy(bucket, old, new_object("copy", data))
    await other.copy(bucket, old, new_object("there", data))
    await bucket.create_upload(new_upload("u", "parts"))
    await bucket.copy_part("u", Part(1, 300, etag_of(data[3:303]), 1, {}), bucket, old, 3)
    assert segment_bytes(bucket) == before
    await bucket.delete_version("key", old.version_id)
    await disk.collect_garbage()
    assert await read(bucket, "key") == await read(bucket, "copy") == await read(other, "there") == data
    assert await disk.check(deep=True) == []
    with pytest.raises(Superseded):
        await bucket.copy(bucket, old, new_object("copy", data))


async def test_upload_makes_a_version_and_keeps_the_older(bucket: Bucket) -> None:
    first = await multipart(bucket, "key", [b"a" * 10, b"b"], "u1")
    await bucket.create_upload(new_upload("u2", "key"))
    second = await new(bucket, "key", b"second")
    assert bucket.get_version("key", NULL_VERSION) == first
    assert bucket.object_parts(first) == bucket.object_parts(first)[:2]
    assert await content(bucket, first) == b"a" * 10 + b"b"
    await bucket.delete_version("key", second.version_id)
    assert await read(bucket, "key") == b"a" * 10 + b"b"


async def test_bucket_is_full_while_a_marker_is_left(bucket: Bucket) -> None:
    marker = await hide(bucket, "key")
    with pytest.raises(BucketNotEmpty):
        await bucket.close_for_removal()
    await bucket.delete_version("key", marker.version_id)
    await bucket.close_for_removal()


async def filled(bucket: Bucket) -> list[ListedVersion]:
    for key in ("a", "b/1", "b/2", "c", "é"):
        await put(bucket, key, b"null")
        await new(bucket, key)
        await hide(bucket, key)
        await new(bucket, key)
    await hide(bucket, "d")
    return list(bucket.list_versions().entries)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_of_versions_tell_each_once(bucket: Bucket, size: int) -> None:
    everything = await filled(bucket)
    assert len(everything) == 21
    found: list[ListedVersion] = []
    key, version_id = "", ""
    while True:
        page = bucket.list_versions(key_marker=key, version_id_marker=version_id, max_keys=size)
        assert len(page.entries) <= size
        found += page.entries
        if page.next_key is None:
            break
        key, version_id = page.next_key, page.next_version_id
    assert found == everything


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_versions_roll_up_by_a_delimiter(bucket: Bucket, size: int) -> None:
    await filled(bucket)
    keys: list[str] = []
    key, version_id = "", ""
    while True:
        page = bucket.list_versions("", "/", key, version_id, size)
        keys += [entry.key for entry in page.entries] + list(page.common_prefixes)
        if page.next_key is None:
            break
        key, version_id = page.next_key, page.next_version_id
    assert sorted(keys) == ["a"] * 4 + ["b/"] + ["c"] * 4 + ["d"] + ["é"] * 4
    inside = bucket.list_versions("b/", "/")
    assert {entry.key for entry in inside.entries} == {"b/1", "b/2"}
    assert bucket.list_versions("b/", "/", "c").entries == []


async def test_listing_goes_on_where_its_marker_was_removed(bucket: Bucket) -> None:
    everything = await filled(bucket)
    of_a = everything[:4]
    await bucket.delete_version("a", of_a[1].version_id)
    page = bucket.list_versions(key_marker="a", version_id_marker=of_a[1].version_id)
    assert page.entries[0] == of_a[2]
    assert of_a[0] not in page.entries
    await bucket.delete_version("a", of_a[0].version_id)
    page = bucket.list_versions(key_marker="a", version_id_marker=of_a[0].version_id)
    assert page.entries[0] == of_a[2]._replace(is_latest=True)
    assert of_a[3].version_id == NULL_VERSION
    await bucket.delete_version("a", NULL_VERSION)
    page = bucket.list_versions(key_marker="a", version_id_marker=NULL_VERSION)
    assert page.entries[0].version_id == of_a[2].version_id


async def test_check_finds_versions_out_of_place(tmp_path: Path) -> None:
    disk = open_disk(tmp_path)
    bucket = await make_bucket(disk)
    await put(bucket, "null", b"1")
    await new(bucket, "null")
    await new(bucket, "order")
    await new(bucket, "order")
    await hide(bucket, "bare")
    await new(bucket, "bare")
    await hide(bucket, "bare")
    await new(bucket, "marker")
    assert await disk.check(deep=True) == []
    bucket.rest()
    with apsw.Connection(str(bucket.folder / "index.sqlite")) as connection:
        connection.execute("UPDATE objects SET version_id = NULL WHERE key = 'null'")
        connection.execute("UPDATE noncurrent SET sequence = 1000 WHERE key = 'order'")
        connection.execute("UPDATE noncurrent SET is_delete_marker = 0 WHERE key = 'bare'")
        connection.execute("UPDATE objects SET is_delete_marker = 1 WHERE key = 'marker'")
    found = await disk.check()
    assert sorted(finding.subject for finding in found) == ["bare", "marker", "null", "order"]
    assert {finding.kind for finding in found} == {"index"}
    await disk.close()


@pytest.mark.parametrize("text", ["", "null", "x" * 32, "x" * 31, "-" * 32, "é" * 32, "a" * 1000, " " + "A" * 31])
def test_what_was_never_given_out_is_no_version_id(text: str) -> None:
    assert version_ids.sequence_of(text) is None


@pytest.mark.parametrize("sequence", [1, 2, 10**6, 2**48 - 1])
def test_version_ids_lead_back_and_differ(sequence: int) -> None:
    made = {version_ids.make(sequence) for _ in range(100)}
    assert len(made) == 100
    assert {version_ids.sequence_of(version_id) for version_id in made} == {sequence}
