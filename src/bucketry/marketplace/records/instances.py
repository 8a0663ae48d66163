"""Queries of instances, and the holds on them: ports.InstanceRecords."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from bucketry.marketplace.domain.ports import Duplicate, Held, Hold, HoldLost
from bucketry.marketplace.domain.values import Instance
from bucketry.marketplace.records import rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import (
    UNFINISHED_BINDING,
    UNFINISHED_INSTANCE,
    binding_instances,
    bindings,
    instances,
)

RELEASED = {"holder": None, "held_until_ms": 0}


def check_held(connection: sa.Connection, instance_guid: str, holder: str, release: bool) -> None:
    """Raise HoldLost unless `holder` has the instance; give it back with `release`."""
    mine = (instances.c.guid == instance_guid) & (instances.c.holder == holder)
    if release:
        is_mine = bool(connection.execute(instances.update().where(mine).values(RELEASED)).rowcount)
    else:
        is_mine = bool(connection.execute(sa.select(sa.literal(1)).where(mine).with_for_update(of=instances)).scalar())
    if not is_mine:
        raise HoldLost


class InstanceQueries:
    """See ports.InstanceRecords."""

    _database: Database

    async def insert_instance(self, instance: Instance, hold: Hold) -> None:
        columns = rows.instance_columns(instance) | {"holder": hold.holder, "held_until_ms": hold.until_ms}
        try:
            await self._database.write(lambda connection: connection.execute(instances.insert().values(columns)))
        except Duplicate:
            # Which of several constraints a database names is chance; the same id is what counts.
            raise Duplicate("guid") if await self.get_instance(instance.guid) else Duplicate("name") from None

    async def hold_instance(self, guid: str, hold: Hold, now_ms: int) -> Instance | Held:
        def work(connection: sa.Connection) -> Instance | Held:
            is_free = instances.c.holder.is_(None) | (instances.c.held_until_ms < now_ms)
            take = instances.update().where(instances.c.guid == guid, is_free)
            row = connection.execute(
                take.values(holder=hold.holder, held_until_ms=hold.until_ms).returning(instances)
            ).one_or_none()
            if row is not None:
                return rows.instance(row)
            is_there = connection.execute(sa.select(instances.c.guid).where(instances.c.guid == guid)).scalar()
            return Held.ELSEWHERE if is_there else Held.MISSING

        return await self._database.write(work)

    async def renew_hold(self, guid: str, hold: Hold) -> bool:
        renew = (
            instances.update()
            .where(instances.c.guid == guid, instances.c.holder == hold.holder)
            .values(held_until_ms=hold.until_ms)
        )
        return bool(await self._database.write(lambda connection: connection.execute(renew).rowcount))

    async def release_instance(self, guid: str, holder: str) -> None:
        release = instances.update().where(instances.c.guid == guid, instances.c.holder == holder).values(RELEASED)
        await self._database.write(lambda connection: connection.execute(release))

    async def save_instance(self, instance: Instance, holder: str, release: bool) -> None:
        columns = rows.instance_columns(instance) | (RELEASED if release else {})

        def work(connection: sa.Connection) -> None:
            change = instances.update().where(instances.c.guid == instance.guid, instances.c.holder == holder)
            if not connection.execute(change.values(columns)).rowcount:
                raise HoldLost

        await self._database.write(work)

    async def delete_instance(self, guid: str, holder: str) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(binding_instances.delete().where(binding_instances.c.instance_guid == guid))
            mine = (instances.c.guid == guid) & (instances.c.holder == holder)
            if not connection.execute(instances.delete().where(mine)).rowcount:
                raise HoldLost  # takes the first statement back, too

        await self._database.write(work)

    async def get_instance(self, guid: str) -> Instance | None:
        chosen = sa.select(instances).where(instances.c.guid == guid)
        row = await self._database.read(lambda connection: connection.execute(chosen).one_or_none())
        return None if row is None else rows.instance(row)

    async def find_instances(self, space_guid: str, name: str) -> list[Instance]:
        chosen = sa.select(instances).where(instances.c.space_guid == space_guid, instances.c.name == name).limit(2)
        return await self._instances(chosen)

    async def list_instances(self, space_guid: str, after_name: str, limit: int) -> list[Instance]:
        chosen = sa.select(instances).where(instances.c.space_guid == space_guid, instances.c.name > after_name)
        return await self._instances(chosen.order_by(instances.c.name, instances.c.guid).limit(limit))

    async def unfinished_instances(self, now_ms: int, limit: int) -> list[str]:
        is_free = instances.c.holder.is_(None) | (instances.c.held_until_ms < now_ms)
        own = sa.select(instances.c.guid).where(UNFINISHED_INSTANCE, is_free)
        with_bindings = (
            sa.select(instances.c.guid)
            .join(bindings, bindings.c.instance_guid == instances.c.guid)
            .where(UNFINISHED_BINDING, is_free)
        )
        chosen = sa.union(own.limit(limit).subquery().select(), with_bindings.limit(limit).subquery().select())
        found = await self._database.read(lambda connection: connection.execute(chosen).scalars().all())
        return list(found)[:limit]

    async def _instances(self, chosen: sa.Select[Any]) -> list[Instance]:
        found = await self._database.read(lambda connection: connection.execute(chosen).all())
        return [rows.instance(row) for row in found]
