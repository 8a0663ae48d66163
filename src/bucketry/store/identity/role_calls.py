"""The calls about roles. They raise NoSuchEntity when what they name is not there; names are exact but in `find`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bucketry.store.identity import holders, roles
from bucketry.store.identity.part import Part
from bucketry.store.identity.types import Role


class RoleCalls(Part):
    """What `Identity.roles` is."""

    async def create(
        self,
        account_id: str,
        name: str,
        trust: str,
        path: str = "/",
        *,
        description: str = "",
        max_session_s: int = 3600,
        tags: Mapping[str, str] | None = None,
        boundary: str | None = None,
    ) -> Role:
        """A new role. MalformedPolicyDocument, EntityAlreadyExists, LimitExceeded."""
        role = Role(
            account_id,
            name,
            path,
            holders.unique_id("AROA"),
            self._clock_ms(),
            trust,
            description,
            max_session_s,
            tags or {},
            boundary,
        )
        return await self._write(lambda db: roles.create(db, role))

    def find(self, account_id: str, name: str) -> Role | None:
        """A role by name, in whatever case."""
        return roles.find(self._reader, account_id, name)

    def page(self, account_id: str, path_prefix: str = "/", after: str | None = None, limit: int = 100) -> list[Role]:
        """Roles whose path begins so, by name without regard to case, from behind the name `after`."""
        return roles.page(self._reader, account_id, path_prefix, after, limit)

    async def set_trust(self, account_id: str, name: str, document: str) -> None:
        """Replace who may assume a role. MalformedPolicyDocument, LimitExceeded."""
        await self._write(lambda db: roles.set_trust(db, account_id, name, document))

    async def update(self, account_id: str, name: str, description: str | None, max_session_s: int | None) -> None:
        await self._write(lambda db: roles.update(db, account_id, name, description, max_session_s))

    async def delete(self, account_id: str, name: str) -> None:
        """DeleteConflict while the role has policies. Its sessions end."""
        await self._write(lambda db: roles.delete(db, account_id, name))

    async def tag(self, account_id: str, name: str, tags: Mapping[str, str]) -> None:
        """Set tags beside the others. LimitExceeded."""
        await self._write(lambda db: roles.tag(db, account_id, name, tags))

    async def untag(self, account_id: str, name: str, tag_keys: Collection[str]) -> None:
        await self._write(lambda db: roles.untag(db, account_id, name, tag_keys))
