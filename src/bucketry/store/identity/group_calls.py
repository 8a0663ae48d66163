"""The calls about groups. They raise NoSuchEntity when what they name is not there; names are exact but in `find`."""

from __future__ import annotations

from bucketry.store.identity import groups
from bucketry.store.identity.part import Part
from bucketry.store.identity.types import Group, User


class GroupCalls(Part):
    """What `Identity.groups` is."""

    async def create(self, account_id: str, name: str, path: str = "/") -> Group:
        """A new group. EntityAlreadyExists."""
        now_ms = self._clock_ms()
        return await self._write(lambda db: groups.create(db, now_ms, account_id, name, path))

    def find(self, account_id: str, name: str) -> Group | None:
        """A group by name, in whatever case."""
        return groups.find(self._reader, account_id, name)

    def page(self, account_id: str, path_prefix: str = "/", after: str | None = None, limit: int = 100) -> list[Group]:
        """Groups whose path begins so, by name without regard to case, from behind the name `after`."""
        return groups.page(self._reader, account_id, path_prefix, after, limit)

    async def update(self, account_id: str, name: str, new_name: str | None, new_path: str | None) -> None:
        """Rename or move a group. EntityAlreadyExists."""
        await self._write(lambda db: groups.update(db, account_id, name, new_name, new_path))

    async def delete(self, account_id: str, name: str) -> None:
        """DeleteConflict while the group has members or policies."""
        await self._write(lambda db: groups.delete(db, account_id, name))

    async def add(self, account_id: str, name: str, user_name: str) -> None:
        """Put a user into a group; again is no error. LimitExceeded beyond ten groups."""
        await self._write(lambda db: groups.add(db, account_id, name, user_name))

    async def remove(self, account_id: str, name: str, user_name: str) -> None:
        await self._write(lambda db: groups.remove(db, account_id, name, user_name))

    def members(self, account_id: str, name: str, after: str | None = None, limit: int = 100) -> list[User]:
        """The users of a group, by name, from behind `after`."""
        return groups.members(self._reader, account_id, name, after, limit)

    def of_user(self, account_id: str, user_name: str) -> list[Group]:
        """The groups that a user is in, by name."""
        return groups.of_user(self._reader, account_id, user_name)
