"""What a crash can leave in a bucket's folder: segments that nothing refers to, and runs of segments that were reserved
and never used. Looked for at the start, after an unclean stop, and by each garbage run.

A segment that a living process writes to is locked (shared) by it, so it can't be locked exclusively here. The index is
asked again under the lock: what was committed in between is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from bucketry.store.disk import rows, segments
from bucketry.store.disk.files import Files

Gap = tuple[str, int, int]  # segment, offset, length

_REFERRED = "SELECT 1 FROM extents WHERE segment = ?1 UNION ALL SELECT 1 FROM freed WHERE segment = ?1 LIMIT 1"
_TAKEN = (
    "SELECT record, record_size FROM extents WHERE segment = ?1 UNION ALL "
    "SELECT offset, length FROM freed WHERE segment = ?1 ORDER BY 1"
)


def segment_names(folder: Path) -> list[str]:
    """The segments in a bucket's folder of segments."""
    return [path.name for path in folder.iterdir() if segments.is_name(path.name)]


def remove_unreferenced(folder: Path, connection: apsw.Connection, files: Files) -> list[str]:
    """Remove the segments that nothing refers to and nobody writes to: their names. OSError."""
    removed = []
    for name in segment_names(folder):
        if _is_referred(connection, name):
            continue
        with locked(folder / name, files) as descriptor:
            if descriptor is not None and not _is_referred(connection, name):
                files.unlink(folder / name)
                removed.append(name)
    return removed


def unused_runs(folder: Path, connection: apsw.Connection, files: Files) -> Iterator[tuple[str, list[Gap]]]:
    """Segments of many records whose writer is gone without having sealed them, each with its unused runs. The segment
    is locked while the caller has it, and should be sealed (`seal`) once the runs are noted. OSError."""
    for name in segment_names(folder):
        if segments.is_single(name) or not _is_referred(connection, name) or is_sealed(folder / name, files):
            continue
        with locked(folder / name, files) as descriptor:
            if descriptor is None:
                continue
            gaps: list[Gap] = []
            end = 0
            for record, record_size in rows.fetch(connection, _TAKEN, (name,)):
                if record > end:
                    gaps.append((name, end, record - end))
                end = max(end, record + record_size)
            size = segments.padded(files.size(descriptor))
            if size > end:
                gaps.append((name, end, size - end))
            yield name, gaps


def seal(folder: Path, name: str, connection: apsw.Connection, files: Files) -> None:
    """Mark that the writer of a segment is done with it."""
    descriptor = files.open(folder / name, is_writable=True)
    try:
        end = max((record + size for record, size in rows.fetch(connection, _TAKEN, (name,))), default=0)
        files.pwrite(descriptor, [segments.SEAL], max(end, segments.padded(files.size(descriptor))))
    finally:
        files.close(descriptor)


def is_sealed(path: Path, files: Files) -> bool:
    """Whether the segment's writer was done with it. A segment that is gone needs nothing more either."""
    try:
        descriptor = files.open(path)
    except FileNotFoundError:
        return True
    try:
        at = files.size(descriptor) - len(segments.SEAL)
        return at >= 0 and files.pread(descriptor, len(segments.SEAL), at) == segments.SEAL
    finally:
        files.close(descriptor)


@contextmanager
def locked(path: Path, files: Files) -> Iterator[int | None]:
    """A descriptor of a segment, locked exclusively; None: somebody writes to it, or it is gone."""
    try:
        descriptor = files.open(path)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor if files.try_lock(descriptor) else None
    finally:
        files.close(descriptor)


def _is_referred(connection: apsw.Connection, name: str) -> bool:
    return connection.execute(_REFERRED, (name,)).get is not None
