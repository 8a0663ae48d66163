"""Where instances are: orgs with a quota, spaces in them, apps in spaces. Meanings are Cloud Foundry's."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TypeVar

from bucketry.kernel import ids
from bucketry.kernel.clock import ClockMs
from bucketry.marketplace.domain.catalog import Catalog, Plan
from bucketry.marketplace.domain.context import check_name
from bucketry.marketplace.domain.errors import (
    AppNotFound,
    HasContents,
    NameTaken,
    OrgNotFound,
    PaidPlansNotAllowed,
    QuotaNotFound,
    SpaceNotFound,
)
from bucketry.marketplace.domain.record_ports import Duplicate, PlaceRecords, StillReferenced
from bucketry.marketplace.domain.values import App, Org, Quota, Space

_T = TypeVar("_T")
DEFAULT = "default"  # the name of the first quota, org and space


class Places:
    """Quotas, orgs, spaces and apps. create_… raise NameTaken and InvalidName, delete_… HasContents, get_… and find_…
    the NotFound of their kind."""

    def __init__(self, records: PlaceRecords, catalog: Catalog, clock_ms: ClockMs) -> None:
        self._records = records
        self._catalog = catalog
        self._clock_ms = clock_ms

    async def ensure_default(self) -> Space:
        """Make what a new server has: the quota, org and space `default`. Safe to call by several processes."""
        for quota in await self._records.list_quotas():
            if quota.name == DEFAULT:
                break
        else:
            with contextlib.suppress(NameTaken):  # made by another process just now
                await self.create_quota(DEFAULT, allows_paid_plans=True)
        org = await self._records.find_org(DEFAULT)
        if org is None:
            try:
                org = await self.create_org(DEFAULT)
            except NameTaken:
                org = await self.find_org(DEFAULT)
        space = await self._records.find_space(org.guid, DEFAULT)
        if space is None:
            try:
                space = await self.create_space(org.guid, DEFAULT)
            except NameTaken:
                space = await self.find_space(org.guid, DEFAULT)
        return space

    # ---- quotas

    async def list_quotas(self) -> list[Quota]:
        return await self._records.list_quotas()

    async def find_quota(self, name: str) -> Quota:
        for quota in await self._records.list_quotas():
            if quota.name == name:
                return quota
        raise QuotaNotFound(f"There is no org quota {name}.")

    async def create_quota(self, name: str, allows_paid_plans: bool) -> Quota:
        check_name(name, "quota")
        quota = Quota(ids.guid(), name, allows_paid_plans, self._clock_ms())
        try:
            await self._records.insert_quota(quota)
        except Duplicate:
            raise NameTaken(f"There is an org quota {name} already.") from None
        return quota

    async def set_quota(self, guid: str, allows_paid_plans: bool) -> Quota:
        """Change a quota for all orgs that have it. What was ordered before stays."""
        for quota in await self._records.list_quotas():
            if quota.guid == guid:
                changed = replace(quota, allows_paid_plans=allows_paid_plans)
                await self._records.save_quota(changed)
                return changed
        raise QuotaNotFound("There is no org quota with this id.")

    async def delete_quota(self, guid: str) -> None:
        try:
            await self._records.delete_quota(guid)
        except StillReferenced:
            raise HasContents(
                "The org quota was not deleted: orgs still have it. Give them another one first."
            ) from None

    # ---- orgs

    async def list_orgs(self) -> list[Org]:
        return await self._records.list_orgs()

    async def get_org(self, guid: str) -> Org:
        return _found(await self._records.get_org(guid), OrgNotFound("There is no org with this id."))

    async def find_org(self, name: str) -> Org:
        return _found(await self._records.find_org(name), OrgNotFound(f"Organization '{name}' not found."))

    async def create_org(self, name: str, quota_guid: str | None = None) -> Org:
        """An org; without `quota_guid` it has the default quota."""
        check_name(name, "org")
        if quota_guid is None:
            quota_guid = (await self.find_quota(DEFAULT)).guid
        org = Org(ids.guid(), name, quota_guid, self._clock_ms())
        try:
            await self._records.insert_org(org)
        except Duplicate:
            raise NameTaken(f"Organization '{name}' already exists.") from None
        except StillReferenced:
            raise QuotaNotFound("There is no org quota with this id.") from None
        return org

    async def set_org_quota(self, org_guid: str, quota_guid: str) -> Org:
        org = replace(await self.get_org(org_guid), quota_guid=quota_guid)
        try:
            await self._records.save_org(org)
        except StillReferenced:
            raise QuotaNotFound("There is no org quota with this id.") from None
        return org

    async def delete_org(self, guid: str) -> None:
        try:
            await self._records.delete_org(guid)
        except StillReferenced:
            raise HasContents("The org was not deleted: it still has spaces. Delete them first.") from None

    # ---- spaces

    async def list_spaces(self, org_guid: str) -> list[Space]:
        return await self._records.list_spaces(org_guid)

    async def get_space(self, guid: str) -> Space:
        return _found(await self._records.get_space(guid), SpaceNotFound("There is no space with this id."))

    async def find_space(self, org_guid: str, name: str) -> Space:
        space = await self._records.find_space(org_guid, name)
        return _found(space, SpaceNotFound(f"Space '{name}' not found."))

    async def create_space(self, org_guid: str, name: str) -> Space:
        check_name(name, "space")
        space = Space(ids.guid(), name, org_guid, self._clock_ms())
        try:
            await self._records.insert_space(space)
        except Duplicate:
            raise NameTaken(f"Space '{name}' already exists.") from None
        except StillReferenced:
            raise OrgNotFound("There is no org with this id.") from None
        return space

    async def delete_space(self, guid: str) -> None:
        try:
            await self._records.delete_space(guid)
        except StillReferenced:
            raise HasContents(
                "The space was not deleted: it still has service instances or apps. Delete them first."
            ) from None

    # ---- apps

    async def list_apps(self, space_guid: str) -> list[App]:
        return await self._records.list_apps(space_guid)

    async def get_app(self, guid: str) -> App:
        return _found(await self._records.get_app(guid), AppNotFound("There is no app with this id."))

    async def find_app(self, space_guid: str, name: str) -> App:
        return _found(await self._records.find_app(space_guid, name), AppNotFound(f"App '{name}' not found."))

    async def create_app(self, space_guid: str, name: str) -> App:
        check_name(name, "app")
        app = App(ids.guid(), name, space_guid, self._clock_ms())
        try:
            await self._records.insert_app(app)
        except Duplicate:
            raise NameTaken(f"App '{name}' already exists.") from None
        except StillReferenced:
            raise SpaceNotFound("There is no space with this id.") from None
        return app

    async def delete_app(self, guid: str) -> None:
        """Only an app without bindings; the caller unbinds first."""
        try:
            await self._records.delete_app(guid)
        except StillReferenced:
            raise HasContents("The app was not deleted: it is still bound to service instances.") from None

    # ---- rules

    async def check_plan_allowed(self, org_guid: str, plan: Plan) -> None:
        """Raises PaidPlansNotAllowed, naming the way out, if the plan costs and the org's quota has no paid plans."""
        if plan.is_free:
            return
        org = await self.get_org(org_guid)
        quota = next((quota for quota in await self._records.list_quotas() if quota.guid == org.quota_guid), None)
        if quota is not None and quota.allows_paid_plans:
            return
        name = quota.name if quota else "(none)"
        free = next(
            (
                other.name
                for other in self._catalog.plans()
                if other.is_free and other.is_public == plan.is_public and other.service_guid == plan.service_guid
            ),
            None,
        )
        raise PaidPlansNotAllowed(
            f"Plan {plan.name} costs {plan.price}, and the quota {name} of org {org.name} has no paid plans. "
            f"Allow them with: bucketry update-org-quota {name} --allow-paid-service-plans"
            + (f" - or order the free plan {free}." if free else ".")
        )


def _found(value: _T | None, error: Exception) -> _T:
    if value is None:
        raise error
    return value
