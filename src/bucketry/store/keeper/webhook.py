"""Events delivered to the webhook of the operator: by POST, in order, at least once, with pauses after failures.

What is delivered is what waits in the buckets (disk/events.py); it is removed when the webhook has answered with 2xx,
so that a stop in between delivers again. One that fails is asked ever more seldom; what waits for a week is given up.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from bucketry.kernel import logs
from bucketry.store.disk import events as disk_events
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.errors import BucketMissing, DiskError
from bucketry.store.disk.events import Event
from bucketry.store.gateway import events
from bucketry.store.gateway.context import Services
from bucketry.store.s3.notifications import message_of

INTERVAL_SECONDS = 1.0
SIGNATURE_HEADER = "X-Bucketry-Signature"
GIVE_UP_MS = 7 * 86_400_000
_BATCH = 100
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300.0
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_log = logs.get("webhook")


class _Refused(Exception):
    """The webhook did not take a message."""


@dataclass(slots=True)
class Webhook:
    """Delivers what waits. `secret`: of the signature of each message, HMAC-SHA256 in hex; b"": none is made."""

    services: Services
    url: str
    secret: bytes = field(default=b"", repr=False)
    _failures: int = 0
    _not_before_ms: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver all that waits in all buckets, until `stop` or the first failure."""
        now_ms = self.services.clock_ms()
        names = self.services.identity.buckets_with(events.SETTING)
        if not names or now_ms < self._not_before_ms:
            return
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            for name in names:
                record = self.services.identity.bucket(name)
                if record is None or stop.is_set():
                    continue
                try:
                    await self._deliver(session, self.services.disk.bucket(name, record.bucket_id), stop)
                except BucketMissing:
                    continue
                except DiskError as error:  # of this bucket alone; the others' events go on
                    _log.error("a bucket's events can't be read; they wait", bucket=name, reason=str(error))
                except (_Refused, aiohttp.ClientError, TimeoutError, OSError) as error:
                    self._back_off(str(error) or type(error).__name__)
                    return

    def _back_off(self, reason: str) -> None:
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 16)
        self._not_before_ms = self.services.clock_ms() + int(pause * 1000)
        _log.warning("the webhook did not take events; they are sent again", reason=reason, pause_seconds=pause)

    async def _deliver(self, session: aiohttp.ClientSession, bucket: Bucket, stop: asyncio.Event) -> None:
        while not stop.is_set() and (waiting := bucket.pending_events(_BATCH)):
            old = [event for event in waiting if event.noted_ms < self.services.clock_ms() - GIVE_UP_MS]
            if old:
                _log.error("events that waited for a week are given up", bucket=bucket.folder.name, events=len(old))
                await self._forget(bucket, old)
                continue
            batch = _next_message(waiting)
            await self._post(session, batch)
            self._failures = 0
            await self._forget(bucket, batch)

    async def _post(self, session: aiohttp.ClientSession, batch: Sequence[Event]) -> None:
        is_message = _is_message(batch[0])
        body = batch[0].text.encode() if is_message else message_of([event.text for event in batch])
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers[SIGNATURE_HEADER] = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        async with session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer:
            if not 200 <= answer.status < 300:
                raise _Refused(f"it answered {answer.status}")

    async def _forget(self, bucket: Bucket, told: Sequence[Event]) -> None:
        await bucket.transact(partial(disk_events.forget, numbers=[event.number for event in told]))


def _next_message(waiting: Sequence[Event]) -> Sequence[Event]:
    """The events of the next message: records go together, a message of its own goes alone."""
    if _is_message(waiting[0]):
        return waiting[:1]
    end = next((at for at, event in enumerate(waiting) if _is_message(event)), len(waiting))
    return waiting[:end]


def _is_message(event: Event) -> bool:
    return event.text.startswith('{"Service"')
