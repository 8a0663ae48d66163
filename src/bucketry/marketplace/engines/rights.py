"""Policy documents: what the credentials of a binding may do, and what anyone may do in a public bucket.

Actions are those of the Service Authorization Reference ("Actions, resources, and condition keys for Amazon S3"). A
binding has everything with objects, versions, tags and uploads; it sets CORS, website, versioning, lifecycle, tagging,
notification and logging of the bucket. It has nothing that makes or removes buckets, changes who may read (policies,
ACLs, public access block, ownership) or touches an identity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.domain.ports import Permissions

# IAM User Guide, "IAM object quotas": the sum of a user's inline policies, white space not counted.
INLINE_POLICY_CHARACTERS = 2048

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


def of_binding(buckets: Sequence[str], permissions: Permissions, partition: str) -> str:
    """The inline policy of a binding's identity. Raises EngineRefused where it would be too long."""
    on_bucket, on_objects = _ACTIONS[permissions]
    arns = [f"arn:{partition}:s3:::{bucket}" for bucket in buckets]
    text = _document(
        [
            {"Effect": "Allow", "Action": [f"s3:{action}" for action in on_bucket], "Resource": arns},
            {
                "Effect": "Allow",
                "Action": [f"s3:{action}" for action in on_objects],
                "Resource": [f"{arn}/*" for arn in arns],
            },
        ]
    )
    if len(text) > INLINE_POLICY_CHARACTERS:
        each = len(json.dumps(arns[0])) * 2 + 4
        fitting = len(buckets) - 1 + (INLINE_POLICY_CHARACTERS - len(text)) // each
        raise EngineRefused(
            f"These credentials would reach {len(buckets) - 1} additional instances; at most {fitting} fit in a "
            "policy. Order another key for the rest."
        )
    return text


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


def _document(statements: list[dict[str, object]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
