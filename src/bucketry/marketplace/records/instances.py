"""Queries of instances, and the holds on them: record_ports.InstanceRecords.

A hold is brief: it lives no longer than the process that has it, so a power cut may take it back.
Statements are made once: putting one together costs SQLAlchemy several times what running it does.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from bucketry.marketplace.domain.record_ports import Duplicate, Held, Hold, HoldLost
from bucketry.marketplace.domain.values import EndedOperation, Instance
from bucketry.marketplace.records import ended, rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import (
    UNFINISHED_BINDING,
    UNFINISHED_INSTANCE,
    binding_instances,
    bindings,
    instances,
)

RELEASED = {"holder": None, "held_until_ms": 0}

_GUID = instances.c.guid == sa.bindparam("of_guid")
_MINE = _GUID & (instances.c.holder == sa.bindparam("of_holder"))
_IS_FREE = instances.c.holder.is_(None) | (instances.c.held_until_ms < sa.bindparam("now_ms"))
_IN_SPACE = instances.c.space_guid == sa.bindparam("of_space")

_INSERT = instances.insert()
_CHANGE_MINE = instances.update().where(_MINE)
_DELETE_MINE = instances.delete().where(_MINE)
# The weaker lock lets bindings that mention the instance be written beside it, so that two never wait for each other.
_IS_MINE = sa.select(sa.literal(1)).where(_MINE).with_for_update(of=instances, key_share=True)
_IS_MINE_ALONE = sa.select(sa.literal(1)).where(_MINE).with_for_update(of=instances)
# Its own as well: where the answer was lost with the connection, the same is asked again.
_TAKE = instances.update().where(_GUID, _IS_FREE | (instances.c.holder == sa.bindparam("of_holder")))
_TAKE = _TAKE.returning(instances)
_IS_THERE = sa.select(instances.c.guid).where(_GUID)
_GET = sa.select(instances).where(_GUID)
_FIND = sa.select(instances).where(_IN_SPACE, instances.c.name == sa.bindparam("of_name")).limit(2)
_LIST = (
    sa.select(instances)
    .where(_IN_SPACE, instances.c.name > sa.bindparam("after_name"))
    .order_by(instances.c.name, instances.c.guid)
    .limit(sa.bindparam("most"))
)
_LIST_ALL = (
    sa.select(instances)
    .where(instances.c.guid > sa.bindparam("after_guid"))
    .order_by(instances.c.guid)
    .limit(sa.bindparam("most"))
)
_FORGET_MENTIONS = binding_instances.delete().where(binding_instances.c.instance_guid == sa.bindparam("of_guid"))
_UNFINISHED = sa.union(
    sa.select(instances.c.guid).where(UNFINISHED_INSTANCE, _IS_FREE).limit(sa.bindparam("most")).subquery().select(),
    sa.select(instances.c.guid)
    .join(bindings, bindings.c.instance_guid == instances.c.guid)
    .where(UNFINISHED_BINDING, _IS_FREE)
    .limit(sa.bindparam("most"))
    .subquery()
    .select(),
)


def check_held(connection: sa.Connection, instance_guid: str, holder: str, release: bool) -> None:
    """Raise HoldLost unless `holder` has the instance; give it back with `release`."""
    mine = {"of_guid": instance_guid, "of_holder": holder}
    if release:
        is_mine = bool(connection.execute(_CHANGE_MINE, mine | RELEASED).rowcount)
    else:
        is_mine = bool(connection.execute(_IS_MINE, mine).scalar())
    if not is_mine:
        raise HoldLost


class InstanceQueries:
    """See record_ports.InstanceRecords."""

    _database: Database

    async def insert_instance(self, instance: Instance, hold: Hold) -> None:
        columns = rows.instance_columns(instance) | {"holder": hold.holder, "held_until_ms": hold.until_ms}
        try:
            await self._database.write(lambda connection: connection.execute(_INSERT, columns))
        except Duplicate:
            # Which of several constraints a database names is chance; the same id is what counts.
            raise Duplicate("guid") if await self.get_instance(instance.guid) else Duplicate("name") from None

    async def hold_instance(self, guid: str, hold: Hold, now_ms: int) -> Instance | Held:
        taken = {"of_guid": guid, "now_ms": now_ms, "of_holder": hold.holder}
        taken |= {"holder": hold.holder, "held_until_ms": hold.until_ms}

        def work(connection: sa.Connection) -> Instance | Held:
            row = connection.execute(_TAKE, taken).one_or_none()
            if row is not None:
                return rows.instance(row)
            is_there = connection.execute(_IS_THERE, {"of_guid": guid}).scalar()
            return Held.ELSEWHERE if is_there else Held.MISSING

        return await self._database.write(work, is_brief=True)

    async def renew_hold(self, guid: str, hold: Hold) -> bool:
        renewed = {"of_guid": guid, "of_holder": hold.holder, "held_until_ms": hold.until_ms}

        def work(connection: sa.Connection) -> bool:
            return bool(connection.execute(_CHANGE_MINE, renewed).rowcount)

        return await self._database.write(work, is_brief=True)

    async def release_instance(self, guid: str, holder: str) -> None:
        released = {"of_guid": guid, "of_holder": holder} | RELEASED
        await self._database.write(lambda connection: connection.execute(_CHANGE_MINE, released), is_brief=True)

    async def save_instance(self, instance: Instance, holder: str, release: bool) -> None:
        columns = rows.instance_columns(instance) | (RELEASED if release else {})
        changed = columns | {"of_guid": instance.guid, "of_holder": holder}

        def work(connection: sa.Connection) -> None:
            if not connection.execute(_CHANGE_MINE, changed).rowcount:
                raise HoldLost

        await self._database.write(work)

    async def delete_instance(self, guid: str, holder: str, told: EndedOperation | None = None) -> None:
        mine = {"of_guid": guid, "of_holder": holder}

        def work(connection: sa.Connection) -> None:
            # Locked first: no mention comes in between its removal and that of the instance.
            if not connection.execute(_IS_MINE_ALONE, mine).scalar():
                raise HoldLost
            ended.put(connection, guid, "", told)
            connection.execute(_FORGET_MENTIONS, {"of_guid": guid})
            connection.execute(_DELETE_MINE, mine)

        await self._database.write(work)

    async def get_instance(self, guid: str) -> Instance | None:
        found = await self._instances(_GET, of_guid=guid)
        return found[0] if found else None

    async def find_instances(self, space_guid: str, name: str) -> list[Instance]:
        return await self._instances(_FIND, of_space=space_guid, of_name=name)

    async def list_instances(self, space_guid: str, after_name: str, limit: int) -> list[Instance]:
        return await self._instances(_LIST, of_space=space_guid, after_name=after_name, most=limit)

    async def list_all_instances(self, after_guid: str, limit: int) -> list[Instance]:
        return await self._instances(_LIST_ALL, after_guid=after_guid, most=limit)

    async def unfinished_instances(self, now_ms: int, limit: int) -> list[str]:
        asked = {"now_ms": now_ms, "most": limit}
        found = await self._database.read(lambda connection: connection.execute(_UNFINISHED, asked).scalars().all())
        return list(found)[:limit]

    async def _instances(self, chosen: sa.Select[Any], **asked: Any) -> list[Instance]:
        found = await self._database.read(lambda connection: connection.execute(chosen, asked).all())
        return [rows.instance(row) for row in found]
