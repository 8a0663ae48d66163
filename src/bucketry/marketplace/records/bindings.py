"""Queries of bindings and keys: ports.BindingRecords."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from bucketry.marketplace.domain.ports import Duplicate
from bucketry.marketplace.domain.values import Binding
from bucketry.marketplace.records import rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.instances import check_held
from bucketry.marketplace.records.tables import binding_instances, bindings, instances

_BY_AGE = (bindings.c.created_ms, bindings.c.guid)


class BindingQueries:
    """See ports.BindingRecords."""

    _database: Database

    async def insert_binding(self, binding: Binding, holder: str) -> None:
        def work(connection: sa.Connection) -> None:
            check_held(connection, binding.instance_guid, holder, release=False)
            connection.execute(bindings.insert().values(rows.binding_columns(binding)))
            _mention(connection, binding)

        try:
            await self._database.write(work)
        except Duplicate:
            # Which of several constraints a database names is chance; the same id is what counts.
            if await self.get_binding(binding.guid):
                raise Duplicate("guid") from None
            raise

    async def save_binding(self, binding: Binding, holder: str, release: bool) -> None:
        def work(connection: sa.Connection) -> None:
            check_held(connection, binding.instance_guid, holder, release)
            change = bindings.update().where(bindings.c.guid == binding.guid)
            connection.execute(change.values(rows.binding_columns(binding)))

        await self._database.write(work)

    async def delete_binding(self, binding: Binding, holder: str, release: bool) -> None:
        def work(connection: sa.Connection) -> None:
            check_held(connection, binding.instance_guid, holder, release)
            connection.execute(bindings.delete().where(bindings.c.guid == binding.guid))

        await self._database.write(work)

    async def get_binding(self, guid: str) -> Binding | None:
        found = await self._bindings(sa.select(bindings).where(bindings.c.guid == guid))
        return found[0] if found else None

    async def find_key(self, instance_guid: str, name: str) -> Binding | None:
        mine = (bindings.c.instance_guid == instance_guid) & (bindings.c.local_key_name == name)
        found = await self._bindings(sa.select(bindings).where(mine))
        return found[0] if found else None

    async def find_keys(self, space_guid: str, name: str) -> list[Binding]:
        chosen = (
            sa.select(bindings)
            .join(instances, instances.c.guid == bindings.c.instance_guid)
            .where(instances.c.space_guid == space_guid, bindings.c.local_key_name == name)
        )
        return await self._bindings(chosen.limit(2))

    async def list_bindings(self, instance_guid: str) -> list[Binding]:
        return await self._bindings(
            sa.select(bindings).where(bindings.c.instance_guid == instance_guid).order_by(*_BY_AGE)
        )

    async def list_app_bindings(self, app_guid: str) -> list[Binding]:
        return await self._bindings(sa.select(bindings).where(bindings.c.app_guid == app_guid).order_by(*_BY_AGE))

    async def list_bindings_beside(self, instance_guid: str) -> list[Binding]:
        beside = sa.select(binding_instances.c.binding_guid).where(binding_instances.c.instance_guid == instance_guid)
        return await self._bindings(sa.select(bindings).where(bindings.c.guid.in_(beside)).order_by(*_BY_AGE))

    async def _bindings(self, chosen: sa.Select[Any]) -> list[Binding]:
        """The bindings with what they mention: two queries, however many they are."""

        def work(connection: sa.Connection) -> list[Binding]:
            found = connection.execute(chosen).all()
            mentions: dict[str, list[str]] = {}
            if found:
                guids = chosen.with_only_columns(bindings.c.guid).order_by(None).subquery()
                listed = (
                    sa.select(binding_instances)
                    .where(binding_instances.c.binding_guid.in_(sa.select(guids.c.guid)))
                    .order_by(binding_instances.c.position)
                )
                for row in connection.execute(listed):
                    mentions.setdefault(row.binding_guid, []).append(row.instance_guid)
            return [rows.binding(row, mentions.get(row.guid, ())) for row in found]

        return await self._database.read(work)


def _mention(connection: sa.Connection, binding: Binding) -> None:
    if binding.additional_instances:
        connection.execute(
            binding_instances.insert(),
            [
                {"binding_guid": binding.guid, "instance_guid": guid, "position": position}
                for position, guid in enumerate(binding.additional_instances)
            ],
        )
