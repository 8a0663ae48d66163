"""Accounts: separate owners of buckets and users, each with a root.

SQL over one connection; transactions are the caller's.
"""

from __future__ import annotations

import re
import secrets

import apsw

from bucketry.kernel import ids
from bucketry.store.identity.errors import DeleteConflict, InvalidInput, NoSuchEntity
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import Account

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,50}")  # AWS Organizations, CreateAccount: AccountName of 1 to 50 characters
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")


def create(db: apsw.Connection, now_ms: int, name: str, email: str) -> Account:
    """A new account with random ids. InvalidInput for a name or email that is none."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("An account's name has 1 to 50 characters and no control characters.")
    if email and not _EMAIL.fullmatch(email):
        raise InvalidInput(f"{email!r} is not an email address.")
    account_id = _new_id()
    while find(db, account_id):
        account_id = _new_id()
    account = Account(account_id, secrets.token_hex(32), name, email, now_ms)
    db.execute(
        "INSERT INTO account (account_id, canonical_id, display_name, email, created_ms) VALUES (?, ?, ?, ?, ?)",
        (account.account_id, account.canonical_id, name, email, now_ms),
    )
    return account


def _new_id() -> str:
    # No leading zero: tools that take the id for a number would lose it.
    return ids.random_text(1, "123456789") + ids.random_text(11, "0123456789")


def find(db: apsw.Connection, account_id: str) -> Account | None:
    found = rows(
        db,
        "SELECT account_id, canonical_id, display_name, email, created_ms FROM account WHERE account_id = ?",
        (account_id,),
    )
    return Account(*found[0]) if found else None


def find_by_canonical_id(db: apsw.Connection, canonical_id: str) -> Account | None:
    found = rows(
        db,
        "SELECT account_id, canonical_id, display_name, email, created_ms FROM account WHERE canonical_id = ?",
        (canonical_id,),
    )
    return Account(*found[0]) if found else None


def find_by_email(db: apsw.Connection, email: str) -> list[Account]:
    """All accounts with this address, without regard to case."""
    found = rows(
        db,
        "SELECT account_id, canonical_id, display_name, email, created_ms FROM account WHERE lower(email) = lower(?)",
        (email,),
    )
    return [Account(*row) for row in found]


def every(db: apsw.Connection) -> list[Account]:
    """All accounts, the oldest first."""
    found = rows(
        db,
        "SELECT account_id, canonical_id, display_name, email, created_ms FROM account ORDER BY created_ms, account_id",
    )
    return [Account(*row) for row in found]


def counts(db: apsw.Connection, account_id: str) -> dict[str, int]:
    """How many users, groups, roles, policies and their versions an account has, and keys of its root (`root_key`)."""
    counted = {
        table: rows(db, f"SELECT count(*) FROM {table} WHERE account_id = ?", (account_id,))[0][0]  # noqa: S608  (constants)
        for table in ("iam_user", "iam_group", "iam_role", "managed_policy")
    }
    counted["policy_version"] = rows(
        db,
        "SELECT count(*) FROM policy_version v JOIN managed_policy p ON p.id = v.policy WHERE p.account_id = ?",
        (account_id,),
    )[0][0]
    counted["root_key"] = rows(
        db, "SELECT count(*) FROM access_key WHERE account_id = ? AND user IS NULL", (account_id,)
    )[0][0]
    return counted


def delete(db: apsw.Connection, account_id: str) -> list[str]:
    """Remove an account with its users, keys and policies; the ids of the keys that died.

    NoSuchEntity; DeleteConflict while it has buckets.
    """
    found = rows(db, "SELECT bucket_count FROM account WHERE account_id = ?", (account_id,))
    if not found:
        raise NoSuchEntity(f"There is no account {account_id}.")
    if found[0][0]:
        raise DeleteConflict(
            f"The account {account_id} still has {found[0][0]} bucket(s); empty and delete its buckets first."
        )
    dead = [row[0] for row in db.execute("SELECT access_key_id FROM access_key WHERE account_id = ?", (account_id,))]
    db.execute("DELETE FROM account WHERE account_id = ?", (account_id,))
    return dead
