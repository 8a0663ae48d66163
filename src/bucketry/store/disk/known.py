"""Versions that were looked up lately, for as long as their bucket's index has not changed since.

Any commit of any process is a new moment of the index (kernel/moments.py); what was known before it is forgotten. So a
look-up costs a look at memory where nobody writes, and one statement where somebody does.
"""

from __future__ import annotations

from bucketry.store.disk.types import Version

LIMIT_BYTES = 8 << 20
_ENTRY_BYTES = 1024  # about what a version takes beside its bytes


class Room:
    """What all buckets of a process may know together."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.left = limit_bytes


class Known:
    """The current versions of some keys of one bucket at one moment; None: the key had none."""

    __slots__ = ("_moment", "_room", "_taken", "versions")

    def __init__(self, room: Room) -> None:
        self.versions: dict[str, Version | None] = {}
        self._room = room
        self._moment = b""
        self._taken = 0

    def at(self, moment: bytes) -> dict[str, Version | None]:
        """What is known of this moment. b"": nothing is, ever."""
        if moment != self._moment or not moment:
            self.forget()
            self._moment = moment
        return self.versions

    def note(self, moment: bytes, key: str, version: Version | None) -> None:
        """Keep what was read after the look that saw `moment`, if that is the moment that is kept. The oldest of this
        bucket make room; where others take all of it, nothing is kept."""
        if moment != self._moment or not moment:
            return
        size = _size(key, version)
        while self._room.left < size and self.versions:
            oldest = next(iter(self.versions))
            self._give_back(_size(oldest, self.versions.pop(oldest)))
        if self._room.left >= size:
            self._room.left -= size
            self._taken += size
            self.versions[key] = version

    def forget(self) -> None:
        """Know nothing any more."""
        if self.versions:
            self.versions.clear()
            self._give_back(self._taken)
        self._moment = b""

    def _give_back(self, size: int) -> None:
        self._room.left += size
        self._taken -= size


def _size(key: str, version: Version | None) -> int:
    inline = version.inline if version is not None else None
    return _ENTRY_BYTES + len(key) + (len(inline) if inline is not None else 0)
