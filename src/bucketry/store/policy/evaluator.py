"""May they or may they not: the decision over all policies that bear on a request.

Follows "Policy evaluation logic" of the IAM User Guide and "How Amazon S3 authorizes a request" of the S3 User Guide:

1. An explicit Deny in any policy wins. One exception: the root of the bucket's own account may always get, put and
   delete the bucket policy, whatever the bucket policy says, so that nobody locks themselves out.
2. The root of an account needs no policy for what its own account holds.
3. Within an account, an identity policy or the bucket policy is enough. A bucket policy that names only the account
   leaves the decision about the account's users to their identity policies.
4. Across accounts both are needed: the caller's account allows (its root counts as having allowed all), and the
   bucket policy allows.
5. Without a signature only the bucket policy counts, and there only `*`.
6. A permissions boundary and a session policy must allow too; they never grant. (AWS lets a bucket policy that names
   a user go past the user's boundary; here the boundary bounds that as well.)

What no policy decides is an implicit denial. ACLs may still grant it: `identity_allows` is the caller's half of that
question. Nothing here raises. What can't be decided inside a condition is settled there, against the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from bucketry.store.policy.language import Policy, Statement
from bucketry.store.policy.principals import ANONYMOUS, Grant, Principal
from bucketry.store.policy.variables import Context, ContextValue

__all__ = [
    "ANONYMOUS",
    "AccessRequest",
    "Context",
    "ContextValue",
    "Decision",
    "Principal",
    "evaluate",
    "identity_allows",
    "nothing_forbids",
    "resource_allows",
]

_KEPT_BY_ROOT = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})


class AccessRequest(NamedTuple):
    """What is asked for. A tuple, since each request makes one: a third of the cost of a frozen dataclass.

    `action` is an IAM action ("s3:GetObject"), `resource` an ARN ("arn:aws:s3:::bucket/key"), `context` the condition
    keys, lower-cased. `resource_account_id` is the owner of the resource, None where there is no owner but the caller
    ("s3:ListAllMyBuckets", "s3:CreateBucket").
    """

    principal: Principal
    action: str
    resource: str
    context: Context
    resource_account_id: str | None


class Decision(Enum):
    EXPLICIT_DENY = "explicit deny"
    ALLOW = "allow"
    IMPLICIT_DENY = "implicit deny"


def evaluate(
    request: AccessRequest,
    identity: Sequence[Policy | None],
    resource: Policy | None,
    boundary: Policy | None = None,
    session: Policy | None = None,
) -> Decision:
    """Decide a request.

    `identity` are the policies of the caller, where None stands for one that cannot be read and denies everything;
    `resource` is the bucket policy, None where there is none (for one that cannot be read pass
    `language.DENY_EVERYTHING`).
    """
    principal = request.principal
    own = _is_own(request, resource)
    if principal.account_id is not None and _caller_denied(request, identity, boundary, session):
        return Decision.EXPLICIT_DENY
    kept = own and principal.is_root and request.action.lower() in _KEPT_BY_ROOT
    if resource is not None and not kept and _resource_denies(request, resource):
        return Decision.EXPLICIT_DENY
    grant = Grant.NONE if resource is None else _resource_grant(request, resource)
    if principal.account_id is None:
        return _decision(grant is Grant.DIRECT)
    if not _bounds_allow(request, boundary, session):
        return Decision.IMPLICIT_DENY
    allowed_by_identity = principal.is_root or _any_allows(request, identity)
    if own:
        return _decision(allowed_by_identity or grant is Grant.DIRECT)
    return _decision(allowed_by_identity and grant is not Grant.NONE)


def identity_allows(
    request: AccessRequest,
    identity: Sequence[Policy | None],
    boundary: Policy | None = None,
    session: Policy | None = None,
) -> bool:
    """The caller's half: whether the caller's own account lets them ask this. The root always may; an anonymous
    caller has no such half.
    """
    if request.principal.account_id is None or _caller_denied(request, identity, boundary, session):
        return False
    if not _bounds_allow(request, boundary, session):
        return False
    return request.principal.is_root or _any_allows(request, identity)


def nothing_forbids(
    request: AccessRequest,
    identity: Sequence[Policy | None],
    boundary: Policy | None = None,
    session: Policy | None = None,
) -> bool:
    """Whether the caller's own policies leave them what others grant: nothing denies it, and the bounds hold. So much
    is asked of one whom an ACL of their own account names by a group. True for the anonymous, who have no policies.
    """
    if request.principal.account_id is None:
        return True
    return not _caller_denied(request, identity, boundary, session) and _bounds_allow(request, boundary, session)


def resource_allows(request: AccessRequest, resource: Policy | None) -> bool:
    """The bucket's half: whether its policy grants this to the caller or to the caller's account, and denies it not."""
    if resource is None or _resource_denies(request, resource):
        return False
    return _resource_grant(request, resource) is not Grant.NONE


def _decision(allowed: bool) -> Decision:
    return Decision.ALLOW if allowed else Decision.IMPLICIT_DENY


def _is_own(request: AccessRequest, resource: Policy | None) -> bool:
    """Whether caller and resource are of one account. Without an owner and a bucket policy it is the caller's own;
    with a policy, whose it is is open.
    """
    account_id = request.principal.account_id
    if account_id is None:
        return False
    owner = request.resource_account_id
    return owner == account_id or (owner is None and resource is None)


def _caller_denied(
    request: AccessRequest, identity: Iterable[Policy | None], boundary: Policy | None, session: Policy | None
) -> bool:
    for policy in identity:
        if policy is None or _denies(request, policy):
            return True
    return (boundary is not None and _denies(request, boundary)) or (session is not None and _denies(request, session))


def _denies(request: AccessRequest, policy: Policy) -> bool:
    return _one_matches(policy.select(request.action)[0], request)


def _allows(request: AccessRequest, policy: Policy) -> bool:
    return _one_matches(policy.select(request.action)[1], request)


def _one_matches(statements: Iterable[Statement], request: AccessRequest) -> bool:
    for statement in statements:  # noqa: SIM110 - runs for each request, and a generator costs as much as what it would run
        if statement.matches(request.resource, request.context):
            return True
    return False


def _any_allows(request: AccessRequest, identity: Iterable[Policy | None]) -> bool:
    return any(policy is not None and _allows(request, policy) for policy in identity)


def _bounds_allow(request: AccessRequest, boundary: Policy | None, session: Policy | None) -> bool:
    return (boundary is None or _allows(request, boundary)) and (session is None or _allows(request, session))


def _resource_denies(request: AccessRequest, policy: Policy) -> bool:
    for statement in policy.select(request.action)[0]:
        if statement.denies(request.principal) and statement.matches(request.resource, request.context):
            return True
    return False


def _resource_grant(request: AccessRequest, policy: Policy) -> Grant:
    best = Grant.NONE
    for statement in policy.select(request.action)[1]:
        grant = statement.grant(request.principal)
        if grant is Grant.NONE or (grant is best) or not statement.matches(request.resource, request.context):
            continue
        if grant is Grant.DIRECT:
            return grant
        best = grant
    return best
