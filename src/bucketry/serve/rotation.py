"""`bucketry rotate-master-key`: another master key in the place of the present one, while the server serves.

Each step is safe to repeat, and a crash between any two leaves everything that opened before able to open:

    1. keyring.json names the new key by its id, so that a repeat knows which of two it is
    2. the key file holds OLD, NEW: who looks now can open what will be sealed with the new one
    3. keyring.json keeps, sealed under NEW, what else must open for longer than OLD is there (keyring.py)
    4. the key file holds NEW, OLD: from here on NEW seals; processes look at the file before they seal
    5. secrets sealed under OLD are sealed under NEW, batch by batch, until a pass after a grace time finds none
    6. the key file holds NEW alone; keyring.json forgets the rotation

Keys from the environment or a command are their owner's to change: 3 and 5 are done, and OLD can then be taken away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bucketry.kernel import envelope
from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import derive_key, key_id
from bucketry.marketplace.domain.record_ports import SealedRecords
from bucketry.marketplace.domain.resealing import reseal
from bucketry.serve import keyring
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder, write_private
from bucketry.serve.key_sources import FileSource
from bucketry.serve.keyring import MARKETPLACE_RECORDS, STORE_IDENTITY, Keyring
from bucketry.serve.master_keys import MasterKeys
from bucketry.store.identity.store import Identity

_BATCH = 200
Tell = Callable[[str], None]


class NothingToRotate(ServeError):
    """There is one key, and it isn't this command's to make another."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Use:
    """How much a master key is needed for. `name` is "" for keys that are not there (any more)."""

    name: str
    seals: bool
    store_secrets: int
    binding_secrets: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a rotation did. `unopened`: what opens under none of the keys, and stays as it is."""

    count: int
    unopened: list[str]


def short_name(master: bytes) -> str:
    """What people see of a master key."""
    return key_id(master).hex()


async def uses(keys: MasterKeys, identity: Identity, records: SealedRecords) -> list[Use]:
    """The master keys, the one that seals first, and how many secrets each is needed for; then what no key opens."""
    masters = keys.masters
    of_store, of_bindings = identity.sealed_with(), await records.sealed_with()
    found = [
        Use(
            short_name(master),
            number == 0,
            of_store.pop(key_id(derive_key(master, STORE_IDENTITY)), 0),
            of_bindings.pop(key_id(derive_key(master, MARKETPLACE_RECORDS)), 0),
        )
        for number, master in enumerate(masters)
    ]
    if of_store or of_bindings:
        found.append(Use("", False, sum(of_store.values()), sum(of_bindings.values())))
    return found


async def rotate(
    folder: DataFolder,
    keys: MasterKeys,
    identity: Identity,
    records: SealedRecords,
    *,
    grace_seconds: float,
    with_tokens: bool,
    may_make_key: bool = True,
    tell: Tell,
) -> Done:
    """Rotate, or go on with a rotation that was begun. Not `may_make_key`: others who share the records would not have
    the new key, so it must be there already. ServeError; NothingToRotate; KeysInUse."""
    with folder.keys_held():
        if _is_over(keys):
            _write(keys, Keyring(kept=keys.keyring.kept))
            tell("The rotation that was begun before had only to be written off. It is done.")
            return Done(0, [])
        _begin(keys, with_tokens, may_make_key)
        tell(f"The key {short_name(keys.masters[0])} seals now.")
        done = await _reseal(keys, identity, records, grace_seconds, tell)
        _end(keys)
        return done


def _is_over(keys: MasterKeys) -> bool:
    return len(keys.masters) == 1 and keys.keyring.rotating_to == short_name(keys.masters[0])


def _begin(keys: MasterKeys, with_tokens: bool, may_make_key: bool) -> None:
    """Steps 1 to 4."""
    source, masters = keys.source, keys.masters
    if len(masters) == 1:
        if not isinstance(source, FileSource):
            raise NothingToRotate(
                f"{source.name} gives one key, so there is nothing to rotate. Let it give the new key and the old one "
                "behind it, restart the server, and repeat this; docs/operations.md has the steps."
            )
        if not may_make_key:
            raise NothingToRotate(
                "Other servers may share the database, and need the new key before this one seals with it. Put it in "
                "the key file of each, as docs/operations.md says; or give --alone if there is none."
            )
        new = envelope.new_key()
        _write(keys, Keyring(short_name(new), keys.keyring.kept))
        masters = (*masters, new)
        source.write(masters)
    ring = keys.keyring
    first = next((key for key in masters if short_name(key) == ring.rotating_to), masters[0])
    ordered = (first, *(key for key in masters if key != first))
    kept = keyring.sealed_anew(ring, ordered, system_clock_ms(), with_tokens=with_tokens)
    _write(keys, Keyring(short_name(first) if isinstance(source, FileSource) else "", kept))
    if isinstance(source, FileSource) and ordered != masters:
        source.write(ordered)


async def _reseal(
    keys: MasterKeys, identity: Identity, records: SealedRecords, grace_seconds: float, tell: Tell
) -> Done:
    """Step 5. What was sealed just before the new key was seen is written within the grace time, and found then."""
    total = 0
    while True:
        count, unopened = await _pass(keys, identity, records)
        total += count
        tell(f"{total} secret(s) are sealed under it. Looking again in {grace_seconds:g} seconds.")
        await asyncio.sleep(grace_seconds)
        late, unopened = await _pass(keys, identity, records)
        total += late
        if not late:
            return Done(total, unopened)


async def _pass(keys: MasterKeys, identity: Identity, records: SealedRecords) -> tuple[int, list[str]]:
    count, bindings = await reseal(records, keys.envelope(MARKETPLACE_RECORDS))
    unopened = [f"binding {guid}" for guid in bindings]
    after = ""
    while True:
        batch = await identity.reseal(after, _BATCH)
        count += batch.changed
        unopened += [f"access key {access_key_id}" for access_key_id in batch.unopened]
        after = batch.last
        if not after:
            return count, unopened


def _end(keys: MasterKeys) -> None:
    """Step 6."""
    if isinstance(keys.source, FileSource):
        keys.source.write(keys.masters[:1])
        _write(keys, Keyring(kept=keys.keyring.kept))


def _write(keys: MasterKeys, ring: Keyring) -> None:
    write_private(keys.keyring_file, keyring.encode(ring))
