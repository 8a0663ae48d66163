"""A bucket's CORS configuration: read, written and matched.

Amazon S3 User Guide, "Elements of a CORS configuration" and "How Amazon S3 evaluates the CORS configuration": the first
rule whose origin, method and headers fit answers. Fetch Standard, "CORS protocol", for what the answer's fields mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import xml
from .errors import InvalidRequest, MalformedXML

MAX_RULES = 100
MAX_DOCUMENT_BYTES = 64 * 1024
_MAX_ID_CHARACTERS = 255
_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, 5.6.2
_ORIGIN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_MAX_AGE = re.compile(r"\d{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CorsRule:
    """One rule. Origins and headers may hold one `*` each; headers compare in lower case."""

    allowed_origins: tuple[str, ...]
    allowed_methods: tuple[str, ...]
    allowed_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None
    rule_id: str | None = None

    def allows_origin(self, origin: str) -> str | None:
        """The allowed origin that fits, as the rule writes it; None when none does."""
        for pattern in self.allowed_origins:
            if _fits(pattern, origin):
                return pattern
        return None

    def allows_headers(self, names: Sequence[str]) -> bool:
        """Whether each of `names` is an allowed header."""
        return all(any(_fits(pattern.lower(), name.lower()) for pattern in self.allowed_headers) for name in names)


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule that fits a request, and what the answer's Access-Control-Allow-Origin is."""

    rule: CorsRule
    origin: str  # the request's origin, or "*"

    def headers(self, requested_headers: Sequence[str] = ()) -> list[tuple[str, str]]:
        """The fields of the answer. Credentials are never allowed together with `*`."""
        fields = [
            ("Access-Control-Allow-Origin", self.origin),
            ("Access-Control-Allow-Methods", ", ".join(self.rule.allowed_methods)),
        ]
        if requested_headers:
            fields.append(("Access-Control-Allow-Headers", ", ".join(name.lower() for name in requested_headers)))
        if self.rule.expose_headers:
            fields.append(("Access-Control-Expose-Headers", ", ".join(self.rule.expose_headers)))
        if self.rule.max_age_s is not None:
            fields.append(("Access-Control-Max-Age", str(self.rule.max_age_s)))
        if self.origin != "*":
            fields.append(("Access-Control-Allow-Credentials", "true"))
        return fields


def match(rules: Sequence[CorsRule], origin: str, method: str, requested_headers: Sequence[str] = ()) -> Grant | None:
    """The first rule that lets a page of `origin` send `method` with `requested_headers`; None: it is not allowed."""
    for rule in rules:
        if method not in rule.allowed_methods:
            continue
        pattern = rule.allows_origin(origin)
        if pattern is not None and rule.allows_headers(requested_headers):
            return Grant(rule, "*" if pattern == "*" else origin)
    return None


def split_header_names(field: str | None) -> list[str] | None:
    """The names in Access-Control-Request-Headers; None when one is no header name (then nothing is allowed)."""
    if not field:
        return []
    names = [name.strip() for name in field.split(",")]
    names = [name for name in names if name]
    return names if all(_TOKEN.fullmatch(name) for name in names) else None


def parse(body: bytes) -> tuple[CorsRule, ...]:
    """The rules of a CORSConfiguration document; MalformedXML or InvalidRequest when it can't be set."""
    root = xml.parse(body, "CORSConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    rules = [_rule(element) for element in root.children if _expect(element, "CORSRule")]
    if not rules:
        raise MalformedXML
    if len(rules) > MAX_RULES:
        raise InvalidRequest(f"The number of CORS rules should not exceed allowed limit of {MAX_RULES} rules.")
    return tuple(rules)


def serialise(rules: Sequence[CorsRule]) -> bytes:
    """The document that GetBucketCors answers and the store keeps."""
    return xml.document("CORSConfiguration", [_rule_text(rule) for rule in rules])


def _rule_text(rule: CorsRule) -> str:
    values: list[tuple[str, str | int | bool | None]] = [("ID", rule.rule_id)]
    values += [("AllowedMethod", method) for method in rule.allowed_methods]
    values += [("AllowedOrigin", origin) for origin in rule.allowed_origins]
    values += [("AllowedHeader", header) for header in rule.allowed_headers]
    values.append(("MaxAgeSeconds", rule.max_age_s))
    values += [("ExposeHeader", header) for header in rule.expose_headers]
    return xml.wrap("CORSRule", xml.elements(values))


_CHILDREN = frozenset({"ID", "AllowedMethod", "AllowedOrigin", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds"})


def _expect(element: xml.Element, name: str) -> bool:
    if element.name != name:
        raise MalformedXML
    return True


def _rule(element: xml.Element) -> CorsRule:
    if any(child.name not in _CHILDREN for child in element.children):
        raise MalformedXML
    origins = tuple(_origin(child.text.strip()) for child in element.find_all("AllowedOrigin"))
    methods = tuple(_method(child.text.strip()) for child in element.find_all("AllowedMethod"))
    if not origins or not methods:
        raise MalformedXML
    return CorsRule(
        allowed_origins=origins,
        allowed_methods=methods,
        allowed_headers=tuple(_allowed_header(child.text.strip()) for child in element.find_all("AllowedHeader")),
        expose_headers=tuple(_expose_header(child.text.strip()) for child in element.find_all("ExposeHeader")),
        max_age_s=_max_age(element),
        rule_id=_rule_id(element),
    )


def _origin(text: str) -> str:
    if text.count("*") > 1:
        raise InvalidRequest(f'AllowedOrigin "{text}" can not have more than one wildcard.')
    if not _ORIGIN.fullmatch(text):
        raise InvalidRequest("An AllowedOrigin must be visible ASCII characters, such as https://www.example.com.")
    return text


def _method(text: str) -> str:
    if text not in _METHODS:
        raise InvalidRequest(f"Found unsupported HTTP method in CORS config. Unsupported method is {text[:32]}")
    return text


def _allowed_header(text: str) -> str:
    if text.count("*") > 1:
        raise InvalidRequest(f'AllowedHeader "{text}" can not have more than one wildcard.')
    if not _TOKEN.fullmatch(text):
        raise InvalidRequest("An AllowedHeader must be the name of a header, or hold one *.")
    return text


def _expose_header(text: str) -> str:
    if "*" in text:
        raise InvalidRequest(
            f'ExposeHeader "{text}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
        )
    if not _TOKEN.fullmatch(text):
        raise InvalidRequest("An ExposeHeader must be the name of a header.")
    return text


def _max_age(element: xml.Element) -> int | None:
    found = element.find_all("MaxAgeSeconds")
    if not found:
        return None
    if len(found) > 1 or not _MAX_AGE.fullmatch(found[0].text.strip()):
        raise MalformedXML
    return int(found[0].text)


def _rule_id(element: xml.Element) -> str | None:
    found = element.find_all("ID")
    if not found:
        return None
    if len(found) > 1 or len(found[0].text) > _MAX_ID_CHARACTERS:
        raise MalformedXML
    return found[0].text


def _fits(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, whose one `*` stands for any characters."""
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)
