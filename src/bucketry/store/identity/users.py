"""IAM users of an account: names, paths, tags. SQL over one connection; transactions are the caller's.

AWS IAM User Guide, "IAM identifiers": names are unique in the account without regard to case, and found so; lists are
in the order of names. What changes a user takes the exact name.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import apsw

from bucketry.store.identity import holders, managed
from bucketry.store.identity.errors import DeleteConflict, NoSuchEntity
from bucketry.store.identity.holders import HIGHEST, USER, refuse_taken, row_id, touch
from bucketry.store.identity.sql import rows
from bucketry.store.identity.tags import merge_tags, without_tags
from bucketry.store.identity.types import User

_COLUMNS = "account_id, name, path, user_id, created_ms, tags, boundary"


def create(
    db: apsw.Connection,
    now_ms: int,
    account_id: str,
    name: str,
    path: str = "/",
    tags: Mapping[str, str] | None = None,
    boundary: str | None = None,
) -> User:
    """A new user; EntityAlreadyExists when the name is taken in any case, NoSuchEntity without account or boundary."""
    if not rows(db, "SELECT 1 FROM account WHERE account_id = ?", (account_id,)):
        raise NoSuchEntity(f"There is no account {account_id}.")
    if boundary is not None:
        managed.find(db, account_id, boundary)
    all_tags = merge_tags({}, tags or {}, "user")
    user = User(account_id, name, path, holders.unique_id("AIDA"), now_ms, all_tags, boundary)
    refuse_taken(db, USER, account_id, name)
    db.execute(
        f"INSERT INTO iam_user ({_COLUMNS}, name_folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  (a constant)
        (account_id, name, path, user.user_id, now_ms, json.dumps(all_tags), boundary, name.casefold()),
    )
    return user


def from_row(row: tuple[Any, ...]) -> User:
    """A user of the columns account_id, name, path, user_id, created_ms, tags, boundary."""
    return User(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]), row[6])


def find(db: apsw.Connection, account_id: str, name: str) -> User | None:
    """A user by name, in whatever case it is given."""
    found = rows(
        db,
        f"SELECT {_COLUMNS} FROM iam_user WHERE account_id = ? AND name_folded = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold()),
    )
    return from_row(found[0]) if found else None


def page(db: apsw.Connection, account_id: str, path_prefix: str, after: str | None, limit: int) -> list[User]:
    """Up to `limit` users whose path begins with `path_prefix`, by name in lower case, from behind `after`."""
    found = rows(
        db,
        f"SELECT {_COLUMNS} FROM iam_user WHERE account_id = ? AND name_folded > ? AND path >= ? AND path < ?"  # noqa: S608  (a constant)
        " ORDER BY name_folded LIMIT ?",
        (account_id, "" if after is None else after.casefold(), path_prefix, path_prefix + HIGHEST, limit),
    )
    return [from_row(row) for row in found]


def update(db: apsw.Connection, account_id: str, name: str, new_name: str | None, new_path: str | None) -> User:
    """Rename a user or move it to another path. Keys and policies stay with it."""
    row = row_id(db, USER, account_id, name)
    if new_name is not None:
        refuse_taken(db, USER, account_id, new_name, but_row=row)
        db.execute("UPDATE iam_user SET name = ?, name_folded = ? WHERE id = ?", (new_name, new_name.casefold(), row))
    if new_path is not None:
        db.execute("UPDATE iam_user SET path = ? WHERE id = ?", (new_path, row))
    touch(db, USER, row)
    return _by_row(db, row)


_IN_THE_WAY = (
    ("access_key", "delete access keys"),
    ("user_attachment", "detach all policies"),
    ("user_policy", "delete policies"),
    ("group_member", "remove users from group"),
)


def delete(db: apsw.Connection, account_id: str, name: str) -> None:
    """Remove a user; DeleteConflict while it has keys or policies, or is in a group."""
    row = row_id(db, USER, account_id, name)
    for table, step in _IN_THE_WAY:
        if rows(db, f"SELECT 1 FROM {table} WHERE user = ? LIMIT 1", (row,)):  # noqa: S608  (constants)
            raise DeleteConflict(f"Cannot delete entity, must {step} first.")
    db.execute("DELETE FROM iam_user WHERE id = ?", (row,))


def tag(db: apsw.Connection, account_id: str, name: str, tags: Mapping[str, str]) -> None:
    row = row_id(db, USER, account_id, name)
    _set_tags(db, row, merge_tags(_by_row(db, row).tags, tags, "user"))


def untag(db: apsw.Connection, account_id: str, name: str, keys: Collection[str]) -> None:
    row = row_id(db, USER, account_id, name)
    _set_tags(db, row, without_tags(_by_row(db, row).tags, keys))


def _set_tags(db: apsw.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE iam_user SET tags = ? WHERE id = ?", (json.dumps(tags), row))
    touch(db, USER, row)


def _by_row(db: apsw.Connection, row: int) -> User:
    return from_row(rows(db, f"SELECT {_COLUMNS} FROM iam_user WHERE id = ?", (row,))[0])  # noqa: S608  (a constant)
