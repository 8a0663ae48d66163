"""IAM roles of an account. SQL over one connection; transactions are the caller's.

AWS IAM User Guide, "IAM roles"; "IAM and AWS STS quotas": a trust policy has at most 2,048 characters.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import apsw

from bucketry.store.identity import accounts, managed
from bucketry.store.identity.errors import DeleteConflict, LimitExceeded, MalformedPolicyDocument, NoSuchEntity
from bucketry.store.identity.holders import HIGHEST, ROLE, refuse_taken, row_id, touch
from bucketry.store.identity.sql import rows
from bucketry.store.identity.tags import merge_tags, without_tags
from bucketry.store.identity.types import Role
from bucketry.store.policy.malformed import MalformedPolicy, PolicyTooLarge
from bucketry.store.policy.validation import TRUST_POLICY_LIMIT_CHARACTERS, parse_trust_policy

_COLUMNS = (
    "account_id, name, path, role_id, created_ms, trust, description, max_session_s, tags, boundary"  # as in Role
)


_TAGS = 8  # the place of that column


def check_trust(document: str) -> None:
    """MalformedPolicyDocument with the reason, unless `document` is a trust policy; LimitExceeded when too long."""
    try:
        parse_trust_policy(document)
    except PolicyTooLarge:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_LIMIT_CHARACTERS}") from None
    except MalformedPolicy as error:
        raise MalformedPolicyDocument(error.message) from None


def from_row(row: tuple[Any, ...]) -> Role:
    """A role of the columns of its dataclass, tags as JSON."""
    return Role(*[json.loads(value) if place == _TAGS else value for place, value in enumerate(row)])


def create(db: apsw.Connection, role: Role) -> Role:
    """Store a new role; EntityAlreadyExists when the name is taken in any case."""
    check_trust(role.trust)
    if accounts.find(db, role.account_id) is None:
        raise NoSuchEntity(f"There is no account {role.account_id}.")
    if role.boundary is not None:
        managed.find(db, role.account_id, role.boundary)
    refuse_taken(db, ROLE, role.account_id, role.name)
    tags = merge_tags({}, role.tags, "role")
    db.execute(
        f"INSERT INTO iam_role ({_COLUMNS}, name_folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  (a constant)
        (
            *(role.account_id, role.name, role.path, role.role_id, role.created_ms, role.trust, role.description),
            *(role.max_session_s, json.dumps(tags), role.boundary, role.name.casefold()),
        ),
    )
    return role


def find(db: apsw.Connection, account_id: str, name: str) -> Role | None:
    """A role by name, in whatever case it is given."""
    found = rows(
        db,
        f"SELECT {_COLUMNS} FROM iam_role WHERE account_id = ? AND name_folded = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold()),
    )
    return from_row(found[0]) if found else None


def page(db: apsw.Connection, account_id: str, path_prefix: str, after: str | None, limit: int) -> list[Role]:
    """Up to `limit` roles whose path begins with `path_prefix`, by name in lower case, from behind `after`."""
    found = rows(
        db,
        f"SELECT {_COLUMNS} FROM iam_role WHERE account_id = ? AND name_folded > ? AND path >= ? AND path < ?"  # noqa: S608  (a constant)
        " ORDER BY name_folded LIMIT ?",
        (account_id, "" if after is None else after.casefold(), path_prefix, path_prefix + HIGHEST, limit),
    )
    return [from_row(row) for row in found]


def set_trust(db: apsw.Connection, account_id: str, name: str, document: str) -> None:
    """Replace who may assume a role. Sessions that there are go on."""
    check_trust(document)
    row = row_id(db, ROLE, account_id, name)
    db.execute("UPDATE iam_role SET trust = ? WHERE id = ?", (document, row))
    touch(db, ROLE, row)


def update(db: apsw.Connection, account_id: str, name: str, description: str | None, max_session_s: int | None) -> None:
    """Change the description or the longest session of a role."""
    row = row_id(db, ROLE, account_id, name)
    if description is not None:
        db.execute("UPDATE iam_role SET description = ? WHERE id = ?", (description, row))
    if max_session_s is not None:
        db.execute("UPDATE iam_role SET max_session_s = ? WHERE id = ?", (max_session_s, row))
    touch(db, ROLE, row)


def delete(db: apsw.Connection, account_id: str, name: str) -> None:
    """Remove a role, and so its sessions; DeleteConflict while it has policies."""
    row = row_id(db, ROLE, account_id, name)
    for table, step in (("role_attachment", "detach all policies"), ("role_policy", "delete policies")):
        if rows(db, f"SELECT 1 FROM {table} WHERE role = ? LIMIT 1", (row,)):  # noqa: S608  (constants)
            raise DeleteConflict(f"Cannot delete entity, must {step} first.")
    db.execute("DELETE FROM iam_role WHERE id = ?", (row,))


def tag(db: apsw.Connection, account_id: str, name: str, tags: Mapping[str, str]) -> None:
    row = row_id(db, ROLE, account_id, name)
    _set_tags(db, row, merge_tags(_tags(db, row), tags, "role"))


def untag(db: apsw.Connection, account_id: str, name: str, keys: Collection[str]) -> None:
    row = row_id(db, ROLE, account_id, name)
    _set_tags(db, row, without_tags(_tags(db, row), keys))


def _tags(db: apsw.Connection, row: int) -> dict[str, str]:
    tags: dict[str, str] = json.loads(rows(db, "SELECT tags FROM iam_role WHERE id = ?", (row,))[0][0])
    return tags


def _set_tags(db: apsw.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE iam_role SET tags = ? WHERE id = ?", (json.dumps(tags), row))
    touch(db, ROLE, row)
