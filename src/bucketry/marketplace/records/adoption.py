"""What another broker made, taken into the records: adoption_ports.AdoptionRecords."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from bucketry.marketplace.domain.values import Binding, Instance
from bucketry.marketplace.records import rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.instances import RELEASED
from bucketry.marketplace.records.tables import bindings, instances

_FIND = sa.select(instances.c.guid).where(
    instances.c.engine == sa.bindparam("of_engine"), instances.c.bucket == sa.bindparam("of_bucket")
)


class AdoptionQueries:
    """See adoption_ports.AdoptionRecords."""

    _database: Database

    async def find_bucket(self, engine: str, bucket: str) -> str | None:
        asked = {"of_engine": engine, "of_bucket": bucket}
        return await self._database.read(lambda connection: connection.execute(_FIND, asked).scalar())

    async def adopt(self, instance: Instance | None, adopted: Sequence[Binding]) -> None:
        columns = None if instance is None else rows.instance_columns(instance) | RELEASED
        of_bindings = [rows.binding_columns(binding) for binding in adopted]

        def work(connection: sa.Connection) -> None:
            if columns is not None:
                connection.execute(instances.insert(), columns)
            if of_bindings:
                connection.execute(bindings.insert(), of_bindings)

        await self._database.write(work)
