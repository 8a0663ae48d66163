"""The check of a bucket (fsck): is the index whole, is everything that is referred to there, and nothing else.

One look at the index (a read transaction) is compared with itself and with the folder. While others write, segments
that they have open are left out, and what seems missing is looked up again before it is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from bucketry.store.disk import leftovers, rows, segments
from bucketry.store.disk.errors import DiskError, from_os
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import Index
from bucketry.store.disk.segments import BLOCK_BYTES
from bucketry.store.disk.types import Finding

_REFERENCES = """
    WITH named(place) AS (
        SELECT place FROM objects WHERE place != 0 UNION ALL SELECT place FROM noncurrent WHERE place != 0
        UNION ALL SELECT place FROM parts WHERE place != 0 UNION ALL SELECT place FROM pieces WHERE place != 0
    ), counted(place, refs) AS (SELECT place, count(*) FROM named GROUP BY place),
    held(place, refs) AS (SELECT id, refs FROM extents UNION ALL SELECT -id, refs FROM inline)
    SELECT counted.place, counted.refs, held.refs FROM counted LEFT JOIN held USING (place)
    WHERE held.refs IS NOT counted.refs
    UNION ALL
    SELECT held.place, 0, held.refs FROM held LEFT JOIN counted USING (place) WHERE counted.place IS NULL
"""
_TOTALS = """
    SELECT (SELECT count(*) FROM objects), (SELECT coalesce(sum(size), 0) FROM objects)
           + (SELECT coalesce(sum(size), 0) FROM noncurrent),
           (SELECT count(*) FROM objects) + (SELECT count(*) FROM noncurrent), (SELECT count(*) FROM uploads),
           (SELECT coalesce(sum(size), 0) FROM parts)
"""
_MISPLACED = """
    SELECT key, 'is a delete marker among the current objects' FROM objects WHERE is_delete_marker != 0 UNION ALL
    SELECT key, 'has a noncurrent version that is newer than the current one'
        FROM noncurrent JOIN objects USING (key) WHERE noncurrent.sequence > objects.sequence UNION ALL
    SELECT key, 'has a noncurrent null version beside the current one' FROM noncurrent JOIN objects USING (key)
        WHERE noncurrent.version_id IS NULL AND objects.version_id IS NULL UNION ALL
    SELECT key, 'has no current version, and no delete marker hides it' FROM noncurrent AS newest
        WHERE is_delete_marker = 0 AND key NOT IN (SELECT key FROM objects)
        AND sequence = (SELECT max(sequence) FROM noncurrent WHERE key = newest.key)
"""
_OWNERS = """
    SELECT key, sequence, size, place, part_count FROM objects UNION ALL
    SELECT key, sequence, size, place, part_count FROM noncurrent UNION ALL
    SELECT 'part ' || part_number || ' of upload ' || upload_id, sequence, size, place, 0 FROM parts
"""
_ORPHAN_PIECES = """
    SELECT DISTINCT sequence FROM pieces WHERE sequence NOT IN (
        SELECT sequence FROM objects UNION ALL SELECT sequence FROM noncurrent UNION ALL SELECT sequence FROM parts)
"""
_KEYS_OF = """
    SELECT key FROM objects WHERE place = ?1 OR sequence IN (SELECT sequence FROM pieces WHERE place = ?1)
    UNION SELECT key FROM noncurrent WHERE place = ?1 OR sequence IN (SELECT sequence FROM pieces WHERE place = ?1)
    UNION SELECT uploads.key FROM parts JOIN uploads USING (upload_id)
        WHERE place = ?1 OR sequence IN (SELECT sequence FROM pieces WHERE place = ?1)
"""
_RUNS = """
    SELECT segment, record, record_size, id FROM extents
    UNION ALL SELECT segment, offset, length, 0 FROM freed ORDER BY 1, 2
"""
_COLUMNS = "id, segment, record, offset, length, checksums"
_EXTENTS = f"SELECT {_COLUMNS} FROM extents WHERE segment = ? ORDER BY record"
_EXTENT = f"SELECT {_COLUMNS} FROM extents WHERE id = ?"
_REFERRED = "SELECT 1 FROM extents WHERE segment = ?1 UNION ALL SELECT 1 FROM freed WHERE segment = ?1 LIMIT 1"
_PIECES = "SELECT position, size FROM pieces WHERE sequence = ? ORDER BY position, ordinal"


class _Extent(NamedTuple):
    id: int
    segment: str
    record: int
    offset: int
    length: int
    checksums: bytes


def check(folder: Path, files: Files, vfs: str | None, *, is_deep: bool) -> list[Finding]:
    """All that is wrong with the bucket in `folder`; `is_deep`: every byte is read. Blocks."""
    index = Index(folder, vfs)
    try:
        with index.errors():
            connection = index.open_reader()
            try:
                return list(_Check(folder, connection, files).run(is_deep))
            finally:
                connection.close(True)
    except DiskError as error:
        return [Finding(folder.name, "index", folder.name, str(error))]


class _Check:
    def __init__(self, folder: Path, connection: apsw.Connection, files: Files) -> None:
        self._bucket = folder.name
        self._folder = folder / "segments"
        self._connection = connection
        self._files = files

    def _finding(self, kind: str, subject: str, message: str) -> Finding:
        return Finding(self._bucket, kind, subject, message)

    def run(self, is_deep: bool) -> Iterator[Finding]:
        damage = [row[0] for row in rows.fetch(self._connection, "PRAGMA integrity_check")]
        if damage != ["ok"]:
            for message in damage:
                yield self._finding("index", self._bucket, str(message))
            return
        names = leftovers.segment_names(self._folder)  # before the look at the index: what is newer is not missed in it
        self._connection.execute("BEGIN")
        try:
            yield from self._check_totals()
            yield from self._check_references()
            yield from self._check_versions()
            yield from self._check_owners()
            yield from self._check_runs()
            referred = {row[0] for row in rows.fetch(self._connection, "SELECT DISTINCT segment FROM extents")}
            referred |= {row[0] for row in rows.fetch(self._connection, "SELECT DISTINCT segment FROM freed")}
        finally:
            self._connection.execute("COMMIT")
        yield from self._check_segments(set(names) - referred)
        yield from self._check_extents(referred, is_deep)
        if is_deep:
            yield from self._check_inline()

    def _check_totals(self) -> Iterator[Finding]:
        counted = self._connection.execute(_TOTALS).get
        held = self._connection.execute("SELECT objects, bytes, versions, uploads, upload_bytes FROM totals").get
        for name, is_, says in zip(
            ("objects", "bytes", "versions", "uploads", "upload_bytes"), counted, held, strict=True
        ):
            if is_ != says:
                yield self._finding("totals", name, f"the counter says {says}, the rows say {is_}")

    def _check_references(self) -> Iterator[Finding]:
        for place, named, held in rows.fetch(self._connection, _REFERENCES):
            if held is None:
                for key in self._keys_of(place):
                    yield self._finding(
                        "reference", key, f"its bytes should be at place {place}, where there is nothing"
                    )
            else:
                yield self._finding("refcount", f"place {place}", f"counts {held} references, there are {named}")

    def _keys_of(self, place: int) -> list[str]:
        return [row[0] for row in rows.fetch(self._connection, _KEYS_OF, (place,))] or [f"place {place}"]

    def _check_versions(self) -> Iterator[Finding]:
        for key, message in rows.fetch(self._connection, _MISPLACED):
            yield self._finding("index", key, message)

    def _check_owners(self) -> Iterator[Finding]:
        for key, sequence, size, place, part_count in rows.fetch(self._connection, _OWNERS):
            if place > 0:
                held = self._connection.execute("SELECT length FROM extents WHERE id = ?", (place,)).get
            elif place < 0:
                held = self._connection.execute("SELECT length(data) FROM inline WHERE id = ?", (-place,)).get
            elif size > 0 or part_count > 0:
                held = self._size_of_pieces(sequence)
            else:
                held = 0
            if held is not None and held != size:
                yield self._finding("reference", key, f"has {size} bytes, its place has {held}")
        for (sequence,) in rows.fetch(self._connection, _ORPHAN_PIECES):
            yield self._finding("reference", f"pieces of {sequence}", "belong to no object or part")

    def _size_of_pieces(self, sequence: int) -> int:
        position = 0
        for begin, size in rows.fetch(self._connection, _PIECES, (sequence,)):
            if begin != position:
                return -1
            position += size
        return position

    def _check_runs(self) -> Iterator[Finding]:
        segment, end = "", 0
        for name, begin, size, extent in rows.fetch(self._connection, _RUNS):
            if name == segment and begin < end:
                yield self._finding("freed", name, f"runs overlap at byte {begin} (extent {extent})")
            end = begin + size if name != segment else max(end, begin + size)
            segment = name

    def _check_segments(self, unknown: set[str]) -> Iterator[Finding]:
        for name in sorted(unknown):
            with leftovers.locked(self._folder / name, self._files) as descriptor:
                if descriptor is None:
                    continue
                if self._connection.execute(_REFERRED, (name,)).get is None:
                    yield self._finding("segment", name, "nothing refers to it; the garbage run removes it")

    def _check_extents(self, names: set[str], is_deep: bool) -> Iterator[Finding]:
        for name in sorted(names):
            for row in rows.fetch(self._connection, _EXTENTS, (name,)):
                extent = _Extent(*row)
                reason = self._damage(extent, is_deep)
                if reason is None:
                    continue
                now = rows.fetch(self._connection, _EXTENT, (extent.id,))
                if not now:
                    continue  # it was deleted meanwhile
                if _Extent(*now[0]) != extent:
                    reason = self._damage(_Extent(*now[0]), is_deep)
                if reason is not None:
                    for key in self._keys_of(extent.id):
                        yield self._finding("data", key, reason)

    def _damage(self, extent: _Extent, is_deep: bool) -> str | None:
        """What is wrong with an extent; None: nothing."""
        if len(extent.checksums) < 4 * segments.block_count(extent.length):
            return "its checksums are not as many as its blocks"
        try:
            descriptor = self._files.open(self._folder / extent.segment)
        except FileNotFoundError:
            return f"segment {extent.segment} is missing"
        except OSError as error:
            return str(from_os(error, f"opening segment {extent.segment}", is_read=True))
        try:
            if self._files.size(descriptor) < extent.offset + extent.length:
                return f"segment {extent.segment} ends before byte {extent.offset + extent.length}"
            return self._deep_damage(descriptor, extent) if is_deep else None
        except OSError as error:
            return str(from_os(error, f"reading segment {extent.segment}", is_read=True))
        finally:
            self._files.close(descriptor)

    def _deep_damage(self, descriptor: int, extent: _Extent) -> str | None:
        where = f"segment {extent.segment}, record at {extent.record}"
        header = self._files.pread(descriptor, extent.offset - extent.record, extent.record)
        if segments.decode_header(header) is None:
            return f"the header of its record is damaged, so it could not be rebuilt ({where})"
        for number in range(segments.block_count(extent.length)):
            begin = number * BLOCK_BYTES
            size = min(BLOCK_BYTES, extent.length - begin)
            block = self._files.pread(descriptor, size, extent.offset + begin)
            if not segments.verify(block, extent.checksums, number):
                return f"bytes from {begin} on don't match their checksum ({where})"
        return None

    def _check_inline(self) -> Iterator[Finding]:
        for number, crc in rows.fetch(self._connection, "SELECT id, crc FROM inline"):
            data = self._connection.execute("SELECT data FROM inline WHERE id = ?", (number,)).get
            if data is not None and segments.crc32c(data) != crc:
                for key in self._keys_of(-number):
                    yield self._finding("data", key, "bytes in the index don't match their checksum")
