"""Condition keys of a request and their values, each computed when a policy asks for it and not before.

IAM User Guide, "AWS global condition context keys"; Service Authorization Reference, "Condition keys for Amazon S3".
Values come from what the server knows: the peer's address is that of the connection, no header says where a request
comes from. Of the headers only `x-amz-*` (as `s3:x-amz-*`), User-Agent, Referer, If-Match and If-None-Match are keys,
each under its own name, so that no header can stand for another key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bucketry.store.gateway.context import Context
from bucketry.store.identity.types import BucketRecord
from bucketry.store.policy.variables import ContextValue
from bucketry.store.s3.copying import parse_copy_source
from bucketry.store.s3.dates import iso8601_seconds
from bucketry.store.s3.errors import S3Error
from bucketry.store.s3.object_lock import CONDITION_KEYS, condition_values, parse_headers
from bucketry.store.s3.tagging import parse_tag_header

_LISTINGS = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"})
_CREATES = frozenset({"PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"})
_TAGS = frozenset({"PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"})
_COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_LOCKS = frozenset({"PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"})
_EXISTING_TAG = "s3:existingobjecttag/"
_REQUEST_TAG = "s3:requestobjecttag/"
_PRINCIPAL_TAG = "aws:principaltag/"


class ConditionValues(Mapping[str, ContextValue | None]):
    """The condition keys of one question: a request, and the bucket, key and version that it is asked about."""

    __slots__ = ("_bucket", "_context", "_found", "_key", "_version_id")

    def __init__(self, context: Context, bucket: BucketRecord | None, key: str, version_id: str | None = None) -> None:
        self._context = context
        self._bucket = bucket
        self._key = key
        self._version_id = version_id  # None: the current version is meant
        self._found: dict[str, ContextValue | None] = {}

    def get(self, name: str, default: object = None) -> ContextValue | None:
        """The value of a lower-case key; None when the request has none."""
        if name in self._found:
            return self._found[name]
        given = self._context.condition_values.get(name)
        value = self._compute(name) if given is None else given
        self._found[name] = value
        return value

    def __getitem__(self, name: str) -> ContextValue | None:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(_FIXED)

    def __len__(self) -> int:
        return len(_FIXED)

    def _compute(self, name: str) -> ContextValue | None:
        fixed = _FIXED.get(name)
        if fixed is not None:
            return fixed(self._context)
        if name.startswith("s3:x-amz-"):
            return self._context.request.headers.get(name[3:])
        if name.startswith(_EXISTING_TAG):
            return self._existing_tag(name[len(_EXISTING_TAG) :])
        if name.startswith(_REQUEST_TAG):
            return _ignoring_case(_request_tags(self._context), name[len(_REQUEST_TAG) :])
        if name.startswith(_PRINCIPAL_TAG):
            caller = self._context.caller
            return _ignoring_case({} if caller is None else caller.tags, name[len(_PRINCIPAL_TAG) :])
        if name == "s3:versionid":
            return self._version_id
        if name in ("s3:resourceaccount", "aws:resourceaccount"):
            return self._bucket.owner.account_id if self._bucket is not None else None
        return None

    def _existing_tag(self, tag: str) -> str | None:
        if self._bucket is None or not self._key:
            return None
        bucket = self._context.services.disk.bucket(self._bucket.name, self._bucket.bucket_id)
        if self._version_id is None:
            version = bucket.get(self._key)
        else:
            version = bucket.get_version(self._key, self._version_id)
        return _ignoring_case(version.tags, tag) if version is not None else None


def _ignoring_case(tags: Mapping[str, str], lower_name: str) -> str | None:
    """Keys of policies compare without case, tag keys among them."""
    for name, value in tags.items():
        if name.lower() == lower_name:
            return value
    return None


def _asked_lock(name: str) -> Callable[[Context], ContextValue | None]:
    """A key of the retention or hold that the headers of a write ask for; of documents it is in condition_values."""

    def value(context: Context) -> ContextValue | None:
        if context.operation.name not in _LOCKS:
            return None
        try:
            return condition_values(parse_headers(context.request.headers, context.now_ms), context.now_ms).get(name)
        except S3Error:
            return None  # the handler refuses the headers

    return value


def _request_tags(context: Context) -> Mapping[str, str]:
    """The tags that the request gives to what it writes; a header that is not obeyed (by a GET, a part, a copy that
    keeps its source's tags) opens nothing."""
    headers, operation = context.request.headers, context.operation.name
    header = headers.get("x-amz-tagging")
    if header is None or operation not in _TAGS:
        return {}
    if operation == "CopyObject" and headers.get("x-amz-tagging-directive") != "REPLACE":
        return {}
    try:
        return parse_tag_header(header)
    except S3Error:
        return {}  # the handler refuses the header


def _request_tag_keys(context: Context) -> ContextValue | None:
    return list(_request_tags(context)) or None


def _user_id(context: Context) -> str | None:
    return None if context.caller is None else context.caller.unique_id


def _principal_type(context: Context) -> str:
    return "Anonymous" if context.caller is None else context.caller.kind


def _token_issue_time(context: Context) -> str | None:
    session = None if context.caller is None else context.caller.session
    return None if session is None else iso8601_seconds(session.issued_ms)


def _is_by_mfa(context: Context) -> str | None:
    return None if context.caller is None or context.caller.session is None else "false"  # nobody has such a device


def _listing_parameter(name: str) -> Callable[[Context], ContextValue | None]:
    def value(context: Context) -> ContextValue | None:
        return context.request.parameters.get(name) if context.operation.name in _LISTINGS else None

    return value


def _header(name: str) -> Callable[[Context], ContextValue | None]:
    return lambda context: context.request.headers.get(name)


def _copy_source(context: Context) -> str | None:
    """BUCKET/KEY of what is copied, read as it will be copied."""
    header = context.request.headers.get("x-amz-copy-source")
    if header is None or context.operation.name not in _COPIES:
        return None
    try:
        source = parse_copy_source(header)
    except S3Error:
        return None  # the handler refuses the header
    return f"{source.bucket}/{source.key}"


def _auth_type(context: Context) -> str | None:
    if context.claim is None:
        return None
    if context.operation.name == "PostObject":
        return "POST"
    return "REST-QUERY-STRING" if context.claim.is_presigned else "REST-HEADER"


def _creates_object(context: Context) -> str | None:
    return "true" if context.operation.name in _CREATES else "false"


_FIXED: dict[str, Callable[[Context], ContextValue | None]] = {
    "aws:sourceip": lambda context: context.request.remote_ip or None,
    "aws:securetransport": lambda context: "true" if context.request.is_secure else "false",
    "aws:currenttime": lambda context: iso8601_seconds(context.now_ms),
    "aws:epochtime": lambda context: str(context.now_ms // 1000),
    "aws:username": lambda context: context.caller.user.name if context.caller and context.caller.user else None,
    "aws:userid": _user_id,
    "aws:principalarn": lambda context: context.caller.principal_arn if context.caller else None,
    "aws:principalaccount": lambda context: context.caller.account.account_id if context.caller else None,
    "aws:principaltype": _principal_type,
    "aws:tokenissuetime": _token_issue_time,
    "aws:multifactorauthpresent": _is_by_mfa,
    "aws:principalisawsservice": lambda _context: "false",
    "aws:viaawsservice": lambda _context: "false",
    "aws:requestedregion": lambda context: context.services.settings.region,
    "aws:useragent": _header("user-agent"),
    "aws:referer": _header("referer"),
    "s3:prefix": _listing_parameter("prefix"),
    "s3:delimiter": _listing_parameter("delimiter"),
    "s3:max-keys": _listing_parameter("max-keys"),
    "s3:if-match": _header("if-match"),
    "s3:if-none-match": _header("if-none-match"),
    **{name: _asked_lock(name) for name in CONDITION_KEYS},
    "s3:objectcreationoperation": _creates_object,
    "s3:requestobjecttagkeys": _request_tag_keys,
    "s3:x-amz-copy-source": _copy_source,
    "s3:x-amz-content-sha256": lambda context: context.claim.content_sha256 if context.claim else None,
    "s3:authtype": _auth_type,
    "s3:signatureversion": lambda context: (
        ("AWS4-HMAC-SHA256" if context.claim.version == 4 else "AWS") if context.claim else None
    ),
    "s3:signatureage": lambda context: (  # a URL of V2 doesn't tell when it was signed
        str(max(0, context.now_ms - context.claim.epoch_s * 1000))
        if context.claim and context.claim.version == 4
        else None
    ),
}
