"""Which version of a key is the current one. Functions of a transaction and of a connection.

`objects` holds a key's latest version while that is an object, `noncurrent` all others: so a key without a row in
`objects` is hidden by the delete marker that is the newest of its rows in `noncurrent`, or has no version at all.
There is at most one `null` version of a key. Where nothing was ever versioned `noncurrent` is empty, which the
counters tell, so that such a bucket pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from bucketry.store.disk import rows, version_ids
from bucketry.store.disk.errors import Locked
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import NULL_VERSION, Marker, Version

_COLUMNS = rows.VERSION_COLUMNS
_CURRENT = f"SELECT {_COLUMNS} FROM objects WHERE key = ?"
_NEWEST = f"SELECT {_COLUMNS} FROM noncurrent WHERE key = ? ORDER BY sequence DESC LIMIT 1"
_NAMED = f"SELECT {_COLUMNS} FROM noncurrent WHERE key = ? AND sequence = ?"
_NULL = f"SELECT {_COLUMNS} FROM noncurrent WHERE key = ? AND version_id IS NULL"
_INSERT = "INSERT INTO noncurrent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RETIRE = f"INSERT INTO noncurrent SELECT {_COLUMNS} FROM objects WHERE key = ?"
_PROMOTE = f"INSERT INTO objects SELECT {_COLUMNS} FROM noncurrent WHERE key = ? AND sequence = ?"
_DELETE_CURRENT = "DELETE FROM objects WHERE key = ?"
# Of some keys at once. What may have a lock is left: a document that has one holds these four characters, as does one
# in which somebody else wrote them.
_DELETE_PLAIN = (
    "DELETE FROM objects WHERE key IN ({among}) AND version_id IS NULL AND instr(document, '\"l\":') = 0 "
    f"RETURNING {_COLUMNS}"
)
_DELETE = "DELETE FROM noncurrent WHERE key = ? AND sequence = ?"


def latest_marker(connection: apsw.Connection, key: str) -> Version | None:
    """The delete marker that hides a key, which has no current object."""
    row = connection.execute(_NEWEST, (key,)).get
    found = None if row is None else rows.version(row)
    return found if found is not None and found.is_delete_marker else None


def named(connection: apsw.Connection, key: str, version_id: str) -> Version | None:
    """The version of a key with this id: an object or a delete marker, current or not."""
    row = connection.execute(_CURRENT, (key,)).get
    if row is not None and (row[2] or NULL_VERSION) == version_id:
        return rows.version(row)
    if version_id == NULL_VERSION:
        row = connection.execute(_NULL, (key,)).get
        return None if row is None else rows.version(row)
    sequence = version_ids.sequence_of(version_id)
    row = None if sequence is None else connection.execute(_NAMED, (key, sequence)).get
    return rows.version(row) if row is not None and row[2] == version_id else None


def held(transaction: Transaction, key: str, sequence: int) -> Version | None:
    """A version by its sequence, wherever it is by now."""
    current = transaction.current(key)
    if current is not None and current.sequence == sequence:
        return current
    row = transaction.one(_NAMED, (key, sequence)) if transaction.has_noncurrent else None
    return None if row is None else rows.version(row)


def make_way(transaction: Transaction, key: str, old: Version | None, *, is_versioned: bool) -> None:
    """Prepare for a new latest version of `key`, whose current object is `old`: what is kept becomes noncurrent, and
    the null version goes where the new one is to be it. Afterwards `objects` has no row of the key that counts: it is
    removed, or the caller writes over it."""
    if old is not None:
        if is_versioned or old.version_id != NULL_VERSION:
            transaction.run(_RETIRE, (key,))
            transaction.objects -= 1
        else:
            let_go(transaction, old)
            transaction.objects -= 1
            return
    if not is_versioned and transaction.has_noncurrent:
        row = transaction.one(_NULL, (key,))
        if row is not None:
            _remove_noncurrent(transaction, rows.version(row))


def check_way(transaction: Transaction, key: str, old: Version | None, *, is_versioned: bool) -> None:
    """Locked: the null version, which would have to go for a new one, is protected. Before the first write. It happens
    where versioning was changed since the write was asked for: a bucket with locks keeps its versions."""
    if is_versioned:
        return
    if old is not None and old.version_id == NULL_VERSION:
        check_removable(transaction, old, bypasses=False)
    elif transaction.has_noncurrent:
        row = transaction.one(_NULL, (key,))
        if row is not None:
            check_removable(transaction, rows.version(row), bypasses=False)


def check_removable(transaction: Transaction, version: Version, *, bypasses: bool) -> None:
    """Locked: the version may not be removed now."""
    if version.lock is not None and version.lock.protects(transaction.now_ms, bypasses=bypasses):
        raise Locked(f"version {version.version_id} of {version.key!r} is protected by its lock")


def put_marker(transaction: Transaction, key: str, marker: Marker, old: Version | None) -> Version:
    """Hide a key behind a new delete marker."""
    make_way(transaction, key, old, is_versioned=marker.is_versioned)
    if old is not None:
        transaction.run(_DELETE_CURRENT, (key,))
    sequence = transaction.next_id()
    version_id = version_ids.make(sequence) if marker.is_versioned else None
    row = (key, sequence, version_id, marker.modified_ms, 0, "", marker.owner, 0, 0, 1, None, "{}")
    transaction.run(_INSERT, row)
    transaction.versions += 1
    return rows.version(row)


def remove(transaction: Transaction, version: Version) -> None:
    """Remove one version for good; what is the newest then is the latest."""
    current = transaction.current(version.key)
    if current is not None and current.sequence == version.sequence:
        remove_current(transaction, current)
        return
    _remove_noncurrent(transaction, version)
    if current is None:
        _promote(transaction, version.key)


def remove_current(transaction: Transaction, current: Version) -> None:
    """Remove the current version of its key for good; the next newest takes its place."""
    let_go(transaction, current)
    transaction.run(_DELETE_CURRENT, (current.key,))
    transaction.objects -= 1
    if transaction.has_noncurrent:
        _promote(transaction, current.key)


def remove_plain(transaction: Transaction, keys: Sequence[str]) -> dict[str, Version]:
    """Remove the current versions of some keys for good by a few statements; what was removed, by key. Those that need
    a closer look are left: the ones with an id of their own or with a lock, and all where there are older versions."""
    if transaction.has_noncurrent:
        return {}
    gone = [rows.version(row) for row in transaction.among(_DELETE_PLAIN, keys)]
    inline = [version.place for version in gone if version.place < 0]
    if inline:
        transaction.release_inline(inline)
    for version in gone:
        if version.place >= 0:
            _release(transaction, version)
    transaction.objects -= len(gone)
    transaction.versions -= len(gone)
    transaction.bytes -= sum(version.size for version in gone)
    return {version.key: version for version in gone}


def _promote(transaction: Transaction, key: str) -> None:
    """Make the newest of a key's noncurrent versions the current one, unless it is a delete marker."""
    row = transaction.one(_NEWEST, (key,))
    if row is None:
        return
    newest = rows.version(row)
    if newest.is_delete_marker:
        return
    transaction.run(_PROMOTE, (key, newest.sequence))
    transaction.run(_DELETE, (key, newest.sequence))
    transaction.objects += 1


def _remove_noncurrent(transaction: Transaction, version: Version) -> None:
    let_go(transaction, version)
    transaction.run(_DELETE, (version.key, version.sequence))


def let_go(transaction: Transaction, version: Version) -> None:
    """Release the bytes of a version whose row is about to go, and count it out of the versions."""
    _release(transaction, version)
    transaction.versions -= 1
    transaction.bytes -= version.size


def _release(transaction: Transaction, version: Version) -> None:
    if version.place == 0:
        transaction.release_pieces(version.sequence, version.sequence)
    else:
        transaction.release(version.place, version.sequence)
