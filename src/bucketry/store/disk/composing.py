"""A new index from what was salvaged of the old one and what the segments tell.

Rows of the old index come first: they know versions, ACLs, locks, and which parts make an object. Where rows are
missing, records that no row refers to are taken in: of each key the newest, or all where the bucket keeps versions. A
part whose upload nobody knows any more becomes part of an unfinished upload, never of an object: whether it was
completed, and whether all of its parts are there, no record tells. What comes back so may have been deleted shortly
before; it is private, and without a lock.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import msgspec

from bucketry.store.disk import rows, version_ids
from bucketry.store.disk.salvage import Salvaged
from bucketry.store.disk.segments import Record

Place = int
_encode = msgspec.json.Encoder().encode
_KEY, _SEQUENCE, _VERSION_ID, _MODIFIED, _SIZE, _ETAG, _, _PLACE, _PART_COUNT, _IS_MARKER = range(10)


@dataclass(slots=True)
class Composed:
    """Rows for a new index, in the order of its columns."""

    versions: dict[str, list[rows.Row]] = field(default_factory=lambda: defaultdict(list))  # by key
    inline: dict[int, rows.Row] = field(default_factory=dict)  # id → (crc, data)
    extents: dict[int, rows.Row] = field(
        default_factory=dict
    )  # id → (segment, record, size, offset, length, checksums)
    pieces: list[rows.Row] = field(default_factory=list)
    uploads: dict[str, rows.Row] = field(default_factory=dict)
    parts: dict[tuple[str, int], rows.Row] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # what is known to be missing, a phrase each
    from_segments: int = 0  # objects and parts that no row told of


class Composer:
    """Used once: `compose`."""

    def __init__(self, salvaged: Salvaged, records: dict[tuple[str, int], Record], *, is_versioned: bool) -> None:
        self._tables = salvaged.tables
        self._is_whole = salvaged.is_whole
        self._is_versioned = is_versioned
        self._made = Composed()
        self._records = records
        self._free = dict(records)  # what no row refers to
        self._taken: set[str] = set()  # keys whose versions came from segments
        self._pieces: dict[int, list[rows.Row]] = defaultdict(list)
        self._used = self._numbers()
        self._last = max(self._used, default=0)

    @property
    def last_number(self) -> int:
        return self._last

    def compose(self) -> Composed:
        made = self._made
        made.inline = {number: (crc, data) for number, crc, data in self._tables["inline"]}
        for number, *extent in self._tables["extents"]:
            made.extents[number] = tuple(extent)
            self._free.pop((extent[0], extent[1]), None)
        for piece in sorted(self._tables["pieces"]):
            self._pieces[piece[0]].append(piece)
        rows_left = [
            row for row in (*self._tables["objects"], *self._tables["noncurrent"]) if not self._add_version(row)
        ]
        made.uploads = {row[1]: row for row in self._tables["uploads"]}
        for row in self._tables["parts"]:
            self._add_part(row)
        self._free_unnamed()
        for row in rows_left:
            self._add_adopted(row)
        if not self._is_whole:
            for (segment, _), record in sorted(
                self._free.items(), key=lambda item: (item[1].header.modified_ms, item[0])
            ):
                self._take_in(segment, record)
        self._order()
        return made

    def _numbers(self) -> set[int]:
        tables = self._tables
        used = {row[0] for name in ("inline", "extents", "pieces", "totals", "events") for row in tables[name]}
        used |= {row[_SEQUENCE] for name in ("objects", "noncurrent") for row in tables[name]}
        return used | {row[2] for row in tables["parts"]}

    def _next(self) -> int:
        self._last += 1
        self._used.add(self._last)
        return self._last

    def _add_version(self, row: rows.Row) -> bool:
        """Whether a version is there with all its bytes."""
        has_pieces = row[_PART_COUNT] > 0
        if row[_IS_MARKER] or self._has(row[_SEQUENCE], row[_SIZE], row[_PLACE], has_pieces=has_pieces):
            self._made.versions[row[_KEY]].append(row)
            return True
        return False

    def _free_unnamed(self) -> None:
        """Extents that nothing names any more: their records stand for themselves."""
        made = self._made
        named = {row[_PLACE] for versions in made.versions.values() for row in versions}
        named |= {row[3] for row in made.pieces} | {row[6] for row in made.parts.values()}
        for number in [number for number in made.extents if number not in named]:
            at = made.extents.pop(number)[:2]
            if at in self._records:
                self._free[at] = self._records[at]

    def _add_adopted(self, row: rows.Row) -> None:
        adopted = self._adopt(row)
        if adopted is None:
            name = f" (version {row[_VERSION_ID]})" if row[_VERSION_ID] else ""
            self._made.lost.append(f"{row[_KEY]}{name}: its {row[_SIZE]} bytes are gone with the index")
        else:
            self._made.versions[row[_KEY]].append((*row[:_PLACE], adopted, *row[_PLACE + 1 :]))

    def _has(self, sequence: int, size: int, place: Place, *, has_pieces: bool) -> bool:
        """Whether all bytes of a row are there; its pieces are taken over."""
        if place:
            return self._length(place) == size
        if size == 0 and not has_pieces:
            return True
        pieces = self._pieces[sequence]
        position = 0
        for _, begin, _, piece_place, start, piece_size, *_ in pieces:
            length = self._length(piece_place)
            if begin != position or length is None or start + piece_size > length:
                return False
            position += piece_size
        if position == size and pieces:
            self._made.pieces.extend(pieces)
            return True
        return False

    def _length(self, place: Place) -> int | None:
        if place > 0:
            extent = self._made.extents.get(place)
            return None if extent is None else int(extent[4])
        found = self._made.inline.get(-place)
        return None if found is None else len(found[1])

    def _adopt(self, row: rows.Row) -> Place | None:
        """The record that a row means, by key, ETag and size, where the row of its extent is missing."""
        for (segment, _), record in self._free.items():
            header, footer = record.header, record.footer
            is_same = (header.key, footer.etag, record.data_size) == (row[_KEY], row[_ETAG], row[_SIZE])
            if is_same and not header.seal:
                return self._refer(segment, record)
        return None

    def _refer(self, segment: str, record: Record) -> Place:
        del self._free[segment, record.offset]
        place = self._next()
        data = (record.data_offset, record.data_size, record.block_checksums)
        self._made.extents[place] = (segment, record.offset, record.size, *data)
        return place

    def _add_part(self, row: rows.Row) -> None:
        upload_id, number, sequence, _, size, _, place, _ = row
        if upload_id in self._made.uploads and self._has(sequence, size, place, has_pieces=False):
            self._made.parts[upload_id, number] = row
        else:
            self._made.lost.append(f"part {number} of upload {upload_id}: its bytes or its upload are gone")

    def _take_in(self, segment: str, record: Record) -> None:
        """Give a record that no row refers to a row of its own."""
        header = record.header
        if header.seal:
            self._made.lost.append(f"{header.key}: {record.data_size} encrypted bytes, whose tags were in the index")
            return
        if header.kind == "part" or header.part_number:
            self._take_part(segment, record)
            return
        known = self._made.versions[header.key]
        if self._is_versioned:
            sequence = self._sequence_before([row for row in known if row[_MODIFIED] > header.modified_ms])
        elif all(row[_MODIFIED] < header.modified_ms for row in known) or header.key in self._taken:
            known.clear()
            self._taken.add(header.key)
            sequence = self._next()
        else:
            return
        checksums = rows.encode_checksums(record.footer.checksums, record.footer.checksum_type)
        document = _encode(rows.Document(headers=header.headers, tags=header.tags)).decode()
        version_id = version_ids.make(sequence) if self._is_versioned else None
        place = self._refer(segment, record)
        facts = (header.modified_ms, record.data_size, record.footer.etag, header.owner)
        known.append((header.key, sequence, version_id, *facts, place, 0, 0, checksums, document))
        self._made.from_segments += 1

    def _sequence_before(self, newer: list[rows.Row]) -> int:
        """A number that puts a version before `newer` ones of its key: none that was ever seen."""
        if not newer:
            return self._next()
        number: int = min(row[_SEQUENCE] for row in newer) - 1
        while number in self._used:
            number -= 1
        self._used.add(number)
        return number

    def _take_part(self, segment: str, record: Record) -> None:
        header = record.header
        upload_id = header.upload_id or f"posted{header.modified_ms}"  # a form's file: its pieces in order
        known = self._made.parts.get((upload_id, header.part_number))
        if known is not None and known[3] >= header.modified_ms:
            return
        place = self._refer(segment, record)
        if upload_id not in self._made.uploads:
            document = _encode(rows.Document()).decode()
            facts = (header.owner, "", header.modified_ms, "", "", document)
            self._made.uploads[upload_id] = (header.key, upload_id, *facts)
        checksums = rows.encode_checksums(record.footer.checksums)
        self._made.parts[upload_id, header.part_number] = (
            upload_id,
            header.part_number,
            self._next(),
            header.modified_ms,
            record.data_size,
            record.footer.etag,
            place,
            checksums,
        )
        self._made.from_segments += 1

    def _order(self) -> None:
        """The newest version of a key first, and no more than one null version."""
        for versions in self._made.versions.values():
            versions.sort(key=lambda row: row[_SEQUENCE], reverse=True)
            nulls = [row for row in versions if row[_VERSION_ID] is None]
            for row in nulls[1:]:
                versions.remove(row)
