"""Listings: walks over a range of keys that jump over what a delimiter rolls up. O(page), whatever the bucket holds.

Keys compare as UTF-8 bytes, which is the order of their code points; so the first key after all that begin with a
prefix is found by counting its last character up, past the surrogates, which no key can have.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from bucketry.store.disk import rows
from bucketry.store.disk.types import Listed, Page, Upload, UploadPage

_LAST = "\U0010ffff"
# ?2 is the upload id to go on after; of objects there is one a key, and it is "".
_OBJECTS = (f"SELECT {rows.LISTED_COLUMNS} FROM objects WHERE key >= ?1 AND ?2 = ''", " ORDER BY key")
_UPLOADS = (
    f"SELECT {rows.UPLOAD_COLUMNS} FROM uploads WHERE (key, upload_id) > (?1, ?2)",
    " ORDER BY key, upload_id",
)


def after_prefix(prefix: str) -> str | None:
    """The least string greater than all that begin with `prefix`; None: there is none."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + ("\ue000" if following == 0xD800 else chr(following))


def rolled_up(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that stands for `key` in a listing, if one does."""
    if not delimiter:
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]


def list_objects(connection: apsw.Connection, prefix: str, delimiter: str, start_after: str, max_keys: int) -> Page:
    """The current objects whose keys begin with `prefix` and follow `start_after`, at most `max_keys` together with
    the common prefixes. Where `start_after` is itself a common prefix of this listing, all under it has been seen."""
    entries: list[Listed] = []
    prefixes: list[str] = []
    if max_keys <= 0:
        return Page(entries, prefixes, None)
    last = ""
    low = first_key(prefix, delimiter, start_after)
    if not delimiter:
        return _plain_page(connection, low or "", prefix, max_keys)
    for row, common in _walk(connection, _OBJECTS, low, "", prefix, delimiter):
        if len(entries) + len(prefixes) == max_keys:
            return Page(entries, prefixes, last)
        if common is None:
            entries.append(rows.listed(row))
            last = row[0]
        else:
            prefixes.append(common)
            last = common
    return Page(entries, prefixes, None)


def _plain_page(connection: apsw.Connection, low: str, prefix: str, max_keys: int) -> Page:
    """A page without a delimiter, the commonest: rows as they lie, at a third of the cost of the walk."""
    query, order = _OBJECTS
    high = after_prefix(prefix)
    if high is None:
        found = connection.execute(f"{query}{order} LIMIT ?3", (low, "", max_keys + 1)).fetchall()
    else:
        found = connection.execute(f"{query} AND key < ?3{order} LIMIT ?4", (low, "", high, max_keys + 1)).fetchall()
    entries = rows.listed_all(found[:max_keys])
    return Page(entries, (), entries[-1].key if len(found) > max_keys else None)


def list_uploads(
    connection: apsw.Connection, prefix: str, delimiter: str, key_marker: str, upload_id_marker: str, max_uploads: int
) -> UploadPage:
    """The unfinished uploads after (key_marker, upload_id_marker), or after all of key_marker where no id is given."""
    entries: list[Upload] = []
    prefixes: list[str] = []
    if max_uploads <= 0:
        return UploadPage(entries, prefixes, None, "")
    low, low_id = first_key(prefix, delimiter, key_marker), ""
    if upload_id_marker and key_marker >= prefix and rolled_up(key_marker, prefix, delimiter) is None:
        low, low_id = key_marker, upload_id_marker
    last = ("", "")
    for row, common in _walk(connection, _UPLOADS, low, low_id, prefix, delimiter):
        if len(entries) + len(prefixes) == max_uploads:
            return UploadPage(entries, prefixes, *last)
        if common is None:
            entries.append(rows.upload(row))
            last = (row[0], row[1])
        else:
            prefixes.append(common)
            last = (common, "")
    return UploadPage(entries, prefixes, None, "")


def first_key(prefix: str, delimiter: str, start_after: str) -> str | None:
    """Where a listing begins that goes on after a key or a common prefix; None: nothing follows."""
    if not start_after:
        return prefix
    if start_after.startswith(prefix) and rolled_up(start_after, prefix, delimiter) == start_after:
        return after_prefix(start_after)
    return max(prefix, start_after + "\0")


def _walk(
    connection: apsw.Connection, what: tuple[str, str], low: str | None, low_id: str, prefix: str, delimiter: str
) -> Iterator[tuple[rows.Row, str | None]]:
    """Rows in order, each with None, or with the common prefix it is the first of: then the rest of that is jumped."""
    query, order = what
    high = after_prefix(prefix)
    if high is not None:
        query += " AND key < ?3"
    query += order
    cursor = connection.cursor()
    try:
        while low is not None and (high is None or low < high):
            position: tuple[str, ...] = (low, low_id, high) if high is not None else (low, low_id)
            low = None
            for row in cursor.execute(query, position):
                common = rolled_up(row[0], prefix, delimiter)
                yield row, common
                if common is not None:
                    low, low_id = after_prefix(common), ""
                    break
    finally:
        cursor.close(True)
