"""XML documents of the S3 and IAM APIs: a writer of text, and a reader that takes no more than S3's schemas need.

XML 1.0 (fifth edition), Namespaces in XML 1.0. The writer joins strings, since a listing of a thousand keys is the
commonest large answer. The reader refuses document types (so entities and external references too), and bounds size,
depth and number of elements.

Characters that XML 1.0 has no way to write (U+0001 in a key, say) are written as character references, `&#x1;`. Strict
parsers refuse those as well, which is what S3 does and why it offers `encoding-type=url`; never is such a character
written raw or silently replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from bucketry.store.s3.errors import MalformedXML

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'

# Markup, what a reader would change (a carriage return), and what XML 1.0 can't carry.
_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

# CompleteMultipartUpload of 10,000 parts, each with number, ETag and a checksum, is about 2.5 MB and 50,000 elements.
MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
MAX_ELEMENTS = 100_000
MAX_DEPTH = 16


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def escape(text: str) -> str:
    """`text` fit for content or a quoted attribute."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def is_writable(text: str) -> bool:
    """Whether XML 1.0 has a way to write each of the characters."""
    return not _UNWRITABLE.search(text)


def element(name: str, text: str | int | bool) -> str:
    """One element with text; truth is written `true` or `false`."""
    if isinstance(text, str):
        return f"<{name}>{escape(text)}</{name}>"
    return f"<{name}>{str(text).lower()}</{name}>"


def elements(values: Iterable[tuple[str, str | int | bool | None]]) -> str:
    """Elements one after the other; those whose value is None are left out."""
    return "".join(element(name, value) for name, value in values if value is not None)


def wrap(name: str, children: str | Iterable[str]) -> str:
    """An element around children that are XML already."""
    inside = children if isinstance(children, str) else "".join(children)
    return f"<{name}>{inside}</{name}>"


def document(root: str, children: str | Iterable[str], namespace: bool | str = True) -> bytes:
    """A whole document: prologue, `root` with S3's namespace (or the one given; none when False), children as XML."""
    inside = children if isinstance(children, str) else "".join(children)
    if namespace:
        start = f'{root} xmlns="{S3_NAMESPACE if namespace is True else namespace}"'
    else:
        start = root
    # Lone surrogates can only come from a request's raw bytes that an error repeats; they have no form in UTF-8.
    return f"{PROLOGUE}<{start}>{inside}</{root}>".encode("utf-8", "replace")


@dataclass(slots=True)
class Element:
    """An element read: its name without prefix, its own text (with all white space), its children in order."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Element | None:
        """The first child of that name."""
        for child in self.children:
            if child.name == name:
                return child
        return None

    def find_all(self, name: str) -> list[Element]:
        """All children of that name."""
        return [child for child in self.children if child.name == name]

    def text_of(self, name: str) -> str | None:
        """The text of the first child of that name; None when there is no such child."""
        child = self.find(name)
        return None if child is None else child.text

    def __iter__(self) -> Iterator[Element]:
        return iter(self.children)


class _Reader:
    """Handlers of one parse: a stack of open elements with their pieces of text."""

    def __init__(self, max_elements: int, max_depth: int) -> None:
        self.root: Element | None = None
        self._stack: list[tuple[Element, list[str]]] = []
        self._elements_left = max_elements
        self._max_depth = max_depth

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements_left -= 1
        if self._elements_left < 0 or len(self._stack) >= self._max_depth:
            raise MalformedXML
        opened = Element(_local(name))
        if attributes:
            opened.attributes = {_local(key): value for key, value in attributes.items() if not _is_declaration(key)}
        if self._stack:
            self._stack[-1][0].children.append(opened)
        else:
            self.root = opened
        self._stack.append((opened, []))

    def end(self, _name: str) -> None:
        closed, pieces = self._stack.pop()
        closed.text = "".join(pieces)

    def characters(self, text: str) -> None:
        self._stack[-1][1].append(text)

    def refuse(self, *_details: object) -> int:
        raise MalformedXML


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _is_declaration(attribute: str) -> bool:
    return attribute == "xmlns" or attribute.startswith("xmlns:")


def parse(
    body: bytes,
    root: str | None = None,
    *,
    max_bytes: int = MAX_DOCUMENT_BYTES,
    max_elements: int = MAX_ELEMENTS,
    max_depth: int = MAX_DEPTH,
) -> Element:
    """The root element of a document; MalformedXML when it isn't well-formed, is beyond a bound, holds a document type,
    or has another root than `root`. Namespaces are not compared: clients send them, leave them out, or use prefixes.
    """
    if not body or len(body) > max_bytes:
        raise MalformedXML
    reader = _Reader(max_elements, max_depth)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ExternalEntityRefHandler = reader.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):  # the last two: encodings that are unknown or of no use
        raise MalformedXML from None
    if reader.root is None or (root is not None and reader.root.name != root):
        raise MalformedXML
    return reader.root
