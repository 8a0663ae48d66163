"""Queries of quotas, orgs, spaces and apps: record_ports.PlaceRecords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

import sqlalchemy as sa

from bucketry.marketplace.domain.values import App, Org, Quota, Space
from bucketry.marketplace.records import rows
from bucketry.marketplace.records.database import Database
from bucketry.marketplace.records.tables import apps, orgs, quotas, spaces

_Value = TypeVar("_Value")


class PlaceQueries:
    """See record_ports.PlaceRecords."""

    _database: Database

    async def insert_quota(self, quota: Quota) -> None:
        await self._insert(quotas, quota)

    async def save_quota(self, quota: Quota) -> None:
        await self._save(quotas, quota, quota.guid)

    async def delete_quota(self, guid: str) -> None:
        await self._delete(quotas, guid)

    async def list_quotas(self) -> list[Quota]:
        return await self._values(sa.select(quotas).order_by(quotas.c.name), rows.quota)

    async def insert_org(self, org: Org) -> None:
        await self._insert(orgs, org)

    async def save_org(self, org: Org) -> None:
        await self._save(orgs, org, org.guid)

    async def delete_org(self, guid: str) -> None:
        await self._delete(orgs, guid)

    async def get_org(self, guid: str) -> Org | None:
        return await self._value(sa.select(orgs).where(orgs.c.guid == guid), rows.org)

    async def find_org(self, name: str) -> Org | None:
        return await self._value(sa.select(orgs).where(orgs.c.name == name), rows.org)

    async def list_orgs(self) -> list[Org]:
        return await self._values(sa.select(orgs).order_by(orgs.c.name), rows.org)

    async def insert_space(self, space: Space) -> None:
        await self._insert(spaces, space)

    async def save_space(self, space: Space) -> None:
        await self._save(spaces, space, space.guid)

    async def delete_space(self, guid: str) -> None:
        await self._delete(spaces, guid)

    async def get_space(self, guid: str) -> Space | None:
        return await self._value(sa.select(spaces).where(spaces.c.guid == guid), rows.space)

    async def find_space(self, org_guid: str, name: str) -> Space | None:
        chosen = sa.select(spaces).where(spaces.c.org_guid == org_guid, spaces.c.name == name)
        return await self._value(chosen, rows.space)

    async def list_spaces(self, org_guid: str) -> list[Space]:
        chosen = sa.select(spaces).where(spaces.c.org_guid == org_guid).order_by(spaces.c.name)
        return await self._values(chosen, rows.space)

    async def insert_app(self, app: App) -> None:
        await self._insert(apps, app)

    async def delete_app(self, guid: str) -> None:
        await self._delete(apps, guid)

    async def get_app(self, guid: str) -> App | None:
        return await self._value(sa.select(apps).where(apps.c.guid == guid), rows.app)

    async def find_app(self, space_guid: str, name: str) -> App | None:
        chosen = sa.select(apps).where(apps.c.space_guid == space_guid, apps.c.name == name)
        return await self._value(chosen, rows.app)

    async def list_apps(self, space_guid: str) -> list[App]:
        chosen = sa.select(apps).where(apps.c.space_guid == space_guid).order_by(apps.c.name)
        return await self._values(chosen, rows.app)

    # ---- the four kinds of query

    async def _insert(self, table: sa.Table, value: Quota | Org | Space | App) -> None:
        columns = asdict(value)
        await self._database.write(lambda connection: connection.execute(table.insert().values(columns)))

    async def _save(self, table: sa.Table, value: Quota | Org | Space | App, guid: str) -> None:
        change = table.update().where(table.c.guid == guid).values(asdict(value))
        await self._database.write(lambda connection: connection.execute(change))

    async def _delete(self, table: sa.Table, guid: str) -> None:
        await self._database.write(lambda connection: connection.execute(table.delete().where(table.c.guid == guid)))

    async def _value(self, chosen: sa.Select[tuple[object, ...]], value: Callable[[rows.Row], _Value]) -> _Value | None:
        row = await self._database.read(lambda connection: connection.execute(chosen).one_or_none())
        return None if row is None else value(row)

    async def _values(self, chosen: sa.Select[tuple[object, ...]], value: Callable[[rows.Row], _Value]) -> list[_Value]:
        found = await self._database.read(lambda connection: connection.execute(chosen).all())
        return [value(row) for row in found]
