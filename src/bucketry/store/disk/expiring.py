"""What the clock does to versions: a walk over all of them, page by page, and the removal of those that are over.

What was seen on the walk is looked at again in the transaction: who was overwritten, named current, tagged or locked
since then is left for the next walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import apsw

from bucketry.store.disk import changes, rows, versions
from bucketry.store.disk.errors import Locked
from bucketry.store.disk.listing import after_prefix
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import Marker, Version
from bucketry.store.s3.expiry import Kind

_COLUMNS = rows.VERSION_COLUMNS
_REST_OF_KEY = (
    f"SELECT {_COLUMNS} FROM objects WHERE key = ?1 AND sequence < ?2 UNION ALL "
    f"SELECT {_COLUMNS} FROM noncurrent WHERE key = ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3"
)
_RANGE = (
    f"SELECT {_COLUMNS} FROM objects WHERE key >= ?1 AND key > ?2 AND key < ?3 UNION ALL "
    f"SELECT {_COLUMNS} FROM noncurrent WHERE key >= ?1 AND key > ?2 AND key < ?3 ORDER BY key, sequence DESC LIMIT ?4"
)
_NAMED = f"SELECT {_COLUMNS} FROM noncurrent WHERE key = ? AND sequence = ?"
_HAS_NEWER = (
    "SELECT 1 FROM objects WHERE key = ?1 UNION ALL SELECT 1 FROM noncurrent WHERE key = ?1 AND sequence > ?2 LIMIT 1"
)
_OTHERS = (
    "SELECT 1 FROM objects WHERE key = ?1 UNION ALL SELECT 1 FROM noncurrent WHERE key = ?1 AND sequence <> ?2 LIMIT 1"
)
_AFTER_ALL_KEYS = "\U0010ffff" * 257  # longer than a key may be


class Place(NamedTuple):
    """Where a walk is: behind the version of this key with this sequence."""

    key: str = ""
    sequence: int = 0


class Over(NamedTuple):
    """A version that is over, as it was seen, and what is to be done of it."""

    seen: Version
    kind: Kind


def walk(connection: apsw.Connection, prefix: str, place: Place, limit: int) -> list[Version]:
    """The next versions and delete markers of keys with a prefix, the newest of a key first."""
    found = rows.fetch(connection, _REST_OF_KEY, (place.key, place.sequence, limit)) if place.key else []
    if len(found) < limit:
        end = after_prefix(prefix) or _AFTER_ALL_KEYS
        found += rows.fetch(connection, _RANGE, (prefix, place.key, end, limit - len(found)))
    return [rows.version(row) for row in found]


def expire(transaction: Transaction, over: Sequence[Over], marker: Marker | None) -> list[Version | None]:
    """Do what is to be done of each, where it still is as it was seen: the version removed, or the marker made; None:
    it was left. `marker` hides current versions; None: they are removed."""
    return [_expire_one(transaction, one, marker) for one in over]


def _expire_one(transaction: Transaction, one: Over, marker: Marker | None) -> Version | None:
    seen = one.seen
    try:
        if one.kind is Kind.CURRENT:
            current = transaction.current(seen.key)
            if current is None or not _is_same(current, seen):
                return None
            return changes.delete(transaction, seen.key, None, marker)
        row = transaction.one(_NAMED, (seen.key, seen.sequence))
        found = None if row is None else rows.version(row)
        if found is None or not _is_same(found, seen):
            return None
        others = _HAS_NEWER if one.kind is Kind.NONCURRENT else _OTHERS
        has_others = transaction.one(others, (seen.key, seen.sequence)) is not None
        if has_others != (one.kind is Kind.NONCURRENT):
            return None
        versions.check_removable(transaction, found, bypasses=False)
    except Locked:
        return None
    versions.remove(transaction, found)
    return found


def _is_same(version: Version, seen: Version) -> bool:
    return version.sequence == seen.sequence and version.tags == seen.tags
