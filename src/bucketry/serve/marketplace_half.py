"""The marketplace of one worker: records, catalog and engines joined, and its faces on one address.

/v2 is the Open Service Broker API, /api/v1 the JSON API of the command line. /healthz says that the process serves, and
/readyz that its records can be read as well: what a balancer asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from importlib.metadata import version

from aiohttp import web

from bucketry.kernel import logs
from bucketry.kernel.envelope import Envelope, sealed_with
from bucketry.marketplace.access.tokens import Actor, BasicCredentials, BearerToken
from bucketry.marketplace.domain import catalog as catalogs
from bucketry.marketplace.domain.holds import LEASE_MS
from bucketry.marketplace.domain.marketplace import Marketplace, make_marketplace
from bucketry.marketplace.domain.record_ports import Records, RecordsUnavailable, SealedRecords
from bucketry.marketplace.manage.app import make_manage_app
from bucketry.marketplace.manage.routes import API_ROOT
from bucketry.marketplace.osb.app import ROOT as OSB_ROOT
from bucketry.marketplace.osb.app import make_osb_app
from bucketry.marketplace.records.connecting import sqlite_url
from bucketry.marketplace.records.database import Database, NewerRecords
from bucketry.marketplace.records.overview import overview
from bucketry.marketplace.records.sql import open_records
from bucketry.serve.addresses import Addresses
from bucketry.serve.catalog import read_catalog
from bucketry.serve.database_url import records_url
from bucketry.serve.engine_settings import EmbeddedEngine
from bucketry.serve.engines import make_engines
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import Admin, DataFolder
from bucketry.serve.keyring import MARKETPLACE_RECORDS
from bucketry.serve.listening import Acceptor
from bucketry.serve.master_keys import MasterKeys
from bucketry.serve.settings import Settings
from bucketry.serve.supervisor import GRACE_SECONDS
from bucketry.serve.worker import Life

RESUME_INTERVAL_SECONDS = 10.0
ADMINISTRATOR = "admin"
log = logs.get("marketplace")


@contextlib.asynccontextmanager
async def open_marketplace(
    folder: DataFolder, keys: MasterKeys, settings: Settings, addresses: Addresses, admin: Admin
) -> AsyncIterator[Marketplace]:
    """The domain with its records and engines, closed at the end."""
    try:
        _check_nothing_left_behind(folder, settings)
        records = open_records(records_url(folder, settings))
    except (NewerRecords, RecordsUnavailable) as problem:
        raise ServeError(str(problem)) from None
    engines = make_engines(settings, addresses, admin, turns=records)
    marketplace: Marketplace | None = None
    try:
        envelope = keys.envelope(MARKETPLACE_RECORDS)
        await _check_opens(records, envelope)
        await _check_place(records, folder, keys, settings)
        marketplace = make_marketplace(read_catalog(settings), records, engines, envelope)
        await marketplace.places.ensure_default()
        yield marketplace
    except catalogs.CatalogError as problem:
        raise ServeError(f"The catalog can't be used: {problem}") from None
    except RecordsUnavailable as problem:
        raise ServeError(str(problem)) from None
    finally:
        if marketplace is not None:
            await marketplace.background.close()  # what was promised is finished by the next start
        for engine in engines.values():
            await engine.close()
        await records.close()


def _check_nothing_left_behind(folder: DataFolder, settings: Settings) -> None:
    """Refuse to begin without orders in a new database while the folder's file has some: they would seem lost, and
    `database copy` would refuse the new one from then on."""
    file = folder.marketplace_file
    if not settings.database.url or not file.exists():
        return
    target, here = Database(settings.database.url), Database(sqlite_url(file))
    try:
        if target.version() is None and overview(here).rows.get("instances"):
            raise ServeError(
                f"{file} holds orders, and the database of [database] url none yet. `bucketry database copy` takes "
                "them there; to begin without them, move the file away."
            )
    finally:
        target.dispose()
        here.dispose()


async def _check_opens(records: SealedRecords, envelope: Envelope) -> None:
    """Fail at the start, not at the first order, when the master key isn't that of these records."""
    for _, sealed in await records.list_sealed("", 1):
        if not envelope.knows(sealed_with(sealed)):
            raise ServeError(
                "Secrets of bindings were sealed with another master key. Put that key back; where several servers "
                "share the records, each needs the same."
            )


async def _check_place(records: Records, folder: DataFolder, keys: MasterKeys, settings: Settings) -> None:
    """Refuse to answer for the buckets of another server's store, where servers share their records."""
    embedded = [name for name, engine in settings.engines.items() if isinstance(engine, EmbeddedEngine)]
    if not embedded or not settings.database.url:
        return
    from bucketry.serve.preparing import MARKETPLACE_ACCOUNT  # the store's libraries are for such servers alone
    from bucketry.serve.store_half import open_identity

    identity = open_identity(folder, keys)
    try:
        place = next(a.account_id for a in identity.accounts() if a.display_name == MARKETPLACE_ACCOUNT)
    finally:
        identity.close()
    if await records.claim_engine(embedded[0], place) != place:
        raise ServeError(
            f"The engine {embedded[0]} of the records in the database is the store of another data folder, whose "
            f"buckets this server can't reach. Serve that folder, or give all servers that share the database "
            "[engines.NAME] that they all reach instead of an embedded one."
        )


def make_app(marketplace: Marketplace, admin: Admin) -> web.Application:
    """All faces in one application."""
    bearer = BearerToken(admin.token, Actor(ADMINISTRATOR, is_admin=True))
    broker = BasicCredentials(admin.broker_username, admin.broker_password, Actor("broker", is_admin=False))

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readiness(_request: web.Request) -> web.Response:
        try:
            await marketplace.check()
        except RecordsUnavailable as problem:
            return web.json_response({"status": "unavailable", "reason": str(problem)}, status=503)
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", readiness)
    app.add_subapp(OSB_ROOT, make_osb_app(marketplace, broker))
    app.add_subapp(API_ROOT, make_manage_app(marketplace, bearer, version("bucketry")))
    return app


async def serve_marketplace(
    life: Life,
    folder: DataFolder,
    keys: MasterKeys,
    settings: Settings,
    addresses: Addresses,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
) -> None:
    """Serve the faces until `life.stop`, then finish what is in flight."""
    admin = folder.read_admin()
    async with open_marketplace(folder, keys, settings, addresses, admin) as marketplace:
        runner = web.AppRunner(make_app(marketplace, admin), access_log=None, shutdown_timeout=GRACE_SECONDS)
        await runner.setup()
        assert runner.server is not None
        acceptor = Acceptor(listener, runner.server, tls)
        clockwork = asyncio.create_task(_resume_regularly(marketplace))
        life.ready()
        await life.stop.wait()
        acceptor.close()
        clockwork.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clockwork
        runner.server.pre_shutdown()
        await runner.server.shutdown(GRACE_SECONDS)
        await runner.cleanup()


async def _resume_regularly(marketplace: Marketplace) -> None:
    """Finish or undo the orders that a crash left, at the start and every few seconds."""
    said = ""
    pause_seconds = LEASE_MS / 1000 + 1  # by then the holds of those that died before this start have run out
    while True:
        try:
            await marketplace.resume_unfinished()
            said = ""
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}"
            if error != said:
                log.error("unfinished orders could not be resumed; tried again", error=error)
            said = error  # what stays wrong is said once
        await asyncio.sleep(pause_seconds)
        pause_seconds = RESUME_INTERVAL_SECONDS
