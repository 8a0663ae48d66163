"""May logs be delivered into a bucket? The target's policy is asked for the logging service, or its ACL for the group.

Amazon S3 User Guide, "Enabling Amazon S3 server access logging", "Permissions for log delivery": the policy allows
`logging.s3.amazonaws.com` to put objects, on conditions about the source; where ACLs count, WRITE and READ_ACP for the
group LogDelivery do as well. Source and target have one owner and one region, and the target has no Object Lock.
"""

from __future__ import annotations

from bucketry.store.gateway import locks
from bucketry.store.gateway.acl_rights import owns_all
from bucketry.store.identity.types import BucketRecord
from bucketry.store.policy.evaluator import AccessRequest, resource_allows
from bucketry.store.policy.principals import service_principal
from bucketry.store.s3.access_log import SERVICE
from bucketry.store.s3.acl import LOG_DELIVERY, Permission

_NEEDED = (Permission.WRITE, Permission.READ_ACP)


def refusal(source: BucketRecord, target: BucketRecord | None, prefix: str) -> str | None:
    """Why logs of `source` can't go into `target`; None: they can."""
    if target is None:
        return "The target bucket for logging does not exist"
    if target.owner.account_id != source.owner.account_id:
        return "The owner for the bucket to be logged and the target bucket must be the same."
    if target.region != source.region:
        return "The bucket to be logged and the target bucket must be in the same region."
    if locks.has_lock(target):
        return "The target bucket must not have Object Lock."
    if _policy_allows(source, target, prefix) or _acl_allows(target):
        return None
    return (
        f"The policy of the target bucket must let {SERVICE} put objects under the prefix, or, where ACLs count, the "
        "log-delivery group must have WRITE and READ_ACP permissions on it"
    )


def _policy_allows(source: BucketRecord, target: BucketRecord, prefix: str) -> bool:
    asked = AccessRequest(
        service_principal(SERVICE),
        "s3:PutObject",
        f"arn:aws:s3:::{target.name}/{prefix}2026-01-01-00-00-00-0000000000000000",
        {
            "aws:sourcearn": f"arn:aws:s3:::{source.name}",
            "aws:sourceaccount": source.owner.account_id,
            "aws:principalisawsservice": "true",
            "aws:principalservicename": SERVICE,
            "aws:securetransport": "true",
        },
        target.owner.account_id,
    )
    return not target.is_policy_broken and resource_allows(asked, target.policy)


def _acl_allows(target: BucketRecord) -> bool:
    if owns_all(target) or target.acl is None or target.is_policy_broken:
        return False
    granted = {grant.permission for grant in target.acl if grant.grantee == LOG_DELIVERY}
    return Permission.FULL_CONTROL in granted or granted.issuperset(_NEEDED)
