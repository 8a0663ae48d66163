"""`bucketry reconcile`: the marketplace's records compared with its engines, and mended where that harms nobody.

It works beside a running server and without one: where plans use the embedded store, the command is for its time one
store worker more, with a listener on loopback for itself. Without a server it has the folder's lock, and recovers
first what a crash left, as a start would.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bucketry.marketplace.domain.reconciling import Finding
from bucketry.serve.addresses import Addresses
from bucketry.serve.errors import FolderInUse, ServeError
from bucketry.serve.folder import Admin, DataFolder
from bucketry.serve.listening import Acceptor, address_of, bind
from bucketry.serve.marketplace_half import open_marketplace
from bucketry.serve.master_keys import MasterKeys
from bucketry.serve.preparing import recover
from bucketry.serve.settings import Settings
from bucketry.serve.store_half import open_services
from bucketry.store.gateway.pipeline import make_server

_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a finding. `left`: why it is as it was; "" where it was mended."""

    finding: Finding
    left: str

    @property
    def is_mended(self) -> bool:
        return not self.left


async def reconcile(
    folder: DataFolder, keys: MasterKeys, settings: Settings, is_to_mend: bool, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Compare, and mend if asked to; `tell` hears of each finding as it is found, or mended."""
    admin = folder.read_admin()
    if not admin.access_key_id:
        raise ServeError(f"{folder.admin_file} is missing: serve the folder once, so that it is made anew.")
    if not _is_served(folder):
        await recover(folder, keys)
    outcomes = []
    async with (
        _embedded_store(folder, keys, settings, admin) as addresses,
        open_marketplace(folder, keys, settings, addresses, admin) as marketplace,
    ):
        async for finding in marketplace.reconciling.findings():
            left = await marketplace.mending.mend(finding) if is_to_mend else finding.remedy
            outcomes.append(Outcome(finding, left))
            tell(outcomes[-1])
    return outcomes


def _is_served(folder: DataFolder) -> bool:
    """Whether another has the folder; if not, this process has it from now on, until it ends."""
    try:
        folder.lock()
    except FolderInUse:
        return True
    return False


@contextlib.asynccontextmanager
async def _embedded_store(
    folder: DataFolder, keys: MasterKeys, settings: Settings, admin: Admin
) -> AsyncIterator[Addresses]:
    """Serve the store for this process alone; the addresses with that of its listener."""
    listener = bind("127.0.0.1:0", "s3_listen")
    addresses = Addresses(
        s3_url=admin.s3_endpoint,
        website_url=admin.website_endpoint,
        api_url=admin.api_url,
        engine_url=f"http://{address_of(listener)}",
        website_port=0,
    )
    with open_services(folder, keys, settings, addresses) as services:
        server = make_server(services)
        acceptor = Acceptor(listener, server)
        try:
            yield addresses
        finally:
            acceptor.close()
            await server.stop(_GRACE_SECONDS)
            await services.disk.close()
