"""The marketplace's records in an SQL database: record_ports.Records, made of the queries of each concern."""

from __future__ import annotations

from contextlib import AbstractContextManager

import sqlalchemy as sa

from bucketry.marketplace.records.adoption import AdoptionQueries
from bucketry.marketplace.records.bindings import BindingQueries
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.ended import EndedQueries
from bucketry.marketplace.records.engine_places import EnginePlaceQueries
from bucketry.marketplace.records.instances import InstanceQueries
from bucketry.marketplace.records.places import PlaceQueries
from bucketry.marketplace.records.sealing import SealedQueries

_ANYTHING = sa.select(sa.literal(1))


class SqlRecords(
    PlaceQueries, InstanceQueries, BindingQueries, EndedQueries, SealedQueries, AdoptionQueries, EnginePlaceQueries
):
    """See record_ports.Records. One a process; threads inside."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clock_ms(self) -> int:
        return self._database.clock_ms()

    def turn(self, name: str) -> AbstractContextManager[None]:
        """See domain/turns.py."""
        return self._database.turn(name)

    async def check(self) -> None:
        await self._database.read(lambda connection: connection.execute(_ANYTHING))

    async def close(self) -> None:
        await self._database.close()


def open_records(url: str) -> SqlRecords:
    """Open the database at `url` (connecting.sqlite_url() for a file) and bring its schema up to date.

    Blocks while migrations run; call it before serving. Raises RecordsUnavailable, NewerRecords.
    """
    database = Database(url)
    database.migrate()
    return SqlRecords(database)
