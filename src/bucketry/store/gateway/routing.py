"""What a request names: the service, a bucket or an object, and which operation of the table.

Amazon S3 User Guide, "Virtual hosting of buckets": BUCKET.DOMAIN/KEY where the Host ends with a name of ours, else
DOMAIN/BUCKET/KEY. Nothing here asks who the caller is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from bucketry.store.gateway.http import Request
from bucketry.store.s3 import errors, names
from bucketry.store.s3.errors import InvalidBucketName, MethodNotAllowed
from bucketry.store.s3.operations import OPERATIONS, Operation, Resource, Unrecognised, recognise

HEALTH_PATH = "/_bucketry/health"  # no bucket's name begins with an underscore
_FORM = "application/x-www-form-urlencoded"
_HOSTS_KEPT = 4096
_PATHS_KEPT = 4096

_ALLOW: dict[Resource, str] = {
    resource: ", ".join(sorted({row.method for row in OPERATIONS if row.resource is resource})) for resource in Resource
}


class Target(NamedTuple):
    """What a request is about. `bucket` and `key` are decoded; empty where there is none."""

    resource: Resource
    bucket: str = ""
    key: str = ""


_SERVICE = Target(Resource.SERVICE)


class Router:
    """Finds the target of requests. `s3_domains` are the base names (`host[:port]`) of virtual-host addressing."""

    def __init__(self, s3_domains: tuple[str, ...]) -> None:
        domains = tuple(names.host_name(domain) for domain in s3_domains)
        # A host is looked at once: the same few come in all requests.
        self._bucket_of_host = lru_cache(maxsize=_HOSTS_KEPT)(lambda host: names.split_host(host, domains))
        self._target_of = lru_cache(maxsize=_PATHS_KEPT)(self._find_target)

    def locate(self, request: Request) -> Target:
        """The service, bucket or object of a request; InvalidURI, KeyTooLongError or InvalidBucketName if none."""
        return self._target_of(request.headers.get("host") or "", request.raw_path)

    def _find_target(self, host: str, raw_path: str) -> Target:
        bucket = self._bucket_of_host(host)
        if bucket is None:
            bucket, key = names.split_path(raw_path)
        else:
            key = names.decode_path(raw_path[1:])
        if not key:
            return Target(Resource.BUCKET, bucket) if bucket else _SERVICE
        if not bucket:
            raise InvalidBucketName(fields={"BucketName": ""})
        names.check_key(key)
        return Target(Resource.OBJECT, bucket, key)

    def host_bucket(self, request: Request) -> str:
        """The bucket that the Host names; "" where the path does."""
        return self._bucket_of_host(request.headers.get("host") or "") or ""


def is_iam(request: Request, target: Target) -> bool:
    """Whether this is a call of the IAM (or STS) Query API: a form posted to the root."""
    return target.resource is Resource.SERVICE and request.method == "POST" and _media_type(request) == _FORM


def operation_of(request: Request, target: Target) -> Operation:
    """The operation that a request names; MethodNotAllowed (405 with Allow) or NotImplemented (501) if none."""
    found = recognise(request.method, target.resource, request.parameters, "x-amz-copy-source" in request.headers)
    if isinstance(found, Operation):
        return found
    if found is Unrecognised.NOT_SUPPORTED:
        raise errors.NotImplemented(fields={"Method": request.method, "ResourceType": target.resource.name})
    raise MethodNotAllowed(
        fields={"Method": request.method, "ResourceType": target.resource.name},
        headers={"Allow": _ALLOW[target.resource]},
    )


def _media_type(request: Request) -> str:
    return (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
