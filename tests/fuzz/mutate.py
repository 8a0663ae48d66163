"""Inputs from inputs: seeds that are valid, cut, spliced, repeated and salted with words that parsers stumble over.

Deterministic: the same seed and number make the same input, so that a failure is named by two numbers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

MAX_BYTES = 64 * 1024
INTERESTING = (
    b"\x00",
    b"\xff",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"%",
    b"%00",
    b"%zz",
    b"%ff",
    b"+",
    b"&",
    b"=",
    b"?",
    b"#",
    b";",
    b":",
    b",",
    b"/",
    b"//",
    b"../",
    b"\\",
    b'"',
    b"'",
    b"<",
    b">",
    b"<!",
    b"&amp;",
    b"&#0;",
    b"-1",
    b"0",
    b"00",
    b"1e9",
    b"0x10",
    b"65535",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551616",
    b"99999999999999999999",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"*",
    b"${",
    b"${filename}",
    b"{",
    b"}",
    b"[",
    b"]",
    b"--",
)


def mutated(chance: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One input."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 5, 12))):
        chance.choice(_WAYS)(chance, data, seeds, words)
    return bytes(data[:MAX_BYTES])


def reduced(data: bytes, fails: Callable[[bytes], bool], seconds: float = 20.0) -> bytes:
    """A shorter input that fails still: pieces are left out, ever smaller ones, for `seconds` at most."""
    ends = time.monotonic() + seconds
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data) and time.monotonic() < ends:
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


_Way = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def _flip(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], _words: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], _words: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _insert(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(chance.choice((INTERESTING, words or INTERESTING)))


def _replace(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    word = chance.choice(chance.choice((INTERESTING, words or INTERESTING)))
    data[at : at + len(word)] = word


def _drop(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], _words: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.choice((1, 2, 4, 16, 64))]


def _cut(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], _words: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _repeat(chance: random.Random, data: bytearray, _seeds: Sequence[bytes], _words: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    piece = data[at : at + chance.choice((1, 4, 16, 64))]
    data[at:at] = piece * chance.choice((1, 2, 8, 64, 500))


def _splice(chance: random.Random, data: bytearray, seeds: Sequence[bytes], _words: Sequence[bytes]) -> None:
    other = chance.choice(seeds)
    begin = chance.randrange(len(other) + 1)
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randrange(32)] = other[begin : begin + chance.choice((4, 16, 64, 256))]


_WAYS: tuple[_Way, ...] = (_flip, _set, _insert, _insert, _replace, _drop, _cut, _repeat, _splice)
