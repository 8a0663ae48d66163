"""What can still be read of a damaged index: each table from its beginning and from its end, up to the damage.

A copy is read, its WAL with it, so that the original stays as it was found. Bytes kept in the index count only if they
match their checksum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from bucketry.store.disk import events, rows, segments
from bucketry.store.disk.errors import IndexDamaged

# table → its columns, its key both ways, how many columns the key has
_VERSIONS = rows.VERSION_COLUMNS
_TABLES = {
    "totals": ("sequence, byte_seconds, byte_ms_rest, counted_ms, closed", "one", "one DESC", 1),
    "objects": (_VERSIONS, "key", "key DESC", 2),
    "noncurrent": (_VERSIONS, "key, sequence DESC", "key DESC, sequence", 2),
    "inline": ("id, crc, data", "id", "id DESC", 1),
    "extents": ("id, segment, record, record_size, offset, length, checksums", "id", "id DESC", 1),
    "pieces": (
        "sequence, position, ordinal, place, start, size, part_number, etag, checksums",
        "sequence, position, ordinal",
        "sequence DESC, position DESC, ordinal DESC",
        3,
    ),
    "uploads": (rows.UPLOAD_COLUMNS, "key, upload_id", "key DESC, upload_id DESC", 2),
    "parts": (
        "upload_id, part_number, sequence, modified_ms, size, etag, place, checksums",
        "upload_id, part_number",
        "upload_id DESC, part_number DESC",
        2,
    ),
    "events": ("id, noted_ms, text", "id", "id DESC", 1),  # made with the first event: disk/events.py
}
_HARMLESS = ("missing from index", "wrong # of entries in index")


@dataclass(slots=True)
class Salvaged:
    """Rows by table, as `_TABLES` has their columns. `is_whole`: nothing of them is missing, for all that is known."""

    tables: dict[str, list[rows.Row]] = field(default_factory=lambda: {name: [] for name in _TABLES})
    is_whole: bool = False


def salvage(path: Path) -> Salvaged:
    """Of the index at `path`, a copy that nobody else has open."""
    found = Salvaged()
    try:
        connection = apsw.Connection(str(path))
    except apsw.Error:
        return found
    try:
        found.is_whole = _is_sound_but_for_indexes(connection)
        for name in _TABLES:
            if name == "events" and not _has_events(connection):
                continue
            found.tables[name], is_whole = _read(connection, name)
            found.is_whole &= is_whole
    finally:
        connection.close(True)
    found.tables["inline"] = [row for row in found.tables["inline"] if segments.crc32c(row[2]) == row[1]]
    for name in ("objects", "noncurrent"):
        found.tables[name] = [row for row in found.tables[name] if _is_version(row)]
    return found


def _is_sound_but_for_indexes(connection: apsw.Connection) -> bool:
    try:
        messages = [str(row[0]) for row in rows.fetch(connection, "PRAGMA integrity_check")]
    except apsw.Error:
        return False
    return messages == ["ok"] or all(any(part in message for part in _HARMLESS) for message in messages)


def _has_events(connection: apsw.Connection) -> bool:
    try:
        return events.is_there(connection)
    except apsw.Error:
        return False


def _read(connection: apsw.Connection, table: str) -> tuple[list[rows.Row], bool]:
    columns, order, reverse, key_size = _TABLES[table]
    found: dict[rows.Row, rows.Row] = {}
    is_whole = False
    for direction in (order, reverse):
        try:
            for row in _rows(connection, f"SELECT {columns} FROM {table} ORDER BY {direction}"):
                found.setdefault(row[:key_size], row)
            is_whole = True
            break
        except apsw.Error:
            continue
    return list(found.values()), is_whole


def _rows(connection: apsw.Connection, sql: str) -> Iterator[rows.Row]:
    yield from connection.execute(sql)


def _is_version(row: rows.Row) -> bool:
    """Whether a row can be what it should: types are checked, since damage needn't be noticed by SQLite."""
    try:
        version = rows.version(row)
    except (IndexDamaged, TypeError, ValueError):
        return False
    numbers = (version.sequence, version.modified_ms, version.size, version.place, version.part_count)
    return isinstance(version.key, str) and isinstance(version.etag, str) and all(isinstance(n, int) for n in numbers)
