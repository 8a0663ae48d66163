"""What is in a bucket: pages of objects, versions and uploads, and the parts of either. The look-ups of disk/bucket.py
that are no look at one key; quick, in the event loop, seeing all that was answered before.
"""

from __future__ import annotations

from bucketry.store.disk import listing, rows, version_listing
from bucketry.store.disk.index import Index
from bucketry.store.disk.reading import Reader
from bucketry.store.disk.types import Page, Part, Upload, UploadPage, Version, VersionPage

_UPLOAD = f"SELECT {rows.UPLOAD_COLUMNS} FROM uploads WHERE upload_id = ?"
_PARTS = f"SELECT {rows.PART_COLUMNS} FROM parts WHERE upload_id = ? AND part_number > ? ORDER BY part_number LIMIT ?"
_OBJECT_PARTS = (
    "SELECT part_number, sum(size), min(etag), ?4, min(checksums) FROM pieces WHERE sequence = ?1 AND part_number > ?2 "
    "GROUP BY part_number ORDER BY part_number LIMIT ?3"
)
_PART_RANGE = "SELECT min(position), sum(size) FROM pieces WHERE sequence = ? AND part_number = ?"


class Listings:
    """The part of a Bucket that lists."""

    _index: Index
    _reader: Reader

    def list_objects(self, prefix: str = "", delimiter: str = "", start_after: str = "", max_keys: int = 1000) -> Page:
        """A page of current objects in key order; see disk/listing.py."""
        with self._index.errors():
            return listing.list_objects(self._reader.connection, prefix, delimiter, start_after, max_keys)

    def list_versions(
        self,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        version_id_marker: str = "",
        max_keys: int = 1000,
    ) -> VersionPage:
        """A page of versions and delete markers by key, the newest first; see disk/version_listing.py."""
        with self._index.errors():
            return version_listing.list_versions(
                self._reader.connection, prefix, delimiter, key_marker, version_id_marker, max_keys
            )

    def object_parts(self, version: Version, after: int = 0, limit: int = 1000) -> list[Part]:
        """The parts that an object was made of, from the one after `after`; none where no upload made it."""
        if version.part_count == 0:
            return []
        bindings = (version.sequence, after, limit, version.modified_ms)
        with self._index.errors():
            return [rows.part(row) for row in self._reader.connection.execute(_OBJECT_PARTS, bindings)]

    def part_range(self, version: Version, part_number: int) -> tuple[int, int] | None:
        """(first byte, size) of a part of an object; an object that no upload made is its own part 1."""
        if version.part_count == 0:
            return (0, version.size) if part_number == 1 else None
        with self._index.errors():
            start, size = self._reader.connection.execute(_PART_RANGE, (version.sequence, part_number)).get
        return None if start is None else (start, size)

    def upload(self, upload_id: str) -> Upload | None:
        with self._index.errors():
            row = self._reader.connection.execute(_UPLOAD, (upload_id,)).get
        return None if row is None else rows.upload(row)

    def parts(self, upload_id: str, after: int = 0, limit: int = 1000) -> list[Part]:
        """The parts of an unfinished upload by number, from the one after `after`."""
        with self._index.errors():
            return [rows.part(row) for row in self._reader.connection.execute(_PARTS, (upload_id, after, limit))]

    def list_uploads(
        self,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        max_uploads: int = 1000,
    ) -> UploadPage:
        """A page of unfinished uploads by key and upload id; see disk/listing.py."""
        with self._index.errors():
            return listing.list_uploads(
                self._reader.connection, prefix, delimiter, key_marker, upload_id_marker, max_uploads
            )
