"""Queries of bindings and keys: record_ports.BindingRecords. Statements are made once, as in instances.py."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from bucketry.marketplace.domain.record_ports import Duplicate
from bucketry.marketplace.domain.values import Binding, EndedOperation
from bucketry.marketplace.records import ended, rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.instances import check_held
from bucketry.marketplace.records.tables import binding_instances, bindings, instances

_GUID = bindings.c.guid == sa.bindparam("of_guid")
_OF_INSTANCE = bindings.c.instance_guid == sa.bindparam("of_instance")
_NAMED = bindings.c.local_key_name == sa.bindparam("of_name")
_BESIDE = sa.select(binding_instances.c.binding_guid).where(
    binding_instances.c.instance_guid == sa.bindparam("of_instance")
)

_INSERT = bindings.insert()
_INSERT_MENTIONS = binding_instances.insert()
_CHANGE = bindings.update().where(_GUID)
_DELETE = bindings.delete().where(_GUID)


class _Chosen:
    """A query of bindings, and that of what they mention: two, however many bindings they are."""

    def __init__(self, condition: sa.ColumnElement[bool], most: int | None = None, in_space: bool = False) -> None:
        chosen = sa.select(bindings).where(condition)
        if in_space:
            of_space = instances.c.space_guid == sa.bindparam("of_space")
            chosen = chosen.join(instances, instances.c.guid == bindings.c.instance_guid).where(of_space)
        self.bindings = chosen.order_by(bindings.c.created_ms, bindings.c.guid).limit(most)
        guids = self.bindings.with_only_columns(bindings.c.guid).subquery()
        self.mentions = (
            sa.select(binding_instances)
            .where(binding_instances.c.binding_guid.in_(sa.select(guids.c.guid)))
            .order_by(binding_instances.c.position)
        )


_GET = _Chosen(_GUID)
_FIND_KEY = _Chosen(_OF_INSTANCE & _NAMED)
_FIND_KEYS = _Chosen(_NAMED, most=2, in_space=True)
_LIST = _Chosen(_OF_INSTANCE)
_LIST_OF_APP = _Chosen(bindings.c.app_guid == sa.bindparam("of_app"))
_LIST_BESIDE = _Chosen(bindings.c.guid.in_(_BESIDE))


class BindingQueries:
    """See record_ports.BindingRecords."""

    _database: Database

    async def insert_binding(self, binding: Binding, holder: str) -> None:
        columns, mentions = rows.binding_columns(binding), rows.mentions(binding)

        def work(connection: sa.Connection) -> None:
            check_held(connection, binding.instance_guid, holder, release=False)
            connection.execute(_INSERT, columns)
            if mentions:
                connection.execute(_INSERT_MENTIONS, mentions)

        try:
            await self._database.write(work)
        except Duplicate:
            # Which of several constraints a database names is chance; the same id is what counts.
            if await self.get_binding(binding.guid):
                raise Duplicate("guid") from None
            raise

    async def save_binding(self, binding: Binding, holder: str, release: bool) -> None:
        changed = rows.binding_columns(binding) | {"of_guid": binding.guid}

        def work(connection: sa.Connection) -> None:
            check_held(connection, binding.instance_guid, holder, release)
            connection.execute(_CHANGE, changed)

        await self._database.write(work)

    async def delete_binding(
        self, binding: Binding, holder: str, release: bool, told: EndedOperation | None = None
    ) -> None:
        def work(connection: sa.Connection) -> None:
            check_held(connection, binding.instance_guid, holder, release)
            ended.put(connection, binding.instance_guid, binding.guid, told)
            connection.execute(_DELETE, {"of_guid": binding.guid})

        await self._database.write(work)

    async def get_binding(self, guid: str) -> Binding | None:
        found = await self._bindings(_GET, of_guid=guid)
        return found[0] if found else None

    async def find_key(self, instance_guid: str, name: str) -> Binding | None:
        found = await self._bindings(_FIND_KEY, of_instance=instance_guid, of_name=name)
        return found[0] if found else None

    async def find_keys(self, space_guid: str, name: str) -> list[Binding]:
        return await self._bindings(_FIND_KEYS, of_space=space_guid, of_name=name)

    async def list_bindings(self, instance_guid: str) -> list[Binding]:
        return await self._bindings(_LIST, of_instance=instance_guid)

    async def list_app_bindings(self, app_guid: str) -> list[Binding]:
        return await self._bindings(_LIST_OF_APP, of_app=app_guid)

    async def list_bindings_beside(self, instance_guid: str) -> list[Binding]:
        return await self._bindings(_LIST_BESIDE, of_instance=instance_guid)

    async def _bindings(self, chosen: _Chosen, **asked: Any) -> list[Binding]:
        def work(connection: sa.Connection) -> list[Binding]:
            found = connection.execute(chosen.bindings, asked).all()
            mentions: dict[str, list[str]] = {}
            if found:
                for row in connection.execute(chosen.mentions, asked):
                    mentions.setdefault(row.binding_guid, []).append(row.instance_guid)
            return [rows.binding(row, mentions.get(row.guid, ())) for row in found]

        return await self._database.read(work)
