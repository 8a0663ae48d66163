"""Asking one SQLite connection: the whole answer at once, so that no half-read statement keeps a snapshot open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw


def rows(db: apsw.Connection, statement: str, bindings: Sequence[apsw.SQLiteValue] = ()) -> list[tuple[Any, ...]]:
    """All rows that a statement answers. Values only ever go in as bindings."""
    return db.execute(statement, bindings).fetchall()
