"""Bytes that lie on the disk already, or will with the transaction, and that no row refers to yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InlineBytes:
    """A few bytes for the index itself."""

    data: bytes = field(repr=False)
    crc: int

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class ExtentBytes:
    """`size` bytes from byte `start` of an extent, which lies synced in a segment."""

    segment: str
    record: int
    record_size: int
    offset: int
    length: int
    checksums: bytes = field(repr=False)
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class SharedBytes:
    """`size` bytes from byte `start` of a place that the index has, as a copy inside a bucket shares them."""

    place: int
    start: int
    size: int


# Told once, in the loop, whether the index refers to the bytes now; None: nobody knows, so they must stay, and the
# garbage run finds out.
Settle = Callable[[bool | None], None]

Bytes = InlineBytes | ExtentBytes | SharedBytes


@dataclass(slots=True, eq=False)
class Written:
    """The bytes of an object or part, ready for a transaction. Used once: by it, or by `Bucket.discard`."""

    size: int
    pieces: tuple[Bytes, ...]
    settle: Settle | None = None
