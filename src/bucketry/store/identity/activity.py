"""When access keys were last used: noted in memory, written every few seconds to activity.sqlite.

A file of its own, since what changes with each request must not wake the caches that hang on identity.sqlite, nor wait
for its durable commits: a crash loses the last seconds of these times and nothing else. If the file is damaged it may
be removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import apsw

from bucketry.kernel import logs
from bucketry.store.identity import schema
from bucketry.store.identity.database import Database
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import KeyUse

FLUSH_SECONDS = 5.0
_log = logs.get("identity")


class Activity:
    """The times of use of keys. `note` belongs to the event loop's thread, the file to the writer's."""

    def __init__(self, path: Path, database: Database, vfs: str | None = None) -> None:
        self._database = database
        self._pending: dict[str, KeyUse] = {}
        self._timer: asyncio.TimerHandle | None = None
        with database.locked():
            schema.create_file(path)
            self._connection = schema.connect(path, vfs, writes=True)
            self._connection.pragma("synchronous", "normal")
            self._connection.execute(schema.ACTIVITY_TABLES)

    def note(self, access_key_id: str, use: KeyUse) -> None:
        """A request was made with this key. Costs a dictionary entry."""
        self._pending[access_key_id] = use
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush_soon)

    def flush_soon(self) -> None:
        """Hand what was noted to the writer's thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._pending = self._pending, {}
        if batch:
            self._database.submit(lambda: self._store(batch))

    def _store(self, batch: dict[str, KeyUse]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(
                    "INSERT INTO key_use (access_key_id, used_ms, service, region) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET used_ms = excluded.used_ms, service = excluded.service,"
                    " region = excluded.region WHERE excluded.used_ms >= used_ms",
                    [(key, use.used_ms, use.service, use.region) for key, use in batch.items()],
                )
            finally:
                self._connection.execute("COMMIT")
        except apsw.Error as error:
            _log.error("the times of last use of keys could not be written", keys=len(batch), reason=str(error))

    def forget(self, access_key_ids: Collection[str]) -> None:
        """Keys that are gone have no times of use."""
        for key in access_key_ids:
            self._pending.pop(key, None)
        dead = [(key,) for key in access_key_ids]
        self._database.submit(lambda: self._drop(dead))

    def _drop(self, dead: list[tuple[str]]) -> None:
        try:
            self._connection.executemany("DELETE FROM key_use WHERE access_key_id = ?", dead)
        except apsw.Error as error:
            _log.error("the times of last use of deleted keys could not be removed", keys=len(dead), reason=str(error))

    async def last_use(self, access_key_id: str) -> KeyUse | None:
        """The last use as far as it is known here: other processes' are a few seconds late."""
        noted = self._pending.get(access_key_id)
        stored = await self._database.in_thread(lambda: self._read(access_key_id))
        found = [use for use in (noted, stored) if use is not None]
        return max(found, key=lambda use: use.used_ms, default=None)

    def _read(self, access_key_id: str) -> KeyUse | None:
        found = rows(
            self._connection, "SELECT used_ms, service, region FROM key_use WHERE access_key_id = ?", (access_key_id,)
        )
        return KeyUse(*found[0]) if found else None

    def close(self) -> None:
        """Close the file; the writer's thread has ended."""
        self._connection.close()
