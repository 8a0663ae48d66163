"""Queries of what is told of promised operations whose instance or binding is gone: record_ports.EndedRecords."""

from __future__ import annotations

import sqlalchemy as sa

from bucketry.marketplace.domain.values import EndedOperation
from bucketry.marketplace.records import rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import ended_operations

_ITS = (ended_operations.c.instance_guid == sa.bindparam("of_instance")) & (
    ended_operations.c.binding_guid == sa.bindparam("of_binding")
)
_OLD = ended_operations.c.ended_ms < sa.bindparam("before_ms")

_GET = sa.select(ended_operations).where(_ITS)
_INSERT = ended_operations.insert()
_DELETE = ended_operations.delete().where(_ITS)
_HAS_OLD = sa.select(ended_operations.c.ended_ms).where(_OLD).limit(1)
_DELETE_OLD = ended_operations.delete().where(_OLD)


def put(connection: sa.Connection, instance_guid: str, binding_guid: str, ended: EndedOperation | None) -> None:
    """Tell `ended` from now on, or nothing: in the transaction that removes the instance or binding."""
    connection.execute(_DELETE, {"of_instance": instance_guid, "of_binding": binding_guid})
    if ended is not None:
        connection.execute(_INSERT, rows.ended_columns(ended))


class EndedQueries:
    """See record_ports.EndedRecords."""

    _database: Database

    async def get_ended(self, instance_guid: str, binding_guid: str) -> EndedOperation | None:
        asked = {"of_instance": instance_guid, "of_binding": binding_guid}
        row = await self._database.read(lambda connection: connection.execute(_GET, asked).one_or_none())
        return None if row is None else rows.ended(row)

    async def forget_ended(self, before_ms: int) -> None:
        asked = {"before_ms": before_ms}
        if await self._database.read(lambda connection: connection.execute(_HAS_OLD, asked).scalar()) is not None:
            await self._database.write(lambda connection: connection.execute(_DELETE_OLD, asked))
