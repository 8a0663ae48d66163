"""Listings of versions: the tables of current and of noncurrent versions, merged as they are read. O(page).

Keys in order, of each key the newest first. What a delimiter rolls up is jumped over, as in disk/listing.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from bucketry.store.disk import rows, version_ids
from bucketry.store.disk.listing import after_prefix, first_key, rolled_up
from bucketry.store.disk.types import NULL_VERSION, ListedVersion, VersionPage

_COLUMNS = rows.LISTED_VERSION_COLUMNS
_ORDER = "ORDER BY key, sequence DESC"
_FROM = (
    f"SELECT {_COLUMNS} FROM objects WHERE key >= ?1 UNION ALL "
    f"SELECT {_COLUMNS} FROM noncurrent WHERE key >= ?1 {_ORDER}"
)
_BETWEEN = (
    f"SELECT {_COLUMNS} FROM objects WHERE key >= ?1 AND key < ?2 UNION ALL "
    f"SELECT {_COLUMNS} FROM noncurrent WHERE key >= ?1 AND key < ?2 {_ORDER}"
)
_OLDER = (
    f"SELECT {_COLUMNS} FROM objects WHERE key = ?1 AND sequence < ?2 UNION ALL "
    f"SELECT {_COLUMNS} FROM noncurrent WHERE key = ?1 AND sequence < ?2 {_ORDER}"
)
_NULL = (
    "SELECT sequence FROM objects WHERE key = ?1 AND version_id IS NULL UNION ALL "
    "SELECT sequence FROM noncurrent WHERE key = ?1 AND version_id IS NULL"
)
_NEWER = (
    "SELECT 1 FROM objects WHERE key = ?1 AND sequence > ?2 UNION ALL "
    "SELECT 1 FROM noncurrent WHERE key = ?1 AND sequence > ?2 LIMIT 1"
)


def list_versions(
    connection: apsw.Connection, prefix: str, delimiter: str, key_marker: str, version_id_marker: str, max_keys: int
) -> VersionPage:
    """The versions after (key_marker, version_id_marker), or after all of key_marker where no id is given, at most
    `max_keys` together with the common prefixes. Where the version of the marker is gone, those older than it follow;
    where it was a null version, all of its key do, since nobody knows any more which are older."""
    entries: list[ListedVersion] = []
    prefixes: list[str] = []
    last = ("", "")
    if max_keys <= 0:
        return VersionPage(entries, prefixes, None, "")
    for row, common, is_latest in _walk(connection, prefix, delimiter, key_marker, version_id_marker):
        if len(entries) + len(prefixes) == max_keys:
            return VersionPage(entries, prefixes, *last)
        if common is None:
            entry = rows.listed_version(row, is_latest)
            entries.append(entry)
            last = (entry.key, entry.version_id)
        else:
            prefixes.append(common)
            last = (common, "")
    return VersionPage(entries, prefixes, None, "")


def _walk(
    connection: apsw.Connection, prefix: str, delimiter: str, key_marker: str, version_id_marker: str
) -> Iterator[tuple[rows.Row, str | None, bool]]:
    """Rows, each with the common prefix that it is the first of, if any, and whether it is its key's latest version."""
    low = first_key(prefix, delimiter, key_marker)
    if version_id_marker and key_marker.startswith(prefix) and rolled_up(key_marker, prefix, delimiter) is None:
        sequence = _sequence_of(connection, key_marker, version_id_marker)
        if sequence is None:
            low = key_marker
        else:
            for row in connection.execute(_OLDER, (key_marker, sequence)):
                yield row, None, connection.execute(_NEWER, (key_marker, row[1])).get is None
    high = after_prefix(prefix)
    cursor = connection.cursor()
    previous = None
    try:
        while low is not None and (high is None or low < high):
            position = (low,) if high is None else (low, high)
            low = None
            for row in cursor.execute(_FROM if high is None else _BETWEEN, position):
                key = row[0]
                common = rolled_up(key, prefix, delimiter)
                yield row, common, key != previous
                previous = key
                if common is not None:
                    low = after_prefix(common)
                    break
    finally:
        cursor.close(True)


def _sequence_of(connection: apsw.Connection, key: str, version_id: str) -> int | None:
    if version_id == NULL_VERSION:
        found: int | None = connection.execute(_NULL, (key,)).get
        return found
    return version_ids.sequence_of(version_id)
