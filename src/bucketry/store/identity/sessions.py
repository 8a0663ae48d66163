"""Temporary credentials: a key whose secret, owner, end and limits travel sealed in its session token.

AWS IAM User Guide, "Temporary security credentials in IAM". Nothing is stored: the token opens under the master key
and its own access key id alone, so it can be neither made nor changed elsewhere, nor used with another key. It gives no
more than its parents have at the moment of a request: it is dead when the long-term key at its start is deleted or
inactive, and when a role that it came through is gone.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

import apsw

from bucketry.kernel import ids
from bucketry.kernel.envelope import Envelope, EnvelopeError
from bucketry.store.identity import callers
from bucketry.store.identity.cache import StampedCache
from bucketry.store.identity.errors import InvalidInput
from bucketry.store.identity.types import Caller, Session

KEY_PREFIX = "ASIA"
MAX_PACKED_CHARACTERS = 4096  # so that token and request fit the 8 KiB of headers that S3 takes
MAX_CHAIN = 5
_KEPT = 8192
_FORM = 1


class PackedPolicyTooLarge(InvalidInput):
    """The session's policies and names are too long for a token."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a session token says. Times in milliseconds."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    origin_key_id: str
    issued_ms: int
    expires_ms: int
    name: str = ""
    role_ids: tuple[str, ...] = ()
    policy: str | None = None  # an inline session policy
    policy_arns: tuple[str, ...] = ()  # managed session policies, of the account whose rights the session has


def new_ticket(
    parent: Caller,
    issued_ms: int,
    expires_ms: int,
    *,
    name: str = "",
    role_id: str | None = None,
    policy: str | None = None,
    policy_arns: tuple[str, ...] = (),
) -> Ticket:
    """A session that `parent` begins, never longer than the parent's own."""
    before = parent.session
    return Ticket(
        access_key_id=KEY_PREFIX + ids.random_text(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        secret_access_key=ids.secret_access_key(),
        origin_key_id=parent.access_key_id if before is None else before.origin_key_id,
        issued_ms=issued_ms,
        expires_ms=expires_ms if before is None else min(expires_ms, before.expires_ms),
        name=name,
        role_ids=(*(before.role_ids if before else ()), *((role_id,) if role_id else ())),
        policy=policy,
        policy_arns=policy_arns,
    )


def seal(envelope: Envelope, ticket: Ticket) -> str:
    """The session token. PackedPolicyTooLarge."""
    text = json.dumps(
        [
            *(_FORM, ticket.secret_access_key, ticket.origin_key_id, ticket.issued_ms, ticket.expires_ms),
            *(ticket.name, ticket.role_ids, ticket.policy, ticket.policy_arns),
        ],
        separators=(",", ":"),
    )
    if len(text) > MAX_PACKED_CHARACTERS:
        raise PackedPolicyTooLarge("The session policies are too long together; shorten them or give fewer.")
    return base64.urlsafe_b64encode(envelope.seal(text, _context(ticket.access_key_id))).decode()


def _context(access_key_id: str) -> str:
    return f"store|session|{access_key_id}"


def open_token(envelope: Envelope, access_key_id: str, token: str) -> Ticket | None:
    """What a token says, if it is one of ours for this key; None for whatever else it is."""
    try:
        sealed = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        form, secret, origin, issued_ms, expires_ms, name, role_ids, policy, arns = json.loads(
            envelope.open(sealed, _context(access_key_id))
        )
    except (EnvelopeError, ValueError, TypeError, binascii.Error):
        return None
    if form != _FORM or base64.urlsafe_b64encode(sealed).decode() != token:
        return None  # one text a token: base64 has several for the same bytes
    return Ticket(access_key_id, secret, origin, issued_ms, expires_ms, name, tuple(role_ids), policy, tuple(arns))


class Sessions:
    """From a key and a token to the caller, for one process. Opened tokens and callers made of them are kept; each
    look-up asks again whether the parents are what they were.
    """

    def __init__(self, envelope: Envelope, reader: apsw.Connection) -> None:
        self._envelope = envelope
        self._reader = reader
        self.roles = StampedCache(
            lambda role_id: callers.role_stamp(reader, role_id),
            lambda role_id: callers.load_role(reader, role_id),
            _KEPT,
        )
        self._tickets: dict[tuple[str, str], Ticket] = {}
        self._callers: dict[str, tuple[object, object, int, Caller]] = {}

    def ticket(self, access_key_id: str, token: str) -> Ticket | None:
        """What a token says; None if it isn't one for this key."""
        if not access_key_id.startswith(KEY_PREFIX):
            return None
        found = self._tickets.get((access_key_id, token))
        if found is None:
            found = open_token(self._envelope, access_key_id, token)
            if found is not None:
                if len(self._tickets) >= _KEPT:
                    del self._tickets[next(iter(self._tickets))]
                self._tickets[(access_key_id, token)] = found
        return found

    def caller(self, ticket: Ticket, origin: Caller | None) -> Caller | None:
        """Whom a session speaks for now; None: a parent is gone, or its key is not active."""
        if origin is None or not origin.is_active:
            return None
        rights = [self.roles.get(role_id) for role_id in ticket.role_ids]
        if None in rights:
            return None
        role = rights[-1] if rights else None
        moment = self.roles.moment
        kept = self._callers.get(ticket.access_key_id)
        if kept is not None and kept[0] is origin and kept[1] is role and (kept[2] == moment or not ticket.policy_arns):
            return kept[3]
        if len(self._callers) >= _KEPT and ticket.access_key_id not in self._callers:
            del self._callers[next(iter(self._callers))]
        made = self._make(ticket, origin, role)
        self._callers[ticket.access_key_id] = (origin, role, moment, made)
        return made

    def _make(self, ticket: Ticket, origin: Caller, role: callers.RoleRights | None) -> Caller:
        account = origin.account if role is None else role.account
        session = Session(
            name=ticket.name,
            issued_ms=ticket.issued_ms,
            expires_ms=ticket.expires_ms,
            origin_key_id=ticket.origin_key_id,
            role_ids=ticket.role_ids,
            policy=callers.session_policy(self._reader, account.account_id, ticket.policy, ticket.policy_arns),
        )
        return Caller(
            access_key_id=ticket.access_key_id,
            secret_access_key=ticket.secret_access_key,
            account=account,
            user=origin.user if role is None else None,
            policies=origin.policies if role is None else role.policies,
            is_active=True,
            boundary=origin.boundary if role is None else role.boundary,
            role=None if role is None else role.role,
            session=session,
        )
