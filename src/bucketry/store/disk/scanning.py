"""What the segments of a bucket tell by themselves: every record that can still be recognised, without the index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bucketry.store.disk import leftovers, segments
from bucketry.store.disk.files import Files
from bucketry.store.disk.segments import ALIGNMENT_BYTES, Record

_HEAD_BYTES = 64 << 10  # more than the header of any object S3 allows


def scan(folder: Path, files: Files) -> dict[tuple[str, int], Record]:
    """(segment, offset) → record, of all segments in `folder`. OSError."""
    found = {}
    for name in sorted(leftovers.segment_names(folder)):
        descriptor = files.open(folder / name)
        try:
            for record in _records(descriptor, files):
                found[name, record.offset] = record
        finally:
            files.close(descriptor)
    return found


def _records(descriptor: int, files: Files) -> Iterator[Record]:
    """Records begin on whole pages; what is none, a hole or damage, is passed over page by page."""
    end = files.size(descriptor)
    at = 0
    while at < end:
        page = files.pread(descriptor, ALIGNMENT_BYTES, at)
        record = _record(descriptor, files, at) if segments.begins_record(page) else None
        if record is None:
            at += ALIGNMENT_BYTES
        else:
            yield record
            at += record.size


def _record(descriptor: int, files: Files, at: int) -> Record | None:
    decoded = segments.decode_header(files.pread(descriptor, _HEAD_BYTES, at))
    if decoded is None:
        return None
    header, header_size, size = decoded
    record_size = segments.record_size(header_size, size)
    footer_at = at + header_size + size
    footer = segments.decode_footer(files.pread(descriptor, at + record_size - footer_at, footer_at))
    if footer is None:
        return None
    return Record(at, record_size, at + header_size, size, header, *footer)
