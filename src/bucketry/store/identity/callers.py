"""From an access key id to all that authorising needs: the owner, the secret, the parsed policies.

Everything that cannot be read denies: a secret that does not open makes the key unknown, a policy that cannot be parsed
stands as None, which the evaluator takes for a denial of everything.
"""

from __future__ import annotations

from functools import lru_cache

import apsw

from bucketry.kernel import logs
from bucketry.kernel.envelope import Envelope, EnvelopeError
from bucketry.store.identity import users
from bucketry.store.identity.keys import secret_context
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import Account, Caller
from bucketry.store.policy.language import Policy
from bucketry.store.policy.validation import parse_identity_policy

_log = logs.get("identity")


def stamp(db: apsw.Connection, access_key_id: str) -> tuple[int, int] | None:
    """What a cached caller must have been made from: the revisions of key and user."""
    found = rows(
        db,
        "SELECT k.revision, coalesce(u.revision, 0) FROM access_key k LEFT JOIN iam_user u ON u.id = k.user"
        " WHERE k.access_key_id = ?",
        (access_key_id,),
    )
    return found[0] if found else None


def load(db: apsw.Connection, envelope: Envelope, access_key_id: str) -> Caller | None:
    """The caller of a key, active or not; None when there is no such key or it cannot be read."""
    found = rows(
        db,
        "SELECT k.sealed_secret, k.is_active, a.account_id, a.canonical_id, a.display_name, a.email, a.created_ms,"
        " k.user, u.account_id, u.name, u.path, u.user_id, u.created_ms, u.tags"
        " FROM access_key k JOIN account a ON a.account_id = k.account_id LEFT JOIN iam_user u ON u.id = k.user"
        " WHERE k.access_key_id = ?",
        (access_key_id,),
    )
    if not found:
        return None
    row = found[0]
    try:
        secret = envelope.open(row[0], secret_context(access_key_id))
        user = None if row[7] is None else users.from_row(row[8:])
    except (EnvelopeError, ValueError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, EnvelopeError) else type(error).__name__
        _log.error("an access key cannot be read and is refused", access_key_id=access_key_id, reason=reason)
        return None
    return Caller(
        access_key_id=access_key_id,
        secret_access_key=secret,
        account=Account(*row[2:7]),
        user=user,
        policies=() if user is None else _policies(db, row[7], user.arn),
        is_active=bool(row[1]),
    )


def _policies(db: apsw.Connection, user: int, arn: str) -> tuple[Policy | None, ...]:
    inline = rows(db, "SELECT document FROM user_policy WHERE user = ? ORDER BY name", (user,))
    # From the attachments outward: one whose policy or version is missing yields NULL, and that denies.
    managed = rows(
        db,
        "SELECT v.document FROM attachment a LEFT JOIN managed_policy p ON p.id = a.policy"
        " LEFT JOIN policy_version v ON v.policy = p.id AND v.number = p.default_version WHERE a.user = ?",
        (user,),
    )
    parsed = [_parse(document) for (document,) in inline] + [_parse_shared(document) for (document,) in managed]
    if None in parsed:
        _log.error("a policy of a user cannot be read and denies all", user=arn)
    return tuple(parsed)


def _parse(document: str | None) -> Policy | None:
    try:
        return None if document is None else parse_identity_policy(document)
    except Exception:  # whatever it was: what can't be read denies
        return None


_parse_shared = lru_cache(maxsize=512)(_parse)  # one managed policy serves many users
