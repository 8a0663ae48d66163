"""Segments that are mostly holes, written anew: their records move, as they are, into a segment without holes.

A reader that looked the old place up finds the new one: bytes that don't match, or a file that is gone, make it ask the
index again (disk/reading.py). Segments in which freed runs still wait for a reader are left alone until those are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw

from bucketry.store.disk import leftovers, rows, segments
from bucketry.store.disk.files import Files
from bucketry.store.disk.transaction import Transaction

_LIVE_SHARE = 4  # rewritten where less than a quarter is in use

_IN_USE = "SELECT segment, sum(record_size) FROM extents GROUP BY segment"
_RECORDS = "SELECT id, record, record_size, offset, length, checksums FROM extents WHERE segment = ? ORDER BY record"
_HAS_FREED = "SELECT 1 FROM freed WHERE segment = ? LIMIT 1"
_MOVE = "UPDATE extents SET segment = ?, record = ?, offset = ? WHERE id = ? AND segment = ? AND record = ?"


@dataclass(slots=True)
class Moved:
    """Records that lie, synced, in a second place; the index says which of the two counts."""

    source: str
    target: str
    records: list[tuple[int, int, int, int, int]]  # extent id, old record, new record, new offset, record size
    files: Files
    descriptor: int

    def commit(self, transaction: Transaction) -> None:
        """Refer to the new places. What was freed meanwhile is freed in the new segment as well."""
        for extent, old_record, record, offset, record_size in self.records:
            transaction.run(_MOVE, (self.target, record, offset, extent, self.source, old_record))
            if transaction.cursor.connection.changes() == 0:
                transaction.free(self.target, record, record_size, 0, 0, 0)

    def close(self) -> None:
        self.files.close(self.descriptor)


def rewrite_sparse(folder: Path, connection: apsw.Connection, files: Files) -> list[Moved]:
    """Copy the records of sparse segments into new ones, one each. OSError."""
    moved: list[Moved] = []
    try:
        _rewrite(folder, connection, files, moved)
    except BaseException:
        for made in moved:
            made.close()
        raise
    return moved


def _rewrite(folder: Path, connection: apsw.Connection, files: Files, moved: list[Moved]) -> None:
    for name, in_use in rows.fetch(connection, _IN_USE):
        if segments.is_single(name) or connection.execute(_HAS_FREED, (name,)).get is not None:
            continue
        with leftovers.locked(folder / name, files) as descriptor:
            if descriptor is None or in_use * _LIVE_SHARE >= files.size(descriptor):
                continue
            made = _copy(folder, name, descriptor, connection, files)
            if made is not None:
                moved.append(made)


def _copy(folder: Path, name: str, source: int, connection: apsw.Connection, files: Files) -> Moved | None:
    """None: a record is damaged; the segment stays, so that nothing hides what happened to it."""
    target_name = segments.new_name(is_single=False)
    target = files.create(folder / target_name)
    try:
        files.lock_shared(target)
        records = []
        end = 0
        for extent, record, record_size, offset, length, checksums in rows.fetch(connection, _RECORDS, (name,)):
            if not _copy_record(files, source, target, record, record_size, end, (offset, length, checksums)):
                files.unlink(folder / target_name)
                files.close(target)
                return None
            records.append((extent, record, end, end + offset - record, record_size))
            end += record_size
        files.pwrite(target, [segments.SEAL], end)
        files.fdatasync(target)
        files.sync_folder(folder)
    except BaseException:
        files.unlink(folder / target_name)
        files.close(target)
        raise
    return Moved(name, target_name, records, files, target)


def _copy_record(
    files: Files, source: int, target: int, record: int, record_size: int, end: int, extent: tuple[int, int, bytes]
) -> bool:
    """Records of shared segments are a few MiB at most, so one is copied and checked at a time."""
    offset, length, checksums = extent
    content = files.pread(source, record_size, record)
    data = memoryview(content)[offset - record : offset - record + length]
    if len(data) != length or segments.block_checksums(data) != segments.checksums_alone(checksums, length):
        return False
    files.pwrite(target, [content], end)
    return True
