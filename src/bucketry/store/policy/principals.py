"""The Principal and NotPrincipal elements of a bucket policy: whom a statement speaks of.

Follows "Principal" and "NotPrincipal" of the IAM User Guide:

* `"*"` and `{"AWS": "*"}` are everyone, also those who did not sign.
* An account (its number, or the ARN of its root) in a Deny is everyone in it. In an Allow it hands the decision to
  that account: its root is granted, its users only as far as their own policies allow. `Grant` tells the two apart.
* A canonical user id is the account that has it.
* NotPrincipal in a Deny spares a user only when the user and the account both are listed, as AWS asks for; the
  account alone spares only its root. In an Allow it grants everyone who signed and is not listed, nor of a listed
  account: AWS grants the unsigned too, here only `*` does.
* A role is every session of it; the ARN of a session is that one alone. NotPrincipal in a Deny spares a session only
  when the role, the session and the account are listed.
* A Service principal is that service of the store itself, which signs nothing: the delivery of logs. Federated ones are
  read and match nobody: no identity provider signs requests here.

The partition of an ARN (aws, aws-us-gov, aws-cn) is dropped: an installation has one partition, and policies written
for any of them are meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from bucketry.store.policy.malformed import MalformedPolicy, shown

_ACCOUNT = re.compile(r"[0-9]{12}")
_ARN = re.compile(
    r"arn:(?:aws|aws-us-gov|aws-cn):(?:iam::([0-9]{12}):(root|(?:user|role)/[!-)+->@-~]+)"
    r"|sts::([0-9]{12}):(assumed-role/[!-)+->@-~]+/[!-)+->@-~]+))"
)
_CANONICAL = re.compile(r"[0-9a-fA-F]{16,128}")
_OTHER = re.compile(r"[!-)+->@-~]{1,2048}")
_KINDS = ("AWS", "CanonicalUser", "Service", "Federated")


class Grant(Enum):
    """How far a statement's principal reaches one who asks."""

    NONE = 0
    ACCOUNT = 1  # the account of a user is named, not the user
    DIRECT = 2  # everyone, the user itself, or the account for its root


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `account_id` None: nobody signed (then the other fields mean nothing)."""

    account_id: str | None
    arn: str | None
    canonical_id: str | None
    is_root: bool
    role_arn: str | None = None  # of a role's session: the role's, beside its own in `arn`
    service: str | None = None  # the name of a service of the store's own, which has no account


ANONYMOUS = Principal(account_id=None, arn=None, canonical_id=None, is_root=False)


def service_principal(name: str) -> Principal:
    """A service of the store itself, as `logging.s3.amazonaws.com`."""
    return Principal(account_id=None, arn=None, canonical_id=None, is_root=False, service=name)


@dataclass(frozen=True, slots=True)
class PrincipalSet:
    """What a Principal or NotPrincipal element lists. `users` are "ACCOUNT:user/PATH/NAME", roles and their
    sessions alike; `federated` tells whether an identity provider is named.
    """

    everyone: bool
    accounts: frozenset[str]
    users: frozenset[str]
    canonical_ids: frozenset[str]
    federated: bool
    services: frozenset[str] = frozenset()

    def _account_listed(self, principal: Principal) -> bool:
        return principal.account_id in self.accounts or (
            principal.canonical_id is not None and principal.canonical_id in self.canonical_ids
        )

    def _user_listed(self, principal: Principal) -> bool:
        return self._arn_listed(principal.arn) or self._arn_listed(principal.role_arn)

    def _wholly_listed(self, principal: Principal) -> bool:
        if not self._arn_listed(principal.arn):
            return False
        return principal.role_arn is None or self._arn_listed(principal.role_arn)

    def _arn_listed(self, arn: str | None) -> bool:
        return arn is not None and bool(self.users) and _user_of(arn) in self.users

    def grant(self, principal: Principal) -> Grant:
        """How far an Allow with this as its Principal reaches."""
        if self.everyone:
            return Grant.DIRECT
        if principal.account_id is None:
            return Grant.DIRECT if principal.service is not None and principal.service in self.services else Grant.NONE
        if self._account_listed(principal):
            return Grant.DIRECT if principal.is_root or self._user_listed(principal) else Grant.ACCOUNT
        return Grant.DIRECT if self._user_listed(principal) else Grant.NONE

    def grant_except(self, principal: Principal) -> Grant:
        """How far an Allow with this as its NotPrincipal reaches."""
        if principal.account_id is None or self.grant(principal) is not Grant.NONE:
            return Grant.NONE
        return Grant.DIRECT

    def denies(self, principal: Principal) -> bool:
        """Whether a Deny with this as its Principal speaks of them."""
        return self.grant(principal) is not Grant.NONE

    def denies_except(self, principal: Principal) -> bool:
        """Whether a Deny with this as its NotPrincipal speaks of them."""
        if self.everyone or (principal.service is not None and principal.service in self.services):
            return False
        if principal.account_id is None or not self._account_listed(principal):
            return True
        return not (principal.is_root or self._wholly_listed(principal))


@lru_cache(maxsize=4096)
def _user_of(arn: str) -> str | None:
    found = _ARN.fullmatch(arn)
    return f"{found[1] or found[3]}:{found[2] or found[4]}" if found else None


def parse_principals(element: object) -> PrincipalSet:
    """Read the value of Principal or NotPrincipal. Raises MalformedPolicy("Invalid principal in policy: …")."""
    if element == "*":
        return PrincipalSet(True, frozenset(), frozenset(), frozenset(), False)
    if not isinstance(element, Mapping) or not element:
        raise MalformedPolicy("Invalid principal in policy")
    everyone = False
    accounts: set[str] = set()
    users: set[str] = set()
    canonical_ids: set[str] = set()
    services: set[str] = set()
    for kind, listed in element.items():
        for name in _names(kind, listed):
            if kind == "AWS" and name == "*":
                everyone = True
            elif kind == "AWS":
                account, user = _parse_aws(name)
                (accounts if user is None else users).add(account if user is None else f"{account}:{user}")
            elif kind == "CanonicalUser":
                _demand(_CANONICAL.fullmatch(name) is not None, name)
                canonical_ids.add(name)
            else:
                _demand(_OTHER.fullmatch(name) is not None, name)
                if kind == "Service":
                    services.add(name)
    frozen = (frozenset(accounts), frozenset(users), frozenset(canonical_ids))
    return PrincipalSet(everyone, *frozen, "Federated" in element, frozenset(services))


def _demand(good: bool, name: str) -> None:
    if not good:
        raise MalformedPolicy(f"Invalid principal in policy: {shown(name)}")


def _names(kind: str, listed: object) -> list[str]:
    _demand(kind in _KINDS, kind)
    names = listed if isinstance(listed, list) else [listed]
    _demand(bool(names), kind)
    for name in names:
        _demand(type(name) is str, kind)
    return [name for name in names if isinstance(name, str)]


def _parse_aws(name: str) -> tuple[str, str | None]:
    if _ACCOUNT.fullmatch(name):
        return name, None
    found = _ARN.fullmatch(name)
    if not found:
        raise MalformedPolicy(f"Invalid principal in policy: {shown(name)}")
    return found[1] or found[3], None if found[2] == "root" else found[2] or found[4]
