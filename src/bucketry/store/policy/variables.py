"""Policy variables: `${aws:username}`, `${s3:prefix}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for the
characters themselves.

Follows "IAM policy elements: Variables and tags" of the IAM User Guide. Variables exist from Version 2012-10-17 on;
before, `${` is plain text. A value taken from the request is always literal: a user named `*` does not become a
wildcard. A key that the request does not have, or has with several values, leaves the variable unresolved unless it
has a default; what that means is up to the element it stands in (`language` for Resource, `conditions` for
Condition).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bucketry.store.policy.malformed import MalformedPolicy, shown
from bucketry.store.policy.patterns import ANY, STAR, Token

ContextValue = str | int | float | bool | bytes | Sequence[str]
"""What the request says of a condition key; a list or tuple for keys with several values, an empty one or None for a
missing key.
"""

Context = Mapping[str, ContextValue | None]
"""Condition keys of a request, lower-cased, and their values."""

_VARIABLE = re.compile(r"\$\{([^{}',]+)(?:,\s*'([^']*)'\s*)?\}")
_SPECIAL = {"${*}": "*", "${?}": "?", "${$}": "$"}


def text_of(value: object) -> str:
    """One value of the context as the text that policies compare with."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


@dataclass(frozen=True, slots=True)
class Variable:
    """A reference to a condition key, lower-cased, with the text that stands in when the key is missing."""

    key: str
    default: str | None = None

    def resolve(self, context: Context) -> str | None:
        """The literal text, or None when the request has no single value for the key and there is no default."""
        value = context.get(self.key)
        if isinstance(value, str):
            return value
        if isinstance(value, (list, tuple)):
            value = value[0] if len(value) == 1 else None
        return self.default if value is None else text_of(value)


@dataclass(frozen=True, slots=True)
class Template:
    """A policy string cut into literal text, wildcards and variables."""

    parts: tuple[Token | Variable, ...]

    @property
    def is_fixed(self) -> bool:
        """True when it holds neither wildcard nor variable."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def has_variables(self) -> bool:
        return any(isinstance(part, Variable) for part in self.parts)

    def tokens(self) -> tuple[Token, ...]:
        """The pattern of a template without variables."""
        return tuple(part for part in self.parts if not isinstance(part, Variable))

    def widest(self) -> tuple[Token, ...]:
        """The pattern with each variable taken as a star: what the template could match at most."""
        return tuple(STAR if isinstance(part, Variable) else part for part in self.parts)

    def resolve(self, context: Context) -> tuple[Token, ...] | None:
        """The pattern for one request, or None when a variable has no value."""
        tokens: list[Token] = []
        for part in self.parts:
            if isinstance(part, Variable):
                value = part.resolve(context)
                if value is None:
                    return None
                tokens.append(value)
            else:
                tokens.append(part)
        return tuple(tokens)


def parse_template(text: str, *, variables: bool, wildcards: bool) -> Template:
    """Cut a policy string. Without `variables` (Version 2008-10-17) `${` is text; without `wildcards` so are `*` and
    `?`.

    Raises MalformedPolicy for a `${` that is not a whole variable.
    """
    parts: list[Token | Variable] = []
    position = 0
    while position < len(text):
        dollar = text.find("${", position) if variables else -1
        end = len(text) if dollar < 0 else dollar
        parts.extend(_plain(text[position:end], wildcards))
        position = end
        if dollar >= 0:
            special = _SPECIAL.get(text[dollar : dollar + 4])
            found = None if special else _VARIABLE.match(text, dollar)
            if special:
                parts.append(special)
                position = dollar + 4
            elif found and found[1].strip():
                parts.append(Variable(found[1].strip().lower(), found[2]))
                position = found.end()
            else:
                raise MalformedPolicy(f"Policy has an invalid policy variable: {shown(text)}")
    return Template(_merged(parts))


def _plain(text: str, wildcards: bool) -> list[Token]:
    if not wildcards:
        return [text] if text else []
    pieces = re.split(r"([*?])", text)
    return [STAR if piece == "*" else ANY if piece == "?" else piece for piece in pieces if piece]


def _merged(parts: list[Token | Variable]) -> tuple[Token | Variable, ...]:
    merged: list[Token | Variable] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)
