"""From an access key id to all that authorising needs: the owner, the secret, the parsed policies.

Everything that cannot be read denies: a secret that does not open makes the key unknown, a policy that cannot be parsed
or found stands as None, which the evaluator takes for a denial of everything, and so does a boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import apsw

from bucketry.kernel import logs
from bucketry.kernel.envelope import Envelope, EnvelopeError
from bucketry.store.identity import managed, roles, users
from bucketry.store.identity.keys import secret_context
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import Account, Caller, Role
from bucketry.store.policy.language import DENY_EVERYTHING, Policy
from bucketry.store.policy.validation import parse_identity_policy

LONGEST_POLICY_CHARACTERS = 10_240  # of a role's inline policies; the limit of each was checked when it was set
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
        " k.user, u.account_id, u.name, u.path, u.user_id, u.created_ms, u.tags, u.boundary"
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
    account = Account(*row[2:7])
    return Caller(
        access_key_id=access_key_id,
        secret_access_key=secret,
        account=account,
        user=user,
        policies=() if user is None else _of_user(db, account.account_id, row[7], user.arn),
        is_active=bool(row[1]),
        boundary=None if user is None else _boundary(db, account.account_id, user.boundary, user.arn),
    )


@dataclass(frozen=True, slots=True)
class RoleRights:
    """A role and what it may do."""

    account: Account
    role: Role
    policies: tuple[Policy | None, ...]
    boundary: Policy | None


def role_stamp(db: apsw.Connection, role_id: str) -> int | None:
    """What cached rights of a role must have been made from."""
    found = rows(db, "SELECT revision FROM iam_role WHERE role_id = ?", (role_id,))
    return found[0][0] if found else None


def load_role(db: apsw.Connection, role_id: str) -> RoleRights | None:
    """A role by its unique id, with its rights; None when it is gone or cannot be read."""
    found = rows(
        db,
        "SELECT r.id, a.account_id, a.canonical_id, a.display_name, a.email, a.created_ms,"
        " r.account_id, r.name, r.path, r.role_id, r.created_ms, r.trust, r.description, r.max_session_s, r.tags,"
        " r.boundary FROM iam_role r JOIN account a ON a.account_id = r.account_id WHERE r.role_id = ?",
        (role_id,),
    )
    if not found:
        return None
    row = found[0]
    account = Account(*row[1:6])
    try:
        role = roles.from_row(row[6:])
    except (ValueError, TypeError) as error:
        _log.error("a role cannot be read and is refused", role_id=role_id, reason=type(error).__name__)
        return None
    inline = rows(db, "SELECT document FROM role_policy WHERE role = ? ORDER BY name", (row[0],))
    attached = rows(db, "SELECT arn FROM role_attachment WHERE role = ? ORDER BY arn", (row[0],))
    policies = _parsed(db, account.account_id, inline, attached, role.arn)
    return RoleRights(account, role, policies, _boundary(db, account.account_id, role.boundary, role.arn))


def _of_user(db: apsw.Connection, account_id: str, user: int, arn: str) -> tuple[Policy | None, ...]:
    """The policies of a user and of the groups that it is in."""
    inline = rows(
        db,
        "SELECT document FROM user_policy WHERE user = ?1 UNION ALL SELECT p.document FROM group_member m"
        " JOIN group_policy p ON p.grp = m.grp WHERE m.user = ?1",
        (user,),
    )
    attached = rows(
        db,
        "SELECT arn FROM user_attachment WHERE user = ?1 UNION SELECT a.arn FROM group_member m"
        " JOIN group_attachment a ON a.grp = m.grp WHERE m.user = ?1",
        (user,),
    )
    return _parsed(db, account_id, inline, attached, arn)


def _parsed(
    db: apsw.Connection, account_id: str, inline: list[tuple[str]], attached: list[tuple[str]], whose: str
) -> tuple[Policy | None, ...]:
    parsed = [_parse(document) for (document,) in inline]
    parsed += [_parse_shared(managed.document_of(db, account_id, arn)) for (arn,) in attached]
    if None in parsed:
        _log.error("a policy of an identity cannot be read and denies all", identity=whose)
    return tuple(parsed)


def _boundary(db: apsw.Connection, account_id: str, arn: str | None, whose: str) -> Policy | None:
    if arn is None:
        return None
    found = _parse_shared(managed.document_of(db, account_id, arn))
    if found is None:
        _log.error("a permissions boundary cannot be read and denies all", identity=whose)
        return DENY_EVERYTHING
    return found


def session_policy(db: apsw.Connection, account_id: str, inline: str | None, arns: tuple[str, ...]) -> Policy | None:
    """What bounds a session: the union of the policies that it was begun with; None where it was begun with none."""
    documents = [] if inline is None else [inline]
    parsed = [_parse(document) for document in documents]
    parsed += [_parse_shared(managed.document_of(db, account_id, arn)) for arn in arns]
    if not parsed:
        return None
    found = [policy for policy in parsed if policy is not None]
    if len(found) < len(parsed):
        return DENY_EVERYTHING
    return Policy(found[0].version, tuple(statement for policy in found for statement in policy.statements))


def _parse(document: str | None) -> Policy | None:
    try:
        return None if document is None else parse_identity_policy(document, LONGEST_POLICY_CHARACTERS)
    except Exception:  # whatever it was: what can't be read denies
        return None


_parse_shared = lru_cache(maxsize=512)(_parse)  # one managed policy serves many users
