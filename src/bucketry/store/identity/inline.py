"""Inline policies of users, groups and roles. SQL over one connection; transactions are the caller's.

AWS IAM User Guide, "IAM and AWS STS quotas": white space doesn't count; the inline policies of one holder have a limit
in total (holders.py).
"""

from __future__ import annotations

import apsw

from bucketry.store.identity.errors import LimitExceeded, MalformedPolicyDocument, NoSuchEntity
from bucketry.store.identity.holders import HolderKind, row_id, touch
from bucketry.store.identity.sql import rows
from bucketry.store.policy.malformed import MalformedPolicy, PolicyTooLarge
from bucketry.store.policy.validation import (
    MANAGED_POLICY_LIMIT_CHARACTERS,
    parse_identity_policy,
    policy_size_characters,
)


def check_document(document: str, limit_characters: int = MANAGED_POLICY_LIMIT_CHARACTERS) -> None:
    """MalformedPolicyDocument with the reason, unless `document` is an identity policy; LimitExceeded when too long."""
    try:
        parse_identity_policy(document, limit_characters)
    except PolicyTooLarge:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {limit_characters}") from None
    except MalformedPolicy as error:
        raise MalformedPolicyDocument(error.message) from None


def put(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str, name: str, document: str) -> None:
    """Set an inline policy, over an older one of that name."""
    limit = kind.inline_limit_characters
    check_document(document, max(limit, MANAGED_POLICY_LIMIT_CHARACTERS))
    row = row_id(db, kind, account_id, holder)
    others = rows(
        db,
        f"SELECT document FROM {kind.inline} WHERE {kind.column} = ? AND name <> ?",  # noqa: S608  (constants)
        (row, name),
    )
    if sum(map(policy_size_characters, [document, *(other[0] for other in others)])) > limit:
        raise LimitExceeded(f"Maximum policy size of {limit} bytes exceeded for {kind.noun} {holder}")
    db.execute(
        f"INSERT INTO {kind.inline} ({kind.column}, name, document) VALUES (?, ?, ?)"  # noqa: S608  (constants)
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (row, name, document),
    )
    touch(db, kind, row)


def find(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str, name: str) -> str:
    """The text of an inline policy as it was set; NoSuchEntity."""
    row = row_id(db, kind, account_id, holder)
    found = rows(
        db,
        f"SELECT document FROM {kind.inline} WHERE {kind.column} = ? AND name = ?",  # noqa: S608  (constants)
        (row, name),
    )
    if not found:
        raise NoSuchEntity(f"The {kind.noun} policy with name {name} cannot be found.")
    return str(found[0][0])


def every(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str) -> list[tuple[str, str]]:
    """All inline policies of a holder, by name: (name, text)."""
    row = row_id(db, kind, account_id, holder)
    return rows(
        db,
        f"SELECT name, document FROM {kind.inline} WHERE {kind.column} = ? ORDER BY name",  # noqa: S608  (constants)
        (row,),
    )


def delete(db: apsw.Connection, kind: HolderKind, account_id: str, holder: str, name: str) -> None:
    row = row_id(db, kind, account_id, holder)
    db.execute(f"DELETE FROM {kind.inline} WHERE {kind.column} = ? AND name = ?", (row, name))  # noqa: S608  (constants)
    if not db.changes():
        raise NoSuchEntity(f"The {kind.noun} policy with name {name} cannot be found.")
    touch(db, kind, row)
