"""What is done before any worker serves: keys, the marketplace's own account, recovery after a crash, admin.json.

It runs in a process of its own, so that the parent stays without threads and databases.
"""

from __future__ import annotations

from pathlib import Path

from bucketry.kernel import ids, logs
from bucketry.serve.addresses import Addresses
from bucketry.serve.catalog import read_catalog
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import Admin, DataFolder
from bucketry.serve.master_keys import MasterKeys
from bucketry.serve.settings import Settings
from bucketry.serve.store_half import open_disk, open_identity
from bucketry.store.identity.store import Identity
from bucketry.store.keeper.last_room import LastRoom

log = logs.get("recovery")
MARKETPLACE_ACCOUNT = "marketplace"


async def prepare(folder: DataFolder, keys: MasterKeys, settings: Settings, addresses: Addresses) -> None:
    """Make or mend all that workers expect. Safe to repeat after a crash at any line."""
    read_catalog(settings)
    LastRoom(folder.root).look()  # or nothing below could be written on a disk without room
    admin = folder.read_admin()
    broker_password = _broker_password(settings, admin)
    identity = open_identity(folder, keys)
    try:
        access_key_id, secret = await marketplace_keys(identity, admin)
        await _recover(folder, identity)
    finally:
        identity.close()
    folder.write_admin(
        Admin(
            api_url=addresses.api_url,
            token=admin.token or ids.token(),
            broker_username=settings.broker.username,
            broker_password=broker_password,
            s3_endpoint=addresses.s3_url,
            website_endpoint=addresses.website_url,
            access_key_id=access_key_id,
            secret_access_key=secret,
            region=settings.server.region,
        )
    )


async def recover(folder: DataFolder, keys: MasterKeys) -> None:
    """Finish or remove what a crash left in the store. Nobody may serve the folder meanwhile."""
    identity = open_identity(folder, keys)
    try:
        await _recover(folder, identity)
    finally:
        identity.close()


async def _recover(folder: DataFolder, identity: Identity) -> None:
    disk = open_disk(folder)
    try:
        known = {(bucket.name, bucket.bucket_id) for bucket in identity.all_buckets()}
        for reason in await disk.damaged(known):
            log.error("a bucket can't be read; the others are served", reason=reason)
        for done in await disk.recover(known):
            log.warning("recovered", what=done)
    finally:
        await disk.close()


async def marketplace_keys(identity: Identity, admin: Admin) -> tuple[str, str]:
    """The root keys of the marketplace's account: those of admin.json while they work, else new ones.

    Where admin.json was lost, whoever finds it later must find dead keys in it: the old ones are deleted.
    """
    caller = identity.caller(admin.access_key_id) if admin.access_key_id else None
    if caller and caller.is_active and caller.user is None:
        return caller.access_key_id, caller.secret_access_key
    account = next((a for a in identity.accounts() if a.display_name == MARKETPLACE_ACCOUNT), None)
    if account is None:
        _, access_key_id, secret = await identity.create_account(MARKETPLACE_ACCOUNT, "")
        return access_key_id, secret
    for key in identity.access_keys(account.account_id, None):
        await identity.delete_access_key(account.account_id, None, key.access_key_id)
    made, secret = await identity.create_access_key(account.account_id, None)
    return made.access_key_id, secret


def _broker_password(settings: Settings, admin: Admin) -> str:
    path = settings.broker.password_file
    if not path:
        return admin.broker_password or ids.random_text(32)
    try:
        password = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ServeError(f"[broker] password_file {path} can't be read: {problem}.") from None
    if len(password) < 16:
        raise ServeError(f"[broker] password_file {path} must hold a password of at least 16 characters.")
    return password
