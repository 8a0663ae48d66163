"""Kept pages: given again at the moment they were made in, never at another, and no more of them than there is room."""

from __future__ import annotations

from bucketry.store.gateway.pages import Pages
from bucketry.store.s3.list_query import ListQuery


def query(prefix: str) -> ListQuery:
    return ListQuery(prefix, "", "", 1000, False, wants_owner=False)


def test_a_page_is_given_again_until_the_moment_ends() -> None:
    pages = Pages()
    pages.note("id", query("a"), b"1", b"page")
    assert pages.get("id", query("a"), b"1") == b"page"
    assert pages.get("id", query("a"), b"2") is None
    assert pages.get("id", query("b"), b"1") is None
    assert pages.get("other", query("a"), b"1") is None


def test_nothing_is_kept_where_moments_cannot_be_told() -> None:
    pages = Pages()
    pages.note("id", query("a"), b"", b"page")
    assert pages.get("id", query("a"), b"") is None


def test_the_oldest_make_room() -> None:
    pages = Pages(limit_bytes=10)
    for name in ("a", "b", "c"):
        pages.note("id", query(name), b"1", b"page")
    assert [pages.get("id", query(name), b"1") for name in ("a", "b", "c")] == [None, b"page", b"page"]
    for _ in range(5):
        pages.note("id", query("c"), b"2", b"newer")
    assert pages.get("id", query("b"), b"1") == b"page"
    pages.note("id", query("d"), b"1", b"x" * 11)
    assert pages.get("id", query("d"), b"1") is None
