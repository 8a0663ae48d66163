"""The part of YAML 1.2 that manifests are written in: mappings and sequences by indentation, flow collections, plain
and quoted scalars, block scalars, comments.

Anchors, aliases, merge keys, tags, complex keys and several documents are refused by name and line: a file is read as
its writer meant it or not at all. Nothing here constructs anything but dict, list, str, int, float, bool and None (the
core schema, https://yaml.org/spec/1.2.2/#103-core-schema).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bucketry.cli.yaml_scalars import FlowReader, YamlError, plain_value

__all__ = ["YamlError", "parse_yaml"]

# A key of a mapping: quoted, or plain up to the first `: ` or `:` at the end of the line.
_KEY = re.compile(
    r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\-?:,\[\]{}#&*!|>'"%@`][^#]*?|[-?:][^\s#][^#]*?)\s*:(?=\s|$)"""
)
_BLOCK_SCALAR = re.compile(r"(?P<style>[|>])(?P<chomp>[+-]?)(?P<indent>[1-9]?)(?P<chomp2>[+-]?)\s*(?:#.*)?$")
_MAX_DEPTH = 50


@dataclass(slots=True)
class _Line:
    number: int
    indent: int
    text: str  # without indentation and line end; the comment is still there


def parse_yaml(text: str) -> Any:
    """The value of a document. Raises YamlError with the line and the reason."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._raw = re.split(r"\r\n|\r|\n", text)
        self._position = 0

    def document(self) -> Any:
        line = self._peek()
        if line is not None and line.text.startswith("%"):
            raise YamlError(line.number, "directives are not supported")
        if line is not None and re.match(r"---(\s|$)", line.text) and line.indent == 0:
            if line.text[3:].strip() and not line.text[3:].strip().startswith("#"):
                raise YamlError(line.number, "nothing may follow `---` on its line")
            self._position += 1
            line = self._peek()
        if line is None:
            return None
        value = self._node(line.indent, 0)
        rest = self._peek()
        if rest is not None and rest.text.rstrip() == "...":
            self._position += 1
            rest = self._peek()
        if rest is not None:
            reason = "only one document is supported" if rest.text.startswith("---") else "this does not belong here"
            raise YamlError(rest.number, reason)
        return value

    def _peek(self) -> _Line | None:
        """The next line with content, or None at the end. Blank lines and comments are passed over."""
        while self._position < len(self._raw):
            raw = self._raw[self._position]
            text = raw.lstrip(" ")
            if text.strip() and not text.lstrip().startswith("#"):
                number = self._position + 1
                if text.startswith("\t"):
                    raise YamlError(number, "indentation must be spaces, not tabs")
                return _Line(number, len(raw) - len(text), text)
            self._position += 1
        return None

    def _node(self, indent: int, depth: int) -> Any:
        """The block that begins at the next line, which is indented by `indent`."""
        if depth > _MAX_DEPTH:
            raise YamlError(self._position + 1, f"nested deeper than {_MAX_DEPTH}")
        line = self._peek()
        assert line is not None
        if _is_item(line.text):
            return self._sequence(indent, depth)
        if _KEY.match(line.text):
            return self._mapping(indent, depth)
        self._position += 1
        return self._inline(line, line.text, indent - 1)

    def _sequence(self, indent: int, depth: int) -> list[Any]:
        items: list[Any] = []
        while (line := self._peek()) is not None and line.indent == indent and _is_item(line.text):
            rest = line.text[1:].lstrip(" ")
            if _is_blank(rest):
                self._position += 1
                items.append(self._child(indent, depth, line))
            elif _is_item(rest) or (_KEY.match(rest) and not rest.startswith(("[", "{"))):
                # `- key: value`: the item is a block whose first line stands behind the dash. Blank the dash out.
                inner = indent + len(line.text) - len(rest)
                self._raw[self._position] = " " * inner + rest
                items.append(self._node(inner, depth + 1))
            else:
                self._position += 1
                items.append(self._inline(line, rest, indent))
        self._check_dedent(indent)
        return items

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while (line := self._peek()) is not None and line.indent == indent:
            match = _KEY.match(line.text)
            if match is None or _is_item(line.text):
                if line.text.startswith(("---", "...")) and indent == 0:
                    break
                _refuse_special(line.number, line.text)
                raise YamlError(line.number, "a `key: value` is expected here")
            key = self._key(line, match["key"])
            if key in values:
                raise YamlError(line.number, f"the key {key!r} is given twice")
            rest = line.text[match.end() :].strip(" \t")
            self._position += 1
            values[key] = (
                self._child(indent, depth, line, mapping=True) if _is_blank(rest) else self._inline(line, rest, indent)
            )
        self._check_dedent(indent)
        return values

    def _key(self, line: _Line, text: str) -> str:
        if text == "<<":
            raise YamlError(line.number, "merge keys (<<) are not supported")
        _refuse_special(line.number, text)
        if text[0] in "\"'":
            return str(FlowReader(text, line.number).whole())
        return text

    def _child(self, indent: int, depth: int, parent: _Line, mapping: bool = False) -> Any:
        """What stands below a key or a dash that has nothing behind it."""
        line = self._peek()
        if line is None:
            return None
        # A sequence under a key may stand at the key's own indentation.
        if line.indent > indent or (mapping and line.indent == indent and _is_item(line.text)):
            return self._node(line.indent, depth + 1)
        return None

    def _inline(self, line: _Line, text: str, parent_indent: int) -> Any:
        """The value that begins on a line, and may go on in the next ones if they are indented further."""
        if match := _BLOCK_SCALAR.match(text):
            return self._block_scalar(match, parent_indent)
        _refuse_special(line.number, text)
        if text[0] in "[{\"'":
            reader = FlowReader(text, line.number)
            while not reader.complete():
                following = self._raw[self._position] if self._position < len(self._raw) else None
                if following is None:
                    raise YamlError(line.number, "what begins here is never closed")
                reader.extend(following)
                self._position += 1
            return reader.whole()
        words = [_without_comment(text)]
        while (following_line := self._peek()) is not None and following_line.indent > parent_indent:
            if _KEY.match(following_line.text):
                raise YamlError(following_line.number, "this is indented too far, or a quote is missing above")
            words.append(_without_comment(following_line.text))
            self._position += 1
        if len(words) > 1:
            return " ".join(words)
        if _KEY.match(text):
            raise YamlError(line.number, "a value with `: ` in it must be quoted")
        return plain_value(words[0])

    def _block_scalar(self, match: re.Match[str], parent_indent: int) -> str:
        """The text of `|` (lines kept) and `>` (lines folded)."""
        lines: list[str] = []
        indent = max(parent_indent, 0) + int(match["indent"]) if match["indent"] else None
        while self._position < len(self._raw):
            raw = self._raw[self._position]
            own = len(raw) - len(raw.lstrip(" "))
            if raw.strip():
                if own <= parent_indent:
                    break
                indent = own if indent is None else indent
                if own < indent:
                    break
            lines.append(raw[indent:] if indent is not None and raw.strip() else "")
            self._position += 1
        trailing = 0
        while lines and not lines[-1]:
            lines.pop()
            trailing += 1
        text = "\n".join(lines)
        if match["style"] == ">":
            if any(line.startswith((" ", "\t")) for line in lines):
                raise YamlError(self._position, "indented lines inside a folded text (>) are not supported")
            text = re.sub(r"\n(\n*)", lambda breaks: breaks[1] or " ", text)
        chomp = match["chomp"] or match["chomp2"]
        if chomp == "-" or not lines:
            return text
        return text + "\n" * (1 + trailing if chomp == "+" else 1)

    def _check_dedent(self, indent: int) -> None:
        line = self._peek()
        if line is not None and line.indent > indent:
            raise YamlError(line.number, "the indentation fits nothing above it")


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _is_blank(text: str) -> bool:
    return not text.strip() or text.lstrip().startswith("#")


def _without_comment(text: str) -> str:
    return re.split(r"\s#", text, maxsplit=1)[0].strip()


def _refuse_special(number: int, text: str) -> None:
    for sign, what in (("&", "anchors (&)"), ("*", "aliases (*)"), ("!", "tags (!)"), ("? ", "complex keys (?)")):
        if text.startswith(sign):
            raise YamlError(number, f"{what} are not supported")
    if text[:1] in ("@", "`", "%", ",", "]", "}"):
        raise YamlError(number, f"a value can't begin with {text[0]}; put it in quotes")
