"""Headers that ask for what this store does not do: refused, so that nothing is ever pretended.

A client that asks for encryption and gets 200 would believe that it has it. The table is read by the
page of what is supported.
"""

from __future__ import annotations

from dataclasses import dataclass

from bucketry.store.gateway.http import Request
from bucketry.store.s3 import errors
from bucketry.store.s3.errors import InvalidStorageClass


@dataclass(frozen=True, slots=True)
class RefusedHeader:
    """A header, or all that begin with `prefix`, and what it asks for."""

    prefix: str
    asks_for: str


REFUSED_HEADERS: tuple[RefusedHeader, ...] = (
    RefusedHeader("x-amz-server-side-encryption-aws-kms-", "server-side encryption with keys of KMS"),
    RefusedHeader("x-amz-server-side-encryption-context", "server-side encryption with keys of KMS"),
    RefusedHeader("x-amz-server-side-encryption-bucket-key-", "server-side encryption with keys of KMS"),
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


def check_headers(request: Request) -> bool:
    """NotImplemented, or the error that AWS has, for a header that asks for what is not done here; whether there are
    headers about ACLs.
    """
    has_acl_headers = False
    for name in request.headers:
        if name not in _PLAIN and name.startswith("x-amz-"):
            if name.startswith(_PREFIXES):
                raise _not_implemented(name)
            if name == "x-amz-storage-class":
                _check_storage_class(request.headers.get(name) or "")
            elif name == "x-amz-acl" or name.startswith("x-amz-grant-"):
                has_acl_headers = True
    return has_acl_headers


def _check_storage_class(storage_class: str) -> None:
    if storage_class == "STANDARD":
        return
    if storage_class in _STORAGE_CLASSES:
        raise errors.NotImplemented(
            "This store keeps all objects in the storage class STANDARD.",
            {"Header": "x-amz-storage-class", "additionalMessage": storage_class},
        )
    raise InvalidStorageClass(fields={"StorageClassRequested": storage_class[:64]})


def _not_implemented(header: str) -> errors.NotImplemented:
    return errors.NotImplemented(fields={"Header": header})
