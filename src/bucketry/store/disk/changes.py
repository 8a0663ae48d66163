"""What changes objects: put, copy inside the bucket, delete, tags. Functions of a transaction.

Each refuses, if it does, before its first write: disk/commit.py relies on it to keep the others of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from bucketry.store.disk import rows, versions
from bucketry.store.disk.errors import BucketNotEmpty, Locked, Superseded
from bucketry.store.disk.stored import Bytes, SharedBytes, Written
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import NULL_VERSION, Doomed, Guard, Marker, NewObject, Relock, Version

_REPLACE = "REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SET_CURRENT = "UPDATE objects SET document = ? WHERE key = ? AND sequence = ?"
_SET_NONCURRENT = "UPDATE noncurrent SET document = ? WHERE key = ? AND sequence = ?"


def put(transaction: Transaction, new: NewObject, written: Written, guard: Guard | None) -> Version:
    """Make `written` the current version of a key."""
    old = transaction.current(new.key)
    if guard is not None:
        guard(old)
    versions.check_way(transaction, new.key, old, is_versioned=new.is_versioned)
    return _make_current(transaction, new, written.pieces, written.size, old)


def copy(
    transaction: Transaction,
    source: Version,
    new: NewObject,
    guard: Guard | None,
    source_guard: Guard | None,
) -> Version:
    """A new current version that shares the bytes of `source`, which must still be there."""
    pieces = shared_pieces(transaction, source, 0, source.size, source_guard)
    old = transaction.current(new.key)
    if guard is not None:
        guard(old)
    versions.check_way(transaction, new.key, old, is_versioned=new.is_versioned)
    return _make_current(transaction, new, pieces, source.size, old)


def shared_pieces(
    transaction: Transaction, source: Version, start: int, size: int, source_guard: Guard | None
) -> tuple[Bytes, ...]:
    """The bytes of a range of `source`, to be referred to once more. Superseded: it is gone."""
    found = versions.held(transaction, source.key, source.sequence)
    if source_guard is not None:
        source_guard(found)
    if found is None:
        raise Superseded(f"{source.key!r} was replaced while it was to be copied; try again")
    if size == 0:
        return ()
    if found.place != 0:
        return (SharedBytes(found.place, start, size),)
    listed = transaction.all(
        "SELECT position, place, start, size FROM pieces WHERE sequence = ? AND position < ? AND position + size > ? "
        "ORDER BY position, ordinal",
        (source.sequence, start + size, start),
    )
    pieces: list[Bytes] = []
    for position, place, piece_start, piece_size in listed:
        skipped = max(0, start - position)
        kept = min(position + piece_size, start + size) - position - skipped
        if kept > 0:
            pieces.append(SharedBytes(place, piece_start + skipped, kept))
    return tuple(pieces)


def _make_current(
    transaction: Transaction, new: NewObject, pieces: tuple[Bytes, ...], size: int, old: Version | None
) -> Version:
    sequence = transaction.next_id()
    # New references first: what is copied onto itself must not lose its bytes on the way.
    place = transaction.refer_all(pieces, sequence)
    row = rows.new_row(new, sequence, size, place)
    replace_current(transaction, row, size, old)
    return _as_version(new, row[2], sequence, size, place)


def replace_current(transaction: Transaction, row: rows.Row, size: int, old: Version | None) -> None:
    """Write the row of a new current version over the old one's, which is kept where either has an id of its own."""
    versions.make_way(transaction, row[0], old, is_versioned=row[2] is not None)
    transaction.run(_REPLACE, row)
    transaction.objects += 1
    transaction.versions += 1
    transaction.bytes += size


def _as_version(new: NewObject, version_id: str | None, sequence: int, size: int, place: int) -> Version:
    return Version(
        new.key,
        version_id or NULL_VERSION,
        sequence,
        new.modified_ms,
        size,
        new.etag,
        new.owner,
        new.headers,
        new.checksums,
        new.checksum_type if new.checksums else "",
        new.tags,
        False,
        0,
        "",
        place,
        new.acl,
        new.lock,
        new.encryption,
    )


def delete(transaction: Transaction, key: str, guard: Guard | None, marker: Marker | None) -> Version | None:
    """Remove the current version of a key, or hide it by `marker`: the marker made, else what was removed, or None."""
    old = transaction.current(key)
    if guard is not None:
        guard(old)
    if marker is None and old is not None and old.version_id != NULL_VERSION:
        # Versioning began between the look at the bucket and now: what has an id is not removed without naming it.
        marker = Marker(old.owner, transaction.now_ms, is_versioned=False)
    if marker is not None:
        versions.check_way(transaction, key, old, is_versioned=marker.is_versioned)
        return versions.put_marker(transaction, key, marker, old)
    if old is not None:
        versions.check_removable(transaction, old, bypasses=False)
        versions.remove_current(transaction, old)
    return old


class PlainDelete:
    """`delete` without a guard or a marker, as a change that can be made together with others of its kind: one
    statement for the rows of a group and one for their bytes. That is two thirds of what each by itself takes."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, transaction: Transaction) -> Version | None:
        return delete(transaction, self._key, None, None)

    @staticmethod
    def together(transaction: Transaction, asked: Sequence[PlainDelete]) -> list[Version | None]:
        """What each removed; None: nothing yet, so it has to be run by itself."""
        gone = versions.remove_plain(transaction, [one._key for one in asked])
        return [gone.pop(one._key, None) for one in asked]


def delete_version(
    transaction: Transaction, key: str, version_id: str, guard: Guard | None, *, bypasses: bool = False
) -> Version | None:
    """Remove the version of a key with this id, for good: what it was, or None. Locked: it is protected;
    `bypasses`: the caller may bypass governance."""
    old = versions.named(transaction.cursor.connection, key, version_id)
    if guard is not None:
        guard(old)
    if old is not None:
        versions.check_removable(transaction, old, bypasses=bypasses)
        versions.remove(transaction, old)
    return old


def delete_many(
    transaction: Transaction, doomed: Sequence[Doomed], marker: Marker | None
) -> list[Version | Locked | None]:
    """`delete` or `delete_version` of each, in order; Locked, not raised, in the place of what is protected."""
    plain = [one.key for one in doomed if one.version_id is None] if marker is None else []
    gone = versions.remove_plain(transaction, plain) if plain else {}
    return [_delete_one(transaction, one, marker, gone) for one in doomed]


def _delete_one(
    transaction: Transaction, one: Doomed, marker: Marker | None, gone: dict[str, Version]
) -> Version | Locked | None:
    """`gone`: what was removed already, to be told once."""
    if one.version_id is None and one.key in gone:
        return gone.pop(one.key)
    try:
        if one.version_id is None:
            return delete(transaction, one.key, None, marker)
        return delete_version(transaction, one.key, one.version_id, None, bypasses=one.bypasses)
    except Locked as error:
        return error


def set_tags(
    transaction: Transaction, key: str, tags: Mapping[str, str], guard: Guard | None, version_id: str | None
) -> Version | None:
    """Other tags for the current version, or for the one with this id; None: there is none. A delete marker has none:
    it is returned as it is."""
    return _describe(transaction, key, guard, version_id, lambda old: replace(old, tags=dict(tags)))


def set_acl(
    transaction: Transaction, key: str, acl: str, guard: Guard | None, version_id: str | None
) -> Version | None:
    """Another ACL; as `set_tags`."""
    return _describe(transaction, key, guard, version_id, lambda old: replace(old, acl=acl))


def set_lock(
    transaction: Transaction, key: str, relock: Relock, guard: Guard | None, version_id: str | None
) -> Version | None:
    """Another lock: what `relock` makes of the version's, unless it raises; as `set_tags`."""
    return _describe(
        transaction, key, guard, version_id, lambda old: replace(old, lock=relock(old, transaction.now_ms))
    )


def _describe(
    transaction: Transaction,
    key: str,
    guard: Guard | None,
    version_id: str | None,
    described: Callable[[Version], Version],
) -> Version | None:
    if version_id is None:
        old = transaction.current(key)
    else:
        old = versions.named(transaction.cursor.connection, key, version_id)
    if guard is not None:
        guard(old)
    if old is None or old.is_delete_marker:
        return old
    new = described(old)
    text = rows.encode_document(new, new.upload_id)
    transaction.run(_SET_CURRENT, (text, key, old.sequence))
    if transaction.has_noncurrent:
        transaction.run(_SET_NONCURRENT, (text, key, old.sequence))
    return new


def close_bucket(transaction: Transaction) -> None:
    """Let nothing be written any more. BucketNotEmpty: it has objects; unfinished uploads don't keep it."""
    found = transaction.one("SELECT 1 FROM objects UNION ALL SELECT 1 FROM noncurrent LIMIT 1")
    if found is not None:
        raise BucketNotEmpty(f"bucket {transaction.bucket} still has objects")
    transaction.is_closed = True
