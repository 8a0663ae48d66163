"""Which users, groups and roles have which managed policies attached, and which bound whom. SQL over one connection.

AWS IAM User Guide, "Managed policies and inline policies", "Permissions boundaries for IAM entities". Transactions are
the caller's.
"""

from __future__ import annotations

import apsw

from bucketry.store.identity import aws_policies, holders, managed
from bucketry.store.identity.errors import LimitExceeded, NoSuchEntity
from bucketry.store.identity.holders import HolderKind
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import ManagedPolicy


def attach(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str, arn: str) -> None:
    """Attach a managed policy of the account or of AWS; done already is fine. LimitExceeded beyond ten."""
    row = holders.row_id(db, kind, account_id, holder)
    managed.find(db, account_id, arn)
    attached = rows(db, f"SELECT arn FROM {kind.attachments} WHERE {kind.column} = ?", (row,))  # noqa: S608  (constants)
    if (arn,) in attached:
        return
    if len(attached) >= kind.max_attached:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPer{kind.title}: {kind.max_attached}")
    db.execute(f"INSERT INTO {kind.attachments} ({kind.column}, arn) VALUES (?, ?)", (row, arn))  # noqa: S608  (constants)
    _count(db, account_id, arn, 1)
    holders.touch(db, kind, row)


def detach(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str, arn: str) -> None:
    """Take a policy away; NoSuchEntity when it isn't attached."""
    row = holders.row_id(db, kind, account_id, holder)
    db.execute(f"DELETE FROM {kind.attachments} WHERE {kind.column} = ? AND arn = ?", (row, arn))  # noqa: S608  (constants)
    if not db.changes():
        raise NoSuchEntity(f"Policy {arn} was not found.")
    _count(db, account_id, arn, -1)
    holders.touch(db, kind, row)


def _count(db: apsw.Connection, account_id: str, arn: str, change: int) -> None:
    if not aws_policies.is_aws(arn):
        policy, _ = managed.row_of(db, account_id, arn)
        db.execute("UPDATE managed_policy SET attachment_count = attachment_count + ? WHERE id = ?", (change, policy))


def attached(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str) -> list[ManagedPolicy]:
    """The managed policies of a holder, by name."""
    row = holders.row_id(db, kind, account_id, holder)
    found = rows(db, f"SELECT arn FROM {kind.attachments} WHERE {kind.column} = ?", (row,))  # noqa: S608  (constants)
    return sorted((managed.find(db, account_id, arn) for (arn,) in found), key=lambda policy: policy.name)


def names_with(
    db: apsw.Connection, kind: HolderKind, account_id: str, arn: str, *, as_boundary: bool
) -> list[tuple[str, str, str]]:
    """(name, path, unique id) of each holder of a kind that has a policy attached, or as its boundary, by name."""
    managed.find(db, account_id, arn)
    if as_boundary and kind is holders.GROUP:
        return []
    test = (
        "boundary = ?2" if as_boundary else f"id IN (SELECT {kind.column} FROM {kind.attachments} WHERE arn = ?2)"  # noqa: S608  (constants)
    )
    return rows(
        db,
        f"SELECT name, path, {kind.noun}_id FROM {kind.table} WHERE account_id = ?1 AND {test} ORDER BY name_folded",  # noqa: S608  (constants)
        (account_id, arn),
    )


def set_boundary(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str, arn: str | None) -> None:
    """Bound a user's or role's rights by a managed policy, or (None) no more. NoSuchEntity when there is none."""
    row = holders.row_id(db, kind, account_id, holder)
    if arn is not None:
        managed.find(db, account_id, arn)
    else:
        found = rows(db, f"SELECT boundary FROM {kind.table} WHERE id = ?", (row,))  # noqa: S608  (a constant)
        if found[0][0] is None:
            raise NoSuchEntity(f"No permissions boundary is set for {kind.noun} {holder}.")
    db.execute(f"UPDATE {kind.table} SET boundary = ? WHERE id = ?", (arn, row))  # noqa: S608  (a constant)
    holders.touch(db, kind, row)
