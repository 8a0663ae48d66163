"""All records of one database into another that holds none: for those who begin on SQLite and go on on PostgreSQL.

One transaction on each side: the target has all of it or nothing, and nobody writes to the source meanwhile. What was
written is read back and compared before it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.instances import RELEASED
from bucketry.marketplace.records.tables import instances, metadata

_PAGE = 1000

Row = dict[str, Any]


class TargetHoldsRecords(Exception):
    """The target holds other records; nothing was written."""


class Copied(Enum):
    """What came of it."""

    NOW = "now"
    BEFORE = "before"  # the target held the same already


def copy(source: Database, target: Database) -> tuple[Copied, dict[str, int]]:
    """Copy all, and count the rows of each table. Holds are left behind: nobody may work on the source. Both schemas
    are brought forward with it. Raises TargetHoldsRecords, NewerRecords, RecordsUnavailable; all is as it was then."""
    return source.alone(lambda read: target.alone(lambda write: _copy(read, write)))


def _copy(read: sa.Connection, write: sa.Connection) -> tuple[Copied, dict[str, int]]:
    counts = {table.name: _count(read, table) for table in metadata.sorted_tables}
    if any(_count(write, table) for table in metadata.sorted_tables):
        if not _are_alike(read, write):
            raise TargetHoldsRecords
        return Copied.BEFORE, counts
    for table in metadata.sorted_tables:
        page: list[Row] = []
        for row in _rows(read, table):
            page.append(row)
            if len(page) == _PAGE:
                write.execute(table.insert(), page)
                page = []
        if page:
            write.execute(table.insert(), page)
    assert _are_alike(read, write), "what was written is not what was read"
    return Copied.NOW, counts


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[Row]:
    """In the order of their keys, which is that of bytes on both."""
    chosen = sa.select(table).order_by(*table.primary_key.columns)
    with connection.execute(chosen, execution_options={"yield_per": _PAGE}) as found:
        for row in found.mappings():
            yield dict(row) | (RELEASED if table is instances else {})


def _are_alike(one: sa.Connection, other: sa.Connection) -> bool:
    return all(
        mine == theirs
        for table in metadata.sorted_tables
        for mine, theirs in zip_longest(_rows(one, table), _rows(other, table))
    )
