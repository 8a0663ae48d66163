"""Access keys of users and of account roots. SQL over one connection; transactions are the caller's.

Secrets lie sealed under `store|ACCESS_KEY_ID`, since Signature V4 needs them back. At most two keys an owner, as AWS
has it.
"""

from __future__ import annotations

from typing import NamedTuple

import apsw

from bucketry.kernel import ids
from bucketry.kernel.envelope import Envelope, EnvelopeError, resealed
from bucketry.store.identity import accounts, holders
from bucketry.store.identity.errors import LimitExceeded, NoSuchEntity
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import AccessKey

MAX_KEYS = 2


def secret_context(access_key_id: str) -> str:
    """What a sealed secret is bound to."""
    return f"store|{access_key_id}"


def create(
    db: apsw.Connection, now_ms: int, envelope: Envelope, account_id: str, user_name: str | None
) -> tuple[AccessKey, str]:
    """A new active key and its secret, which is never shown again. LimitExceeded beyond two."""
    owner = _owner(db, account_id, user_name)
    if len(_ids_of(db, account_id, owner)) >= MAX_KEYS:
        raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}")
    key = AccessKey(ids.access_key_id(), account_id, user_name, True, now_ms)
    secret = ids.secret_access_key()
    db.execute(
        "INSERT INTO access_key (access_key_id, account_id, user, is_active, created_ms, sealed_secret)"
        " VALUES (?, ?, ?, 1, ?, ?)",
        (key.access_key_id, account_id, owner, now_ms, envelope.seal(secret, secret_context(key.access_key_id))),
    )
    return key, secret


def _owner(db: apsw.Connection, account_id: str, user_name: str | None) -> int | None:
    if user_name is not None:
        return holders.row_id(db, holders.USER, account_id, user_name)
    if accounts.find(db, account_id) is None:
        raise NoSuchEntity(f"There is no account {account_id}.")
    return None


def _ids_of(db: apsw.Connection, account_id: str, owner: int | None) -> list[str]:
    found = rows(db, "SELECT access_key_id FROM access_key WHERE account_id = ? AND user IS ?", (account_id, owner))
    return [row[0] for row in found]


def every(db: apsw.Connection, account_id: str, user_name: str | None) -> list[AccessKey]:
    """The keys of a user (None: of the root), the oldest first."""
    owner = _owner(db, account_id, user_name)
    found = rows(
        db,
        "SELECT access_key_id, is_active, created_ms FROM access_key WHERE account_id = ? AND user IS ?"
        " ORDER BY created_ms, access_key_id",
        (account_id, owner),
    )
    return [AccessKey(row[0], account_id, user_name, bool(row[1]), row[2]) for row in found]


def find(db: apsw.Connection, access_key_id: str) -> AccessKey | None:
    """A key by its id, in whatever account it is."""
    found = rows(
        db,
        "SELECT k.access_key_id, k.account_id, u.name, k.is_active, k.created_ms"
        " FROM access_key k LEFT JOIN iam_user u ON u.id = k.user WHERE k.access_key_id = ?",
        (access_key_id,),
    )
    return AccessKey(found[0][0], found[0][1], found[0][2], bool(found[0][3]), found[0][4]) if found else None


def set_status(
    db: apsw.Connection, account_id: str, user_name: str | None, access_key_id: str, is_active: bool
) -> None:
    """Switch a key on or off; NoSuchEntity when the owner has no such key."""
    _require(db, account_id, user_name, access_key_id)
    db.execute(
        "UPDATE access_key SET is_active = ?, revision = revision + 1 WHERE access_key_id = ? AND is_active <> ?",
        (int(is_active), access_key_id, int(is_active)),
    )


def delete(db: apsw.Connection, account_id: str, user_name: str | None, access_key_id: str) -> None:
    """Revoke a key for ever; NoSuchEntity when the owner has no such key."""
    _require(db, account_id, user_name, access_key_id)
    db.execute("DELETE FROM access_key WHERE access_key_id = ?", (access_key_id,))


def _require(db: apsw.Connection, account_id: str, user_name: str | None, access_key_id: str) -> None:
    if access_key_id not in _ids_of(db, account_id, _owner(db, account_id, user_name)):
        raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")


class Resealed(NamedTuple):
    """What became of a batch. `last`: the access key id that the next one begins after; "": there is no next."""

    last: str
    changed: int
    unopened: list[str]  # ids of keys whose secrets open under no key


def reseal(db: apsw.Connection, envelope: Envelope, after: str, limit: int) -> Resealed:
    """Seal a batch of secrets under the key that seals now, in the order of access key ids, those behind `after`."""
    found = rows(
        db,
        "SELECT access_key_id, sealed_secret FROM access_key WHERE access_key_id > ?"
        " AND substr(sealed_secret, 2, 8) != ? ORDER BY access_key_id LIMIT ?",
        (after, envelope.sealing_id, limit),
    )
    unopened = []
    for access_key_id, sealed in found:
        try:
            anew = resealed(envelope, sealed, secret_context(access_key_id))
        except EnvelopeError:
            unopened.append(access_key_id)
            continue
        if anew is not None:
            db.execute("UPDATE access_key SET sealed_secret = ? WHERE access_key_id = ?", (anew, access_key_id))
    return Resealed(found[-1][0] if len(found) == limit else "", len(found) - len(unopened), unopened)


def sealed_with(db: apsw.Connection) -> dict[bytes, int]:
    """How many secrets need which key, by the key's id."""
    return dict(rows(db, "SELECT substr(sealed_secret, 2, 8), count(*) FROM access_key GROUP BY 1"))
