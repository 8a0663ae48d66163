"""IAM users of an account: names, paths, tags. SQL over one connection; transactions are the caller's.

AWS IAM User Guide, "IAM and AWS STS quotas": names are unique in the account without regard to case; at most 50 tags,
whose keys are compared without case too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import apsw

from bucketry.kernel import ids
from bucketry.store.identity.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import User

MAX_TAGS = 50
_HIGHEST = "\U0010ffff"  # sorts after every text


def create(
    db: apsw.Connection, now_ms: int, account_id: str, name: str, path: str = "/", tags: Mapping[str, str] | None = None
) -> User:
    """A new user; EntityAlreadyExists when the name is taken in any case, NoSuchEntity without the account."""
    if not rows(db, "SELECT 1 FROM account WHERE account_id = ?", (account_id,)):
        raise NoSuchEntity(f"There is no account {account_id}.")
    user = User(account_id, name, path, unique_id("AIDA"), now_ms, merge_tags({}, tags or {}))
    _refuse_taken(db, account_id, name)
    db.execute(
        "INSERT INTO iam_user (account_id, name, name_folded, path, user_id, created_ms, tags)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (account_id, name, name.casefold(), path, user.user_id, now_ms, json.dumps(user.tags)),
    )
    return user


def unique_id(prefix: str) -> str:
    """An id as IAM makes them: a prefix for the kind, then 17 characters; never used again."""
    return prefix + ids.random_text(17, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def _refuse_taken(db: apsw.Connection, account_id: str, name: str, but_row: int | None = None) -> None:
    found = rows(db, "SELECT id FROM iam_user WHERE account_id = ? AND name_folded = ?", (account_id, name.casefold()))
    if found and found[0][0] != but_row:
        raise EntityAlreadyExists(f"User with name {name} already exists.")


def from_row(row: tuple[Any, ...]) -> User:
    """A user of the columns account_id, name, path, user_id, created_ms, tags."""
    return User(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]))


def find(db: apsw.Connection, account_id: str, name: str) -> User | None:
    found = rows(
        db,
        "SELECT account_id, name, path, user_id, created_ms, tags FROM iam_user"
        " WHERE account_id = ? AND name_folded = ? AND name = ?",
        (account_id, name.casefold(), name),
    )
    return from_row(found[0]) if found else None


def row_id(db: apsw.Connection, account_id: str, name: str) -> int:
    """The row of a user; NoSuchEntity in AWS's words."""
    found = rows(
        db,
        "SELECT id FROM iam_user WHERE account_id = ? AND name_folded = ? AND name = ?",
        (account_id, name.casefold(), name),
    )
    if not found:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    return int(found[0][0])


def page(
    db: apsw.Connection, account_id: str, path_prefix: str, after: tuple[str, str] | None, limit: int
) -> list[User]:
    """Up to `limit` users whose path begins with `path_prefix`, by (path, name), from behind `after`: O(page)."""
    start_path, start_name = after if after and after[0] >= path_prefix else (path_prefix, "")
    found = rows(
        db,
        "SELECT account_id, name, path, user_id, created_ms, tags FROM iam_user"
        " WHERE account_id = ? AND (path, name) > (?, ?) AND path < ? ORDER BY path, name LIMIT ?",
        (account_id, start_path, start_name, path_prefix + _HIGHEST, limit),
    )
    return [from_row(row) for row in found]


def update(db: apsw.Connection, account_id: str, name: str, new_name: str | None, new_path: str | None) -> User:
    """Rename a user or move it to another path. Keys and policies stay with it."""
    row = row_id(db, account_id, name)
    if new_name is not None:
        _refuse_taken(db, account_id, new_name, but_row=row)
        db.execute("UPDATE iam_user SET name = ?, name_folded = ? WHERE id = ?", (new_name, new_name.casefold(), row))
    if new_path is not None:
        db.execute("UPDATE iam_user SET path = ? WHERE id = ?", (new_path, row))
    touch(db, row)
    return _by_row(db, row)


def delete(db: apsw.Connection, account_id: str, name: str) -> None:
    """Remove a user; DeleteConflict while it has keys or policies."""
    row = row_id(db, account_id, name)
    for table, noun in (("access_key", "delete access keys"), ("attachment", "detach all policies")):
        if rows(db, f"SELECT 1 FROM {table} WHERE user = ? LIMIT 1", (row,)):  # noqa: S608  (constants)
            raise DeleteConflict(f"Cannot delete entity, must {noun} first.")
    if rows(db, "SELECT 1 FROM user_policy WHERE user = ? LIMIT 1", (row,)):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    db.execute("DELETE FROM iam_user WHERE id = ?", (row,))


def merge_tags(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """`old` with `new` set: a key that differs in case only is replaced. LimitExceeded beyond 50."""
    folded = {key.casefold() for key in new}
    merged = {key: value for key, value in old.items() if key.casefold() not in folded} | dict(new)
    if len(merged) > MAX_TAGS:
        raise LimitExceeded(f"Cannot exceed quota for TagsPerUser: {MAX_TAGS}")
    return merged


def tag(db: apsw.Connection, account_id: str, name: str, tags: Mapping[str, str]) -> None:
    row = row_id(db, account_id, name)
    _set_tags(db, row, merge_tags(_by_row(db, row).tags, tags))


def untag(db: apsw.Connection, account_id: str, name: str, keys: Collection[str]) -> None:
    row = row_id(db, account_id, name)
    folded = {key.casefold() for key in keys}
    kept = {key: value for key, value in _by_row(db, row).tags.items() if key.casefold() not in folded}
    _set_tags(db, row, kept)


def _set_tags(db: apsw.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE iam_user SET tags = ? WHERE id = ?", (json.dumps(tags), row))
    touch(db, row)


def _by_row(db: apsw.Connection, row: int) -> User:
    found = rows(db, "SELECT account_id, name, path, user_id, created_ms, tags FROM iam_user WHERE id = ?", (row,))
    return from_row(found[0])


def touch(db: apsw.Connection, row: int) -> None:
    """What is cached of a user's keys no longer holds."""
    db.execute("UPDATE iam_user SET revision = revision + 1 WHERE id = ?", (row,))
