"""Lifecycle rules of a bucket: the document read, checked and written.

Amazon S3 API Reference, PutBucketLifecycleConfiguration; User Guide, "Lifecycle configuration elements", "Setting an
S3 Lifecycle configuration on a bucket". Rules expire versions and give up uploads. Transitions to other storage classes
are refused: there is one. What rules mean for a version is in s3/expiry.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from bucketry.store.s3 import errors, xml
from bucketry.store.s3.dates import iso8601, parse_iso8601
from bucketry.store.s3.errors import InvalidArgument, InvalidRequest, MalformedXML
from bucketry.store.s3.tagging import check_tags

MAX_RULES = 1000
MAX_ID_CHARACTERS = 255
MAX_PREFIX_BYTES = 1024
MAX_TAGS = 10
MAX_NEWER_VERSIONS = 100
MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
_MAX_NUMBER = 2**31 - 1
_MAX_SIZE_BYTES = 2**50
_DAY_MS = 86_400_000
_REFUSED = ("Transition", "NoncurrentVersionTransition")
_FILTERS = ("Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And")
_ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which objects a rule is about: all of what is given must hold."""

    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    larger_than: int | None = None
    smaller_than: int | None = None

    @property
    def looks_inside(self) -> bool:
        """Whether it asks for more than the key, which neither delete markers nor uploads have."""
        return bool(self.tags) or self.larger_than is not None or self.smaller_than is not None

    def covers(self, key: str, tags: Mapping[str, str], size: int) -> bool:
        """Whether an object is meant."""
        return (
            key.startswith(self.prefix)
            and (self.larger_than is None or size > self.larger_than)
            and (self.smaller_than is None or size < self.smaller_than)
            and all(tags.get(name) == value for name, value in self.tags.items())
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; 0 and None: nothing is said of it. `form` is the filter as it was given, since it is given back so."""

    rule_id: str
    is_enabled: bool
    filter: Filter
    form: str  # "Rule" (a Prefix beside the actions), "" (an empty Filter), or the name of the one element in Filter
    days: int = 0
    date_ms: int | None = None
    expires_markers: bool | None = None
    noncurrent_days: int = 0
    newer_versions: int = 0
    abort_days: int = 0


def parse(body: bytes) -> tuple[Rule, ...]:
    """The rules of a LifecycleConfiguration, each with an id. Raises MalformedXML, InvalidArgument, InvalidRequest,
    InvalidTag, NotImplemented."""
    root = xml.parse(body, "LifecycleConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    if not 0 < len(root.children) <= MAX_RULES or any(child.name != "Rule" for child in root):
        raise MalformedXML
    rules = tuple(_rule(element) for element in root)
    ids = [rule.rule_id for rule in rules]
    if len(set(ids)) != len(ids):
        raise _wrong("Rule ID must be unique. Found same ID for more than one rule", "ID", "")
    return rules


def document(rules: tuple[Rule, ...]) -> bytes:
    """The LifecycleConfiguration document."""
    return xml.document("LifecycleConfiguration", (_rule_element(rule) for rule in rules))


@lru_cache(maxsize=1024)
def parse_kept(text: str) -> tuple[Rule, ...]:
    """The rules of a document that this store wrote. Parsed once a change."""
    return parse(text.encode())


def _rule(element: xml.Element) -> Rule:
    names = [child.name for child in element]
    known = ("ID", "Prefix", "Filter", "Status", *_ACTIONS, *_REFUSED)
    single = [name for name in names if name not in _REFUSED]
    if len(set(single)) != len(single) or not set(names) <= set(known) or ("Prefix" in names) == ("Filter" in names):
        raise MalformedXML
    rule_id = element.text_of("ID") or secrets.token_urlsafe(24)
    if len(rule_id) > MAX_ID_CHARACTERS:
        raise _wrong(f"ID length should not exceed allowed limit of {MAX_ID_CHARACTERS}", "ID", rule_id)
    status = (element.text_of("Status") or "").strip()
    if status not in ("Enabled", "Disabled"):
        raise MalformedXML
    asked, form = _filter(element)
    days, date_ms, expires_markers = _expiration(element.find("Expiration"))
    noncurrent_days, newer_versions = _noncurrent(element.find("NoncurrentVersionExpiration"))
    abort_days = _abort(element.find("AbortIncompleteMultipartUpload"))
    for refused in _REFUSED:
        for transition in element.find_all(refused):
            _refuse_transition(transition)
    if not any(name in names for name in _ACTIONS):
        raise InvalidRequest("At least one action needs to be specified in a rule.")
    if asked.looks_inside and (abort_days or expires_markers):
        action = "AbortIncompleteMultipartUpload" if abort_days else "ExpiredObjectDeleteMarker"
        what = "Tags" if asked.tags else "ObjectSizeGreaterThan or ObjectSizeLessThan"
        raise InvalidRequest(f"{action} cannot be specified with {what}.")
    return Rule(
        rule_id,
        status == "Enabled",
        asked,
        form,
        days,
        date_ms,
        expires_markers,
        noncurrent_days,
        newer_versions,
        abort_days,
    )


# --- filters


def _filter(rule: xml.Element) -> tuple[Filter, str]:
    outer = rule.find("Filter")
    if outer is None:
        return Filter(_prefix(rule.text_of("Prefix") or "")), "Rule"
    if not outer.children:
        return Filter(), ""
    if len(outer.children) != 1 or outer.children[0].name not in _FILTERS:
        raise MalformedXML
    inner = outer.children[0]
    if inner.name != "And":
        return _conditions([inner]), inner.name
    if len(inner.children) < 2:
        raise MalformedXML
    return _conditions(inner.children), "And"


def _conditions(elements: list[xml.Element]) -> Filter:
    prefix, larger, smaller = "", None, None
    tags: list[tuple[str, str]] = []
    for element in elements:
        if element.name == "Prefix":
            prefix = _prefix(element.text)
        elif element.name == "Tag":
            tags.append((element.text_of("Key") or "", element.text_of("Value") or ""))
        elif element.name == "ObjectSizeGreaterThan":
            larger = _number(element.text, 0, "ObjectSizeGreaterThan", _MAX_SIZE_BYTES)
        elif element.name == "ObjectSizeLessThan":
            smaller = _number(element.text, 1, "ObjectSizeLessThan", _MAX_SIZE_BYTES)
        else:
            raise MalformedXML
    names = [element.name for element in elements if element.name != "Tag"]
    if len(set(names)) != len(names):
        raise MalformedXML
    if len({name for name, _ in tags}) != len(tags):
        raise InvalidRequest("Duplicate Tag Keys are not allowed.")
    check_tags(tags, MAX_TAGS, "Filter")
    if larger is not None and smaller is not None and larger >= smaller:
        raise InvalidRequest("ObjectSizeGreaterThan has to be a value less than ObjectSizeLessThan")
    return Filter(prefix, dict(tags), larger, smaller)


def _prefix(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PREFIX_BYTES:
        raise InvalidRequest(f"The maximum size of a prefix is {MAX_PREFIX_BYTES}.")
    return text


# --- actions


def _expiration(element: xml.Element | None) -> tuple[int, int | None, bool | None]:
    """Days, date and whether delete markers expire: one of them."""
    if element is None:
        return 0, None, None
    _check_children(element, ("Days", "Date", "ExpiredObjectDeleteMarker"))
    if len(element.children) != 1:
        raise MalformedXML
    child = element.children[0]
    if child.name == "Days":
        return _days(child.text, "Days", "Expiration"), None, None
    if child.name == "Date":
        return 0, _midnight(child.text), None
    text = child.text.strip()
    if text not in ("true", "false"):
        raise MalformedXML
    return 0, None, text == "true"


def _noncurrent(element: xml.Element | None) -> tuple[int, int]:
    if element is None:
        return 0, 0
    _check_children(element, ("NoncurrentDays", "NewerNoncurrentVersions"))
    days, newer = element.text_of("NoncurrentDays"), element.text_of("NewerNoncurrentVersions")
    if days is None:
        raise MalformedXML
    kept = 0 if newer is None else _number(newer, 1, "NewerNoncurrentVersions", MAX_NEWER_VERSIONS)
    return _days(days, "NoncurrentDays", "NoncurrentVersionExpiration"), kept


def _abort(element: xml.Element | None) -> int:
    if element is None:
        return 0
    _check_children(element, ("DaysAfterInitiation",))
    return _days(element.text_of("DaysAfterInitiation") or "", "DaysAfterInitiation", element.name)


def _refuse_transition(element: xml.Element) -> None:
    """What is wrong with a transition is told first, so that a wrong one is never taken for one of another store."""
    date, days = element.text_of("Date"), element.text_of("Days") or element.text_of("NoncurrentDays")
    if date is not None:
        _midnight(date)
    elif days is not None:
        _number(days, 0, "Days", _MAX_NUMBER)
    if not element.text_of("StorageClass"):
        raise MalformedXML
    raise errors.NotImplemented(
        "This store keeps all objects in the storage class STANDARD: rules cannot move them to another.",
        {"Header": element.name},
    )


def _days(text: str, name: str, action: str) -> int:
    number = _integer(text)
    if not 0 < number <= _MAX_NUMBER:
        raise _wrong(f"'{name}' for {action} action must be a positive integer", name, text)
    return number


def _number(text: str, least: int, name: str, most: int) -> int:
    number = _integer(text)
    if not least <= number <= most:
        raise _wrong(f"'{name}' must be a number from {least} to {most}", name, text)
    return number


def _integer(text: str) -> int:
    digits = text.strip()
    unsigned = digits.removeprefix("-")
    if not (unsigned.isascii() and unsigned.isdigit() and len(unsigned) < 20):
        raise MalformedXML
    return int(digits)


def _midnight(text: str) -> int:
    moment_ms = parse_iso8601(text.strip())
    if moment_ms is None:
        raise MalformedXML
    if moment_ms % _DAY_MS:
        raise _wrong("'Date' must be at midnight GMT", "Date", text)
    return moment_ms


def _wrong(text: str, name: str, value: str) -> InvalidArgument:
    return InvalidArgument(text, {"ArgumentName": name, "ArgumentValue": value[:128]})


def _check_children(element: xml.Element, known: tuple[str, ...]) -> None:
    names = [child.name for child in element]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise MalformedXML


# --- writing


def _rule_element(rule: Rule) -> str:
    return xml.wrap(
        "Rule",
        (
            xml.element("ID", rule.rule_id),
            _filter_element(rule),
            xml.element("Status", "Enabled" if rule.is_enabled else "Disabled"),
            _expiration_element(rule),
            _wrapped(
                "NoncurrentVersionExpiration",
                ("NoncurrentDays", rule.noncurrent_days),
                ("NewerNoncurrentVersions", rule.newer_versions),
            ),
            _wrapped("AbortIncompleteMultipartUpload", ("DaysAfterInitiation", rule.abort_days)),
        ),
    )


def _filter_element(rule: Rule) -> str:
    """All conditions, in the form in which they were given; never one less, whatever the form says."""
    asked = rule.filter
    prefix = xml.element("Prefix", asked.prefix)
    if rule.form == "Rule" and not asked.looks_inside:
        return prefix
    parts = [
        xml.wrap("Tag", xml.elements([("Key", name), ("Value", value)])) for name, value in sorted(asked.tags.items())
    ]
    sizes = (("ObjectSizeGreaterThan", asked.larger_than), ("ObjectSizeLessThan", asked.smaller_than))
    parts += [xml.element(name, size) for name, size in sizes if size is not None]
    if asked.prefix or rule.form == "Prefix" or (rule.form == "And" and len(parts) < 2):
        parts.insert(0, prefix)  # an empty one, too, where it was the second condition
    inside = "".join(parts)
    return xml.wrap("Filter", xml.wrap("And", inside) if len(parts) > 1 else inside)


def _expiration_element(rule: Rule) -> str:
    if rule.days:
        return _wrapped("Expiration", ("Days", rule.days))
    if rule.date_ms is not None:
        return xml.wrap("Expiration", xml.element("Date", iso8601(rule.date_ms)))
    if rule.expires_markers is not None:
        return xml.wrap("Expiration", xml.element("ExpiredObjectDeleteMarker", rule.expires_markers))
    return ""


def _wrapped(name: str, *values: tuple[str, int]) -> str:
    inside = xml.elements([(child, value or None) for child, value in values])
    return xml.wrap(name, inside) if inside else ""
