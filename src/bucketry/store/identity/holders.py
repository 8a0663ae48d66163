"""What holds policies: users, groups and roles, each kind in tables of its own that look alike.

AWS IAM User Guide, "IAM and AWS STS quotas": how long the inline policies of one may be in total, and how many managed
ones it may have attached. SQL over one connection; transactions are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from bucketry.kernel import ids
from bucketry.store.identity.errors import EntityAlreadyExists, NoSuchEntity
from bucketry.store.identity.sql import rows

HIGHEST = "\U0010ffff"  # sorts after every text


@dataclass(frozen=True, slots=True)
class HolderKind:
    """One kind. `column` names it in the tables of its inline policies and attachments; all are constants of ours."""

    noun: str
    table: str
    column: str
    inline: str
    attachments: str
    inline_limit_characters: int
    max_attached: int

    @property
    def title(self) -> str:
        return self.noun.capitalize()


USER = HolderKind("user", "iam_user", "user", "user_policy", "user_attachment", 2_048, 10)
GROUP = HolderKind("group", "iam_group", "grp", "group_policy", "group_attachment", 5_120, 10)
ROLE = HolderKind("role", "iam_role", "role", "role_policy", "role_attachment", 10_240, 10)
KINDS = (USER, GROUP, ROLE)


def unique_id(prefix: str) -> str:
    """An id as IAM makes them: a prefix for the kind, then 17 characters; never used again."""
    return prefix + ids.random_text(17, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def row_id(db: apsw.Connection, kind: HolderKind, account_id: str, name: str) -> int:
    """The row of a holder by its exact name; NoSuchEntity in AWS's words."""
    found = rows(
        db,
        f"SELECT id FROM {kind.table} WHERE account_id = ? AND name_folded = ? AND name = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold(), name),
    )
    if not found:
        raise NoSuchEntity(f"The {kind.noun} with name {name} cannot be found.")
    return int(found[0][0])


def refuse_taken(db: apsw.Connection, kind: HolderKind, account_id: str, name: str, but_row: int | None = None) -> None:
    """EntityAlreadyExists when another of the kind has the name, in whatever case."""
    found = rows(
        db,
        f"SELECT id FROM {kind.table} WHERE account_id = ? AND name_folded = ?",  # noqa: S608  (a constant)
        (account_id, name.casefold()),
    )
    if found and found[0][0] != but_row:
        raise EntityAlreadyExists(f"{kind.title} with name {name} already exists.")


def touch(db: apsw.Connection, kind: HolderKind, row: int) -> None:
    """What is cached of whoever has the policies of this holder no longer holds."""
    if kind is GROUP:
        db.execute(
            "UPDATE iam_user SET revision = revision + 1 WHERE id IN (SELECT user FROM group_member WHERE grp = ?)",
            (row,),
        )
    else:
        db.execute(f"UPDATE {kind.table} SET revision = revision + 1 WHERE id = ?", (row,))  # noqa: S608  (a constant)


def touch_all_with(db: apsw.Connection, account_id: str, arn: str) -> None:
    """The same for all who have the managed policy `arn`: attached, by a group, or as their boundary."""
    db.execute(
        "UPDATE iam_user SET revision = revision + 1 WHERE account_id = ?1 AND (boundary = ?2 OR id IN ("
        " SELECT user FROM user_attachment WHERE arn = ?2 UNION ALL"
        " SELECT m.user FROM group_attachment a JOIN group_member m ON m.grp = a.grp WHERE a.arn = ?2))",
        (account_id, arn),
    )
    db.execute(
        "UPDATE iam_role SET revision = revision + 1 WHERE account_id = ?1 AND (boundary = ?2 OR id IN"
        " (SELECT role FROM role_attachment WHERE arn = ?2))",
        (account_id, arn),
    )
