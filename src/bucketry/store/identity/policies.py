"""Policies of users: inline ones, and managed ones with their versions and attachments. SQL over one connection.

AWS IAM User Guide, "IAM and AWS STS quotas": white space doesn't count; a user's inline policies have 2,048 characters
in total, a managed policy 6,144, a user at most 10 managed ones attached. Transactions are the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import apsw

from bucketry.store.identity import accounts, users
from bucketry.store.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
)
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import ManagedPolicy, PolicyVersion, User
from bucketry.store.policy.malformed import MalformedPolicy, PolicyTooLarge
from bucketry.store.policy.validation import (
    MANAGED_POLICY_LIMIT_CHARACTERS,
    USER_POLICY_LIMIT_CHARACTERS,
    parse_identity_policy,
    policy_size_characters,
)

MAX_ATTACHED = 10
_HIGHEST = "\U0010ffff"  # sorts after every text


def check_document(document: str) -> None:
    """MalformedPolicyDocument with the reason, unless `document` is an identity policy; LimitExceeded when too long."""
    try:
        parse_identity_policy(document)
    except PolicyTooLarge:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {MANAGED_POLICY_LIMIT_CHARACTERS}") from None
    except MalformedPolicy as error:
        raise MalformedPolicyDocument(error.message) from None


# --- inline


def put_inline(db: apsw.Connection, account_id: str, user_name: str, name: str, document: str) -> None:
    """Set an inline policy, over an older one of that name."""
    check_document(document)
    row = users.row_id(db, account_id, user_name)
    others = rows(db, "SELECT document FROM user_policy WHERE user = ? AND name <> ?", (row, name))
    if sum(map(policy_size_characters, [document, *(other[0] for other in others)])) > USER_POLICY_LIMIT_CHARACTERS:
        raise LimitExceeded(
            f"Maximum policy size of {USER_POLICY_LIMIT_CHARACTERS} bytes exceeded for user {user_name}"
        )
    db.execute(
        "INSERT INTO user_policy (user, name, document) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (row, name, document),
    )
    users.touch(db, row)


def inline(db: apsw.Connection, account_id: str, user_name: str, name: str) -> str:
    """The text of an inline policy as it was set; NoSuchEntity."""
    row = users.row_id(db, account_id, user_name)
    found = rows(db, "SELECT document FROM user_policy WHERE user = ? AND name = ?", (row, name))
    if not found:
        raise NoSuchEntity(f"The user policy with name {name} cannot be found.")
    return str(found[0][0])


def inline_names(db: apsw.Connection, account_id: str, user_name: str) -> list[str]:
    """The names of a user's inline policies, sorted."""
    row = users.row_id(db, account_id, user_name)
    return [found[0] for found in db.execute("SELECT name FROM user_policy WHERE user = ? ORDER BY name", (row,))]


def delete_inline(db: apsw.Connection, account_id: str, user_name: str, name: str) -> None:
    row = users.row_id(db, account_id, user_name)
    db.execute("DELETE FROM user_policy WHERE user = ? AND name = ?", (row, name))
    if not db.changes():
        raise NoSuchEntity(f"The user policy with name {name} cannot be found.")
    users.touch(db, row)


# --- managed

_MANAGED = (
    "account_id, name, path, policy_id, description, created_ms, updated_ms, default_version, attachment_count, tags"
)


def _managed(row: tuple[Any, ...]) -> ManagedPolicy:
    account_id, name, path, policy_id, description, created_ms, updated_ms, default, attachments, tags = row
    return ManagedPolicy(
        account_id,
        name,
        path,
        policy_id,
        description,
        created_ms,
        updated_ms,
        f"v{default}",
        attachments,
        json.loads(tags),
    )


def create(
    db: apsw.Connection,
    now_ms: int,
    account_id: str,
    name: str,
    document: str,
    *,
    path: str,
    description: str,
    tags: Mapping[str, str],
) -> ManagedPolicy:
    """A new managed policy whose version v1 is `document`."""
    check_document(document)
    if accounts.find(db, account_id) is None:
        raise NoSuchEntity(f"There is no account {account_id}.")
    taken = rows(
        db, "SELECT 1 FROM managed_policy WHERE account_id = ? AND name_folded = ?", (account_id, name.casefold())
    )
    if taken:
        raise EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    values = (account_id, name, path, users.unique_id("ANPA"), description, now_ms, now_ms, 1, 0)
    row = (*values, json.dumps(users.merge_tags({}, tags)))
    db.execute(
        f"INSERT INTO managed_policy ({_MANAGED}, name_folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  (a constant)
        (*row, name.casefold()),
    )
    db.execute(
        "INSERT INTO policy_version (policy, number, document, created_ms) VALUES (?, 1, ?, ?)",
        (db.last_insert_rowid(), document, now_ms),
    )
    return _managed(row)


def _row(db: apsw.Connection, account_id: str, arn: str) -> tuple[int, ManagedPolicy]:
    prefix = f"arn:aws:iam::{account_id}:policy/"
    name = arn.rpartition("/")[2]
    found = rows(
        db,
        f"SELECT id, {_MANAGED} FROM managed_policy WHERE account_id = ? AND name_folded = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold()),
    )
    policy = _managed(found[0][1:]) if found and arn.startswith(prefix) else None
    if policy is None or policy.arn != arn:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return int(found[0][0]), policy


def find(db: apsw.Connection, account_id: str, arn: str) -> ManagedPolicy:
    """A managed policy by its ARN; NoSuchEntity."""
    return _row(db, account_id, arn)[1]


def versions(db: apsw.Connection, account_id: str, arn: str) -> list[PolicyVersion]:
    """The versions of a managed policy, the newest first."""
    row, policy = _row(db, account_id, arn)
    found = rows(
        db, "SELECT number, document, created_ms FROM policy_version WHERE policy = ? ORDER BY number DESC", (row,)
    )
    return [
        PolicyVersion(f"v{number}", document, f"v{number}" == policy.default_version, created_ms)
        for number, document, created_ms in found
    ]


def page(
    db: apsw.Connection,
    account_id: str,
    path_prefix: str,
    after: tuple[str, str] | None,
    limit: int,
    *,
    only_attached: bool,
) -> list[ManagedPolicy]:
    """Up to `limit` managed policies whose path begins with `path_prefix`, by (path, name), from behind `after`."""
    start_path, start_name = after if after and after[0] >= path_prefix else (path_prefix, "")
    found = rows(
        db,
        f"SELECT {_MANAGED} FROM managed_policy WHERE account_id = ? AND (path, name) > (?, ?) AND path < ?"  # noqa: S608  (a constant)
        " AND attachment_count >= ? ORDER BY path, name LIMIT ?",
        (account_id, start_path, start_name, path_prefix + _HIGHEST, int(only_attached), limit),
    )
    return [_managed(row) for row in found]


def delete(db: apsw.Connection, account_id: str, arn: str) -> None:
    row, policy = _row(db, account_id, arn)
    if policy.attachment_count:
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    db.execute("DELETE FROM managed_policy WHERE id = ?", (row,))


def attach(db: apsw.Connection, account_id: str, user_name: str, arn: str) -> None:
    """Attach a managed policy to a user of the same account; done already is fine."""
    user = users.row_id(db, account_id, user_name)
    policy, _ = _row(db, account_id, arn)
    attached = rows(db, "SELECT policy FROM attachment WHERE user = ?", (user,))
    if (policy,) in attached:
        return
    if len(attached) >= MAX_ATTACHED:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPerUser: {MAX_ATTACHED}")
    db.execute("INSERT INTO attachment (user, policy) VALUES (?, ?)", (user, policy))
    db.execute("UPDATE managed_policy SET attachment_count = attachment_count + 1 WHERE id = ?", (policy,))
    users.touch(db, user)


def detach(db: apsw.Connection, account_id: str, user_name: str, arn: str) -> None:
    user = users.row_id(db, account_id, user_name)
    policy, _ = _row(db, account_id, arn)
    db.execute("DELETE FROM attachment WHERE user = ? AND policy = ?", (user, policy))
    if not db.changes():
        raise NoSuchEntity(f"Policy {arn} was not found.")
    db.execute("UPDATE managed_policy SET attachment_count = attachment_count - 1 WHERE id = ?", (policy,))
    users.touch(db, user)


def attached(db: apsw.Connection, account_id: str, user_name: str) -> list[ManagedPolicy]:
    """The managed policies of a user, by (path, name)."""
    user = users.row_id(db, account_id, user_name)
    found = rows(
        db,
        f"SELECT {_MANAGED} FROM attachment JOIN managed_policy ON id = policy WHERE user = ? ORDER BY path, name",  # noqa: S608  (a constant)
        (user,),
    )
    return [_managed(row) for row in found]


def users_of(
    db: apsw.Connection, account_id: str, arn: str, path_prefix: str, after_row: int, limit: int
) -> list[tuple[int, User]]:
    """Up to `limit` users under a path that have a policy attached, from behind row `after_row`, with their rows."""
    policy, _ = _row(db, account_id, arn)
    found = rows(
        db,
        "SELECT u.id, u.account_id, u.name, u.path, u.user_id, u.created_ms, u.tags"
        " FROM attachment a JOIN iam_user u ON u.id = a.user WHERE a.policy = ? AND a.user > ?"
        " AND u.path >= ? AND u.path < ? ORDER BY a.user LIMIT ?",
        (policy, after_row, path_prefix, path_prefix + _HIGHEST, limit),
    )
    return [(row[0], users.from_row(row[1:])) for row in found]
