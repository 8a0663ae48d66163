"""What a database of records holds, for operators: its version, its size, how much of everything. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from bucketry.marketplace.records import tables
from bucketry.marketplace.records.database import HEAD, Database

COUNTED = (tables.orgs, tables.spaces, tables.apps, tables.instances, tables.bindings, tables.ended_operations)
_SIZE = {
    "sqlite": sa.text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
    "postgresql": sa.text("SELECT pg_database_size(current_database())"),
}


@dataclass(frozen=True, slots=True)
class Overview:
    """`version` None: there are no records yet. `rows` by table, of those that the version has."""

    database: str
    version: str | None
    newest: str
    size_bytes: int
    rows: dict[str, int]

    @property
    def state(self) -> str:
        """empty, older, current or newer."""
        if self.version is None:
            return "empty"
        return "current" if self.version == self.newest else "older" if self.version < self.newest else "newer"


def overview(database: Database) -> Overview:
    """Raises RecordsUnavailable."""
    version = database.version()

    def look(connection: sa.Connection) -> tuple[int, dict[str, int]]:
        present = set(sa.inspect(connection).get_table_names())
        counts = {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in COUNTED
            if table.name in present
        }
        return int(connection.execute(_SIZE[connection.dialect.name]).scalar_one()), counts

    size_bytes, rows = database.look(look)
    return Overview(database.name, version, HEAD, size_bytes, rows)
