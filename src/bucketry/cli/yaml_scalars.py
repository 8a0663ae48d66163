"""YAML's scalars and flow collections: `text`, `'text'`, `"text"`, `[a, b]`, `{a: b}`."""

from __future__ import annotations

import re
from typing import Any

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = {"": None, "~": None} | {
    form: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for form in (word, word.capitalize(), word.upper())
}
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_MAX_DEPTH = 50


class YamlError(Exception):
    """What can't be read, with its line."""

    def __init__(self, line_number: int, reason: str) -> None:
        super().__init__(f"line {line_number}: {reason}")


def plain_value(text: str) -> Any:
    """A plain scalar by the core schema: null, bool, int, float, else text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) and len(text) <= 100:
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


class FlowReader:
    """Reads a quoted scalar or flow collection that may go over several lines."""

    def __init__(self, text: str, line_number: int) -> None:
        self._text = text
        self._line_number = line_number
        self._position = 0
        self._comment_at: int | None = None

    def extend(self, line: str) -> None:
        """Add the next line after complete() said no; lines are folded into one, a comment at the end is dropped."""
        self._text = f"{self._text[: self._comment_at].rstrip()} {line.strip()}"

    def complete(self) -> bool:
        """Whether all that was opened is closed. A cheap scan, so that lines are added before anything is judged."""
        depth, quote, position = 0, "", 0
        self._comment_at = None
        while position < len(self._text):
            character = self._text[position]
            if quote:
                if character == "\\" and quote == '"':
                    position += 1
                elif character == quote:
                    quote = ""
            elif character in "\"'" and self._opens_here(position):
                quote = character
            elif character == "#" and position and self._text[position - 1].isspace():
                self._comment_at = position
                break
            elif character in "[{":
                depth += 1
            elif character in "]}":
                depth -= 1
            position += 1
        return not quote and depth <= 0

    def _opens_here(self, position: int) -> bool:
        """Whether a quote at `position` begins a scalar (an apostrophe inside a plain one does not)."""
        before = self._text[:position].rstrip()
        return not before or before[-1] in "[{,:" or before[-1] in "\"'"

    def whole(self) -> Any:
        """The value, which must be all that is there but a comment."""
        value = self._value(0)
        rest = self._text[self._position :]
        if rest.strip() and not re.match(r"\s+#", rest):
            raise self._error(f"unexpected text after the value: {rest.strip()[:20]!r}")
        return value

    def _error(self, reason: str) -> YamlError:
        return YamlError(self._line_number, reason)

    def _skip(self) -> str:
        """Pass over blanks; the character that follows, or "" at the end."""
        while self._position < len(self._text) and self._text[self._position].isspace():
            self._position += 1
        return self._text[self._position] if self._position < len(self._text) else ""

    def _value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self._error(f"nested deeper than {_MAX_DEPTH}")
        first = self._skip()
        if first == "[":
            return self._sequence(depth)
        if first == "{":
            return self._mapping(depth)
        if first == '"':
            return self._double_quoted()
        if first == "'":
            return self._single_quoted()
        if first in ("&", "*", "!"):
            raise self._error("anchors, aliases and tags are not supported")
        return plain_value(self._plain())

    def _plain(self) -> str:
        match = re.compile(r"(?:[^,\[\]{}:#]|:(?![\s,\[\]{}]|$)|(?<!\s)#)*").match(self._text, self._position)
        assert match is not None
        self._position = match.end()
        text = match.group().strip()
        if not text:
            raise self._error("a value is missing between the signs of a collection")
        return text

    def _sequence(self, depth: int) -> list[Any]:
        self._position += 1
        items: list[Any] = []
        while self._skip() != "]":
            items.append(self._value(depth + 1))
            if self._skip() == ",":
                self._position += 1
            elif self._skip() != "]":
                raise self._error("a , or ] is missing")
        self._position += 1
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        self._position += 1
        values: dict[str, Any] = {}
        while (first := self._skip()) != "}":
            key = self._double_quoted() if first == '"' else self._single_quoted() if first == "'" else self._plain()
            if key in values:
                raise self._error(f"the key {key!r} is given twice")
            if self._skip() != ":":
                raise self._error(f"a : is missing after {key!r}")
            self._position += 1
            values[key] = None if self._skip() in (",", "}") else self._value(depth + 1)
            if self._skip() == ",":
                self._position += 1
            elif self._skip() != "}":
                raise self._error("a , or } is missing")
        self._position += 1
        return values

    def _single_quoted(self) -> str:
        match = re.compile(r"'((?:[^']|'')*)'").match(self._text, self._position)
        if match is None:
            raise self._error("a ' is never closed")
        self._position = match.end()
        return match[1].replace("''", "'")

    def _double_quoted(self) -> str:
        match = re.compile(r'"((?:[^"\\]|\\.)*)"').match(self._text, self._position)
        if match is None:
            raise self._error('a " is never closed')
        self._position = match.end()
        return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", self._unescape, match[1])

    def _unescape(self, match: re.Match[str]) -> str:
        sign = match[1]
        if len(sign) > 1:
            number = int(sign[1:], 16)
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise self._error(f"\\{sign} is no character")
            return chr(number)
        if sign not in _ESCAPES:
            raise self._error(f"\\{sign} is not an escape sequence")
        return _ESCAPES[sign]
