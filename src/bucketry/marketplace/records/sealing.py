"""Queries of sealed key pairs, for a rotation of the master key: record_ports.SealedRecords."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from bucketry.kernel.envelope import sealed_with
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import bindings

_SEALED = (
    sa.select(bindings.c.guid, bindings.c.sealed_key)
    .where(bindings.c.sealed_key.is_not(None), bindings.c.guid > sa.bindparam("after"))
    .order_by(bindings.c.guid)
    .limit(sa.bindparam("most"))
)
_REPLACE = (
    bindings.update()
    .where(bindings.c.guid == sa.bindparam("of_guid"), bindings.c.sealed_key == sa.bindparam("from_sealed"))
    .values(sealed_key=sa.bindparam("to_sealed"))
)
_PAGE = 1000


class SealedQueries:
    """See record_ports.SealedRecords."""

    _database: Database

    async def list_sealed(self, after_guid: str, limit: int) -> list[tuple[str, bytes]]:
        def work(connection: sa.Connection) -> list[tuple[str, bytes]]:
            found = connection.execute(_SEALED, {"after": after_guid, "most": limit})
            return [(guid, bytes(sealed)) for guid, sealed in found]

        return await self._database.read(work)

    async def replace_sealed(self, changes: Sequence[tuple[str, bytes, bytes]]) -> None:
        rows = [{"of_guid": guid, "from_sealed": before, "to_sealed": after} for guid, before, after in changes]

        def work(connection: sa.Connection) -> None:
            for row in rows:
                connection.execute(_REPLACE, row)

        if rows:
            await self._database.write(work)

    async def sealed_with(self) -> dict[bytes, int]:
        counted: Counter[bytes] = Counter()
        after = ""
        while page := await self.list_sealed(after, _PAGE):
            counted.update(sealed_with(sealed) for _, sealed in page)
            after = page[-1][0]
        return dict(counted)
