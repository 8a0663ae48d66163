"""Policy documents: what the credentials of a binding may do, and what anyone may do in a public bucket.

Actions are those of the Service Authorization Reference ("Actions, resources, and condition keys for Amazon S3"). A
binding has everything with objects, versions, tags and uploads; it sets CORS, website, versioning, lifecycle, tagging,
notification and logging of the bucket. It has nothing that makes or removes buckets, changes who may read (policies,
ACLs, public access block, ownership) or touches an identity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.domain.errors import EngineRefused

# IAM User Guide, "IAM and STS quotas": a user's inline policies together, and a managed policy; no white space counts.
INLINE_POLICY_CHARACTERS = 2048
MANAGED_POLICY_CHARACTERS = 6144

_LOCATION = ("GetBucketLocation",)
_LIST = ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads")
_READ_SETTINGS = (
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketPolicy",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetLifecycleConfiguration",
)
_SET_SETTINGS = (
    "DeleteBucketWebsite",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutLifecycleConfiguration",
)
_READ_OBJECTS = (
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectTagging",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionTagging",
    "ListMultipartUploadParts",
)
_STORE_OBJECTS = ("AbortMultipartUpload", "PutObject", "PutObjectTagging")
_CHANGE_OBJECTS = (
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "PutObjectVersionTagging",
    "RestoreObject",
)

# (actions on the bucket, actions on its objects)
_ACTIONS: dict[Permissions, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Permissions.READ_WRITE: (
        _LOCATION + _LIST + _READ_SETTINGS + _SET_SETTINGS,
        _READ_OBJECTS + _STORE_OBJECTS + _CHANGE_OBJECTS,
    ),
    Permissions.READ_ONLY: (_LOCATION + _LIST + _READ_SETTINGS, _READ_OBJECTS),
    Permissions.WRITE_ONLY: (_LOCATION, (*_STORE_OBJECTS, "ListMultipartUploadParts")),
}


def of_binding(buckets: Sequence[str], rights: Rights, partition: str) -> str:
    """The policy of a binding's identity. Raises EngineRefused where it would be too long for a managed one."""
    text = _of_binding(buckets, rights, partition)
    if len(text) <= MANAGED_POLICY_CHARACTERS:
        return text
    fitting = len(buckets) - 1
    while fitting >= 0 and len(_of_binding(buckets[: fitting + 1], rights, partition)) > MANAGED_POLICY_CHARACTERS:
        fitting -= 1
    if fitting < 0:
        raise EngineRefused(
            "The prefix and the source addresses are too long together for a policy; give shorter ones."
        )
    raise EngineRefused(
        f"These credentials would reach {len(buckets) - 1} additional instances; at most {fitting} fit in a "
        "policy. Order another key for the rest."
    )


def _of_binding(buckets: Sequence[str], rights: Rights, partition: str) -> str:
    return _document(statements(buckets, rights, partition))


def statements(buckets: Sequence[str], rights: Rights, partition: str) -> list[dict[str, Any]]:
    """What a binding may do, without saying who it is; the last statement is that about objects."""
    arns = [f"arn:{partition}:s3:::{bucket}" for bucket in buckets]
    on_bucket, on_objects = _ACTIONS[rights.permissions]
    limits = _limits(rights)
    found: list[dict[str, Any]] = []
    if rights.prefix:
        # Settings are the whole bucket's: a rule of lifecycle, say, would reach beyond the prefix.
        listed = [action for action in on_bucket if action in _LIST]
        on_bucket = tuple(action for action in on_bucket if action in (*_LOCATION, "GetBucketVersioning"))
        within = {"StringLike": {"s3:prefix": f"{rights.prefix}*"}}
        if listed:
            found.append(_allow(listed, arns, limits | within))
    found.append(_allow(on_bucket, arns, limits))
    found.append(_allow(on_objects, [f"{arn}/{rights.prefix}*" for arn in arns], limits))
    return found


def _limits(rights: Rights) -> dict[str, object]:
    """The conditions that hold for all that a binding may do."""
    conditions: dict[str, object] = {}
    if rights.source_ips:
        conditions["IpAddress"] = {"aws:SourceIp": list(rights.source_ips)}
    if rights.ends_ms is not None:
        end = datetime.fromtimestamp(rights.ends_ms // 1000, UTC)
        conditions["DateLessThan"] = {"aws:CurrentTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return conditions


def _allow(actions: Sequence[str], resources: list[str], conditions: dict[str, object]) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": [f"s3:{action}" for action in actions],
        "Resource": resources,
    }
    return statement | ({"Condition": conditions} if conditions else {})


def of_public_bucket(bucket: str, partition: str) -> str:
    """The bucket policy of a public plan: anyone may read an object, nobody may list."""
    return _document(
        [
            {
                "Sid": "PublicRead",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:{partition}:s3:::{bucket}/*",
            }
        ]
    )


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
