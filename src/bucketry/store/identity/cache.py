"""A bounded cache whose entries are trusted for one moment of the database, and then checked by their stamp.

Any commit of any process starts a new moment. The first look-up of an entry in it compares the stamp (some revisions,
one indexed row); only where that differs is the value made again. So a change of one user or bucket costs the others
microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class StampedCache(Generic[V]):
    """Values by name. `stamp(name)` is None where the name is gone; `load(name)` is None where nothing can be made."""

    __slots__ = ("_entries", "_limit", "_load", "_stamp", "moment")

    def __init__(self, stamp: Callable[[str], object | None], load: Callable[[str], V | None], limit: int) -> None:
        self._stamp = stamp
        self._load = load
        self._limit = limit
        self._entries: dict[str, tuple[int, object, V]] = {}
        self.moment = 0

    def get(self, name: str) -> V | None:
        """The value of `name` at this moment or a later one."""
        entry = self._entries.get(name)
        if entry is not None and entry[0] == self.moment:
            return entry[2]
        stamp = self._stamp(name)
        if stamp is None:
            self._entries.pop(name, None)
            return None
        if entry is not None and entry[1] == stamp:
            value: V | None = entry[2]
        else:
            # Read after its stamp: if a commit falls between, the value is newer than the stamp and is made again.
            value = self._load(name)
        if value is None:
            self._entries.pop(name, None)
            return None
        if len(self._entries) >= self._limit and name not in self._entries:
            del self._entries[next(iter(self._entries))]
        self._entries[name] = (self.moment, stamp, value)
        return value
