"""One store in a process of its own, without supervisor and marketplace: `python -m tests.kit.store_process DATA`.

Listens on ports that the system chose (S3, and websites), makes two accounts, prints one JSON line with what a test
needs, serves until SIGTERM or until stdin ends (its parent is gone). Logs go to stderr at debug level, so that tests
can look for secrets.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import uvloop

from bucketry.kernel import logs
from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import Envelope, derive_key
from bucketry.store.disk.store import Disk
from bucketry.store.gateway import access_logs
from bucketry.store.gateway.context import Services, StoreSettings
from bucketry.store.gateway.pipeline import make_server
from bucketry.store.gateway.website import make_website_server
from bucketry.store.identity.store import Identity


def _master_key(data: Path) -> bytes:
    file = data / "test.key"
    if not file.exists():
        file.write_bytes(os.urandom(32))
    return file.read_bytes()


async def main(data: Path, log_level: str) -> None:
    logs.configure(log_level, as_json=True)
    identity = Identity(data / "identity.sqlite", Envelope([_master_key(data)]), system_clock_ms)
    objects_key = derive_key(_master_key(data), "store objects")
    disk = Disk(data, clock_ms=system_clock_ms, envelope=Envelope([objects_key]))
    accounts = []
    for name in ("one", "two"):
        account, access_key_id, secret = await identity.create_account(name, f"{name}@example.com")
        accounts.append(
            {
                "account_id": account.account_id,
                "canonical_id": account.canonical_id,
                "access_key_id": access_key_id,
                "secret_access_key": secret,
            }
        )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    services = Services(
        disk, identity, StoreSettings(access_log_seconds=0.2, customer_keys_over_http=True), system_clock_ms
    )
    servers = [make_server(services), make_website_server(services)]
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in servers]
    pairs = zip(servers, listeners, strict=True)
    acceptors = [await loop.create_server(server, sock=listener) for server, listener in pairs]
    port, website_port = (listener.getsockname()[1] for listener in listeners)
    print(json.dumps({"port": port, "website_port": website_port, "accounts": accounts}), flush=True)
    await stop.wait()
    for acceptor in acceptors:
        acceptor.close()
    for server in servers:
        await server.stop(5)
    await services.log_lines.close(partial(access_logs.deliver, services))
    await disk.close()
    identity.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "debug"))
