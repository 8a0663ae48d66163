"""Server access logging: the setting's document, and a line of the log.

Amazon S3 User Guide, "Logging requests with server access logging", "Amazon S3 server access log format"; API
Reference, PutBucketLogging. What a line can't tell here is a hyphen; signatures in queries are left out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from bucketry.store.s3 import errors, xml
from bucketry.store.s3.errors import InvalidArgument, MalformedXML

SERVICE = "logging.s3.amazonaws.com"
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_PREFIX_BYTES = 900  # what remains of a key for the date, source and unique part
_NOTHING = "-"
_SECRET = re.compile(
    r"((?:^|[?&])(?:x-amz-signature|x-amz-security-token|x-amz-credential|signature|awsaccesskeyid"
    r"|x-amz-(?:copy-source-)?server-side-encryption-customer-key)=)[^& ]*",
    re.IGNORECASE,
)
_UNSAFE = re.compile(r'["\x00-\x1f\x7f-\uffff]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the log of a bucket goes. `partition` "": names are PREFIX and a date; else by whose time they are
    partitioned: EventTime or DeliveryTime."""

    bucket: str
    prefix: str
    partition: str = ""


def parse(body: bytes) -> Destination | None:
    """The destination of a BucketLoggingStatus; None: nothing is logged. Raises MalformedXML, InvalidArgument,
    NotImplemented for grants."""
    root = xml.parse(body, "BucketLoggingStatus", max_bytes=MAX_DOCUMENT_BYTES)
    if not root.children:
        return None
    enabled = root.children[0]
    names = [child.name for child in enabled]
    known = {"TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat"}
    if len(root.children) != 1 or enabled.name != "LoggingEnabled" or not set(names) <= known:
        raise MalformedXML
    bucket, prefix = (enabled.text_of("TargetBucket") or "").strip(), enabled.text_of("TargetPrefix")
    if len(set(names)) != len(names) or not bucket or prefix is None:
        raise MalformedXML
    grants = enabled.find("TargetGrants")
    if grants is not None and grants.children:
        raise errors.NotImplemented(
            "Log objects belong to the owner of the target bucket alone: share them by its policy.",
            {"Header": "TargetGrants"},
        )
    if len(prefix.encode("utf-8", "surrogatepass")) > MAX_PREFIX_BYTES:
        raise InvalidArgument(f"The target prefix can have {MAX_PREFIX_BYTES} bytes.", {"ArgumentName": "TargetPrefix"})
    return Destination(bucket, prefix, _partition(enabled.find("TargetObjectKeyFormat")))


def _partition(element: xml.Element | None) -> str:
    if element is None:
        return ""
    if len(element.children) != 1:
        raise MalformedXML
    form = element.children[0]
    if form.name == "SimplePrefix" and not form.children:
        return ""
    source = (form.text_of("PartitionDateSource") or "").strip()
    if form.name != "PartitionedPrefix" or len(form.children) != 1 or source not in ("EventTime", "DeliveryTime"):
        raise MalformedXML
    return source


def document(destination: Destination | None) -> bytes:
    """The BucketLoggingStatus document; empty where nothing is logged."""
    if destination is None:
        return xml.document("BucketLoggingStatus", "")
    inside = xml.elements([("TargetBucket", destination.bucket), ("TargetPrefix", destination.prefix)])
    if destination.partition:
        source = xml.element("PartitionDateSource", destination.partition)
        inside += xml.wrap("TargetObjectKeyFormat", xml.wrap("PartitionedPrefix", source))
    return xml.document("BucketLoggingStatus", xml.wrap("LoggingEnabled", inside))


@lru_cache(maxsize=1024)
def parse_kept(text: str) -> Destination | None:
    """The destination of a document that this store wrote. Parsed once a change."""
    return parse(text.encode())


def object_key(
    destination: Destination, source: str, owner: str, region: str, events_ms: int, now_ms: int, unique: str
) -> str:
    """The key of a log object: PREFIX2026-01-02-03-04-05-UNIQUE, or in folders by account, region, bucket and day."""
    delivered = datetime.fromtimestamp(now_ms // 1000, UTC)
    if not destination.partition:
        return f"{destination.prefix}{delivered:%Y-%m-%d-%H-%M-%S}-{unique}"
    if destination.partition == "EventTime":  # the day alone: lines of several hours may be in one
        delivered = datetime.fromtimestamp(events_ms // 1000, UTC).replace(hour=0, minute=0, second=0)
    folders = f"{owner}/{region}/{source}/{delivered:%Y/%m/%d}/"
    return f"{destination.prefix}{folders}{delivered:%Y-%m-%d-%H-%M-%S}-{unique}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, as a line tells it. "" and None: not known, or nothing of the kind."""

    bucket_owner: str  # canonical id
    bucket: str
    time_ms: int
    remote_ip: str
    requester: str  # canonical id of a root, ARN of a user; "": anonymous
    request_id: str
    operation: str
    key: str
    method: str
    target: str  # path and query as sent
    status: int
    error_code: str
    bytes_sent: int | None
    object_size: int | None
    total_ms: int
    referer: str
    user_agent: str
    version_id: str
    host_id: str
    signature_version: str
    auth_type: str
    host: str


def line(entry: Entry) -> str:
    """The entry in the order and form of Amazon's log, with a line end. No value can break out of its field."""
    return (
        f"{entry.bucket_owner} {entry.bucket} [{_second(entry.time_ms // 1000)}] {entry.remote_ip or _NOTHING} "
        f"{_plain(entry.requester)} {entry.request_id} {entry.operation} {_plain(quote(entry.key, errors='replace'))} "
        f'"{_quoted(entry.method)} {_quoted(_without_secrets(entry.target))} HTTP/1.1" {entry.status} '
        f"{_plain(entry.error_code)} {_number(entry.bytes_sent)} {_number(entry.object_size)} {entry.total_ms} "
        f"{entry.total_ms} {_text(_without_secrets(entry.referer))} {_text(entry.user_agent)} "
        f"{_plain(entry.version_id)} "
        f"{_plain(entry.host_id)} {_plain(entry.signature_version)} - {_plain(entry.auth_type)} {_plain(entry.host)} "
        "- - -\n"
    )


@lru_cache(maxsize=64)
def _second(epoch_s: int) -> str:
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return f"{moment.day:02d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def _without_secrets(target: str) -> str:
    return _SECRET.sub(r"\1-", target)


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))


def _quoted(text: str) -> str:
    return _UNSAFE.sub(_escaped, text)


def _text(text: str) -> str:
    return f'"{_quoted(text)}"' if text else '"-"'


def _plain(text: str) -> str:
    return _quoted(text).replace(" ", "%20") if text else _NOTHING


def _number(value: int | None) -> str:
    return _NOTHING if value is None else str(value)


# --- names of operations: REST.METHOD.RESOURCE, where the resource is one of Amazon's

_RESOURCES = {
    "acl": "ACL",
    "cors": "CORS",
    "delete": "MULTI_OBJECT_DELETE",
    "legal-hold": "LEGAL_HOLD",
    "lifecycle": "LIFECYCLE",
    "location": "LOCATION",
    "logging": "LOGGING_STATUS",
    "notification": "NOTIFICATION",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "partNumber": "PART",
    "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "retention": "RETENTION",
    "uploadId": "UPLOAD",
    "uploads": "UPLOADS",
    "versioning": "VERSIONING",
    "versions": "BUCKETVERSIONS",
    "website": "WEBSITE",
}


def operation_name(name: str, method: str, marker: str | None, *, is_object: bool) -> str:
    """What the log calls an operation of the table."""
    if name == "CopyObject":
        return "REST.COPY.OBJECT"
    if name == "UploadPartCopy":
        return "REST.COPY.PART"
    if marker == "tagging":
        return f"REST.{method}.{'OBJECT_TAGGING' if is_object else 'TAGGING'}"
    if marker is None or marker == "list-type":
        return f"REST.{method}.{'OBJECT' if is_object else 'BUCKET'}"
    return f"REST.{method}.{_RESOURCES.get(marker) or marker.upper().replace('-', '_')}"
