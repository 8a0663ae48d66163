"""The tables of a bucket's index, and the numbered steps from each format to the next.

One row an object: `objects` holds the current, visible version of each key and nothing else, so that a listing is a
walk over a range and a look-up is one search. `noncurrent` holds what versioning keeps beside: older versions, and
delete markers also where they are the latest; a `version_id` of NULL is the null version's, of which a key has at most
one. `place` says where bytes are: the id of an `extents` row, the negated id of an `inline` row, or 0: no bytes, or
(size > 0) the rows of `pieces` under the row's sequence. All ids and sequences come from one counter in `totals` and
are never used again. Text compares as UTF-8 bytes, as S3 orders keys.
"""

from __future__ import annotations

import threading

import apsw

from bucketry.store.disk.errors import IndexDamaged, NewerFormat

_VERSION_COLUMNS = """
    sequence INTEGER NOT NULL, version_id TEXT, modified_ms INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    owner TEXT NOT NULL, place INTEGER NOT NULL, part_count INTEGER NOT NULL, is_delete_marker INTEGER NOT NULL,
    checksums TEXT, document TEXT NOT NULL
"""

_FORMAT_1 = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL, versions INTEGER NOT NULL, uploads INTEGER NOT NULL, upload_bytes INTEGER NOT NULL,
    byte_seconds TEXT NOT NULL,       -- decimal: a petabyte's pass 64 bits within hours
    byte_ms_rest INTEGER NOT NULL,    -- below 1000: bytes x milliseconds not yet a byte-second
    counted_ms INTEGER NOT NULL,      -- when byte_seconds was brought up to date
    closed INTEGER NOT NULL           -- 1: the bucket is being removed, nothing may be written any more
);
CREATE TABLE objects (key TEXT PRIMARY KEY, {_VERSION_COLUMNS}) WITHOUT ROWID;
CREATE TABLE noncurrent (key TEXT, {_VERSION_COLUMNS}, PRIMARY KEY (key, sequence DESC)) WITHOUT ROWID;
CREATE UNIQUE INDEX noncurrent_null ON noncurrent (key) WHERE version_id IS NULL;
CREATE TABLE inline (id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE extents (
    id INTEGER PRIMARY KEY, refs INTEGER NOT NULL,
    shared INTEGER NOT NULL,          -- 1 once a copy shared it: several versions may be in the middle of reading it
    segment TEXT NOT NULL,
    record INTEGER NOT NULL, record_size INTEGER NOT NULL,  -- the whole record, header and footer too: what is freed
    offset INTEGER NOT NULL, length INTEGER NOT NULL,       -- the bytes alone
    checksums BLOB NOT NULL           -- crc32c of each 256 KiB block, 4 bytes each, little-endian; of encrypted
                                      -- bytes the blocks' tags, 16 bytes each, and the seal of their key behind them
);
CREATE INDEX extents_by_segment ON extents (segment, record);
CREATE TABLE pieces (
    sequence INTEGER, position INTEGER, ordinal INTEGER,    -- whose, from which byte of it on, and the how-manieth
    place INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL,  -- size bytes from byte `start` of the place
    part_number INTEGER NOT NULL, etag TEXT NOT NULL, checksums TEXT, PRIMARY KEY (sequence, position, ordinal)
) WITHOUT ROWID;
CREATE TABLE uploads (
    key TEXT, upload_id TEXT, owner TEXT NOT NULL, initiator TEXT NOT NULL, initiated_ms INTEGER NOT NULL,
    checksum_algorithm TEXT NOT NULL, checksum_type TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (key, upload_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX uploads_by_id ON uploads (upload_id);
CREATE TABLE parts (
    upload_id TEXT, part_number INTEGER, sequence INTEGER NOT NULL, modified_ms INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, place INTEGER NOT NULL, checksums TEXT, PRIMARY KEY (upload_id, part_number)
) WITHOUT ROWID;
CREATE TABLE freed (
    id INTEGER PRIMARY KEY, segment TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    extent INTEGER NOT NULL,          -- the id it had, for readers of a version that is gone; 0: none
    sequence INTEGER NOT NULL,        -- of the version that held it, which a reader may have pinned; 0: none
    shared INTEGER NOT NULL
);
CREATE INDEX freed_by_segment ON freed (segment);
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0, '0', 0, 0, 0);
INSERT INTO meta VALUES ('format', 1);
"""

# The step at place n leads from format n to n + 1. Steps are only ever added.
_STEPS: tuple[str, ...] = (_FORMAT_1,)
CURRENT_FORMAT = len(_STEPS)

_WAL_VERSIONS = b"\x02\x02"  # SQLite's file format, bytes 18 and 19: write and read version, 2 for WAL
_template: bytes | None = None
_template_lock = threading.Lock()


def template() -> bytes:
    """The file of an empty index in the current format, in WAL mode: a bucket is made by writing it once."""
    global _template
    with _template_lock:
        if _template is None:
            connection = apsw.Connection(":memory:")
            connection.execute(_STEPS[0])
            for step in _STEPS[1:]:
                connection.execute(step)
            connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", (CURRENT_FORMAT,))
            image = bytearray(connection.serialize("main"))
            connection.close()
            image[18:20] = _WAL_VERSIONS
            _template = bytes(image)
        return _template


def format_of(connection: apsw.Connection, bucket: str) -> int:
    """The format of an index. IndexDamaged: it is none; NewerFormat: a later bucketry's."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'format'").get
    if not isinstance(found, int) or found < 1:
        raise IndexDamaged(f"the index of bucket {bucket} names no format; run `bucketry fsck`")
    if found > CURRENT_FORMAT:
        raise NewerFormat(
            f"the index of bucket {bucket} has format {found}, this bucketry knows formats up to {CURRENT_FORMAT}; "
            "run the version of bucketry that wrote it, or a later one"
        )
    return found


def migrate(connection: apsw.Connection, bucket: str) -> None:
    """Bring an index to the current format, each step in a transaction of its own. The caller holds the commit lock."""
    for number in range(format_of(connection, bucket), CURRENT_FORMAT):
        with connection:
            connection.execute(_STEPS[number])
            connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", (number + 1,))
