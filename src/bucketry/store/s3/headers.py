"""Header fields of one request, as Signature V4 and the handlers need them: by lower-case name, repeats kept apart.

RFC 9110, section 5.2 and 5.3: names compare without case; fields of one name combine in order with commas. Values are
text decoded from UTF-8 with surrogateescape, so that `value.encode("utf-8", "surrogateescape")` gives back the bytes
that were sent and signed. White space around a value is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol


class HeaderView(Protocol):
    """Read access to the header fields of a request. All names are lower-case."""

    def get(self, name: str) -> str | None:
        """The value of field `name`; repeats combined with a comma; None when there is none."""

    def get_all(self, name: str) -> list[str]:
        """The values of field `name` in the order sent; empty when there is none."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Each field as (lower-case name, value), repeats of a name one after the other."""


class Headers:
    """An immutable set of header fields, built once a request from (name, value) pairs in the order sent."""

    __slots__ = ("_repeated", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, str] = {}
        repeated: dict[str, list[str]] | None = None
        for name, value in pairs:
            name = name.lower()
            value = value.strip(" \t")
            if name not in values:
                values[name] = value
                continue
            if repeated is None:
                repeated = {}
            repeated.setdefault(name, [values[name]]).append(value)
        if repeated:
            for name, all_values in repeated.items():
                values[name] = ",".join(all_values)
        self._values = values
        self._repeated = repeated

    @classmethod
    def from_raw(cls, pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The same from the bytes of the wire."""
        return cls(
            [(str(name, "utf-8", "surrogateescape"), str(value, "utf-8", "surrogateescape")) for name, value in pairs]
        )

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def get_all(self, name: str) -> list[str]:
        if self._repeated and name in self._repeated:
            return list(self._repeated[name])
        value = self._values.get(name)
        return [] if value is None else [value]

    def is_repeated(self, name: str) -> bool:
        """Whether field `name` came more than once."""
        return self._repeated is not None and name in self._repeated

    def items(self) -> Iterable[tuple[str, str]]:
        return self._each_repeat() if self._repeated else self._values.items()

    def _each_repeat(self) -> Iterator[tuple[str, str]]:
        repeated = self._repeated or {}
        for name, value in self._values.items():
            if name in repeated:
                for single in repeated[name]:
                    yield name, single
            else:
                yield name, value

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        # Names only: values hold signatures, tokens and customer keys, and a repr ends in logs.
        return f"Headers({', '.join(self._values)})"
