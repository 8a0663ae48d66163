"""What changes objects: put, copy inside the bucket, delete, tags. Functions of a transaction.

Each refuses, if it does, before its first write: disk/commit.py relies on it to keep the others of a group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bucketry.store.disk import rows
from bucketry.store.disk.errors import BucketNotEmpty, Superseded
from bucketry.store.disk.stored import Bytes, SharedBytes, Written
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import Guard, NewObject, Version

_REPLACE = "REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM objects WHERE key = ?"


def put(transaction: Transaction, new: NewObject, written: Written, guard: Guard | None) -> Version:
    """Make `written` the current version of a key."""
    old = transaction.current(new.key)
    if guard is not None:
        guard(old)
    return _make_current(transaction, new, written.pieces, written.size, old)


def copy(
    transaction: Transaction,
    source: Version,
    new: NewObject,
    guard: Guard | None,
    source_guard: Guard | None,
) -> Version:
    """A new current version that shares the bytes of `source`, which must still be current."""
    pieces = shared_pieces(transaction, source, 0, source.size, source_guard)
    old = transaction.current(new.key)
    if guard is not None:
        guard(old)
    return _make_current(transaction, new, pieces, source.size, old)


def shared_pieces(
    transaction: Transaction, source: Version, start: int, size: int, source_guard: Guard | None
) -> tuple[Bytes, ...]:
    """The bytes of a range of `source`, to be referred to once more. Superseded: it isn't current any more."""
    current = transaction.current(source.key)
    if source_guard is not None:
        source_guard(current)
    if current is None or current.sequence != source.sequence:
        raise Superseded(f"{source.key!r} was replaced while it was to be copied; try again")
    if size == 0:
        return ()
    if current.place != 0:
        return (SharedBytes(current.place, start, size),)
    found = transaction.all(
        "SELECT position, place, start, size FROM pieces WHERE sequence = ? AND position < ? AND position + size > ? "
        "ORDER BY position, ordinal",
        (source.sequence, start + size, start),
    )
    pieces: list[Bytes] = []
    for position, place, piece_start, piece_size in found:
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
    replace_current(transaction, rows.new_row(new, sequence, size, place), size, old)
    return _as_version(new, sequence, size, place)


def replace_current(transaction: Transaction, row: rows.Row, size: int, old: Version | None) -> None:
    """Write the row of a new current version over the old one's."""
    if old is not None:
        drop(transaction, old)
    transaction.run(_REPLACE, row)
    transaction.objects += 1
    transaction.versions += 1
    transaction.bytes += size


def drop(transaction: Transaction, old: Version) -> None:
    """Let go of the bytes of a version whose row is about to go, and count it out."""
    if old.place == 0:
        transaction.release_pieces(old.sequence, old.sequence)
    else:
        transaction.release(old.place, old.sequence)
    transaction.objects -= 1
    transaction.versions -= 1
    transaction.bytes -= old.size


def _as_version(new: NewObject, sequence: int, size: int, place: int) -> Version:
    return Version(
        new.key,
        "null",
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
    )


def delete(transaction: Transaction, key: str, guard: Guard | None) -> Version | None:
    """Remove the current version of a key: what it was, or None."""
    old = transaction.current(key)
    if guard is not None:
        guard(old)
    if old is not None:
        drop(transaction, old)
        transaction.run(_DELETE, (key,))
    return old


def delete_many(transaction: Transaction, keys: Sequence[str]) -> list[Version | None]:
    """`delete` of each key, in order."""
    return [delete(transaction, key, None) for key in keys]


def set_tags(transaction: Transaction, key: str, tags: Mapping[str, str], guard: Guard | None) -> Version | None:
    """Other tags for the current version; None: there is none."""
    old = transaction.current(key)
    if guard is not None:
        guard(old)
    if old is None:
        return None
    text = rows.encode_document(old.headers, tags, old.upload_id)
    transaction.run("UPDATE objects SET document = ? WHERE key = ?", (text, key))
    return replace(old, tags=dict(tags))


def close_bucket(transaction: Transaction) -> None:
    """Let nothing be written any more. BucketNotEmpty: it has objects; unfinished uploads don't keep it."""
    found = transaction.one("SELECT 1 FROM objects UNION ALL SELECT 1 FROM noncurrent LIMIT 1")
    if found is not None:
        raise BucketNotEmpty(f"bucket {transaction.bucket} still has objects")
    transaction.is_closed = True
