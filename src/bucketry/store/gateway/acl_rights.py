"""What ACLs decide where they count: in buckets whose object ownership is not BucketOwnerEnforced.

Amazon S3 User Guide, "How Amazon S3 authorizes a request for an object operation", "Mapping of ACL permissions and
access policy permissions", "Controlling ownership of objects". Policies are asked before, and an explicit Deny has the
last word. An object of another account than the bucket's is its owner's: no Allow of the bucket's account opens it.
A grant to an account lets its root in, and of its users those whom their own policies allow the same.
"""

from __future__ import annotations

from bucketry.kernel import logs
from bucketry.store.disk.types import Version
from bucketry.store.gateway.context import Context
from bucketry.store.identity.types import Account, BucketRecord, Caller
from bucketry.store.policy.evaluator import AccessRequest, identity_allows, nothing_forbids
from bucketry.store.s3 import acl
from bucketry.store.s3.acl import ANONYMOUS_ID, BUCKET_ACTIONS, OBJECT_ACTIONS, Acl, Permission, Reach

BUCKET_OWNER_ENFORCED = "BucketOwnerEnforced"
ANONYMOUS_ACCOUNT = Account(ANONYMOUS_ID, ANONYMOUS_ID, "anonymous", "")
_DELETE = "s3:DeleteObject"
_OF_INITIATORS = frozenset({"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"})
_log = logs.get("gateway")


def allow(
    context: Context,
    asked: AccessRequest,
    bucket: BucketRecord,
    key: str | None,
    version_id: str | None,
    allowed_by_policy: bool,
) -> bool:
    """Whether it is allowed in all, for a bucket where ACLs count and no policy denies it explicitly."""
    if key is None:
        return allowed_by_policy or _bucket_acl_allows(context, asked, bucket)
    permission = OBJECT_ACTIONS.get(asked.action)
    if permission is not None:
        version = _look_up(context, bucket, key, version_id)
        if version is None or version.is_delete_marker:
            return allowed_by_policy
        return _may_use(context, asked, bucket, version, permission, allowed_by_policy)
    if allowed_by_policy:
        return True
    if asked.action == _DELETE:
        return _may_delete(context, asked, bucket, key)
    if asked.action in _OF_INITIATORS:
        return _is_initiator(context, asked, bucket)
    return _bucket_acl_allows(context, asked, bucket)


def may_list_by_acl(context: Context, asked: AccessRequest, bucket: BucketRecord) -> bool:
    """Whether the bucket's ACL lets the caller list it, so that they may learn that a key is missing."""
    return _bucket_acl_allows(context, asked, bucket)


def judged_version(context: Context, bucket: BucketRecord, key: str, version_id: str | None) -> Version | None:
    """The version on which the caller's right was decided, once: it is this one that they may have. None: rights did
    not depend on it.
    """
    judged, context.judged = context.judged, None
    if judged is None:
        return None
    which, version = judged
    return version if which == (bucket.bucket_id, key, version_id) else None


def owns_all(bucket: BucketRecord) -> bool:
    """Whether all in a bucket is its owner's, and ACLs are disabled."""
    return bucket.object_ownership == BUCKET_OWNER_ENFORCED


def acl_of(version: Version, owner: str) -> Acl:
    """The ACL of an object of `owner` (a canonical id). One that can't be read grants nobody anything."""
    if not version.acl:
        return acl.private(owner)
    try:
        return acl.decode(version.acl)
    except ValueError:
        _log.error("an object's ACL cannot be read and grants nothing", key=version.key)
        return ()


def bucket_acl_of(bucket: BucketRecord) -> Acl:
    """The ACL of a bucket."""
    return acl.private(bucket.owner.canonical_id) if bucket.acl is None else bucket.acl


def has_public_acl(bucket: BucketRecord) -> bool:
    """Whether the bucket's ACL opens it to the public."""
    if bucket.acl is None or owns_all(bucket) or ignores_public(bucket):
        return False
    return acl.is_public(bucket.acl)


def ignores_public(bucket: BucketRecord) -> bool:
    """Whether Block Public Access lets no public ACL count."""
    block = bucket.public_access_block
    return block is not None and block.ignore_public_acls


def _look_up(context: Context, bucket: BucketRecord, key: str, version_id: str | None) -> Version | None:
    objects = context.services.disk.bucket(bucket.name, bucket.bucket_id)
    version = objects.get(key) if version_id is None else objects.get_version(key, version_id)
    context.judged = None if version is None else ((bucket.bucket_id, key, version_id), version)
    return version


def _may_use(
    context: Context,
    asked: AccessRequest,
    bucket: BucketRecord,
    version: Version,
    permission: Permission,
    allowed_by_policy: bool,
) -> bool:
    caller = context.caller
    if version.owner == bucket.owner.account_id:
        if allowed_by_policy:
            return True
        owner = bucket.owner.canonical_id
    else:
        if caller is not None and caller.account.account_id == version.owner:
            return identity_allows(asked, caller.policies, *caller.bounds)
        if version.owner == ANONYMOUS_ID:
            owner = ANONYMOUS_ID
            if caller is None and not ignores_public(bucket):
                return True  # what nobody signed for is everybody's who doesn't sign
        else:
            owner = version.owner  # without an ACL of its own it is its owner's alone, whose canonical id is not needed
    return _granted(caller, asked, bucket, acl_of(version, owner), permission)


def _bucket_acl_allows(context: Context, asked: AccessRequest, bucket: BucketRecord) -> bool:
    permission = BUCKET_ACTIONS.get(asked.action)
    if permission is None or bucket.acl is None:
        return False
    return _granted(context.caller, asked, bucket, bucket.acl, permission)


def _may_delete(context: Context, asked: AccessRequest, bucket: BucketRecord, key: str) -> bool:
    """WRITE lets delete one's own objects alone, but for the bucket's owner, whose account has its policies for it."""
    caller = context.caller
    if caller is None or not _bucket_acl_allows(context, asked, bucket):
        return False
    version = context.services.disk.bucket(bucket.name, bucket.bucket_id).get(key)
    return version is not None and version.owner == caller.account.account_id


def _is_initiator(context: Context, asked: AccessRequest, bucket: BucketRecord) -> bool:
    """Who began an upload may list its parts and give it up ("Multipart upload API and permissions")."""
    caller = context.caller
    if caller is None or bucket is not context.bucket:
        return False
    objects = context.services.disk.bucket(bucket.name, bucket.bucket_id)
    upload = objects.upload(context.request.parameters.get("uploadId", ""))
    if upload is None or upload.key != context.key or upload.initiator != caller.arn:
        return False
    return identity_allows(asked, caller.policies, *caller.bounds)


def _granted(
    caller: Caller | None, asked: AccessRequest, bucket: BucketRecord, grants: Acl, permission: Permission
) -> bool:
    canonical_id = None if caller is None else caller.account.canonical_id
    reached = acl.reach(grants, permission, canonical_id, ignores_public(bucket))
    if reached is Reach.NONE:
        return False
    if caller is None:
        return True
    if reached is Reach.GROUP and caller.account.account_id == bucket.owner.account_id:
        return nothing_forbids(asked, caller.policies, *caller.bounds)
    return identity_allows(asked, caller.policies, *caller.bounds)
