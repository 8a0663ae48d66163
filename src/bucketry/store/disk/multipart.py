"""What changes multipart uploads. Functions of a transaction, which refuse before their first write.

A part keeps its bytes as an object does: in one place, or in `pieces` under the part's own sequence. Completing an
upload lists the parts' places as the pieces of the object: no byte moves, and no count of references changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from bucketry.store.disk import rows, versions
from bucketry.store.disk.changes import replace_current, shared_pieces
from bucketry.store.disk.errors import PartMissing, UploadMissing
from bucketry.store.disk.stored import Bytes, Written
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import Guard, NewObject, Part, Upload, Version

_UPLOAD = f"SELECT {rows.UPLOAD_COLUMNS} FROM uploads WHERE upload_id = ?"
_PART = "SELECT sequence, size, place FROM parts WHERE upload_id = ? AND part_number = ?"
_PARTS = "SELECT part_number, sequence, size, etag, place, checksums FROM parts WHERE upload_id = ?"
_NEW_PIECE = "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


def create(transaction: Transaction, upload: Upload) -> None:
    transaction.run("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows.upload_row(upload))
    transaction.uploads += 1


def find(transaction: Transaction, upload_id: str) -> Upload:
    row = transaction.one(_UPLOAD, (upload_id,))
    if row is None:
        raise UploadMissing(f"upload {upload_id!r} is not under way")
    return rows.upload(row)


def put_part(transaction: Transaction, upload_id: str, part: Part, written: Written) -> Part:
    """Make `written` the part of this number, in place of an earlier one."""
    find(transaction, upload_id)
    return _replace_part(transaction, upload_id, part, written.pieces)


def copy_part(
    transaction: Transaction,
    upload_id: str,
    part: Part,
    source: Version,
    start: int,
    source_guard: Guard | None,
) -> Part:
    """A part that shares `part.size` bytes of `source` from byte `start` on."""
    find(transaction, upload_id)
    pieces = shared_pieces(transaction, source, start, part.size, source_guard)
    return _replace_part(transaction, upload_id, part, pieces)


def _replace_part(transaction: Transaction, upload_id: str, part: Part, pieces: tuple[Bytes, ...]) -> Part:
    old = transaction.one(_PART, (upload_id, part.part_number))
    sequence = transaction.next_id()
    place = transaction.refer_all(pieces, sequence)
    if old is not None:
        _drop_part(transaction, *old)
    checksums = rows.encode_checksums(part.checksums)
    values = (upload_id, part.part_number, sequence, part.modified_ms, part.size, part.etag, place, checksums)
    transaction.run("REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    transaction.upload_bytes += part.size
    return part


def _drop_part(transaction: Transaction, sequence: int, size: int, place: int) -> None:
    if place == 0:
        transaction.release_pieces(sequence, 0)
    else:
        transaction.release(place, 0)
    transaction.upload_bytes -= size


def complete(
    transaction: Transaction,
    upload_id: str,
    parts: Sequence[tuple[int, str]],
    new: NewObject,
    guard: Guard | None,
) -> Version:
    """The object made of `parts`, (number, etag) each, in this order; the upload and its other parts are gone."""
    find(transaction, upload_id)
    kept = {row[0]: row for row in transaction.all(_PARTS, (upload_id,))}
    chosen: list[rows.Row] = []
    for number, etag in parts:
        row = kept.pop(number, None)
        if row is None:
            raise PartMissing(number, "was not uploaded, or is named twice")
        if row[3] != etag:
            raise PartMissing(number, "was uploaded with another ETag")
        chosen.append(row)
    old = transaction.current(new.key)
    if guard is not None:
        guard(old)
    versions.check_way(transaction, new.key, old, is_versioned=new.is_versioned)
    size = sum(row[2] for row in chosen)
    sequence = transaction.next_id()
    _list_pieces(transaction, sequence, chosen)
    replace_current(transaction, rows.new_row(new, sequence, size, 0, len(chosen), upload_id), size, old)
    for _, part_sequence, part_size, _, place, _ in kept.values():
        _drop_part(transaction, part_sequence, part_size, place)
    transaction.upload_bytes -= size
    _remove(transaction, upload_id)
    made = transaction.current(new.key)
    assert made is not None
    return made


def _list_pieces(transaction: Transaction, sequence: int, parts: Sequence[rows.Row]) -> None:
    position = ordinal = 0
    for number, part_sequence, size, etag, place, checksums in parts:
        if place == 0 and size > 0:
            found = transaction.all(
                "SELECT place, start, size FROM pieces WHERE sequence = ? ORDER BY position, ordinal", (part_sequence,)
            )
            transaction.run("DELETE FROM pieces WHERE sequence = ?", (part_sequence,))
        else:
            found = [(place, 0, size)]
        for piece_place, start, piece_size in found:
            values = (sequence, position, ordinal, piece_place, start, piece_size, number, etag, checksums)
            transaction.run(_NEW_PIECE, values)
            position += piece_size
            ordinal += 1


def abort(transaction: Transaction, upload_id: str) -> Upload:
    """Forget an upload and its parts."""
    upload = find(transaction, upload_id)
    for _, sequence, size, _, place, _ in transaction.all(_PARTS, (upload_id,)):
        _drop_part(transaction, sequence, size, place)
    _remove(transaction, upload_id)
    return upload


def _remove(transaction: Transaction, upload_id: str) -> None:
    transaction.run("DELETE FROM parts WHERE upload_id = ?", (upload_id,))
    transaction.run("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))
    transaction.uploads -= 1
