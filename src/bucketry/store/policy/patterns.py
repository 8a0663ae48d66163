"""Matching with `*` (any characters, also none) and `?` (exactly one character), in time that no pattern can blow up.

A pattern is compiled once into a function. The usual forms (exact, `prefix*`, `*`) become one string operation. All
others are cut at their stars: the first and last piece are anchored, each piece between is taken at its leftmost
place, which is enough because a later star absorbs the rest. Pieces without `?` are found by `str.find`; pieces with
`?` by the bit-parallel Shift-And algorithm (Baeza-Yates and Gonnet, 1992), so that a value of n and a pattern of m
characters cost at most n·m/30 machine words and nothing is ever tried twice. Regular expressions are avoided on
purpose: `a*a*a*…b` makes a backtracking engine polynomial of high degree.

Patterns come as tokens, not as text, because a policy variable's value is literal text in which `*` means a star.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

Matcher = Callable[[str], bool]


class Wildcard:
    """One of the two wildcard tokens; compared by identity."""

    __slots__ = ("_sign",)

    def __init__(self, sign: str) -> None:
        self._sign = sign

    def __repr__(self) -> str:
        return f"<{self._sign}>"


STAR: Final = Wildcard("*")
ANY: Final = Wildcard("?")

Token = str | Wildcard


class _Piece:
    """A run of characters between two stars in which at least one place takes any character."""

    __slots__ = ("_accept", "_bits", "_chunks", "_wild", "length")

    def __init__(self, characters: Sequence[str | None]) -> None:
        self.length = len(characters)
        self._chunks: list[tuple[int, str]] = []
        self._bits: dict[str, int] = {}
        self._wild = 0
        self._accept = 1 << (self.length - 1)
        run = ""
        for place, character in enumerate(characters):
            if character is None:
                self._wild |= 1 << place
                if run:
                    self._chunks.append((place - len(run), run))
                run = ""
            else:
                self._bits[character] = self._bits.get(character, 0) | (1 << place)
                run += character
        if run:
            self._chunks.append((self.length - len(run), run))

    def matches_at(self, value: str, start: int) -> bool:
        """Whether the piece lies at `start`; the caller has checked that it fits."""
        return all(value.startswith(chunk, start + offset) for offset, chunk in self._chunks)

    def find(self, value: str, start: int, end: int) -> int:
        """The leftmost place in value[start:end] where the piece lies whole, or -1."""
        state, bits, wild, accept = 0, self._bits, self._wild, self._accept
        for place in range(start, end):
            state = ((state << 1) | 1) & (bits.get(value[place], 0) | wild)
            if state & accept:
                return place - self.length + 1
        return -1


_Part = str | _Piece


def tokens_of(text: str) -> tuple[Token, ...]:
    """The tokens of a plain pattern text, in which every `*` and `?` is a wildcard."""
    tokens: list[Token] = []
    literal = ""
    for character in text:
        if character in "*?":
            if literal:
                tokens.append(literal)
            literal = ""
            tokens.append(STAR if character == "*" else ANY)
        else:
            literal += character
    if literal:
        tokens.append(literal)
    return tuple(tokens)


def _parts(tokens: Iterable[Token]) -> list[_Part]:
    parts: list[_Part] = []
    characters: list[str | None] = []

    def close() -> None:
        known = [character for character in characters if character is not None]
        parts.append("".join(known) if len(known) == len(characters) else _Piece(characters))
        characters.clear()

    for token in tokens:
        if isinstance(token, str):
            characters.extend(token)
        elif token is ANY:
            characters.append(None)
        else:
            close()
    close()
    return parts


def _length(part: _Part) -> int:
    return len(part) if isinstance(part, str) else part.length


def _lies_at(part: _Part, value: str, start: int) -> bool:
    return value.startswith(part, start) if isinstance(part, str) else part.matches_at(value, start)


def _general(parts: list[_Part]) -> Matcher:
    first, last = parts[0], parts[-1]
    middle = [part for part in parts[1:-1] if part != ""]
    first_length, last_length = _length(first), _length(last)
    least_length = sum(map(_length, parts))

    def match(value: str) -> bool:
        end = len(value) - last_length
        if len(value) < least_length or not _lies_at(first, value, 0) or not _lies_at(last, value, end):
            return False
        start = first_length
        for part in middle:
            start = part_start = value.find(part, start, end) if isinstance(part, str) else part.find(value, start, end)
            if part_start < 0:
                return False
            start += _length(part)
        return True

    return match


def _everything(value: str) -> bool:
    return True


@lru_cache(maxsize=2048)
def compile_tokens(tokens: tuple[Token, ...]) -> Matcher:
    """A function that says whether a whole value matches. Cached, since resolved variables bring the same tokens
    again and again.
    """
    parts = _parts(tokens)
    if len(parts) == 1:
        only = parts[0]
        if isinstance(only, str):
            return lambda value: value == only
        return lambda value: len(value) == only.length and only.matches_at(value, 0)
    first = parts[0]
    if isinstance(first, str) and all(part == "" for part in parts[1:]):
        return (lambda value: value.startswith(first)) if first else _everything
    return _general(parts)


def compile_pattern(text: str) -> Matcher:
    """A function that says whether a whole value matches the pattern `text`, case-sensitively."""
    return compile_tokens(tokens_of(text))


def compile_any(patterns: Iterable[tuple[Token, ...]]) -> Matcher:
    """One function for several patterns: true where one of them matches. Exact ones become a set, `prefix*` ones a
    single startswith.
    """
    exact: set[str] = set()
    prefixes: list[str] = []
    others: list[Matcher] = []
    for tokens in patterns:
        parts = _parts(tokens)
        if len(parts) == 1 and isinstance(parts[0], str):
            exact.add(parts[0])
        elif isinstance(parts[0], str) and all(part == "" for part in parts[1:]):
            prefixes.append(parts[0])
        else:
            others.append(compile_tokens(tokens))
    if "" in prefixes:
        return _everything
    known, starts, rest = frozenset(exact), tuple(prefixes), tuple(others)
    if not rest:
        if not starts:
            return known.__contains__
        if not known:
            return lambda value: value.startswith(starts)
        return lambda value: value in known or value.startswith(starts)
    return lambda value: value in known or value.startswith(starts) or any(match(value) for match in rest)


def split_at_colons(tokens: Sequence[Token], most: int) -> list[tuple[Token, ...]]:
    """Cut a pattern at its literal colons, at most `most` times: the parts of an ARN. A colon inside a variable's
    value counts.
    """
    fields: list[list[Token]] = [[]]
    for token in tokens:
        if isinstance(token, Wildcard):
            fields[-1].append(token)
            continue
        first, *more = token.split(":", most - len(fields) + 1)
        if first:
            fields[-1].append(first)
        for piece in more:
            fields.append([piece] if piece else [])
    return [tuple(field) for field in fields]


def split_before(tokens: Sequence[Token], text: str) -> tuple[Token, ...]:
    """The tokens up to the first literal `text`."""
    before: list[Token] = []
    for token in tokens:
        if isinstance(token, str) and text in token:
            head = token.partition(text)[0]
            return (*before, head) if head else tuple(before)
        before.append(token)
    return tuple(before)
