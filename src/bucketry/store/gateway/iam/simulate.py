"""SimulatePrincipalPolicy, SimulateCustomPolicy: what the evaluator would decide, for policies and a context at hand.

AWS IAM API Reference. It is the same evaluator that decides requests; nothing is asked but what is given. Positions of
matched statements are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bucketry.store.gateway.iam import entities, errors
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.errors import ValidationError
from bucketry.store.gateway.iam.operations import Call, IamOperation, page_of
from bucketry.store.identity import aws_policies
from bucketry.store.identity.holders import GROUP, KINDS, USER, HolderKind
from bucketry.store.identity.types import Entity, Group, User
from bucketry.store.policy.evaluator import AccessRequest, ContextValue, Decision, Principal, evaluate
from bucketry.store.policy.language import Policy
from bucketry.store.policy.malformed import MalformedPolicy
from bucketry.store.policy.parser import parse_policy
from bucketry.store.policy.validation import parse_identity_policy
from bucketry.store.s3 import xml

_INLINE_LIMIT = 131_072
_DECISIONS = {
    Decision.ALLOW: "allowed",
    Decision.EXPLICIT_DENY: "explicitDeny",
    Decision.IMPLICIT_DENY: "implicitDeny",
}


class _Source(NamedTuple):
    """A policy that counts, and what it is called."""

    name: str
    kind: str
    policy: Policy


@dataclass(slots=True)
class _Question:
    """All that is simulated, but actions and resources."""

    principal: Principal
    sources: list[_Source]
    boundary: Policy | None
    resource: Policy | None
    owner: str
    context: dict[str, ContextValue | None] = field(default_factory=dict)


def _parsed(document: str, what: str) -> Policy:
    try:
        return parse_identity_policy(document, _INLINE_LIMIT)
    except MalformedPolicy as error:
        raise errors.InvalidInput(f"Invalid Input {what}: {error.message}") from None


def _inputs(call: Call, name: str) -> list[Policy]:
    return [_parsed(text, f"Policy in {name}") for text in call.parameters.texts(name, rules.DOCUMENT)]


def _entity(call: Call) -> tuple[HolderKind, Entity]:
    """Whom PolicySourceArn names, of the caller's own account; NoSuchEntity."""
    arn = call.parameters.text("PolicySourceArn", rules.ARN)
    for kind in KINDS:
        if arn.startswith(f"arn:aws:iam::{call.account_id}:{kind.noun}/"):
            found = call.find(kind, arn.rpartition("/")[2])
            if found is not None and found.arn == arn:
                return kind, found
    raise errors.NoSuchEntity(f"The entity {arn} cannot be found.")


def _of_holder(call: Call, kind: HolderKind, name: str) -> list[_Source]:
    found = [
        _Source(f"{kind.noun}_{name}_{policy}", kind.noun, _parsed(document, policy))
        for policy, document in call.identity.policies.all_inline(kind, call.account_id, name)
    ]
    for attached in call.identity.policies.attached(kind, call.account_id, name):
        found.append(_managed(call, attached.arn, attached.name))
    return found


def _managed(call: Call, arn: str, name: str) -> _Source:
    document = call.identity.policies.document(call.account_id, arn)
    return _Source(name, "aws-managed" if aws_policies.is_aws(arn) else "user-managed", _parsed(document or "", name))


def _of_principal(call: Call) -> _Question:
    kind, entity = _entity(call)
    sources = _of_holder(call, kind, entity.name)
    if kind is USER:
        for group in call.identity.groups.of_user(call.account_id, entity.name):
            sources += _of_holder(call, GROUP, group.name)
    boundary = None
    if not isinstance(entity, Group) and entity.boundary is not None:
        boundary = _managed(call, entity.boundary, "boundary").policy
    question = _question(call, sources, entity.arn, boundary)
    if isinstance(entity, User):
        question.context.setdefault("aws:username", entity.name)
        question.context.setdefault("aws:userid", entity.user_id)
    return question


def _question(call: Call, sources: list[_Source], arn: str, boundary: Policy | None) -> _Question:
    for number, policy in enumerate(_inputs(call, "PolicyInputList"), 1):
        sources.append(_Source(f"PolicyInputList.{number}", "none", policy))
    bounds = _inputs(call, "PermissionsBoundaryPolicyInputList")
    text = call.parameters.optional("ResourcePolicy", rules.DOCUMENT)
    try:
        resource = None if text is None else parse_policy(text)
    except MalformedPolicy as error:
        raise errors.InvalidInput(f"Invalid Input ResourcePolicy: {error.message}") from None
    arn = call.parameters.optional("CallerArn", rules.ARN) or arn
    account = arn.split(":")[4] if arn.count(":") >= 5 else call.account_id
    owner = call.parameters.raw("ResourceOwner") or call.account_id
    return _Question(
        Principal(account, arn, None, arn.endswith(":root")),
        sources,
        bounds[0] if bounds else boundary,
        resource,
        owner.split(":")[4] if owner.count(":") >= 5 else owner,
        _context(call),
    )


def _context(call: Call) -> dict[str, ContextValue | None]:
    values = call.parameters.nested_texts("ContextEntries")
    found: dict[str, ContextValue | None] = {}
    for number, member in call.parameters.members("ContextEntries"):
        key = rules.checked(member.get("ContextKeyName", ""), "contextKeyName", rules.CONTEXT_KEY).lower()
        listed = values.get(number, [])
        is_list = member.get("ContextKeyType", "string").lower().endswith("list")
        if not is_list and len(listed) != 1:
            raise ValidationError(f"ContextEntries: {key} needs one value, or a type that is a list.")
        found[key] = listed if is_list else listed[0]
    return found


def _results(call: Call, question: _Question) -> str:
    actions = call.parameters.texts("ActionNames", rules.ACTION_NAME)
    if not actions:
        call.parameters.require_list("ActionNames")
    resources = call.parameters.texts("ResourceArns", rules.RESOURCE_NAME) or ["*"]
    members = [
        (f"{first:06d}{second:06d}", _result(question, action, resource))
        for first, action in enumerate(actions)
        for second, resource in enumerate(resources)
    ]
    return page_of(call, "EvaluationResults", members)


def _result(question: _Question, action: str, resource: str) -> str:
    asked = AccessRequest(question.principal, action, resource, question.context, question.owner)
    policies = [source.policy for source in question.sources]
    decision = evaluate(asked, policies, question.resource, question.boundary)
    deciding = 0 if decision is Decision.EXPLICIT_DENY else 1
    matched = [
        xml.elements([("SourcePolicyId", source.name), ("SourcePolicyType", source.kind)])
        for source in question.sources
        for statement in source.policy.select(action)[deciding]
        if statement.matches(resource, question.context)
    ]
    body = xml.elements(
        [("EvalActionName", action), ("EvalResourceName", resource), ("EvalDecision", _DECISIONS[decision])]
    )
    body += xml.wrap("MatchedStatements", (xml.wrap("member", each) for each in matched))
    body += xml.wrap(
        "MissingContextValues", (xml.element("member", key) for key in _missing(question, policies, action))
    )
    if question.boundary is not None:
        allowed = evaluate(asked, [question.boundary], None) is Decision.ALLOW
        inside = xml.element("AllowedByPermissionsBoundary", allowed)
        body += xml.wrap("PermissionsBoundaryDecisionDetail", inside)
    return body


def _missing(question: _Question, policies: Sequence[Policy], action: str) -> list[str]:
    """The condition keys that policies ask for and the context has not."""
    bounds = [policy for policy in (question.boundary, question.resource) if policy is not None]
    return sorted(
        {
            condition.key
            for policy in [*policies, *bounds]
            for statements in policy.select(action)
            for statement in statements
            for condition in statement.conditions
            if condition.key not in question.context
        }
    )


async def _principal(call: Call) -> str:
    return _results(call, _of_principal(call))


async def _custom(call: Call) -> str:
    call.parameters.require_list("PolicyInputList")
    arn = f"arn:aws:iam::{call.account_id}:user/simulated"
    return _results(call, _question(call, [], arn, None))


def _source(call: Call) -> tuple[str, ...]:
    kind_and_entity = call.parameters.text("PolicySourceArn", rules.ARN)
    for kind in KINDS:
        if kind_and_entity.startswith(f"arn:aws:iam::{call.account_id}:{kind.noun}/"):
            return (entities.arn_of(call, kind, kind_and_entity.rpartition("/")[2]),)
    return (kind_and_entity,)


def _everything(_call: Call) -> tuple[str, ...]:
    return ("*",)


OPERATIONS = (
    IamOperation("SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy", _source, _principal),
    IamOperation("SimulateCustomPolicy", "iam:SimulateCustomPolicy", _everything, _custom),
)
