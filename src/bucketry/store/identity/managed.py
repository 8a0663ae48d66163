"""Managed policies: their versions, tags and lists, and what an ARN stands for. SQL over one connection.

AWS IAM User Guide, "Versioning IAM policies", "IAM and AWS STS quotas": 6,144 characters without white space, five
versions, numbers that are never used again. AWS's own policies (aws_policies.py) are found by their ARNs like those of
the account. Transactions are the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import apsw

from bucketry.store.identity import accounts, aws_policies, holders
from bucketry.store.identity.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from bucketry.store.identity.holders import HIGHEST
from bucketry.store.identity.inline import check_document
from bucketry.store.identity.sql import rows
from bucketry.store.identity.tags import merge_tags, without_tags
from bucketry.store.identity.types import ManagedPolicy, PolicyVersion

MAX_VERSIONS = 5
_COLUMNS = "account_id, name, path, policy_id, description, created_ms, updated_ms, default_version, tags"
_WITH_COUNTS = (
    "p.account_id, p.name, p.path, p.policy_id, p.description, p.created_ms, p.updated_ms, p.default_version, p.tags,"
    " p.attachment_count, (SELECT count(*) FROM iam_user u WHERE u.account_id = p.account_id AND"
    " u.boundary = 'arn:aws:iam::' || p.account_id || ':policy' || p.path || p.name)"
    " + (SELECT count(*) FROM iam_role r WHERE r.account_id = p.account_id AND"
    " r.boundary = 'arn:aws:iam::' || p.account_id || ':policy' || p.path || p.name)"
)


def _managed(row: tuple[Any, ...]) -> ManagedPolicy:
    account_id, name, path, policy_id, description, created_ms, updated_ms, default, tags, attached, bounding = row
    version = f"v{default}"
    return ManagedPolicy(
        account_id,
        name,
        path,
        policy_id,
        description,
        created_ms,
        updated_ms,
        version,
        attached,
        json.loads(tags),
        bounding,
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
    merged = json.dumps(merge_tags({}, tags, "policy"))
    row = (account_id, name, path, holders.unique_id("ANPA"), description, now_ms, now_ms, 1, merged)
    db.execute(
        f"INSERT INTO managed_policy ({_COLUMNS}, name_folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  (a constant)
        (*row, name.casefold()),
    )
    db.execute(
        "INSERT INTO policy_version (policy, number, document, created_ms) VALUES (?, 1, ?, ?)",
        (db.last_insert_rowid(), document, now_ms),
    )
    return _managed((*row, 0, 0))


def row_of(db: apsw.Connection, account_id: str, arn: str) -> tuple[int, ManagedPolicy]:
    """A policy of the account and its row; NoSuchEntity, for AWS's own too: those have none."""
    prefix = f"arn:aws:iam::{account_id}:policy/"
    name = arn.rpartition("/")[2]
    found = rows(
        db,
        f"SELECT p.id, {_WITH_COUNTS} FROM managed_policy p WHERE p.account_id = ? AND p.name_folded = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold()),
    )
    policy = _managed(found[0][1:]) if found and arn.startswith(prefix) else None
    if policy is None or policy.arn != arn:
        raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    return int(found[0][0]), policy


def find(db: apsw.Connection, account_id: str, arn: str) -> ManagedPolicy:
    """A policy of the account or of AWS by its ARN; NoSuchEntity."""
    if not aws_policies.is_aws(arn):
        return row_of(db, account_id, arn)[1]
    policy = aws_policies.policy(arn, *_aws_counts(db, account_id, arn))
    if policy is None:
        raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    return policy


def _aws_counts(db: apsw.Connection, account_id: str, arn: str) -> tuple[int, int]:
    attached = bounding = 0
    for kind in holders.KINDS:
        attached += rows(
            db,
            f"SELECT count(*) FROM {kind.attachments} a JOIN {kind.table} h ON h.id = a.{kind.column}"  # noqa: S608  (constants)
            " WHERE a.arn = ? AND h.account_id = ?",
            (arn, account_id),
        )[0][0]
        if kind is not holders.GROUP:
            bounding += rows(
                db,
                f"SELECT count(*) FROM {kind.table} WHERE boundary = ? AND account_id = ?",  # noqa: S608  (a constant)
                (arn, account_id),
            )[0][0]
    return attached, bounding


def aws_page(db: apsw.Connection, account_id: str, *, only_attached: bool) -> list[ManagedPolicy]:
    """AWS's own policies by name, with the account's counts."""
    found = [find(db, account_id, aws_policies.PREFIX + name) for name in aws_policies.NAMES]
    return [policy for policy in found if policy.attachment_count or not only_attached]


def document_of(db: apsw.Connection, account_id: str, arn: str) -> str | None:
    """The text that counts of a policy, as an account's callers have it; None where the ARN leads to nothing."""
    if aws_policies.is_aws(arn):
        return aws_policies.document(arn)
    found = rows(
        db,
        "SELECT v.document FROM managed_policy p"
        " JOIN policy_version v ON v.policy = p.id AND v.number = p.default_version"
        " WHERE p.account_id = ?1 AND p.name_folded = ?2 AND"
        " 'arn:aws:iam::' || p.account_id || ':policy' || p.path || p.name = ?3",
        (account_id, arn.rpartition("/")[2].casefold(), arn),
    )
    return found[0][0] if found else None


def versions(db: apsw.Connection, account_id: str, arn: str) -> list[PolicyVersion]:
    """The versions of a policy, the newest first."""
    if aws_policies.is_aws(arn):
        find(db, account_id, arn)
        return [aws_policies.version(arn)]
    row, policy = row_of(db, account_id, arn)
    found = rows(
        db, "SELECT number, document, created_ms FROM policy_version WHERE policy = ? ORDER BY number DESC", (row,)
    )
    return [
        PolicyVersion(f"v{number}", document, f"v{number}" == policy.default_version, created_ms)
        for number, document, created_ms in found
    ]


def create_version(
    db: apsw.Connection, now_ms: int, account_id: str, arn: str, document: str, *, is_default: bool
) -> PolicyVersion:
    """One more version; LimitExceeded beyond five."""
    check_document(document)
    row, _ = row_of(db, account_id, arn)
    if rows(db, "SELECT count(*) FROM policy_version WHERE policy = ?", (row,))[0][0] >= MAX_VERSIONS:
        raise LimitExceeded(
            f"A managed policy can have up to {MAX_VERSIONS} versions. Before you create a new version, you must "
            "delete an existing version."
        )
    number = rows(
        db,
        "UPDATE managed_policy SET last_version = last_version + 1, updated_ms = ? WHERE id = ? RETURNING last_version",
        (now_ms, row),
    )[0][0]
    db.execute("INSERT INTO policy_version VALUES (?, ?, ?, ?)", (row, number, document, now_ms))
    if is_default:
        _set_default(db, account_id, arn, row, number)
    return PolicyVersion(f"v{number}", document, is_default, now_ms)


def set_default_version(db: apsw.Connection, now_ms: int, account_id: str, arn: str, version_id: str) -> None:
    """Let another version count, at once, for all who have the policy."""
    row, _ = row_of(db, account_id, arn)
    number = _version(db, row, arn, version_id)
    db.execute("UPDATE managed_policy SET updated_ms = ? WHERE id = ?", (now_ms, row))
    _set_default(db, account_id, arn, row, number)


def _set_default(db: apsw.Connection, account_id: str, arn: str, row: int, number: int) -> None:
    db.execute("UPDATE managed_policy SET default_version = ? WHERE id = ?", (number, row))
    holders.touch_all_with(db, account_id, arn)


def _version(db: apsw.Connection, row: int, arn: str, version_id: str) -> int:
    digits = version_id[1:]
    number = int(digits) if digits.isdecimal() and len(digits) < 10 else 0
    if not rows(db, "SELECT 1 FROM policy_version WHERE policy = ? AND number = ?", (row, number)):
        raise NoSuchEntity(f"Policy {arn} version {version_id} does not exist or is not attachable.")
    return number


def delete_version(db: apsw.Connection, account_id: str, arn: str, version_id: str) -> None:
    """Remove a version; DeleteConflict for the one that counts."""
    row, policy = row_of(db, account_id, arn)
    number = _version(db, row, arn, version_id)
    if policy.default_version == f"v{number}":
        raise DeleteConflict("Cannot delete the default version of a policy.")
    db.execute("DELETE FROM policy_version WHERE policy = ? AND number = ?", (row, number))


def page(
    db: apsw.Connection,
    account_id: str,
    path_prefix: str,
    after: tuple[str, str] | None,
    limit: int,
    *,
    only_attached: bool,
) -> list[ManagedPolicy]:
    """Up to `limit` policies of the account whose path begins with `path_prefix`, by (path, name), behind `after`."""
    start_path, start_name = after if after and after[0] >= path_prefix else (path_prefix, "")
    found = rows(
        db,
        f"SELECT {_WITH_COUNTS} FROM managed_policy p WHERE p.account_id = ? AND (p.path, p.name) > (?, ?)"  # noqa: S608  (a constant)
        " AND p.path < ? AND p.attachment_count >= ? ORDER BY p.path, p.name LIMIT ?",
        (account_id, start_path, start_name, path_prefix + HIGHEST, int(only_attached), limit),
    )
    return [_managed(row) for row in found]


def delete(db: apsw.Connection, account_id: str, arn: str) -> None:
    """Remove a policy; DeleteConflict while anything has it, or it has further versions."""
    row, policy = row_of(db, account_id, arn)
    if policy.attachment_count or policy.boundary_count:
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    if rows(db, "SELECT count(*) FROM policy_version WHERE policy = ?", (row,))[0][0] > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    db.execute("DELETE FROM managed_policy WHERE id = ?", (row,))


def tag(db: apsw.Connection, account_id: str, arn: str, tags: Mapping[str, str]) -> None:
    row, policy = row_of(db, account_id, arn)
    _set_tags(db, row, merge_tags(policy.tags, tags, "policy"))


def untag(db: apsw.Connection, account_id: str, arn: str, keys: Collection[str]) -> None:
    row, policy = row_of(db, account_id, arn)
    _set_tags(db, row, without_tags(policy.tags, keys))


def _set_tags(db: apsw.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE managed_policy SET tags = ? WHERE id = ?", (json.dumps(tags), row))
