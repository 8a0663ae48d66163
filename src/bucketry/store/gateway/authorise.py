"""May this caller do this? Identity policies, the bucket policy and ACLs asked for a request, and nothing else.

Amazon S3 User Guide, "How Amazon S3 authorizes a request", "Blocking public access", "Controlling ownership of
objects". Policies are asked first, then ACLs (gateway/acl_rights.py) in buckets where they count. What a caller may not
do is AccessDenied, whatever exists or not: for who may not list a bucket, a missing key is AccessDenied too.
"""

from __future__ import annotations

from bucketry.store.gateway import acl_rights
from bucketry.store.gateway.acl_rights import BUCKET_OWNER_ENFORCED
from bucketry.store.gateway.condition_values import ConditionValues
from bucketry.store.gateway.context import Context
from bucketry.store.identity.types import BucketRecord, Caller
from bucketry.store.policy.evaluator import AccessRequest, Decision, evaluate, identity_allows
from bucketry.store.policy.language import DENY_EVERYTHING, Policy
from bucketry.store.policy.principals import ANONYMOUS, Principal
from bucketry.store.policy.public import is_public
from bucketry.store.s3.errors import AccessDenied, NoSuchKey, S3Error

_ARN = "arn:aws:s3:::"
_PUBLIC_KEPT = 4096
_public: dict[str, tuple[Policy, bool]] = {}  # bucket id → its policy and whether that is public; pure, so shared
_PRINCIPALS_KEPT = 8192
_principals: dict[str, tuple[Caller, Principal]] = {}  # access key id → its caller and the principal made of it


def demand(
    context: Context,
    action: str,
    key: str | None = None,
    bucket: BucketRecord | None = None,
    version_id: str | None = None,
) -> None:
    """AccessDenied unless the caller may do `action` ("s3:PutObject") on the bucket, or on `key` in it.

    `bucket` None: the one of the request. Another one is asked about for the source of a copy. `version_id`: of the
    version that the request names, for conditions on it and its tags.
    """
    if bucket is None:
        bucket = context.bucket
    decision = _decide(context, action, key, bucket, version_id)
    if decision is Decision.ALLOW:
        return
    if decision is Decision.IMPLICIT_DENY and _is_missing_to_lister(context, action, key, bucket):
        raise NoSuchKey(fields={"Key": key or ""})
    raise denied(context, action, key, bucket)


def allows(
    context: Context,
    action: str,
    key: str | None = None,
    bucket: BucketRecord | None = None,
    version_id: str | None = None,
) -> bool:
    """Whether the caller may do `action`; `key` None: on the bucket itself."""
    if bucket is None:
        bucket = context.bucket
    return _decide(context, action, key, bucket, version_id) is Decision.ALLOW


def _decide(
    context: Context, action: str, key: str | None, bucket: BucketRecord | None, version_id: str | None
) -> Decision:
    """What policies say, and ACLs where they count and no policy denies. `bucket` None: the service, or one to be."""
    asked, decision = _by_policies(context, action, key, bucket, version_id)
    if bucket is None or bucket.object_ownership == BUCKET_OWNER_ENFORCED or decision is Decision.EXPLICIT_DENY:
        return decision
    if acl_rights.allow(context, asked, bucket, key, version_id, decision is Decision.ALLOW):
        return Decision.ALLOW
    return Decision.IMPLICIT_DENY


def _by_policies(
    context: Context, action: str, key: str | None, bucket: BucketRecord | None, version_id: str | None
) -> tuple[AccessRequest, Decision]:
    caller = context.caller
    name = context.bucket_name if bucket is None else bucket.name
    resource = f"{_ARN}{name}/{key}" if key is not None else f"{_ARN}{name or '*'}"
    asked = AccessRequest(
        principal_of(caller),
        action,
        resource,
        ConditionValues(context, bucket, key or "", version_id),
        bucket.owner.account_id if bucket is not None else None,
    )
    if bucket is None and caller is None:
        return asked, Decision.IMPLICIT_DENY  # the service itself, and buckets to be: nobody without a key
    policy = _policy_for(bucket, caller) if bucket is not None else None
    if caller is None:
        return asked, evaluate(asked, (), policy)
    return asked, evaluate(asked, caller.policies, policy, *caller.bounds)


def demand_operation(context: Context) -> None:
    """AccessDenied unless the caller may do what the request asks, as the table of operations names it."""
    operation = context.operation
    if operation.action is None:
        return
    action, version_id = operation.action, None
    if operation.version_action is not None and "versionId" in context.request.parameters:
        action, version_id = operation.version_action, context.request.parameters["versionId"]
    demand(context, action, context.key or None, None, version_id)


def demand_of_new(context: Context, action: str) -> None:
    """AccessDenied unless the caller may give an ACL or tags to what the request writes, which will be theirs.

    `action`: "s3:PutObjectAcl" or "s3:PutObjectTagging". One of another account than the bucket's asks their own
    policies, and who does not sign has none; a Deny of the bucket's policy counts for all.
    """
    bucket, caller = context.bucket, context.caller
    asked, decision = _by_policies(context, action, context.key, bucket, None)
    allowed = decision is Decision.ALLOW
    if decision is Decision.IMPLICIT_DENY and bucket is not None:
        if caller is None:
            allowed = True
        elif caller.account.account_id != bucket.owner.account_id:
            allowed = identity_allows(asked, caller.policies, *caller.bounds)
    if not allowed:
        raise denied(context, action, context.key, bucket)


def _is_missing_to_lister(context: Context, action: str, key: str | None, bucket: BucketRecord | None) -> bool:
    """Whether a key is not there that no ACL can open therefore, and the caller may list what is there."""
    if key is None or bucket is None or action != "s3:GetObject":
        return False
    if bucket.object_ownership == BUCKET_OWNER_ENFORCED:
        return False
    if context.services.disk.bucket(bucket.name, bucket.bucket_id).get(key) is not None:
        return False
    return allows(context, "s3:ListBucket", None, bucket) or _may_list_at(context, key, bucket)


def missing_key(context: Context, key: str, bucket: BucketRecord | None = None) -> S3Error:
    """The error for a key that is not there: who may not list the bucket doesn't learn that."""
    if allows(context, "s3:ListBucket", None, bucket) or _may_list_at(context, key, bucket):
        return NoSuchKey(fields={"Key": key})
    return denied(context, "s3:ListBucket", None, bucket)


def _may_list_at(context: Context, key: str, bucket: BucketRecord | None) -> bool:
    """Whether the caller may make a listing that begins with this key (s3:prefix): it would show what is there."""
    kept = context.condition_values
    context.condition_values = {**kept, "s3:prefix": key}
    try:
        return allows(context, "s3:ListBucket", None, bucket)
    finally:
        context.condition_values = kept


def denied(context: Context, action: str, key: str | None, bucket: BucketRecord | None = None) -> AccessDenied:
    """The error, as AWS words it for a caller that is known; the anonymous learn nothing."""
    if context.caller is None:
        return AccessDenied()
    name = bucket.name if bucket is not None else context.bucket_name
    resource = f"{_ARN}{name}/{key}" if key is not None else f"{_ARN}{name or '*'}"
    return AccessDenied(
        f"User: {context.caller.arn} is not authorized to perform: {action} on resource: {_printable(resource)}"
    )


def principal_of(caller: Caller | None) -> Principal:
    """The caller as policies see it."""
    if caller is None:
        return ANONYMOUS
    kept = _principals.get(caller.access_key_id)
    if kept is not None and kept[0] is caller:
        return kept[1]
    if len(_principals) >= _PRINCIPALS_KEPT:
        del _principals[next(iter(_principals))]
    made = Principal(
        caller.account.account_id,
        caller.arn,
        caller.account.canonical_id,
        caller.is_root,
        None if caller.role is None else caller.role.arn,
    )
    _principals[caller.access_key_id] = (caller, made)
    return made


def _policy_for(bucket: BucketRecord, caller: Caller | None) -> Policy | None:
    """The bucket policy that counts for a caller: none but a Deny of all, where it can't be read or is restricted."""
    if bucket.is_policy_broken:
        return DENY_EVERYTHING
    policy = bucket.policy
    block = bucket.public_access_block
    if (
        policy is not None
        and block is not None
        and block.restrict_public_buckets
        and (caller is None or caller.account.account_id != bucket.owner.account_id)
        and has_public_policy(bucket)
    ):
        return DENY_EVERYTHING
    return policy


def has_public_policy(bucket: BucketRecord) -> bool:
    """Whether the bucket's policy is public in the sense of Block Public Access. Computed once a policy."""
    policy = bucket.policy
    if policy is None:
        return False
    kept = _public.get(bucket.bucket_id)
    if kept is not None and kept[0] is policy:
        return kept[1]
    if len(_public) >= _PUBLIC_KEPT:
        del _public[next(iter(_public))]
    found = is_public(policy)
    _public[bucket.bucket_id] = (policy, found)
    return found


def _printable(resource: str) -> str:
    return '"' + resource.encode("utf-8", "replace").decode() + '"'
