"""Lifecycle rules carried out: by the keeper, bucket by bucket, in steps of a page.

Amazon S3 User Guide, "Managing the lifecycle of objects". What rules mean is in s3/expiry.py; what is removed is judged
again in the transaction that removes it (disk/expiring.py), so a run may stop anywhere and begin anew. A bucket is
walked once a day, after midnight UTC, and when its rules change; one without rules is never looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial

from bucketry.kernel import logs
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import BucketMissing, DiskError, UploadMissing
from bucketry.store.disk.expiring import Over, Place
from bucketry.store.disk.types import Marker, Version
from bucketry.store.gateway import events, lifecycle, versions
from bucketry.store.gateway.context import Services
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import expiry
from bucketry.store.s3.expiry import DAY_MS, Kind, Walk, Walked
from bucketry.store.s3.lifecycle import Rule
from bucketry.store.s3.notifications import Happening

INTERVAL_SECONDS = 300.0
_PAGE = 500
_log = logs.get("lifecycle")


class Lifecycle:
    """Carries out the rules of all buckets. `day_ms`: how long a day of a rule lasts."""

    def __init__(self, services: Services, day_ms: int = DAY_MS) -> None:
        self._services = services
        self._day_ms = day_ms
        self._done: dict[str, tuple[str, int]] = {}  # bucket id → the rules and the day of its last whole walk

    @property
    def interval_seconds(self) -> float:
        """How often to look; shorter where days are."""
        return min(INTERVAL_SECONDS, max(1.0, self._day_ms / 1000 / 8))

    async def run(self, stop: asyncio.Event) -> None:
        """Walk over all buckets whose rules are to be carried out now, until `stop`."""
        names = self._services.identity.buckets_with(lifecycle.SETTING)
        alive: set[str] = set()
        for name in names:
            self._services.identity.refresh()
            record = self._services.identity.bucket(name)
            if record is None or stop.is_set():
                continue
            alive.add(record.bucket_id)
            text = record.settings.get(lifecycle.SETTING, "")
            today = (text, self._services.clock_ms() // DAY_MS)
            if self._day_ms == DAY_MS and self._done.get(record.bucket_id) == today:
                continue
            try:
                await self._run_bucket(record, stop)
                if not stop.is_set():
                    self._done[record.bucket_id] = today
            except BucketMissing:
                continue
            except DiskError as error:  # said on purpose, with bucket and remedy
                _log.error("a lifecycle run failed; it is tried again", bucket=name, reason=str(error))
            except Exception as error:
                _log.error("a lifecycle run failed; it is tried again", bucket=name, exc_info=error)
        if not stop.is_set():
            self._done = {bucket_id: done for bucket_id, done in self._done.items() if bucket_id in alive}

    async def _run_bucket(self, record: BucketRecord, stop: asyncio.Event) -> None:
        rules = [rule for rule in lifecycle.rules_of(record) if rule.is_enabled]
        bucket = self._services.disk.bucket(record.name, record.bucket_id)
        removed = aborted = 0
        for prefix in _prefixes(rules):
            removed += await self._expire(record, bucket, rules, prefix, stop)
        for prefix in _prefixes([rule for rule in rules if rule.abort_days]):
            aborted += await self._abort(bucket, rules, prefix, stop)
        if removed or aborted:
            _log.info("carried out lifecycle rules", bucket=record.name, versions=removed, uploads=aborted)

    async def _expire(
        self, record: BucketRecord, bucket: Bucket, rules: list[Rule], prefix: str, stop: asyncio.Event
    ) -> int:
        now_ms, place, count, walk = self._services.clock_ms(), Place(), 0, Walk[Version]()
        while not stop.is_set():
            began = time.monotonic()
            page = bucket.walk_versions(prefix, place, _PAGE)
            over = [
                Over(walked.version, kind)
                for walked in _walked(walk, page, is_last=len(page) < _PAGE)
                if (kind := expiry.due(rules, walked, now_ms, self._day_ms)) is not None
            ]
            if over:
                done = await self._announcing(record, bucket, over).expire(over, self._marker(record))
                count += sum(version is not None for version in done)
            if len(page) < _PAGE:
                break
            place = Place(page[-1].key, page[-1].sequence)
            await asyncio.sleep(time.monotonic() - began)  # at most half of a core
        return count

    def _announcing(self, record: BucketRecord, bucket: Bucket, over: list[Over]) -> Bucket:
        """The bucket, expirations leaving events behind where somebody is to be told of them."""
        interests = events.interests_of(record)
        if not interests:
            return bucket
        owner = record.owner.canonical_id
        happening = Happening(record.region, record.name, owner, "s3.amazonaws.com", "", "", self._services.host_id)
        gone = {(one.seen.key, one.seen.version_id) for one in over if one.kind is not Kind.CURRENT}
        return bucket.announcing(partial(events.announce, interests, happening, "LifecycleExpiration", gone))

    def _marker(self, record: BucketRecord) -> Marker | None:
        """What hides a current object; the setting is asked for anew with each page."""
        found = self._services.identity.bucket(record.name)
        if found is None or found.bucket_id != record.bucket_id:
            raise BucketMissing(f"bucket {record.name} is gone")
        if not versions.has_versions(found):
            return None
        return Marker(found.owner.account_id, self._services.clock_ms(), versions.keeps_versions(found))

    async def _abort(self, bucket: Bucket, rules: list[Rule], prefix: str, stop: asyncio.Event) -> int:
        now_ms, key, upload_id, count = self._services.clock_ms(), "", "", 0
        while not stop.is_set():
            page = bucket.list_uploads(prefix, "", key, upload_id)
            for upload in page.entries:
                if expiry.is_upload_due(rules, upload.key, upload.initiated_ms, now_ms, self._day_ms):
                    try:
                        await bucket.abort_upload(upload.upload_id)
                        count += 1
                    except UploadMissing:
                        continue  # completed or aborted meanwhile
            if page.next_key is None:
                break
            key, upload_id = page.next_key, page.next_upload_id
            await asyncio.sleep(0)
        return count


def _walked(walk: Walk[Version], page: list[Version], *, is_last: bool) -> Iterator[Walked[Version]]:
    for version in page:
        if (walked := walk.step(version)) is not None:
            yield walked
    if is_last and (walked := walk.end()) is not None:
        yield walked


def _prefixes(rules: list[Rule]) -> list[str]:
    """The prefixes that cover what any rule is about, none of them inside another."""
    kept: list[str] = []
    for prefix in sorted({rule.filter.prefix for rule in rules}):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept
