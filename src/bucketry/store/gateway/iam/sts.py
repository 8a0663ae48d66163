"""STS: GetCallerIdentity, whom a key speaks for (AWS lets nobody be denied it); GetSessionToken and AssumeRole, which
give temporary credentials (identity/sessions.py).

AWS STS API Reference; IAM User Guide, "Permissions for GetSessionToken" (no policy is asked), "Determining whether a
request is allowed … AssumeRole": the role's trust policy has to allow in any case, and where it only names the account,
the caller's own policies too. Sources of rights that this store has not (MFA devices, session tags, source identities)
are refused, never ignored.
"""

from __future__ import annotations

import re

from bucketry.store.gateway.authorise import principal_of
from bucketry.store.gateway.iam import access, errors
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.errors import AccessDenied, ValidationError
from bucketry.store.gateway.iam.operations import Call, IamOperation
from bucketry.store.identity import inline, sessions
from bucketry.store.identity.errors import NoSuchEntity
from bucketry.store.identity.sessions import MAX_CHAIN, MAX_PACKED_CHARACTERS, Ticket
from bucketry.store.identity.types import Role
from bucketry.store.policy.evaluator import AccessRequest, Decision, evaluate, resource_allows
from bucketry.store.policy.language import DENY_EVERYTHING, Policy
from bucketry.store.policy.validation import parse_trust_policy
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds

SESSION_POLICY_LIMIT_CHARACTERS = 2_048
MAX_SESSION_POLICIES = 10
_LEAST_S, _MOST_ROLE_S, _MOST_TOKEN_S = 900, 43_200, 129_600
_DEFAULT_ROLE_S, _DEFAULT_TOKEN_S = 3600, 43_200
_MOST_ROOT_S = _MOST_CHAINED_S = 3600
_ASSUME = "sts:AssumeRole"
_ROLE_ARN = re.compile(r"arn:(?:aws|aws-us-gov|aws-cn):iam::([0-9]{12}):role(/.*)")


def _nothing(_call: Call) -> tuple[str, ...]:
    return ()


async def _get_caller_identity(call: Call) -> str:
    caller = call.caller
    return xml.elements([("Arn", caller.arn), ("UserId", caller.unique_id), ("Account", caller.account.account_id)])


def _refuse_unsupported(call: Call, *names: str) -> None:
    for name in names:
        if call.parameters.raw(name) is not None or call.parameters.has_list(name):
            raise errors.NotImplemented(f"{name} is not implemented by this store; ask without it.")


def _credentials(call: Call, ticket: Ticket) -> str:
    return xml.wrap(
        "Credentials",
        xml.elements(
            [
                ("AccessKeyId", ticket.access_key_id),
                ("SecretAccessKey", ticket.secret_access_key),
                ("SessionToken", call.identity.session_token(ticket)),
                ("Expiration", iso8601_seconds(ticket.expires_ms)),
            ]
        ),
    )


async def _get_session_token(call: Call) -> str:
    if call.caller.session is not None:
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    _refuse_unsupported(call, "SerialNumber", "TokenCode")
    seconds = call.parameters.number("DurationSeconds", _LEAST_S, _MOST_TOKEN_S) or _DEFAULT_TOKEN_S
    if call.caller.is_root:
        seconds = min(seconds, _MOST_ROOT_S)
    return _credentials(call, sessions.new_ticket(call.caller, call.now_ms, call.now_ms + seconds * 1000))


async def _assume_role(call: Call) -> str:
    _refuse_unsupported(
        call, "Tags", "TransitiveTagKeys", "SourceIdentity", "SerialNumber", "TokenCode", "ProvidedContexts"
    )
    arn = call.parameters.text("RoleArn", rules.ARN)
    name = call.parameters.text("RoleSessionName", rules.SESSION_NAME)
    seconds = call.parameters.number("DurationSeconds", _LEAST_S, _MOST_ROLE_S) or _DEFAULT_ROLE_S
    policy = _inline_policy(call)
    role = _authorised(call, arn, name)
    before = call.caller.session
    if seconds > role.max_session_s:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if before is not None and before.role_ids:
        if seconds > _MOST_CHAINED_S:
            raise ValidationError("The requested DurationSeconds exceeds the 1 hour session limit for role chaining.")
        if len(before.role_ids) >= MAX_CHAIN:
            raise ValidationError(f"Roles can be assumed one from another {MAX_CHAIN} times at most.")
    ticket = sessions.new_ticket(
        call.caller,
        call.now_ms,
        call.now_ms + seconds * 1000,
        name=name,
        role_id=role.role_id,
        policy=policy,
        policy_arns=_policy_arns(call, role),
    )
    who = xml.elements(
        [
            ("AssumedRoleId", f"{role.role_id}:{name}"),
            ("Arn", f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{name}"),
        ]
    )
    answer = _credentials(call, ticket) + xml.wrap("AssumedRoleUser", who)
    packed = len(policy or "") + sum(map(len, ticket.policy_arns))
    if packed:
        answer += xml.element("PackedPolicySize", packed * 100 // MAX_PACKED_CHARACTERS)
    return answer


def _authorised(call: Call, arn: str, session_name: str) -> Role:
    """The role, if its trust policy and the caller's own policies let them assume it. One that isn't there is denied
    like one that doesn't trust them.
    """
    caller = call.caller
    if caller.is_root:
        raise AccessDenied("Roles may not be assumed by root accounts.")
    match = _ROLE_ARN.fullmatch(arn)
    role = call.identity.roles.find(match[1], match[2].rpartition("/")[2]) if match else None
    if match and role is not None and role.arn == f"arn:aws:iam::{match[1]}:role{match[2]}":
        context = dict(access.context_of(call))
        context["aws:resourceaccount"] = role.account_id
        context["sts:rolesessionname"] = session_name
        context["sts:externalid"] = call.parameters.optional("ExternalId", rules.EXTERNAL_ID)
        for key, value in role.tags.items():
            context[f"aws:resourcetag/{key.lower()}"] = context[f"iam:resourcetag/{key.lower()}"] = value
        asked = AccessRequest(principal_of(caller), _ASSUME, role.arn, context, role.account_id)
        trust = _trust(role)
        decision = evaluate(asked, caller.policies, trust, *caller.bounds)
        if decision is Decision.ALLOW and resource_allows(asked, trust):
            return role
    raise AccessDenied(f"User: {caller.arn} is not authorized to perform: {_ASSUME} on resource: {arn}")


def _trust(role: Role) -> Policy:
    try:
        return parse_trust_policy(role.trust)
    except Exception:  # whatever it was: who can't be read is not trusted
        return DENY_EVERYTHING


def _inline_policy(call: Call) -> str | None:
    document = call.parameters.optional("Policy", rules.DOCUMENT)
    if document is not None:
        inline.check_document(document, SESSION_POLICY_LIMIT_CHARACTERS)
    return document


def _policy_arns(call: Call, role: Role) -> tuple[str, ...]:
    members = call.parameters.members("PolicyArns")
    if len(members) > MAX_SESSION_POLICIES:
        raise ValidationError(f"A session takes at most {MAX_SESSION_POLICIES} managed policies.")
    arns = []
    for position, member in members:
        arn = rules.checked(member.get("arn", ""), f"policyArns.{position}.member.arn", rules.ARN)
        try:
            call.identity.policies.find(role.account_id, arn)
        except NoSuchEntity:
            raise ValidationError(f"PolicyArns: there is no policy {arn} in the account of the role.") from None
        arns.append(arn)
    return tuple(arns)


OPERATIONS = (
    IamOperation("GetCallerIdentity", None, _nothing, _get_caller_identity),
    IamOperation("GetSessionToken", None, _nothing, _get_session_token),
    IamOperation("AssumeRole", None, _nothing, _assume_role),  # asks itself, as the role may be another account's
)
