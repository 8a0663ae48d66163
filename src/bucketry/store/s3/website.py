"""A bucket's website configuration: read, checked and written.

Amazon S3 User Guide, "Hosting a static website", "Configuring an index document", "Configuring webpage redirects" (at
most 50 routing rules); API Reference, PutBucketWebsite. What it means for a request is in website_routing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import xml
from .errors import InvalidArgument, InvalidRequest, MalformedXML

MAX_RULES = 50
MAX_DOCUMENT_BYTES = 128 * 1024  # AWS: the body of PutBucketWebsite is limited to 128 KB
_MAX_KEY_BYTES = 1024

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?(?::\d{1,5})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # would break a Location header
_PROTOCOLS = ("http", "https")


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a rule sends a request. What is None stays as the request has it."""

    host_name: str | None = None
    protocol: str | None = None
    replace_key_prefix_with: str | None = None  # at most one of these two
    replace_key_with: str | None = None
    http_redirect_code: int = 301


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """A rule applies when each of its conditions holds; one without any applies always."""

    redirect: Redirect
    key_prefix: str | None = None
    error_code: int | None = None


@dataclass(frozen=True, slots=True)
class Website:
    """Either `redirect_all` alone, or an index document with whatever else."""

    index_suffix: str = ""
    error_key: str | None = None
    rules: tuple[RoutingRule, ...] = ()
    redirect_all: Redirect | None = None  # host_name is set, protocol may be


def parse(body: bytes) -> Website:
    """The configuration of a WebsiteConfiguration document; MalformedXML, InvalidArgument or InvalidRequest."""
    root = xml.parse(body, "WebsiteConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    _known(root, "IndexDocument", "ErrorDocument", "RedirectAllRequestsTo", "RoutingRules")
    redirect_all = root.find("RedirectAllRequestsTo")
    if redirect_all is not None:
        if len(root.children) > 1:
            raise _argument(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                "RedirectAllRequestsTo",
                "not null",
            )
        _known(redirect_all, "HostName", "Protocol")
        host_name = _text(redirect_all, "HostName")
        if not host_name:
            raise MalformedXML
        return Website(redirect_all=Redirect(_host(host_name), _protocol(redirect_all)))
    return Website(index_suffix=_index(root), error_key=_error_key(root), rules=_rules(root))


def serialise(website: Website) -> bytes:
    """The document that GetBucketWebsite answers and the store keeps."""
    if website.redirect_all:
        redirect = website.redirect_all
        values = xml.elements([("HostName", redirect.host_name), ("Protocol", redirect.protocol)])
        return xml.document("WebsiteConfiguration", xml.wrap("RedirectAllRequestsTo", values))
    children = [xml.wrap("IndexDocument", xml.element("Suffix", website.index_suffix))]
    if website.error_key is not None:
        children.append(xml.wrap("ErrorDocument", xml.element("Key", website.error_key)))
    if website.rules:
        children.append(xml.wrap("RoutingRules", (_rule_text(rule) for rule in website.rules)))
    return xml.document("WebsiteConfiguration", children)


def _rule_text(rule: RoutingRule) -> str:
    condition = xml.elements(
        [
            ("KeyPrefixEquals", rule.key_prefix),
            ("HttpErrorCodeReturnedEquals", rule.error_code),
        ]
    )
    redirect = rule.redirect
    target = xml.elements(
        [
            ("Protocol", redirect.protocol),
            ("HostName", redirect.host_name),
            ("ReplaceKeyPrefixWith", redirect.replace_key_prefix_with),
            ("ReplaceKeyWith", redirect.replace_key_with),
            ("HttpRedirectCode", redirect.http_redirect_code if redirect.http_redirect_code != 301 else None),
        ]
    )
    return xml.wrap(
        "RoutingRule", (xml.wrap("Condition", condition) if condition else "") + xml.wrap("Redirect", target)
    )


def _index(root: xml.Element) -> str:
    index = root.find("IndexDocument")
    if index is None:
        raise _argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            "IndexDocument",
            "null",
        )
    _known(index, "Suffix")
    suffix = index.text_of("Suffix") or ""
    if not suffix or "/" in suffix or _CONTROL.search(suffix) or len(suffix.encode()) > _MAX_KEY_BYTES:
        raise _argument("The IndexDocument Suffix is not well formed", "IndexDocument", suffix)
    return suffix


def _error_key(root: xml.Element) -> str | None:
    document = root.find("ErrorDocument")
    if document is None:
        return None
    _known(document, "Key")
    key = document.text_of("Key")
    if not key or len(key.encode()) > _MAX_KEY_BYTES:
        raise MalformedXML
    return key


def _rules(root: xml.Element) -> tuple[RoutingRule, ...]:
    container = root.find("RoutingRules")
    if container is None:
        return ()
    _known(container, "RoutingRule", repeated=True)
    if not container.children:
        raise MalformedXML
    if len(container.children) > MAX_RULES:
        raise InvalidRequest(
            f"{len(container.children)} routing rules provided, the number of routing rules in a website configuration "
            f"is limited to {MAX_RULES}."
        )
    return tuple(_rule(element) for element in container)


def _rule(element: xml.Element) -> RoutingRule:
    _known(element, "Condition", "Redirect")
    redirect = element.find("Redirect")
    if redirect is None:
        raise MalformedXML
    key_prefix: str | None = None
    error_code: int | None = None
    condition = element.find("Condition")
    if condition is not None:
        _known(condition, "KeyPrefixEquals", "HttpErrorCodeReturnedEquals")
        if not condition.children:
            raise InvalidRequest(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element "
                "shouldn't be present."
            )
        key_prefix = condition.text_of("KeyPrefixEquals")
        error_code = _code(condition.text_of("HttpErrorCodeReturnedEquals"), range(400, 600), "error")
    return RoutingRule(_redirect(redirect), key_prefix, error_code)


def _redirect(element: xml.Element) -> Redirect:
    _known(element, "HostName", "Protocol", "ReplaceKeyPrefixWith", "ReplaceKeyWith", "HttpRedirectCode")
    if not element.children:
        raise MalformedXML
    prefix = element.text_of("ReplaceKeyPrefixWith")
    whole = element.text_of("ReplaceKeyWith")
    if prefix is not None and whole is not None:
        raise InvalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    for text in (prefix, whole):
        if text is not None and (_CONTROL.search(text) or len(text.encode()) > _MAX_KEY_BYTES):
            raise InvalidRequest("A key to redirect to can't hold control characters, or more than 1,024 bytes.")
    host_name = _text(element, "HostName")
    code = _code(element.text_of("HttpRedirectCode"), range(300, 400), "redirect")
    return Redirect(
        host_name=_host(host_name) if host_name else None,
        protocol=_protocol(element),
        replace_key_prefix_with=prefix,
        replace_key_with=whole,
        http_redirect_code=301 if code is None else code,
    )


def _code(text: str | None, allowed: range, kind: str) -> int | None:
    if text is None:
        return None
    digits = text.strip()
    # 304 is no redirect: it says that what the client has is still good.
    if (
        not (digits.isascii() and digits.isdigit() and len(digits) == 3)
        or int(digits) not in allowed
        or digits == "304"
    ):
        valid = "4XX and 5XX" if kind == "error" else "3XX except 304"
        raise InvalidRequest(f"The provided HTTP {kind} code ({text[:32]}) is not valid. Valid codes are {valid}.")
    return int(digits)


def _protocol(element: xml.Element) -> str | None:
    text = _text(element, "Protocol")
    if text is not None and text not in _PROTOCOLS:
        raise InvalidRequest(
            "Invalid protocol, protocol can be http or https. "
            "If not defined the protocol will be selected automatically."
        )
    return text


def _host(name: str) -> str:
    if not _HOST.fullmatch(name):
        raise InvalidRequest("The HostName of a redirect must be a host name, without a protocol or path.")
    return name


def _text(element: xml.Element, name: str) -> str | None:
    text = element.text_of(name)
    return None if text is None else text.strip()


def _known(element: xml.Element, *names: str, repeated: bool = False) -> None:
    """MalformedXML when a child has another name, or comes twice."""
    seen = [child.name for child in element]
    if not set(seen) <= set(names) or (not repeated and len(seen) != len(set(seen))):
        raise MalformedXML


def _argument(message: str, name: str, value: str) -> InvalidArgument:
    return InvalidArgument(message, {"ArgumentName": name, "ArgumentValue": value})
