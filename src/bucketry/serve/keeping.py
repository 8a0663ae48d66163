"""The keeper's process: what the store does by the clock, each chore at its own pace, beside each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bucketry.kernel import logs
from bucketry.serve.folder import DataFolder
from bucketry.serve.settings import Settings, webhook_secret
from bucketry.serve.worker import Life
from bucketry.store.gateway.context import Services
from bucketry.store.keeper import last_room
from bucketry.store.keeper.last_room import LastRoom
from bucketry.store.keeper.lifecycle import Lifecycle

log = logs.get("keeper")


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be done again and again, until the event that it is given is set."""

    name: str
    interval_seconds: float
    run: Callable[[asyncio.Event], Awaitable[object]]


async def keep(life: Life, folder: DataFolder, services: Services, settings: Settings) -> None:
    """Do all chores until `life.stop`; each ends at its next step."""
    rules = Lifecycle(services, settings.store.lifecycle_day_seconds * 1000)
    chores = [
        Chore("the garbage run", settings.store.garbage_seconds, lambda _stop: services.disk.collect_garbage()),
        Chore("the lifecycle run", rules.interval_seconds, rules.run),
        Chore("the look at the disk's room", last_room.INTERVAL_SECONDS, LastRoom(folder.root).run),
    ]
    if settings.notifications.webhook_url:
        from bucketry.store.keeper.webhook import INTERVAL_SECONDS, Webhook  # its HTTP client takes 10 MB and 0.2 s

        webhook = Webhook(services, settings.notifications.webhook_url, webhook_secret(settings))
        chores.append(Chore("the delivery of events", INTERVAL_SECONDS, webhook.run))
    tasks = [asyncio.create_task(_repeat(chore, services, life.stop)) for chore in chores]
    life.ready()
    await asyncio.gather(*tasks)
    await services.disk.close()


async def _repeat(chore: Chore, services: Services, stop: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), chore.interval_seconds)
            return
        try:
            services.identity.refresh()
            await chore.run(stop)
        except Exception as problem:
            log.error(f"{chore.name} failed; it is tried again", error=f"{type(problem).__name__}: {problem}")
