"""Pages of ListObjectsV2 that were made lately, for as long as nothing in their bucket has changed since.

A page of a thousand keys takes some two milliseconds to make, and tools that watch a bucket ask for the same ones again
and again. A moment (kernel/moments.py) ends with any commit of any process, so a page is never older than the last
change that was answered. Whether the caller may list is decided before, each time; owners, which belong to accounts and
not to the bucket, are not on these pages.
"""

from __future__ import annotations

from bucketry.store.s3.list_query import ListQuery

LIMIT_BYTES = 8 << 20  # of a process
_PAGE_BYTES = 1 << 20  # a larger page is not kept


class Pages:
    """Documents by bucket and query."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._left = limit_bytes
        self._pages: dict[tuple[str, ListQuery], tuple[bytes, bytes]] = {}

    def get(self, bucket_id: str, query: ListQuery, moment: bytes) -> bytes | None:
        """The page as it is at `moment`; None: it has to be made."""
        found = self._pages.get((bucket_id, query))
        return found[1] if found is not None and found[0] == moment and moment else None

    def note(self, bucket_id: str, query: ListQuery, moment: bytes, page: bytes) -> None:
        """Keep a page of which all was read after the look that saw `moment`."""
        if not moment or len(page) > _PAGE_BYTES:
            return
        name = (bucket_id, query)
        self._forget(name)
        while self._left < len(page) and self._pages:
            self._forget(next(iter(self._pages)))
        if self._left >= len(page):
            self._left -= len(page)
            self._pages[name] = (moment, page)

    def _forget(self, name: tuple[str, ListQuery]) -> None:
        found = self._pages.pop(name, None)
        if found is not None:
            self._left += len(found[1])
