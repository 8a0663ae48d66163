"""Headers that ask for what this store does not do: refused, so that nothing is ever pretended.

A client that asks for encryption, a lock or an ACL and gets 200 would believe that it has it. The table is read by the
page of what is supported.
"""

from __future__ import annotations

from dataclasses import dataclass

from bucketry.store.gateway.http import Request
from bucketry.store.identity.types import BucketRecord, Caller
from bucketry.store.s3 import errors
from bucketry.store.s3.errors import (
    AccessControlListNotSupported,
    InvalidArgument,
    InvalidBucketAclWithObjectOwnership,
    InvalidStorageClass,
)
from bucketry.store.s3.operations import Operation

BUCKET_OWNER_ENFORCED = "BucketOwnerEnforced"


@dataclass(frozen=True, slots=True)
class RefusedHeader:
    """A header, or all that begin with `prefix`, and what it asks for."""

    prefix: str
    asks_for: str


REFUSED_HEADERS: tuple[RefusedHeader, ...] = (
    RefusedHeader("x-amz-server-side-encryption", "server-side encryption"),
    RefusedHeader("x-amz-copy-source-server-side-encryption", "server-side encryption with customer keys"),
    RefusedHeader("x-amz-object-lock-", "object lock"),
    RefusedHeader("x-amz-bucket-object-lock-", "object lock"),
    RefusedHeader("x-amz-bypass-governance-retention", "object lock"),
    RefusedHeader("x-amz-mfa", "MFA delete"),
    RefusedHeader("x-amz-write-offset-bytes", "appending to objects"),
    RefusedHeader("x-amz-rename-source", "renaming objects"),
    RefusedHeader("x-amz-if-match-", "conditions on size or time of a deletion"),
)
_PREFIXES = tuple(refused.prefix for refused in REFUSED_HEADERS)

# Sent with most requests and meant as they say: looked at no further.
_PLAIN = frozenset(
    {
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
    }
)

_CANNED_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "aws-exec-read",
        "authenticated-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    }
)
_STORAGE_CLASSES = frozenset(
    {
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "OUTPOSTS",
        "GLACIER_IR",
        "SNOW",
        "EXPRESS_ONEZONE",
        "FSX_OPENZFS",
        "FSX_ONTAP",
    }
)


def check_headers(request: Request, operation: Operation, bucket: BucketRecord | None, caller: Caller | None) -> None:
    """NotImplemented, or the error that AWS has, for a header that asks for what is not done here.

    `bucket` is the one written to, None when it is to be created; `caller` who writes, None when anonymous.
    """
    acl_headers = False
    for name in request.headers:
        if name not in _PLAIN and name.startswith("x-amz-"):
            if name.startswith(_PREFIXES):
                raise _not_implemented(name)
            if name == "x-amz-storage-class":
                _check_storage_class(request.headers.get(name) or "")
            elif name == "x-amz-acl" or name.startswith("x-amz-grant-"):
                acl_headers = True
    if acl_headers:
        _check_acl(request, operation, bucket, caller)


def _check_storage_class(storage_class: str) -> None:
    if storage_class == "STANDARD":
        return
    if storage_class in _STORAGE_CLASSES:
        raise errors.NotImplemented(
            "This store keeps all objects in the storage class STANDARD.",
            {"Header": "x-amz-storage-class", "additionalMessage": storage_class},
        )
    raise InvalidStorageClass(fields={"StorageClassRequested": storage_class[:64]})


def _check_acl(request: Request, operation: Operation, bucket: BucketRecord | None, caller: Caller | None) -> None:
    """ACLs say nothing here yet: only those that change nothing may be given.

    `private` of the bucket's own account gives full control to the bucket's owner alone, so it passes where ACLs are
    disabled too; rclone and others send it with each object.
    """
    acl = request.headers.get("x-amz-acl") or None  # an empty field says nothing
    if acl is not None and acl not in _CANNED_ACLS:
        raise InvalidArgument(fields={"ArgumentName": "x-amz-acl", "ArgumentValue": acl[:64]})
    if operation.name == "CreateBucket":
        _check_new_bucket_acl(request, acl)
        return
    is_enforced = bucket is not None and bucket.object_ownership == BUCKET_OWNER_ENFORCED
    if _is_granting(request):
        raise AccessControlListNotSupported() if is_enforced else _not_implemented("x-amz-grant-*")
    is_owner = bucket is not None and caller is not None and caller.account.account_id == bucket.owner.account_id
    if acl in (None, "bucket-owner-full-control") or (acl == "private" and (is_owner or not is_enforced)):
        return
    raise AccessControlListNotSupported() if is_enforced else _not_implemented("x-amz-acl")


def _check_new_bucket_acl(request: Request, acl: str | None) -> None:
    if acl in (None, "private") and not _is_granting(request):
        return
    ownership = request.headers.get("x-amz-object-ownership")
    if ownership in (None, BUCKET_OWNER_ENFORCED):
        raise InvalidBucketAclWithObjectOwnership
    raise _not_implemented("x-amz-acl")


def _is_granting(request: Request) -> bool:
    return any(name.startswith("x-amz-grant-") for name in request.headers)


def _not_implemented(header: str) -> errors.NotImplemented:
    return errors.NotImplemented(fields={"Header": header})
