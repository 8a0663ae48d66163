"""What may be set as a policy of a bucket or an identity, and as the trust policy of a role: `parse_bucket_policy`,
`parse_identity_policy`, `parse_trust_policy`.

Limits: 20 KiB for a bucket policy ("Bucket policies", S3 User Guide); 6,144 characters for a managed policy and 2,048
for a trust policy, white space not counted ("IAM and AWS STS quotas", IAM User Guide); those of inline policies are in
identity/holders.py.
"""

from __future__ import annotations

import re

from bucketry.store.policy.language import Effect, Policy, Statement, in_one_partition
from bucketry.store.policy.malformed import MalformedPolicy, PolicyTooLarge, shown
from bucketry.store.policy.parser import parse_policy
from bucketry.store.policy.patterns import STAR, compile_any, compile_tokens, split_before, tokens_of
from bucketry.store.s3.operations import OPERATIONS, Operation, Resource

BUCKET_POLICY_LIMIT_BYTES = 20 * 1024
MANAGED_POLICY_LIMIT_CHARACTERS = 6_144
TRUST_POLICY_LIMIT_CHARACTERS = 2_048

_S3_ARN = "arn:aws:s3:::"
_S3_ACTION = re.compile(r"\*|s3:[A-Za-z*?][A-Za-z0-9*?]*", re.IGNORECASE)
_STS_ACTION = re.compile(r"\*|sts:[A-Za-z*?]+", re.IGNORECASE)
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_IDENTITY_SID = re.compile(r"[0-9A-Za-z]*")
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_ARN_COLONS = 5


def _actions_on(kind: Resource) -> frozenset[str]:
    def of(operation: Operation) -> list[str]:
        return [action.lower() for action in (operation.action, operation.version_action) if action]

    return frozenset(action for operation in OPERATIONS if operation.resource is kind for action in of(operation))


_OBJECT_ACTIONS = _actions_on(Resource.OBJECT)
_BUCKET_ACTIONS = _actions_on(Resource.BUCKET)


def policy_size_characters(text: str) -> int:
    """The size of an identity policy as IAM counts it: characters that are not white space."""
    return sum(map(len, text.split()))


def parse_bucket_policy(text: str, bucket: str) -> Policy:
    """Parse a policy for `bucket`.

    Each statement must have a principal, S3 actions, and resources that lie in arn:aws:s3:::BUCKET or
    arn:aws:s3:::BUCKET/…; wildcards may stand in the bucket's name as long as they take in this bucket, and then
    reach no other. Raises MalformedPolicy.
    """
    if len(text.encode("utf-8", "surrogatepass")) > BUCKET_POLICY_LIMIT_BYTES:
        raise PolicyTooLarge(f"Policy is larger than the limit of {BUCKET_POLICY_LIMIT_BYTES} bytes")
    policy = parse_policy(text)
    for statement in policy.statements:
        if statement.principals is None:
            raise MalformedPolicy("Missing required field Principal")
        for action in statement.actions:
            if not _S3_ACTION.fullmatch(action):
                raise MalformedPolicy(f"Policy has invalid action: {shown(action)}")
        _check_bucket_resources(statement, bucket)
        _check_actions_apply(statement)
    return policy


def _check_bucket_resources(statement: Statement, bucket: str) -> None:
    for resource, template in zip(statement.resources, statement.resource_templates(), strict=True):
        name = split_before(template.widest(), "/")
        whole = in_one_partition(resource)
        if not whole.startswith(_S3_ARN) or not compile_tokens(name)(_S3_ARN + bucket):
            raise MalformedPolicy(f"Policy has invalid resource: {shown(resource)}")


def _check_actions_apply(statement: Statement) -> None:
    """Refuse an action on objects where only the bucket is named, and the reverse: it would never apply, and its
    author believes it does.
    """
    if statement.is_not_action or statement.is_not_resource:
        return
    templates = [template.widest() for template in statement.resource_templates()]
    names_objects = any(STAR in tokens or _has_slash(tokens) for tokens in templates)
    names_bucket = any(not _has_slash(tokens) for tokens in templates)
    for action in statement.actions:
        covers = compile_any([tokens_of(action.lower())])
        on_objects = any(map(covers, _OBJECT_ACTIONS))
        on_bucket = any(map(covers, _BUCKET_ACTIONS))
        if (on_objects or on_bucket) and not ((on_objects and names_objects) or (on_bucket and names_bucket)):
            raise MalformedPolicy(f"Action does not apply to any resource(s) in statement: {shown(action)}")


def _has_slash(tokens: tuple[object, ...]) -> bool:
    return any(isinstance(token, str) and "/" in token for token in tokens)


def parse_identity_policy(text: str, limit_characters: int = MANAGED_POLICY_LIMIT_CHARACTERS) -> Policy:
    """Parse an inline or managed policy. A principal is not allowed in it; a resource is `*` or an ARN. Raises
    MalformedPolicy.
    """
    if policy_size_characters(text) > limit_characters:
        raise PolicyTooLarge(f"Policy is larger than the limit of {limit_characters} characters")
    policy = parse_policy(text)
    for statement in policy.statements:
        if statement.principals is not None:
            raise MalformedPolicy("Policy document should not specify a principal.")
        if statement.sid is not None and not _IDENTITY_SID.fullmatch(statement.sid):
            raise MalformedPolicy(f"Statement IDs (SID) must be alpha-numeric: {shown(statement.sid)}")
        for action in statement.actions:
            if not _ACTION.fullmatch(action):
                raise MalformedPolicy(
                    f"Actions must name a service before the colon, for example s3:GetObject: {shown(action)}"
                )
        for resource in statement.resources:
            _check_identity_resource(resource, statement.expands_variables)
    return policy


def _check_identity_resource(resource: str, variables: bool) -> None:
    if resource == "*":
        return
    bare = _VARIABLE.sub("", resource) if variables else resource
    if not bare.startswith("arn:") or bare.count(":") < _ARN_COLONS:
        raise MalformedPolicy(f'Resource {shown(resource)} must be in ARN format or "*".')
    start = resource.find("${") if variables else -1
    if start >= 0 and resource.count(":", 0, start) < _ARN_COLONS:
        raise MalformedPolicy(f"Policy variables may stand in the last part of an ARN only: {shown(resource)}")


def parse_trust_policy(text: str) -> Policy:
    """Parse who may assume a role: each statement has a principal, actions of STS, and no resource. Raises
    MalformedPolicy.
    """
    if policy_size_characters(text) > TRUST_POLICY_LIMIT_CHARACTERS:
        raise PolicyTooLarge(f"Policy is larger than the limit of {TRUST_POLICY_LIMIT_CHARACTERS} characters")
    policy = parse_policy(text, has_resources=False)
    for statement in policy.statements:
        if statement.principals is None:
            raise MalformedPolicy("Missing required field Principal")
        if statement.is_not_principal and statement.effect is Effect.ALLOW:
            raise MalformedPolicy("AssumeRole policy must not allow by NotPrincipal")
        for action in statement.actions:
            if not _STS_ACTION.fullmatch(action):
                raise MalformedPolicy(f"AssumeRole policy may only specify STS AssumeRole actions: {shown(action)}")
    return policy
