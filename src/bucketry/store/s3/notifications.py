"""Event notifications: the setting's document, which events it wants, and an event as Amazon writes it.

Amazon S3 API Reference, PutBucketNotificationConfiguration; User Guide, "Amazon S3 Event Notifications", "Event message
structure", "Supported event types". There is one destination here, the webhook of the operator: topics and queues name
it by ARNs whose last part is `webhook`. Functions and event buses are refused, and events that can't happen here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus

from bucketry.store.s3 import errors, xml
from bucketry.store.s3.dates import iso8601
from bucketry.store.s3.errors import InvalidArgument, MalformedXML

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_CONFIGURATIONS = 100
MAX_RULE_BYTES = 1024
DESTINATION = "webhook"
EVENTS = (
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "ObjectTagging:Put",
    "ObjectTagging:Delete",
    "ObjectAcl:Put",
)
_NEVER = ("ReducedRedundancyLostObject", "ObjectRestore", "Replication", "LifecycleTransition", "IntelligentTiering")
_KINDS = {"TopicConfiguration": ("Topic", "sns"), "QueueConfiguration": ("Queue", "sqs")}
_REFUSED = ("CloudFunctionConfiguration", "EventBridgeConfiguration")


@dataclass(frozen=True, slots=True)
class Interest:
    """One configuration: which events of which keys are told."""

    config_id: str
    kind: str  # TopicConfiguration or QueueConfiguration, as it was given
    arn: str
    events: tuple[str, ...]  # as given: s3:ObjectCreated:*
    prefix: str = ""
    suffix: str = ""

    def wants(self, event: str, key: str) -> bool:
        """Whether an event ("ObjectCreated:Put") of a key is told."""
        named = f"s3:{event}"
        return (
            key.startswith(self.prefix)
            and key.endswith(self.suffix)
            and any(
                named == wanted or (wanted.endswith("*") and named.startswith(wanted[:-1])) for wanted in self.events
            )
        )


def parse(body: bytes) -> tuple[Interest, ...]:
    """The configurations of a NotificationConfiguration. Raises MalformedXML, InvalidArgument, NotImplemented."""
    root = xml.parse(body, "NotificationConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    if len(root.children) > MAX_CONFIGURATIONS:
        raise InvalidArgument(f"There can be {MAX_CONFIGURATIONS} notification configurations.")
    interests = tuple(_interest(element) for element in root)
    ids = [interest.config_id for interest in interests]
    if len(set(ids)) != len(ids):
        raise InvalidArgument("Each configuration needs an id of its own.", {"ArgumentName": "Id"})
    for at, interest in enumerate(interests):
        for other in interests[:at]:
            if _overlap(interest, other):
                raise InvalidArgument(
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type."
                )
    return interests


def _interest(element: xml.Element) -> Interest:
    if element.name in _REFUSED:
        raise errors.NotImplemented(
            "Events are sent to the webhook of the operator, as a topic or a queue, and to nothing else.",
            {"Header": element.name},
        )
    if element.name not in _KINDS:
        raise MalformedXML
    arn_name, _ = _KINDS[element.name]
    if not {child.name for child in element} <= {"Id", arn_name, "Event", "Filter"}:
        raise MalformedXML
    arn = (element.text_of(arn_name) or "").strip()
    events = tuple(child.text.strip() for child in element.find_all("Event"))
    if not arn or not events or any(len(element.find_all(name)) > 1 for name in ("Id", arn_name, "Filter")):
        raise MalformedXML
    for event in events:
        _check_event(event)
    prefix, suffix = _filter(element.find("Filter"))
    config_id = element.text_of("Id") or secrets.token_urlsafe(24)
    if len(config_id) > 255:
        raise InvalidArgument("An id can have 255 characters.", {"ArgumentName": "Id"})
    return Interest(config_id, element.name, arn, events, prefix, suffix)


def _check_event(event: str) -> None:
    name = event.removeprefix("s3:")
    family, _, what = name.partition(":")
    if event.startswith("s3:") and (
        name in EVENTS or (what == "*" and any(e.startswith(f"{family}:") for e in EVENTS))
    ):
        return
    if event.startswith("s3:") and family in _NEVER:
        raise errors.NotImplemented(f"This store has no events {event[:64]}.", {"Header": "Event"})
    raise InvalidArgument(
        "A specified event is not supported for notifications.", {"ArgumentName": "Event", "ArgumentValue": event[:128]}
    )


def _filter(element: xml.Element | None) -> tuple[str, str]:
    """Prefix and suffix."""
    found: dict[str, str] = {}
    if element is None:
        return "", ""
    for rules in element:
        if rules.name != "S3Key":
            raise MalformedXML
        for rule in rules:
            name = (rule.text_of("Name") or "").strip().lower()
            value = rule.text_of("Value")
            if rule.name != "FilterRule" or value is None:
                raise MalformedXML
            if name not in ("prefix", "suffix"):
                raise InvalidArgument("filter rule name must be either prefix or suffix", {"ArgumentName": "Name"})
            if name in found:
                raise InvalidArgument(f"Cannot specify more than one {name} rule in a filter.")
            if len(value.encode("utf-8", "surrogatepass")) > MAX_RULE_BYTES:
                raise InvalidArgument("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
            found[name] = value
    return found.get("prefix", ""), found.get("suffix", "")


def _overlap(one: Interest, other: Interest) -> bool:
    shares = any(set(_named(mine)) & set(_named(theirs)) for mine in one.events for theirs in other.events)
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return shares and prefixes and suffixes


def _named(wanted: str) -> list[str]:
    return [e for e in EVENTS if f"s3:{e}" == wanted or (wanted.endswith("*") and f"s3:{e}".startswith(wanted[:-1]))]


def is_destination(interest: Interest, region: str, account_id: str) -> bool:
    """Whether a configuration names the webhook."""
    service = _KINDS[interest.kind][1]
    return interest.arn == f"arn:aws:{service}:{region}:{account_id}:{DESTINATION}"


def document(interests: tuple[Interest, ...]) -> bytes:
    """The NotificationConfiguration document."""
    return xml.document("NotificationConfiguration", (_element(interest) for interest in interests))


def _element(interest: Interest) -> str:
    arn_name = _KINDS[interest.kind][0]
    rows = [("Id", interest.config_id), (arn_name, interest.arn), *(("Event", event) for event in interest.events)]
    rules = [(name, value) for name, value in (("Prefix", interest.prefix), ("Suffix", interest.suffix)) if value]
    written = "".join(xml.wrap("FilterRule", xml.elements([("Name", name), ("Value", value)])) for name, value in rules)
    return xml.wrap(
        interest.kind, xml.elements(rows) + (xml.wrap("Filter", xml.wrap("S3Key", written)) if rules else "")
    )


@lru_cache(maxsize=1024)
def parse_kept(text: str) -> tuple[Interest, ...]:
    """The configurations of a document that this store wrote. Parsed once a change."""
    return parse(text.encode())


# --- events


@dataclass(frozen=True, slots=True)
class Happening:
    """What an event tells of the request that it comes from."""

    region: str
    bucket: str
    owner: str  # of the bucket: its canonical id
    principal: str  # who did it
    remote_ip: str
    request_id: str
    host_id: str


def record(
    happening: Happening,
    interest_id: str,
    event: str,
    time_ms: int,
    key: str,
    number: int,
    *,
    size: int | None,
    etag: str,
    version_id: str,
) -> str:
    """One record of an event message. `number` orders the events of a key; `size` None: it is of something removed."""
    about: dict[str, object] = {"key": quote_plus(key, errors="replace")}
    if size is not None:
        about |= {"size": size, "eTag": etag}
    if version_id:
        about["versionId"] = version_id
    about["sequencer"] = f"{number:016X}"
    return json.dumps(
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": happening.region,
            "eventTime": iso8601(time_ms),
            "eventName": event,
            "userIdentity": {"principalId": happening.principal},
            "requestParameters": {"sourceIPAddress": happening.remote_ip},
            "responseElements": {"x-amz-request-id": happening.request_id, "x-amz-id-2": happening.host_id},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": interest_id,
                "bucket": {
                    "name": happening.bucket,
                    "ownerIdentity": {"principalId": happening.owner},
                    "arn": f"arn:aws:s3:::{happening.bucket}",
                },
                "object": about,
            },
        }
    )


def test_message(happening: Happening, time_ms: int) -> str:
    """What is sent when a bucket's notifications are set."""
    message: Mapping[str, str] = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso8601(time_ms),
        "Bucket": happening.bucket,
        "RequestId": happening.request_id,
        "HostId": happening.host_id,
    }
    return json.dumps(message)


def message_of(records: list[str]) -> bytes:
    """The event message with these records."""
    return f'{{"Records":[{",".join(records)}]}}'.encode()
