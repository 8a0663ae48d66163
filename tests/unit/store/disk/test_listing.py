"""Listings agree with a naive model for every prefix, delimiter and marker, whatever the keys are made of."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketry.store.disk import listing, schema
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.index import Index
from bucketry.store.disk.types import Page
from tests.unit.store.disk.objects import new_upload, put

# Few letters, so that prefixes and delimiters meet: the ends of UTF-8 ranges, and what LIKE or C strings trip over.
LETTERS = ["a", "b", "/", "\0", "\x7f", "é", "\ud7ff", "\ue000", "\uffff", "😀", "\U0010ffff", "%", "_", "A"]
texts = st.text(st.sampled_from(LETTERS), max_size=6)
keys = st.sets(st.text(st.sampled_from(LETTERS), min_size=1, max_size=6), max_size=25)


def naive(keys: set[str], prefix: str, delimiter: str, start_after: str) -> list[tuple[str, bool]]:
    """All that a listing shows, in order: (key, False) or (common prefix, True)."""
    shown: dict[tuple[str, bool], None] = {}
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() <= start_after.encode():
            continue
        found = key.find(delimiter, len(prefix)) if delimiter else -1
        if found < 0:
            shown[key, False] = None
        elif (common := key[: found + len(delimiter)]) != start_after:
            shown[common, True] = None
    return list(shown)


def shown(page: Page) -> list[tuple[str, bool]]:
    both = [(entry.key, False) for entry in page.entries] + [(common, True) for common in page.common_prefixes]
    return sorted(both, key=lambda item: item[0].encode())


def index_with(keys: set[str]) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(schema._FORMAT_1)
    connection.executemany(
        "INSERT INTO objects VALUES (?, 1, NULL, 1, 1, 'e', 'o', 0, 0, 0, NULL, '{}')", [(key,) for key in keys]
    )
    uploads = [(key, "u" + key) for key in keys]
    connection.executemany("INSERT INTO uploads VALUES (?, ?, 'o', 'i', 1, '', '', '{}')", uploads)
    return connection


@given(keys, texts, st.text(st.sampled_from(LETTERS), max_size=2), texts, st.integers(0, 8))
@settings(max_examples=150)
def test_page_is_what_the_model_says(
    keys: set[str], prefix: str, delimiter: str, start_after: str, max_keys: int
) -> None:
    connection = index_with(keys)
    page = listing.list_objects(connection, prefix, delimiter, start_after, max_keys)
    expected = naive(keys, prefix, delimiter, start_after)
    assert shown(page) == expected[:max_keys]
    if max_keys and len(expected) > max_keys:
        assert page.next_key == expected[max_keys - 1][0]
    else:
        assert page.next_key is None
    connection.close()


@given(keys, texts, st.text(st.sampled_from(LETTERS), max_size=2), st.integers(1, 4))
@settings(max_examples=100)
def test_pages_together_are_the_whole(keys: set[str], prefix: str, delimiter: str, size: int) -> None:
    connection = index_with(keys)
    found: list[tuple[str, bool]] = []
    marker: str | None = ""
    while marker is not None:
        page = listing.list_objects(connection, prefix, delimiter, marker, size)
        found += shown(page)
        marker = page.next_key
    assert found == naive(keys, prefix, delimiter, "")
    connection.close()


@given(keys, texts, st.text(st.sampled_from(LETTERS), max_size=2), st.integers(1, 4))
@settings(max_examples=100)
def test_pages_of_uploads_together_are_the_whole(keys: set[str], prefix: str, delimiter: str, size: int) -> None:
    connection = index_with(keys)
    found: list[tuple[str, bool]] = []
    marker: str | None = ""
    upload_id = ""
    while marker is not None:
        page = listing.list_uploads(connection, prefix, delimiter, marker, upload_id, size)
        both = [(entry.key, False) for entry in page.entries] + [(common, True) for common in page.common_prefixes]
        found += sorted(both, key=lambda item: item[0].encode())
        marker, upload_id = page.next_key, page.next_upload_id
    assert found == naive(keys, prefix, delimiter, "")
    connection.close()


@given(texts, texts)
def test_after_prefix_separates_what_begins_with_it_from_the_rest(prefix: str, text: str) -> None:
    after = listing.after_prefix(prefix)
    for candidate in (text, prefix + text):
        begins = candidate.encode().startswith(prefix.encode())
        is_between = candidate.encode() >= prefix.encode() and (after is None or candidate.encode() < after.encode())
        assert begins == is_between


async def test_uploads_of_one_key_are_told_apart_by_their_ids(bucket: Bucket) -> None:
    for upload_id in ("u1", "u2", "u3"):
        await bucket.create_upload(new_upload(upload_id, "key"))
    await bucket.create_upload(new_upload("u0", "later"))
    page = bucket.list_uploads(max_uploads=2)
    assert [entry.upload_id for entry in page.entries] == ["u1", "u2"]
    page = bucket.list_uploads(key_marker=page.next_key or "", upload_id_marker=page.next_upload_id)
    assert [entry.upload_id for entry in page.entries] == ["u3", "u0"]
    page = bucket.list_uploads(key_marker="key")
    assert [entry.upload_id for entry in page.entries] == ["u0"]


async def test_listing_shows_what_was_put(bucket: Bucket) -> None:
    for key in ("a/1", "a/2", "b", "c/1"):
        await put(bucket, key, b"data")
    page = bucket.list_objects(delimiter="/")
    assert [entry.key for entry in page.entries] == ["b"]
    assert page.common_prefixes == ["a/", "c/"]
    assert page.entries[0].size == 4


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_deep_page_reads_no_more_than_a_page(tmp_path: Path, delimiter: str) -> None:
    """Counted in steps of SQLite's machine, which the size of the table must not change."""
    steps = {}
    for count in (1_000, 30_000):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        (folder / "index.sqlite").write_bytes(schema.template())
        connection = Index(folder, None).open_writer()
        rows = [(f"{number % 10}/{number:08}",) for number in range(count)]
        with connection:
            connection.executemany("INSERT INTO objects VALUES (?, 1, NULL, 1, 1, 'e', 'o', 0, 0, 0, NULL, '{}')", rows)
        counted = [0]

        def count_steps(counted: list[int] = counted) -> bool:
            counted[0] += 1
            return False

        connection.set_progress_handler(count_steps, 10)
        listing.list_objects(connection, "", delimiter, "5/", 5)
        steps[count] = counted[0]
        connection.close()
    assert steps[30_000] <= steps[1_000] * 1.2 + 5
