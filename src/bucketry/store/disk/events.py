"""Events of a bucket that wait to be told: written in the transaction that they are about, so none is lost or invented.

The table is made with the first event, so that a bucket that tells nobody anything has none. What an event says is
text of others; its number grows with the changes of the bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apsw

from bucketry.store.disk import rows
from bucketry.store.disk.commit import Committer
from bucketry.store.disk.stored import Settle
from bucketry.store.disk.transaction import Transaction

_MAKE = "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, noted_ms INTEGER NOT NULL, text TEXT NOT NULL)"
_EXISTS = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'events'"
_PENDING = "SELECT id, noted_ms, text FROM events ORDER BY id LIMIT ?"

# What the result of a change means to others: texts to be told, each made for the number that it gets and the moment
# (epoch milliseconds). It runs inside the transaction and must not fail.
Text = Callable[[int, int], str]
Announce = Callable[[Any], Sequence[Text]]


class Event(NamedTuple):
    """An event that waits. `noted_ms`: when it came about, epoch milliseconds."""

    number: int
    noted_ms: int
    text: str


class Announcing:
    """A committer whose changes leave events behind."""

    def __init__(self, committer: Committer | Announcing, announce: Announce) -> None:
        self._committer = committer
        self._announce = announce

    async def run(self, change: Callable[[Transaction], Any], settled: Settle | None = None) -> Any:
        """As Committer.run."""

        def announced(transaction: Transaction) -> Any:
            result = change(transaction)
            note(transaction, self._announce(result))
            return result

        return await self._committer.run(announced, settled)

    @property
    def is_idle(self) -> bool:
        return self._committer.is_idle

    def close(self) -> None:
        self._committer.close()


def note(transaction: Transaction, texts: Sequence[Text]) -> None:
    """Leave events behind."""
    if not texts:
        return
    transaction.run(_MAKE)
    for text in texts:
        number = transaction.next_id()
        transaction.run(
            "INSERT INTO events VALUES (?, ?, ?)", (number, transaction.now_ms, text(number, transaction.now_ms))
        )


def is_there(connection: apsw.Connection) -> bool:
    """Whether there was ever an event."""
    return connection.execute(_EXISTS).get is not None


def restore(connection: apsw.Connection, found: Sequence[rows.Row]) -> None:
    """Write events into an index that is made anew."""
    if found:
        connection.execute(_MAKE)
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", found)


def pending(connection: apsw.Connection, limit: int) -> list[Event]:
    """The oldest events that wait."""
    if not is_there(connection):
        return []
    return [Event(*row) for row in rows.fetch(connection, _PENDING, (limit,))]


def forget(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Remove events that were told."""
    for number in numbers:
        transaction.run("DELETE FROM events WHERE id = ?", (number,))
