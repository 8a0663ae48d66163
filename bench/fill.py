"""Fills a store through its own disk layer: buckets and objects as requests would leave them, in few commits.

Used where a million requests would take longer than what is measured. The server of the folder may run: commits of
several processes take turns.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import apsw

from bucketry.kernel import ids
from bucketry.kernel.clock import system_clock_ms
from bucketry.store.disk import changes, segments
from bucketry.store.disk.store import Disk
from bucketry.store.disk.stored import InlineBytes, Written
from bucketry.store.disk.transaction import Transaction
from bucketry.store.disk.types import NewObject
from bucketry.store.identity import buckets as identity_buckets
from bucketry.store.identity.database import Database as IdentityDatabase

_EACH_COMMIT = 5000
_HEADERS = {"content-type": "application/octet-stream"}


def key_of(number: int) -> str:
    """Keys in folders of two hundred, so that a delimiter has something to fold."""
    return f"{number // 200:06}/{number:09}"


def account_of(data: Path) -> str:
    """The marketplace's account: the owner of what is made here."""
    identity = IdentityDatabase(data / "identity.sqlite")
    try:
        return str(identity.reader.execute("SELECT account_id FROM account").fetchall()[0][0])
    finally:
        identity.close()


def bucket_id_of(data: Path, name: str) -> str:
    identity = IdentityDatabase(data / "identity.sqlite")
    try:
        return str(identity.reader.execute("SELECT bucket_id FROM bucket WHERE name = ?", (name,)).fetchall()[0][0])
    finally:
        identity.close()


def make_buckets(data: Path, names: Sequence[str], owner: str) -> dict[str, str]:
    """Buckets of an account, all of them in one commit of the identity store; ids by name."""
    made = {name: ids.hex_id() for name in names}

    async def folders() -> None:
        disk = Disk(data, clock_ms=system_clock_ms)
        for name, bucket_id in made.items():
            await disk.create_bucket(name, bucket_id)
        await disk.close()

    def rows(db: apsw.Connection) -> None:
        for name, bucket_id in made.items():
            identity_buckets.create(
                db,
                system_clock_ms(),
                name,
                bucket_id,
                owner,
                region="us-east-1",
                object_ownership="BucketOwnerEnforced",
                is_public_access_blocked=True,
                limit=None,
                settings=None,
            )

    asyncio.run(folders())
    identity = IdentityDatabase(data / "identity.sqlite")
    try:
        identity.transaction(rows)
    finally:
        identity.close()
    return made


def put_objects(
    data: Path,
    buckets: Iterable[tuple[str, str]],
    count: int,
    body: bytes,
    owner: str,
    told: Callable[[int, float], None] | None = None,
    key: Callable[[int], str] = key_of,
) -> None:
    """`count` small objects in each bucket (name, id). `told`: called after each commit with the objects so far and the
    seconds they took."""

    async def work() -> None:
        disk = Disk(data, clock_ms=system_clock_ms)
        done, begun = 0, time.perf_counter()
        for name, bucket_id in buckets:
            bucket = disk.bucket(name, bucket_id)
            numbers = iter(range(count))
            while page := list(islice(numbers, _EACH_COMMIT)):
                await bucket.transact(partial(_put_page, [key(number) for number in page], body, owner))
                done += len(page)
                if told is not None:
                    told(done, time.perf_counter() - begun)
        await disk.close()

    asyncio.run(work())


def _put_page(keys: list[str], body: bytes, owner: str, transaction: Transaction) -> None:
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    pieces, now_ms = (InlineBytes(body, segments.crc32c(body)),) if body else (), system_clock_ms()
    for key in keys:
        new = NewObject(key, etag, owner, now_ms, _HEADERS, {})
        changes.put(transaction, new, Written(len(body), pieces), None)
