"""IAM groups of an account and their members. SQL over one connection; transactions are the caller's.

AWS IAM User Guide, "IAM user groups", "IAM and AWS STS quotas": a user is in at most ten groups.
"""

from __future__ import annotations

from typing import Any

import apsw

from bucketry.store.identity import accounts, holders, users
from bucketry.store.identity.errors import DeleteConflict, LimitExceeded, NoSuchEntity
from bucketry.store.identity.holders import GROUP, HIGHEST, USER, refuse_taken, row_id, touch
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import Group, User

MAX_GROUPS_OF_USER = 10
_COLUMNS = "account_id, name, path, group_id, created_ms"


def _from_row(row: tuple[Any, ...]) -> Group:
    return Group(*row)


def create(db: apsw.Connection, now_ms: int, account_id: str, name: str, path: str) -> Group:
    """A new group without members or policies; EntityAlreadyExists when the name is taken in any case."""
    if accounts.find(db, account_id) is None:
        raise NoSuchEntity(f"There is no account {account_id}.")
    refuse_taken(db, GROUP, account_id, name)
    group = Group(account_id, name, path, holders.unique_id("AGPA"), now_ms)
    db.execute(
        f"INSERT INTO iam_group ({_COLUMNS}, name_folded) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608  (a constant)
        (account_id, name, path, group.group_id, now_ms, name.casefold()),
    )
    return group


def find(db: apsw.Connection, account_id: str, name: str) -> Group | None:
    """A group by name, in whatever case it is given."""
    found = rows(
        db,
        f"SELECT {_COLUMNS} FROM iam_group WHERE account_id = ? AND name_folded = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold()),
    )
    return _from_row(found[0]) if found else None


def page(db: apsw.Connection, account_id: str, path_prefix: str, after: str | None, limit: int) -> list[Group]:
    """Up to `limit` groups whose path begins with `path_prefix`, by name in lower case, from behind `after`."""
    found = rows(
        db,
        f"SELECT {_COLUMNS} FROM iam_group WHERE account_id = ? AND name_folded > ? AND path >= ? AND path < ?"  # noqa: S608  (a constant)
        " ORDER BY name_folded LIMIT ?",
        (account_id, "" if after is None else after.casefold(), path_prefix, path_prefix + HIGHEST, limit),
    )
    return [_from_row(row) for row in found]


def update(db: apsw.Connection, account_id: str, name: str, new_name: str | None, new_path: str | None) -> None:
    """Rename a group or move it to another path. Members and policies stay with it."""
    row = row_id(db, GROUP, account_id, name)
    if new_name is not None:
        refuse_taken(db, GROUP, account_id, new_name, but_row=row)
        db.execute("UPDATE iam_group SET name = ?, name_folded = ? WHERE id = ?", (new_name, new_name.casefold(), row))
    if new_path is not None:
        db.execute("UPDATE iam_group SET path = ? WHERE id = ?", (new_path, row))


_IN_THE_WAY = (
    ("group_member", "remove users from group"),
    ("group_attachment", "detach all policies"),
    ("group_policy", "delete policies"),
)


def delete(db: apsw.Connection, account_id: str, name: str) -> None:
    """Remove a group; DeleteConflict while it has members or policies."""
    row = row_id(db, GROUP, account_id, name)
    for table, step in _IN_THE_WAY:
        if rows(db, f"SELECT 1 FROM {table} WHERE grp = ? LIMIT 1", (row,)):  # noqa: S608  (constants)
            raise DeleteConflict(f"Cannot delete entity, must {step} first.")
    db.execute("DELETE FROM iam_group WHERE id = ?", (row,))


def add(db: apsw.Connection, account_id: str, name: str, user_name: str) -> None:
    """Put a user into a group; again is fine. LimitExceeded beyond ten groups."""
    row, user = row_id(db, GROUP, account_id, name), row_id(db, USER, account_id, user_name)
    present = rows(db, "SELECT grp FROM group_member WHERE user = ?", (user,))
    if (row,) in present:
        return
    if len(present) >= MAX_GROUPS_OF_USER:
        raise LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {MAX_GROUPS_OF_USER}")
    db.execute("INSERT INTO group_member (grp, user) VALUES (?, ?)", (row, user))
    touch(db, USER, user)


def remove(db: apsw.Connection, account_id: str, name: str, user_name: str) -> None:
    """Take a user out of a group; NoSuchEntity when it isn't in it."""
    row, user = row_id(db, GROUP, account_id, name), row_id(db, USER, account_id, user_name)
    db.execute("DELETE FROM group_member WHERE grp = ? AND user = ?", (row, user))
    if not db.changes():
        raise NoSuchEntity(f"User {user_name} is not in group {name}.")
    touch(db, USER, user)


def members(db: apsw.Connection, account_id: str, name: str, after: str | None, limit: int) -> list[User]:
    """Up to `limit` users of a group, by name in lower case, from behind `after`."""
    row = row_id(db, GROUP, account_id, name)
    found = rows(
        db,
        "SELECT u.account_id, u.name, u.path, u.user_id, u.created_ms, u.tags, u.boundary"
        " FROM group_member m JOIN iam_user u ON u.id = m.user WHERE m.grp = ? AND u.name_folded > ?"
        " ORDER BY u.name_folded LIMIT ?",
        (row, "" if after is None else after.casefold(), limit),
    )
    return [users.from_row(each) for each in found]


def of_user(db: apsw.Connection, account_id: str, user_name: str) -> list[Group]:
    """The groups that a user is in, by name."""
    user = row_id(db, USER, account_id, user_name)
    found = rows(
        db,
        "SELECT g.account_id, g.name, g.path, g.group_id, g.created_ms"
        " FROM group_member m JOIN iam_group g ON g.id = m.grp WHERE m.user = ? ORDER BY g.name_folded",
        (user,),
    )
    return [_from_row(each) for each in found]
