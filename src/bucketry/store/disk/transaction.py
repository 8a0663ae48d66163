"""One transaction on a bucket's index: its ids, its counters, and who refers to which bytes.

The changes themselves are in disk/changes.py and disk/multipart.py; each is a function of a transaction. References
are counted on `extents` and `inline` rows; the last one to go takes the row with it, and of an extent it leaves a
`freed` row: the garbage run gives the space back when nobody can be reading it any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apsw

from bucketry.store.disk import rows
from bucketry.store.disk.errors import BucketMissing, IndexDamaged
from bucketry.store.disk.stored import Bytes, ExtentBytes, InlineBytes
from bucketry.store.disk.types import Totals, Version

_TOTALS = (
    "SELECT sequence, objects, bytes, versions, uploads, upload_bytes, byte_seconds, byte_ms_rest, counted_ms, closed "
    "FROM totals"
)
_SET_TOTALS = (
    "UPDATE totals SET sequence = ?, objects = ?, bytes = ?, versions = ?, uploads = ?, upload_bytes = ?, "
    "byte_seconds = ?, byte_ms_rest = ?, counted_ms = ?, closed = ?"
)
_CURRENT = f"SELECT {rows.VERSION_COLUMNS} FROM objects WHERE key = ?"
_DELETE_INLINE = "DELETE FROM inline WHERE id IN ({among}) AND refs = 1 RETURNING id"
_MOST_AMONG = 256  # values of one statement


class Transaction:
    """What changes ask of the index while the bucket's commit lock is held. Not used after `finish`."""

    def __init__(self, connection: apsw.Connection, bucket: str, now_ms: int) -> None:
        self.bucket = bucket
        self.now_ms = now_ms
        self.cursor = connection.cursor()
        found = self.one(_TOTALS)
        if found is None:
            raise IndexDamaged(f"the index of bucket {bucket} has no totals; run `bucketry fsck`")
        self._before = found
        self._sequence: int
        self._sequence, self.objects, self.bytes, self.versions, self.uploads, self.upload_bytes = found[:6]
        self.is_closed = bool(found[9])
        if self.is_closed:
            raise BucketMissing(f"bucket {bucket} is being removed")

    def one(self, sql: str, bindings: tuple[object, ...] = ()) -> rows.Row | None:
        """The only row of a query, or None."""
        for row in self.cursor.execute(sql, bindings):
            found: rows.Row = row
            for _ in self.cursor:  # runs the statement to its end
                break
            return found
        return None

    def all(self, sql: str, bindings: tuple[object, ...] = ()) -> list[rows.Row]:
        found: list[Any] = self.cursor.execute(sql, bindings).fetchall()
        return found

    def among(self, sql: str, values: Sequence[object]) -> Iterator[rows.Row]:
        """All rows of a statement about some values at once, which stand for `{among}` in it. The last of them is
        repeated up to a power of two, so that few such statements are kept."""
        for at in range(0, len(values), _MOST_AMONG):
            some = values[at : at + _MOST_AMONG]
            count = 1 << (len(some) - 1).bit_length()
            asked = (*some, *[some[-1]] * (count - len(some)))
            yield from self.all(sql.format(among=",".join("?" * count)), asked)

    def run(self, sql: str, bindings: tuple[object, ...] = ()) -> None:
        self.cursor.execute(sql, bindings)

    def next_id(self) -> int:
        """A number that no row of this bucket has had."""
        self._sequence += 1
        return self._sequence

    @property
    def has_noncurrent(self) -> bool:
        """Whether there is any older version or delete marker at all."""
        return bool(self.versions != self.objects)

    def current(self, key: str) -> Version | None:
        row = self.one(_CURRENT, (key,))
        return None if row is None else rows.version(row)

    def finish(self) -> None:
        """Write the counters, if anything of them changed. The last act before the commit."""
        now = (self._sequence, self.objects, self.bytes, self.versions, self.uploads, self.upload_bytes)
        if now != self._before[:6] or self.is_closed:
            self.run(_SET_TOTALS, (*now, *accrue(self._before, self.now_ms), int(self.is_closed)))

    # References

    def refer(self, stored: Bytes) -> int:
        """One more reference to bytes: the place to write into the row that refers."""
        if isinstance(stored, InlineBytes):
            place = self.next_id()
            self.run("INSERT INTO inline VALUES (?, 1, ?, ?)", (place, stored.crc, stored.data))
            return -place
        if isinstance(stored, ExtentBytes):
            place = self.next_id()
            values = (stored.segment, stored.record, stored.record_size, stored.offset, stored.length, stored.checksums)
            self.run("INSERT INTO extents VALUES (?, 1, 0, ?, ?, ?, ?, ?, ?)", (place, *values))
            return place
        if stored.place > 0:
            self.run("UPDATE extents SET refs = refs + 1, shared = 1 WHERE id = ?", (stored.place,))
        else:
            self.run("UPDATE inline SET refs = refs + 1 WHERE id = ?", (-stored.place,))
        self._must_have_changed(stored.place)
        return stored.place

    def refer_all(self, pieces: tuple[Bytes, ...], sequence: int) -> int:
        """The place of bytes made of any number of pieces, for the row with this sequence."""
        if not pieces:
            return 0
        if len(pieces) == 1 and _is_whole(pieces[0], self):
            return self.refer(pieces[0])
        position = 0
        for ordinal, piece in enumerate(pieces):
            start = 0 if isinstance(piece, InlineBytes) else piece.start
            row = (sequence, position, ordinal, self.refer(piece), start, piece.size, 0, "", None)
            self.run("INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            position += piece.size
        return 0

    def release(self, place: int, sequence: int) -> None:
        """One reference less. `sequence`: of the version that had it, since a reader may have pinned that; 0: none."""
        if place == 0:
            return
        if place < 0:
            if self.one("DELETE FROM inline WHERE id = ? AND refs = 1 RETURNING id", (-place,)) is None:
                self.run("UPDATE inline SET refs = refs - 1 WHERE id = ?", (-place,))
                self._must_have_changed(place)
            return
        gone = self.one(
            "DELETE FROM extents WHERE id = ? AND refs = 1 RETURNING segment, record, record_size, shared", (place,)
        )
        if gone is None:
            self.run("UPDATE extents SET refs = refs - 1 WHERE id = ?", (place,))
            self._must_have_changed(place)
            return
        segment, record, record_size, shared = gone
        self.free(segment, record, record_size, place, sequence, shared)

    def release_inline(self, places: Sequence[int]) -> None:
        """One reference less to each of these places, all of them in the index itself."""
        gone = {number for (number,) in self.among(_DELETE_INLINE, [-place for place in places])}
        for place in places:
            if -place not in gone:
                self.release(place, 0)

    def release_pieces(self, owner: int, sequence: int) -> None:
        for (place,) in self.all("SELECT place FROM pieces WHERE sequence = ?", (owner,)):
            self.release(place, sequence)
        self.run("DELETE FROM pieces WHERE sequence = ?", (owner,))

    def free(self, segment: str, record: int, record_size: int, extent: int, sequence: int, shared: int) -> None:
        """Note space that nothing refers to any more."""
        values = (self.next_id(), segment, record, record_size, extent, sequence, shared)
        self.run("INSERT INTO freed VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def _must_have_changed(self, place: int) -> None:
        if self.cursor.connection.changes() != 1:
            raise IndexDamaged(f"bucket {self.bucket} has no bytes at place {place}; run `bucketry fsck`")


def _is_whole(piece: Bytes, transaction: Transaction) -> bool:
    """Whether a piece is all of its place, so that a row can name the place alone."""
    if isinstance(piece, InlineBytes):
        return True
    if piece.start:
        return False
    if isinstance(piece, ExtentBytes):
        return piece.size == piece.length
    if piece.place > 0:
        found = transaction.one("SELECT length FROM extents WHERE id = ?", (piece.place,))
    else:
        found = transaction.one("SELECT length(data) FROM inline WHERE id = ?", (-piece.place,))
    return found is not None and found[0] == piece.size


def accrue(totals: rows.Row, now_ms: int) -> tuple[str, int, int]:
    """(byte_seconds, byte_ms_rest, counted_ms) brought up to `now_ms`; a clock that went back counts nothing."""
    stored = totals[2] + totals[5]
    elapsed_ms = max(0, now_ms - totals[8]) if totals[8] else 0
    seconds, rest = divmod(stored * elapsed_ms + totals[7], 1000)
    return str(int(totals[6]) + seconds), rest, max(now_ms, totals[8])


def read_totals(connection: apsw.Connection, now_ms: int) -> Totals:
    """The counters, byte-seconds up to now."""
    row: rows.Row = connection.execute(_TOTALS).get
    objects, stored, versions, uploads, upload_bytes = row[1:6]
    return Totals(objects, stored, versions, uploads, upload_bytes, int(accrue(row, now_ms)[0]))
