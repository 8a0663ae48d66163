"""`fsck --rebuild`: a new index for a bucket whose index is damaged, while nobody serves it.

The new index is made beside the old one and takes its place in one step; the old one stays, under another name, for
whoever knows more. A rebuild that stops at any point is begun again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from bucketry.store.disk import check, events, leftovers, salvage, scanning, schema, segments
from bucketry.store.disk.bucket import SEGMENTS_FOLDER
from bucketry.store.disk.composing import Composed, Composer
from bucketry.store.disk.errors import IndexDamaged
from bucketry.store.disk.files import Files
from bucketry.store.disk.index import INDEX_FILE, Index
from bucketry.store.disk.salvage import Salvaged

_WORK = ".rebuild"
_OLD = f"{INDEX_FILE}.replaced"  # the old index, until the new one is in its place
_COUNTED = (
    "UPDATE totals SET sequence = ?, objects = (SELECT count(*) FROM objects), "
    "versions = (SELECT count(*) FROM objects) + (SELECT count(*) FROM noncurrent), "
    "bytes = (SELECT coalesce(sum(size), 0) FROM objects) + (SELECT coalesce(sum(size), 0) FROM noncurrent), "
    "uploads = (SELECT count(*) FROM uploads), upload_bytes = (SELECT coalesce(sum(size), 0) FROM parts), "
    "byte_seconds = ?, byte_ms_rest = ?, counted_ms = ?, closed = ?"
)


@dataclass(slots=True)
class Rebuilt:
    """What became of a bucket."""

    objects: int
    uploads: int
    from_segments: int  # objects and parts that only their records told of
    lost: list[str] = field(default_factory=list)
    is_all_known: bool = True  # False: rows are missing, and with them the names of what is lost
    kept_as: str = ""  # where the old index is now


def is_damaged(folder: Path, files: Files) -> bool:
    """Whether the index of the bucket in `folder` is missing or can't be trusted. NewerFormat, ReadFailed."""
    if not (folder / INDEX_FILE).exists():
        return True
    index = Index(folder, None)
    try:
        with index.errors():
            index.open_reader().close(True)
    except IndexDamaged:
        return True
    return any(finding.kind == "index" for finding in check.check(folder, files, None, is_deep=False))


def rebuild(folder: Path, files: Files, *, is_versioned: bool, now_ms: int, vfs: str | None = None) -> Rebuilt:
    """Make the index of a bucket anew. Blocks; nobody may have the bucket open. OSError, apsw.Error. `vfs`: SQLite's
    way to the disk, for tests."""
    work = folder / _WORK
    if (folder / INDEX_FILE).exists():
        _keep(folder, files, now_ms)  # of a rebuild that stopped when its index was in place
    files.rmtree(work)
    files.mkdir(work)
    _copy_old(folder, work, files)
    salvaged = salvage.salvage(work / "old")
    records = scanning.scan(folder / SEGMENTS_FOLDER, files)
    composer = Composer(salvaged, records, is_versioned=is_versioned)
    made = composer.compose()
    _write(folder, work / INDEX_FILE, made, salvaged, composer.last_number, files, vfs)
    kept_as = _replace(folder, work, files, now_ms)
    files.rmtree(work)
    objects = sum(1 for versions in made.versions.values() if versions and not versions[0][9])
    return Rebuilt(objects, len(made.uploads), made.from_segments, made.lost, salvaged.is_whole, kept_as)


def _copy_old(folder: Path, work: Path, files: Files) -> None:
    """The old index with its WAL, wherever a rebuild that stopped in the middle left either."""
    places = [INDEX_FILE] if (folder / INDEX_FILE).exists() else [_OLD, INDEX_FILE]
    for beside in ("", "-wal"):
        found = [path for path in (folder / f"{place}{beside}" for place in places) if path.exists()]
        if found:
            _copy(found[0], work / f"old{beside}", files)


def _copy(path: Path, copy: Path, files: Files) -> None:
    source, target = files.open(path), files.create(copy)
    try:
        files.copy_range(source, target, 0, files.size(source))
    finally:
        files.close(source)
        files.close(target)


def _write(
    folder: Path, path: Path, made: Composed, salvaged: Salvaged, last: int, files: Files, vfs: str | None
) -> None:
    descriptor = files.create(path)
    try:
        files.pwrite(descriptor, [schema.template()], 0)
    finally:
        files.close(descriptor)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        with connection:
            _fill(connection, made)
            events.restore(connection, salvaged.tables["events"])
            for number, gap in enumerate(_gaps(folder / SEGMENTS_FOLDER, made, files), last + 1):
                connection.execute("INSERT INTO freed VALUES (?, ?, ?, ?, 0, 0, 0)", (number, *gap))
                last = number
            found = salvaged.tables["totals"]
            _, *counted = found[0] if found else (0, "0", 0, 0, 0)
            connection.execute(_COUNTED, (last, *counted))
    finally:
        connection.close(True)  # the last one: all of the WAL goes into the file, synced


def _fill(connection: apsw.Connection, made: Composed) -> None:
    newest = [versions[0] for versions in made.versions.values() if versions]
    current = [row for row in newest if not row[9]]
    others = [row for versions in made.versions.values() for row in versions[1:]] + [row for row in newest if row[9]]
    refs = Counter(row[7] for row in (*current, *others))
    refs.update(row[3] for row in made.pieces)
    refs.update(row[6] for row in made.parts.values())
    shared = {place for place, count in refs.items() if count > 1}
    marks = ", ".join("?" * 12)
    connection.executemany(f"INSERT INTO objects VALUES ({marks})", current)
    connection.executemany(f"INSERT INTO noncurrent VALUES ({marks})", others)
    connection.executemany("INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", made.pieces)
    connection.executemany("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", list(made.uploads.values()))
    connection.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", list(made.parts.values()))
    inline = [(number, refs[-number], *row) for number, row in made.inline.items() if refs[-number]]
    connection.executemany("INSERT INTO inline VALUES (?, ?, ?, ?)", inline)
    extents = [
        (number, refs[number], int(number in shared), *row) for number, row in made.extents.items() if refs[number]
    ]
    connection.executemany("INSERT INTO extents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", extents)
    for number in [number for number in made.extents if not refs[number]]:
        del made.extents[number]


def _gaps(folder: Path, made: Composed, files: Files) -> list[tuple[str, int, int]]:
    """(segment, offset, length) of what lies between the records of segments of many."""
    ends: dict[str, int] = {}
    gaps = []
    for segment, record, size in sorted(row[:3] for row in made.extents.values()):
        if segments.is_single(segment):
            continue
        if record > ends.get(segment, 0):
            gaps.append((segment, ends.get(segment, 0), record - ends.get(segment, 0)))
        ends[segment] = record + size
    for segment, end in ends.items():
        path = folder / segment
        if not path.exists():
            continue
        size = segments.padded(path.stat().st_size)
        if leftovers.is_sealed(path, files):
            size -= len(segments.SEAL)
        if size > end:
            gaps.append((segment, end, size - end))
    return gaps


def _replace(folder: Path, work: Path, files: Files, now_ms: int) -> str:
    """Put the new index in the old one's place: where the old one is now.

    The old one goes first, then its WAL, each for sure before the next: so no index is ever found without its own WAL,
    or beside another's. In between the bucket has no index, and can't be taken for a sound one."""
    for source, target in ((INDEX_FILE, _OLD), (f"{INDEX_FILE}-wal", f"{_OLD}-wal")):
        if (folder / source).exists():
            files.rename(folder / source, folder / target)
            files.sync_folder(folder)
    files.unlink(folder / f"{INDEX_FILE}-shm")
    files.rename(work / INDEX_FILE, folder / INDEX_FILE)
    files.sync_folder(folder)
    return _keep(folder, files, now_ms)


def _keep(folder: Path, files: Files, now_ms: int) -> str:
    """Give what was replaced a name of its own, which no later rebuild takes for its own work; "": there is nothing."""
    left = [beside for beside in ("-wal", "") if (folder / f"{_OLD}{beside}").exists()]
    if not left:
        return ""
    while (folder / f"{INDEX_FILE}.damaged-{now_ms}").exists():
        now_ms += 1
    kept_as = f"{INDEX_FILE}.damaged-{now_ms}"
    for beside in left:
        files.rename(folder / f"{_OLD}{beside}", folder / f"{kept_as}{beside}")
    files.sync_folder(folder)
    return kept_as
