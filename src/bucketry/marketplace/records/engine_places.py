"""Queries of where engines are that exist more than once under one name: record_ports.Records.claim_engine."""

from __future__ import annotations

import sqlalchemy as sa

from bucketry.marketplace.domain.record_ports import Duplicate
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import engine_places

_GET = sa.select(engine_places.c.place).where(engine_places.c.engine == sa.bindparam("of_engine"))
_INSERT = engine_places.insert()


class EnginePlaceQueries:
    """See record_ports.Records."""

    _database: Database

    async def claim_engine(self, engine: str, place: str) -> str:
        asked, columns = {"of_engine": engine}, {"engine": engine, "place": place}
        for _ in range(2):
            known: str | None = await self._database.read(lambda connection: connection.execute(_GET, asked).scalar())
            if known is not None:
                return known
            try:
                await self._database.write(lambda connection: connection.execute(_INSERT, columns))
                return place
            except Duplicate:
                continue  # another was first
        raise AssertionError("a place that was refused as a duplicate is there")
