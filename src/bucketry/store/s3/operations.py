"""The table of S3 operations: what the store answers to, as values.

Routing, authorising, body limits, metrics, the page of what is supported and the test of (operation × principal)
read this table. An operation is recognised by method, kind of resource and the query parameters that name a
sub-resource, as the Amazon S3 API Reference lists them ("Actions"). A handler without a row, or a row without a
handler, fails the tests.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Resource(Enum):
    """What the path names: the service itself (`/`), a bucket, or an object."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


class Body(Enum):
    """How the request's body is taken."""

    NONE = "none"  # a body is read to its end and dropped; more than a few KiB is refused
    DOCUMENT = "document"  # XML or JSON, read whole, bounded
    STREAM = "stream"  # an object's bytes, never held in memory


@dataclass(frozen=True, slots=True)
class Operation:
    """One S3 operation.

    `marker` is the query parameter that names it (`cors` in `?cors`); `header` the header that does (CopyObject).
    `action` is the IAM action that the caller needs; `version_action` the one when `versionId` is given; None: nobody
    is asked (preflight) or the handler asks, for each key (DeleteObjects) or when it knows the key (PostObject).
    """

    name: str
    method: str
    resource: Resource
    action: str | None
    marker: str | None = None
    header: str | None = None
    body: Body = Body.NONE
    version_action: str | None = None


_S, _B, _O = Resource.SERVICE, Resource.BUCKET, Resource.OBJECT
_DOC, _STREAM = Body.DOCUMENT, Body.STREAM


def _settings(marker: str, noun: str, get: str, put: str, delete: str | None = None) -> list[Operation]:
    """The rows of a bucket setting: GET, PUT and, where there is one, DELETE of `?marker`."""
    rows = [
        Operation(f"Get{noun}", "GET", _B, f"s3:{get}", marker),
        Operation(f"Put{noun}", "PUT", _B, f"s3:{put}", marker, body=_DOC),
    ]
    if delete:
        rows.append(Operation(f"Delete{noun}", "DELETE", _B, f"s3:{delete}", marker))
    return rows


def _lock_of_object(marker: str, noun: str) -> list[Operation]:
    """The rows of what protects a version; the right is the same whether it is named or the current one."""
    get, put = f"s3:GetObject{noun}", f"s3:PutObject{noun}"
    return [
        Operation(f"GetObject{noun}", "GET", _O, get, marker, version_action=get),
        Operation(f"PutObject{noun}", "PUT", _O, put, marker, body=_DOC, version_action=put),
    ]


OPERATIONS: tuple[Operation, ...] = (
    # the service
    Operation("ListBuckets", "GET", _S, "s3:ListAllMyBuckets"),
    # buckets
    Operation("CreateBucket", "PUT", _B, "s3:CreateBucket", body=_DOC),
    Operation("HeadBucket", "HEAD", _B, "s3:ListBucket"),
    Operation("DeleteBucket", "DELETE", _B, "s3:DeleteBucket"),
    Operation("GetBucketLocation", "GET", _B, "s3:GetBucketLocation", "location"),
    Operation("ListObjects", "GET", _B, "s3:ListBucket"),
    Operation("ListObjectsV2", "GET", _B, "s3:ListBucket", "list-type"),
    Operation("ListObjectVersions", "GET", _B, "s3:ListBucketVersions", "versions"),
    Operation("ListMultipartUploads", "GET", _B, "s3:ListBucketMultipartUploads", "uploads"),
    Operation("DeleteObjects", "POST", _B, None, "delete", body=_DOC),
    Operation("PostObject", "POST", _B, None, body=_STREAM),  # the form says which key
    *_settings("tagging", "BucketTagging", "GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    *_settings("cors", "BucketCors", "GetBucketCORS", "PutBucketCORS", "PutBucketCORS"),
    *_settings("policy", "BucketPolicy", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    *_settings("acl", "BucketAcl", "GetBucketAcl", "PutBucketAcl"),
    *_settings("versioning", "BucketVersioning", "GetBucketVersioning", "PutBucketVersioning"),
    *_settings(
        "lifecycle",
        "BucketLifecycleConfiguration",
        "GetLifecycleConfiguration",
        "PutLifecycleConfiguration",
        "PutLifecycleConfiguration",
    ),
    *_settings("notification", "BucketNotificationConfiguration", "GetBucketNotification", "PutBucketNotification"),
    *_settings("logging", "BucketLogging", "GetBucketLogging", "PutBucketLogging"),
    *_settings(
        "object-lock",
        "ObjectLockConfiguration",
        "GetBucketObjectLockConfiguration",
        "PutBucketObjectLockConfiguration",
    ),
    *_settings(
        "encryption",
        "BucketEncryption",
        "GetEncryptionConfiguration",
        "PutEncryptionConfiguration",
        "PutEncryptionConfiguration",
    ),
    Operation("GetBucketPolicyStatus", "GET", _B, "s3:GetBucketPolicyStatus", "policyStatus"),
    *_settings("website", "BucketWebsite", "GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"),
    *_settings(
        "publicAccessBlock",
        "PublicAccessBlock",
        "GetBucketPublicAccessBlock",
        "PutBucketPublicAccessBlock",
        "PutBucketPublicAccessBlock",
    ),
    *_settings(
        "ownershipControls",
        "BucketOwnershipControls",
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "PutBucketOwnershipControls",
    ),
    # what no bucket of this store has; that can be read, and nothing else
    Operation("GetBucketAbac", "GET", _B, "s3:GetBucketAbac", "abac"),
    Operation("GetBucketAccelerateConfiguration", "GET", _B, "s3:GetAccelerateConfiguration", "accelerate"),
    Operation("GetBucketReplication", "GET", _B, "s3:GetReplicationConfiguration", "replication"),
    Operation("GetBucketRequestPayment", "GET", _B, "s3:GetBucketRequestPayment", "requestPayment"),
    Operation("ListBucketAnalyticsConfigurations", "GET", _B, "s3:GetAnalyticsConfiguration", "analytics"),
    Operation(
        "ListBucketIntelligentTieringConfigurations",
        "GET",
        _B,
        "s3:GetIntelligentTieringConfiguration",
        "intelligent-tiering",
    ),
    Operation("ListBucketInventoryConfigurations", "GET", _B, "s3:GetInventoryConfiguration", "inventory"),
    Operation("ListBucketMetricsConfigurations", "GET", _B, "s3:GetMetricsConfiguration", "metrics"),
    Operation("OptionsBucket", "OPTIONS", _B, None),
    # objects
    Operation("PutObject", "PUT", _O, "s3:PutObject", body=_STREAM),
    Operation("CopyObject", "PUT", _O, "s3:PutObject", header="x-amz-copy-source"),
    Operation("GetObject", "GET", _O, "s3:GetObject", version_action="s3:GetObjectVersion"),
    Operation("HeadObject", "HEAD", _O, "s3:GetObject", version_action="s3:GetObjectVersion"),
    Operation("DeleteObject", "DELETE", _O, "s3:DeleteObject", version_action="s3:DeleteObjectVersion"),
    Operation(
        "GetObjectTagging", "GET", _O, "s3:GetObjectTagging", "tagging", version_action="s3:GetObjectVersionTagging"
    ),
    Operation(
        "PutObjectTagging",
        "PUT",
        _O,
        "s3:PutObjectTagging",
        "tagging",
        body=_DOC,
        version_action="s3:PutObjectVersionTagging",
    ),
    Operation(
        "DeleteObjectTagging",
        "DELETE",
        _O,
        "s3:DeleteObjectTagging",
        "tagging",
        version_action="s3:DeleteObjectVersionTagging",
    ),
    Operation("GetObjectAcl", "GET", _O, "s3:GetObjectAcl", "acl", version_action="s3:GetObjectVersionAcl"),
    Operation("PutObjectAcl", "PUT", _O, "s3:PutObjectAcl", "acl", body=_DOC, version_action="s3:PutObjectVersionAcl"),
    *_lock_of_object("retention", "Retention"),
    *_lock_of_object("legal-hold", "LegalHold"),
    Operation(
        "GetObjectAttributes",
        "GET",
        _O,
        "s3:GetObjectAttributes",
        "attributes",
        version_action="s3:GetObjectVersionAttributes",
    ),
    Operation("CreateMultipartUpload", "POST", _O, "s3:PutObject", "uploads"),
    Operation("UploadPart", "PUT", _O, "s3:PutObject", "partNumber", body=_STREAM),
    Operation("UploadPartCopy", "PUT", _O, "s3:PutObject", "partNumber", header="x-amz-copy-source"),
    Operation("CompleteMultipartUpload", "POST", _O, "s3:PutObject", "uploadId", body=_DOC),
    Operation("AbortMultipartUpload", "DELETE", _O, "s3:AbortMultipartUpload", "uploadId"),
    Operation("ListParts", "GET", _O, "s3:ListMultipartUploadParts", "uploadId"),
    Operation("OptionsObject", "OPTIONS", _O, None),
)


# Sub-resources of AWS that this store refuses, so that none of them is taken for a plain GET, PUT or DELETE: with any
# method that has no row above. name of the parameter → kinds of resource where it is known.
NOT_SUPPORTED: dict[str, frozenset[Resource]] = {
    **dict.fromkeys(
        (
            "accelerate",
            "analytics",
            "intelligent-tiering",
            "inventory",
            "metadataAnnotationTable",
            "metadataConfiguration",
            "metadataInventoryTable",
            "metadataJournalTable",
            "metadataTable",
            "metrics",
            "replication",
            "requestPayment",
            "session",
            "abac",
        ),
        frozenset({_B}),
    ),
    **dict.fromkeys(
        ("annotation", "renameObject", "restore", "select", "torrent"),
        frozenset({_O}),
    ),
    "encryption": frozenset({_O}),
}

_BY_MARKER: dict[tuple[str, Resource], list[Operation]] = {}
for _operation in OPERATIONS:
    _BY_MARKER.setdefault((_operation.method, _operation.resource), []).append(_operation)

_READ_ALONE = frozenset(
    (row.method, row.resource, row.marker)
    for row in OPERATIONS
    if row.resource in NOT_SUPPORTED.get(row.marker or "", ())
)
BY_NAME: dict[str, Operation] = {operation.name: operation for operation in OPERATIONS}
_MARKERS = frozenset(operation.marker for operation in OPERATIONS if operation.marker) | frozenset(NOT_SUPPORTED)


class Unrecognised(Enum):
    """Why a request names no operation of the table."""

    METHOD = "method"  # this method means nothing on this resource
    NOT_SUPPORTED = "not supported"  # AWS knows it, this store does not


def recognise(
    method: str, resource: Resource, parameters: Collection[str], has_copy_source: bool
) -> Operation | Unrecognised:
    """Name the operation of a request.

    `parameters` are the names of the query's parameters. A sub-resource that is known but has no such method on this
    resource is METHOD; one that AWS has and this store lacks is NOT_SUPPORTED, with every method that has no row.
    """
    if not parameters or _MARKERS.isdisjoint(parameters):
        return _unmarked(method, resource, has_copy_source)
    named = _MARKERS.intersection(parameters)
    for marker in named:
        if resource in NOT_SUPPORTED.get(marker, ()) and (method, resource, marker) not in _READ_ALONE:
            return Unrecognised.NOT_SUPPORTED
    return _find(method, resource, frozenset() if method == "OPTIONS" else named, has_copy_source)


def _find(method: str, resource: Resource, named: frozenset[str], has_copy_source: bool) -> Operation | Unrecognised:
    rows = _BY_MARKER.get((method, resource))
    if not rows:
        return Unrecognised.METHOD
    for row in rows:
        if row.marker is not None:
            if not named or row.marker not in named:
                continue
        elif named and not _ignored(named, resource):
            continue
        if (row.header is not None) == (has_copy_source and method == "PUT" and _copies(resource, row)):
            return row
    return Unrecognised.METHOD


@lru_cache(maxsize=256)
def _unmarked(method: str, resource: Resource, has_copy_source: bool) -> Operation | Unrecognised:
    """The operation of most requests, which name no sub-resource."""
    return _find(method, resource, frozenset(), has_copy_source)


def _copies(resource: Resource, row: Operation) -> bool:
    """Only PutObject and UploadPart change their meaning by x-amz-copy-source."""
    return resource is Resource.OBJECT and (row.marker is None or row.marker == "partNumber")


def _ignored(named: frozenset[str], resource: Resource) -> bool:
    """Parameters that mark an operation elsewhere but only qualify this one: partNumber of GET and HEAD object."""
    return resource is Resource.OBJECT and named <= {"partNumber", "list-type", "location", "delete"}
