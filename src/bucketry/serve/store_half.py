"""The store of one worker process: identity, disk and gateway joined and served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from functools import partial

import apsw

from bucketry.kernel import logs
from bucketry.kernel.clock import system_clock_ms
from bucketry.serve.addresses import Addresses
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.keyring import STORE_IDENTITY, STORE_OBJECTS
from bucketry.serve.listening import Acceptor, connection_limit
from bucketry.serve.master_keys import MasterKeys
from bucketry.serve.settings import Settings
from bucketry.serve.supervisor import GRACE_SECONDS
from bucketry.serve.worker import Life
from bucketry.store.disk.store import Disk
from bucketry.store.gateway import access_logs
from bucketry.store.gateway.context import Services, StoreSettings
from bucketry.store.gateway.pipeline import make_server
from bucketry.store.gateway.website import make_website_server
from bucketry.store.identity.errors import IdentityUnwritable, UnreadableIdentity
from bucketry.store.identity.store import Identity

log = logs.get("store")


def open_identity(folder: DataFolder, keys: MasterKeys) -> Identity:
    """The identity store of a data folder, its secrets under a key of their own. ServeError: it can't be used."""
    try:
        return Identity(folder.identity_file, keys.envelope(STORE_IDENTITY), system_clock_ms)
    except UnreadableIdentity as problem:
        raise ServeError(problem.text) from None
    except (apsw.Error, IdentityUnwritable) as problem:
        raise ServeError(
            f"{folder.identity_file} can't be used: {problem}. Look at the disk; if the file is damaged, restore a "
            "snapshot."
        ) from None


def open_disk(folder: DataFolder, keys: MasterKeys | None = None) -> Disk:
    """The disk of a data folder. Without the master key it reads and writes no encrypted bytes."""
    envelope = None if keys is None else keys.envelope(STORE_OBJECTS)
    return Disk(folder.root, clock_ms=system_clock_ms, envelope=envelope)


@contextlib.contextmanager
def open_services(folder: DataFolder, keys: MasterKeys, settings: Settings, addresses: Addresses) -> Iterator[Services]:
    """All that a worker's gateway stands on, closed at the end."""
    identity = open_identity(folder, keys)
    try:
        yield Services(
            disk=open_disk(folder, keys),
            identity=identity,
            settings=StoreSettings(
                region=settings.server.region,
                s3_domains=addresses.s3_domains(),
                website_domains=tuple(dict.fromkeys((settings.server.website_domain, "localhost"))),
                default_object_ownership=settings.store.default_object_ownership,
                access_log_seconds=settings.store.access_log_seconds,
                has_webhook=bool(settings.notifications.webhook_url),
                customer_keys_over_http=settings.store.customer_keys_over_http,
            ),
            clock_ms=system_clock_ms,
        )
    finally:
        identity.close()


async def serve_store(
    life: Life,
    services: Services,
    s3: list[tuple[socket.socket, ssl.SSLContext | None]],
    website: socket.socket,
) -> None:
    """Serve S3, IAM and websites on the shared sockets until `life.stop`, then finish what is in flight."""
    limit = connection_limit()
    server = make_server(services, limit)
    website_server = make_website_server(services, limit)
    acceptors = [Acceptor(listener, server, tls, lambda: len(server.connections)) for listener, tls in s3]
    acceptors.append(Acceptor(website, website_server, open_count=lambda: len(website_server.connections)))
    life.ready()
    await life.stop.wait()
    for acceptor in acceptors:
        acceptor.close()
    await asyncio.gather(server.stop(GRACE_SECONDS), website_server.stop(GRACE_SECONDS))
    await services.log_lines.close(partial(access_logs.deliver, services))
    await services.disk.close()
