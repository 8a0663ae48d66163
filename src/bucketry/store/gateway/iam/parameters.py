"""The parameters of an IAM request: a form, read strictly, each value checked by AWS's constraints for it.

AWS IAM API Reference: "Request Parameters" of each action give pattern and length; lists travel as `Tags.member.1.Key`.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from bucketry.store.gateway.iam.errors import MalformedQueryString, ValidationError

MAX_FIELDS = 1000  # TagUser with 50 tags has 103
DEFAULT_PAGE = 100
MAX_PAGE = 1000
_SHOWN_CHARACTERS = 100
_MEMBER = re.compile(r"([A-Za-z]+)\.member\.([1-9][0-9]{0,3})(?:\.([A-Za-z]+))?", re.ASCII)
_NESTED = re.compile(r"([A-Za-z]+)\.member\.([1-9][0-9]{0,3})\.[A-Za-z]+\.member\.([1-9][0-9]{0,3})", re.ASCII)
_DIGITS = re.compile(r"-?[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a text must be: a pattern for all of it, and a length in characters."""

    pattern: re.Pattern[str]
    least: int
    most: int


def _rule(pattern: str, least: int, most: int) -> Rule:
    return Rule(re.compile(pattern, re.ASCII), least, most)


NEW_USER_NAME = _rule(r"[\w+=,.@-]+", 1, 64)
USER_NAME = _rule(r"[\w+=,.@-]+", 1, 128)
GROUP_NAME = _rule(r"[\w+=,.@-]+", 1, 128)
ROLE_NAME = _rule(r"[\w+=,.@-]+", 1, 64)
SESSION_NAME = _rule(r"[\w+=,.@-]+", 2, 64)
EXTERNAL_ID = _rule(r"[\w+=,.@:\/-]+", 2, 1224)
ACTION_NAME = _rule(r"[\u0021-\u007E]+", 3, 128)
RESOURCE_NAME = _rule(r"[\u0020-\u007E\u00A1-\uFFFF]+", 1, 2048)
CONTEXT_KEY = _rule(r"[\u0021-\u007E]+", 5, 256)
POLICY_NAME = _rule(r"[\w+=,.@-]+", 1, 128)
PATH = _rule(r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", 1, 512)
PATH_PREFIX = _rule(r"\u002F[\u0021-\u007F]*", 1, 512)
POLICY_PATH = _rule(r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", 1, 512)
DOCUMENT = _rule(r"[\u0009\u000A\u000D\u0020-\u00FF]+", 1, 131_072)
DESCRIPTION = _rule(r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*", 0, 1000)
ARN = _rule(r"[\u0021-\u007E]+", 20, 2048)
ACCESS_KEY_ID = _rule(r"\w+", 16, 128)
VERSION_ID = _rule(r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?", 1, 64)
_MARKER = _rule(r"[A-Za-z0-9_=-]+", 1, 2048)

_MAX_TAG_KEY, _MAX_TAG_VALUE = 128, 256
_TAG_WORDS = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]"
_TAG_MARKS = frozenset("_.:/=+-@")


class Parameters:
    """The fields of one request. Each call raises ValidationError in AWS's words."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, body: bytes) -> Parameters:
        """Read a form. MalformedQueryString when it is none, or has a name twice: which one counts must not be open."""
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=MAX_FIELDS,
            )
        except ValueError:  # UnicodeDecodeError among them
            raise MalformedQueryString(
                "The body is not a form of the type application/x-www-form-urlencoded."
            ) from None
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise MalformedQueryString("The body names a parameter twice.")
        return cls(fields)

    def raw(self, name: str) -> str | None:
        """A field as it came."""
        return self._fields.get(name)

    def text(self, name: str, rule: Rule) -> str:
        """A text that must be there."""
        value = self.optional(name, rule)
        if value is None:
            raise ValidationError(_failed("null", name, "Member must not be null"))
        return value

    def optional(self, name: str, rule: Rule) -> str | None:
        """A text that may be left out."""
        value = self._fields.get(name)
        return None if value is None else checked(value, name, rule)

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of some words."""
        value = self._fields.get(name, default)
        if value is None:
            raise ValidationError(_failed("null", name, "Member must not be null"))
        if value not in choices:
            raise _violated(value, name, f"Member must satisfy enum value set: [{', '.join(choices)}]")
        return value

    def page_size(self) -> int:
        """MaxItems: 1 to 1,000, and 100 where it is left out."""
        return self.number("MaxItems", 1, MAX_PAGE) or DEFAULT_PAGE

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number, that may be left out."""
        value = self._fields.get(name)
        if value is None:
            return None
        number = int(value) if _DIGITS.fullmatch(value) else None
        if number is None:
            raise _violated(value, name, "Member must be a number")
        if number < least:
            raise _violated(value, name, f"Member must have value greater than or equal to {least}")
        if number > most:
            raise _violated(value, name, f"Member must have value less than or equal to {most}")
        return number

    def texts(self, name: str, rule: Rule, most: int = 1000) -> list[str]:
        """The texts of `NAME.member.N`; empty where there are none."""
        members = self._members(name)
        if len(members) > most:
            raise ValidationError(_failed("too long", name, f"Member must have length less than or equal to {most}"))
        return [checked(member.get("", ""), f"{name}.{position}.member", rule) for position, member in members]

    def members(self, name: str) -> list[tuple[int, dict[str, str]]]:
        """The structures of `NAME.member.N.FIELD`, with their numbers, in order."""
        return self._members(name)

    def nested_texts(self, name: str) -> dict[int, list[str]]:
        """The texts of `NAME.member.N.ANY.member.M`, by N."""
        found: dict[int, list[tuple[int, str]]] = {}
        for field, value in self._fields.items():
            match = _NESTED.fullmatch(field)
            if match and match[1] == name:
                found.setdefault(int(match[2]), []).append((int(match[3]), value))
        return {number: [value for _, value in sorted(pairs)] for number, pairs in found.items()}

    def marker(self, parts: int) -> tuple[str, ...] | None:
        """Where the page before ended, as `next_marker` wrote it; None for the first page."""
        value = self.optional("Marker", _MARKER)
        if value is None:
            return None
        try:
            found = tuple(base64.b64decode(value, altchars=b"-_", validate=True).decode().split("\0"))
        except (binascii.Error, UnicodeDecodeError):
            found = ()
        if len(found) != parts:
            raise ValidationError("Invalid Marker: it must be taken as it is from the answer before.")
        return found

    def tags(self, name: str = "Tags") -> dict[str, str]:
        """The tags of `Tags.member.N.Key` and `.Value`; empty where there are none. Keys differ by more than case."""
        found: dict[str, str] = {}
        folded: set[str] = set()
        for position, member in self._members(name):
            where = f"tags.{position}.member"
            key, value = member.get("Key"), member.get("Value")
            if key is None or value is None:
                missing = "key" if key is None else "value"
                raise ValidationError(_failed("null", f"{where}.{missing}", "Member must not be null"))
            _check_tag(key, f"{where}.key", 1, _MAX_TAG_KEY)
            _check_tag(value, f"{where}.value", 0, _MAX_TAG_VALUE)
            if key.casefold() in folded:
                raise ValidationError("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
            if key.casefold().startswith("aws:"):
                raise ValidationError("Tag keys must not begin with aws:, which is kept for AWS itself.")
            folded.add(key.casefold())
            found[key] = value
        return found

    def tag_keys(self) -> list[str]:
        """The keys of `TagKeys.member.N`."""
        keys = []
        for position, member in self._members("TagKeys"):
            key = member.get("", "")
            _check_tag(key, f"tagKeys.{position}.member", 1, _MAX_TAG_KEY)
            keys.append(key)
        return keys

    def has_list(self, name: str) -> bool:
        """Whether a list was sent, an empty one too (`Tags=`)."""
        return name in self._fields or bool(self._members(name))

    def require_list(self, name: str) -> None:
        """ValidationError unless a list was sent."""
        if not self.has_list(name):
            raise ValidationError(_failed("null", name, "Member must not be null"))

    def _members(self, name: str) -> list[tuple[int, dict[str, str]]]:
        members: dict[int, dict[str, str]] = {}
        for field, value in self._fields.items():
            match = _MEMBER.fullmatch(field)
            if match and match[1] == name:
                members.setdefault(int(match[2]), {})[match[3] or ""] = value
        return sorted(members.items())


def checked(value: str, name: str, rule: Rule) -> str:
    """The text, if it keeps to its rule."""
    if len(value) < rule.least:
        raise _violated(value, name, f"Member must have length greater than or equal to {rule.least}")
    if len(value) > rule.most:
        raise _violated(value, name, f"Member must have length less than or equal to {rule.most}")
    if not rule.pattern.fullmatch(value):
        raise _violated(value, name, f"Member must satisfy regular expression pattern: {rule.pattern.pattern}")
    return value


def next_marker(*parts: str) -> str:
    """A marker that says where a page ended. Clients pass it back unread."""
    return base64.urlsafe_b64encode("\0".join(parts).encode()).decode()


def _check_tag(text: str, where: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        which, bound = ("greater", least) if len(text) < least else ("less", most)
        raise _violated(text, where, f"Member must have length {which} than or equal to {bound}")
    if not all(character in _TAG_MARKS or unicodedata.category(character)[0] in "LZN" for character in text):
        raise _violated(text, where, f"Member must satisfy regular expression pattern: {_TAG_WORDS}")


def _violated(value: str, name: str, constraint: str) -> ValidationError:
    cut = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
    return ValidationError(_failed(f"'{cut}'", name, constraint))


def _failed(value: str, name: str, constraint: str) -> str:
    place = name[:1].lower() + name[1:]
    return f"1 validation error detected: Value {value} at '{place}' failed to satisfy constraint: {constraint}"
