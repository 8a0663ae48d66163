"""One run of `bucketry serve`: bind, prepare, then supervise the workers of both halves.

Reading modules is most of a start. The marketplace's worker reads its own on another core while the parent reads the
store's, which its workers share, and prepares the folder. See docs/decisions/0105-ready-sooner.md.

Processes: N equal store workers share the S3 and website sockets; one marketplace worker has the broker and the JSON
API; the keeper does what the store does by the clock. See docs/decisions/0001-processes.md.
"""

from __future__ import annotations

import gc
import os
import socket
import ssl
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bucketry.kernel import logs
from bucketry.serve import worker
from bucketry.serve.addresses import Addresses
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.listening import address_of, bind, raise_descriptor_limit, reload_tls, tls_context
from bucketry.serve.master_keys import MasterKeys, open_keys
from bucketry.serve.settings import Settings
from bucketry.serve.supervisor import Body, Role, Supervisor

log = logs.get("serve")


@dataclass(frozen=True, slots=True)
class Listeners:
    """The bound sockets. `engine` is the S3 socket itself, or a plain one on loopback where S3 speaks TLS."""

    s3: socket.socket
    website: socket.socket
    api: socket.socket
    engine: socket.socket

    @classmethod
    def bind(cls, settings: Settings) -> Listeners:
        s3 = bind(settings.server.s3_listen, "s3_listen")
        website = bind(settings.server.website_listen, "website_listen")
        api = bind(settings.server.api_listen, "api_listen")
        # A certificate names the public host, not loopback: the marketplace reaches the store beside TLS.
        engine = bind("127.0.0.1:0", "s3_listen") if settings.server.tls_certificate else s3
        return cls(s3, website, api, engine)

    def addresses(self, settings: Settings) -> Addresses:
        places = (address_of(listener) for listener in (self.s3, self.website, self.api, self.engine))
        return Addresses.of(settings, *places)


def serve(folder: DataFolder, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. ServeError says why it can't begin."""
    logs.configure(settings.server.log_level)
    gc.disable()  # what is read now stays; the supervisor and each worker look once when all is there
    raise_descriptor_limit()
    os.umask(0o077)  # whatever a library makes in the folder is its owner's alone
    tls_context(
        settings.server.tls_certificate, settings.server.tls_key
    )  # a wrong file is told before anything is made
    folder.make()
    folder.lock()
    listeners = Listeners.bind(settings)
    addresses = listeners.addresses(settings)
    keys = open_keys(folder, settings, may_create=True)
    bodies = _bodies(folder, keys, settings, addresses, listeners)
    roles = [
        Role("store", bodies["store"], settings.worker_count),
        Role("marketplace", bodies["marketplace"], load=_load_marketplace),
        Role("keeper", bodies["keeper"]),
    ]

    def prepare() -> None:
        from bucketry.serve import store_half  # noqa: F401  # read here, so that the workers share it

        _prepare_apart(folder, keys, settings, addresses)

    reloads = bool(settings.server.tls_certificate) or keys.is_renewable
    return Supervisor(roles, prepare, lambda: _say_ready(folder.root, addresses), reloads).run()


def _load_marketplace() -> None:
    from bucketry.serve import marketplace_half  # noqa: F401  # in its worker alone: SQLAlchemy takes 30 MB


def _say_ready(root: Path, addresses: Addresses) -> None:
    line = f"ready  s3 {addresses.s3_url}  website {addresses.website_url}  api {addresses.api_url}  data {root}\n"
    sys.stdout.write(line)
    sys.stdout.flush()


def _prepare_apart(folder: DataFolder, keys: MasterKeys, settings: Settings, addresses: Addresses) -> None:
    """Prepare in a process of its own, so that the parent keeps no thread and no open database."""
    number = os.fork()
    if number == 0:
        code = 1
        try:
            from bucketry.serve.preparing import prepare  # loaded in the child alone

            uvloop.run(prepare(folder, keys, settings, addresses))
            code = 0
        except ServeError as problem:
            sys.stderr.write(f"Error: {problem}\n")
        except Exception as problem:
            sys.stderr.write(f"Error: The data folder {folder.root} can't be prepared: {problem}\n")
            log.debug("preparing failed", exc_info=True)
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(number, 0)
    if status:
        raise SystemExit(1)


def _bodies(
    folder: DataFolder, keys: MasterKeys, settings: Settings, addresses: Addresses, listeners: Listeners
) -> dict[str, Body]:
    tls = (settings.server.tls_certificate, settings.server.tls_key)

    def reload(context: ssl.SSLContext | None) -> None:
        """SIGHUP: certificates now, the key's command beside the loop, since it may take long."""
        reload_tls(context, *tls)
        threading.Thread(target=keys.renew, daemon=True).start()

    def store(life_pipe: int, ready_pipe: int) -> None:
        from bucketry.serve import store_half

        keys.renew(at_least=False)
        with store_half.open_services(folder, keys, settings, addresses) as services:
            context = tls_context(*tls)
            s3 = [(listeners.s3, context)]
            if listeners.engine is not listeners.s3:
                s3.append((listeners.engine, None))

            async def work(life: worker.Life) -> None:
                life.on_reload = lambda: reload(context)
                await store_half.serve_store(life, services, s3, listeners.website)

            worker.run(work, life_pipe, ready_pipe)

    def keeper(life_pipe: int, ready_pipe: int) -> None:
        from bucketry.serve import keeping, store_half  # the first is loaded in this worker alone

        keys.renew(at_least=False)

        async def work(life: worker.Life) -> None:
            life.on_reload = lambda: reload(None)
            await keeping.keep(life, folder, services, settings)

        with store_half.open_services(folder, keys, settings, addresses) as services:
            worker.run(work, life_pipe, ready_pipe)

    def marketplace(life_pipe: int, ready_pipe: int) -> None:
        from bucketry.serve import marketplace_half

        keys.renew(at_least=False)
        context = tls_context(*tls)

        async def work(life: worker.Life) -> None:
            life.on_reload = lambda: reload(context)
            await marketplace_half.serve_marketplace(life, folder, keys, settings, addresses, listeners.api, context)

        worker.run(work, life_pipe, ready_pipe)

    return {"store": store, "keeper": keeper, "marketplace": marketplace}
