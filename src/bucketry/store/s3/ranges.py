"""The Range header: which bytes of an object a GET or HEAD asks for.

RFC 9110, section 14, with the answers of S3: one range of bytes counts; several at once, another unit and what can't be
read are as if nothing had been asked (RFC 9110, 14.2, lets a server ignore the field); one that begins beyond the end
is InvalidRange, 416.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidRange

# More digits than any size has are no number: int() of thousands of them would cost.
_RANGE = re.compile(r"bytes\s*=\s*(\d{1,32})?\s*-\s*(\d{1,32})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A run of bytes of an object of `size` bytes: at least one byte, inside the object."""

    start: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        """The Content-Range header, `bytes 0-9/100`."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def parse_range(field: str, size: int) -> ByteRange | None:
    """The bytes that `field` asks of an object of `size` bytes; None: the whole object. InvalidRange: none of them."""
    match = _RANGE.fullmatch(field.strip())
    if not match:
        return None
    first, last = match.groups()
    if first is None:
        if last is None:
            return None
        length = min(int(last), size)
        if length == 0:
            raise _unsatisfiable(field, size)
        return ByteRange(size - length, length, size)
    start = int(first)
    end = size if last is None else int(last) + 1
    if last is not None and end <= start:
        return None
    if start >= size:
        raise _unsatisfiable(field, size)
    return ByteRange(start, min(end, size) - start, size)


def _unsatisfiable(field: str, size: int) -> InvalidRange:
    return InvalidRange(
        fields={"RangeRequested": field.strip(), "ActualObjectSize": str(size)},
        headers={"Content-Range": f"bytes */{size}"},
    )
