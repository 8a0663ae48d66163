"""Access keys: limits, status, secrets at rest, and what a wrong master key does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucketry.kernel.envelope import Envelope, EnvelopeError, new_key
from bucketry.store.identity.errors import LimitExceeded, NoSuchEntity, UnreadableIdentity
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account

from .clock import TurnableClock


async def test_two_keys_an_owner_and_no_third(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    await identity.create_user(account_id, "alice")
    made = [(await identity.create_access_key(account_id, "alice"))[0] for _ in range(2)]
    with pytest.raises(LimitExceeded, match="AccessKeysPerUser: 2"):
        await identity.create_access_key(account_id, "alice")
    listed = identity.access_keys(account_id, "alice")
    assert sorted(key.access_key_id for key in listed) == sorted(key.access_key_id for key in made)
    await identity.create_access_key(account_id, None)  # the root has one already, and the user's don't count
    with pytest.raises(LimitExceeded):
        await identity.create_access_key(account_id, None)


async def test_inactive_key_says_so_and_works_again_when_switched_on(identity: Identity, account: Account) -> None:
    await identity.create_user(account.account_id, "alice")
    key, _ = await identity.create_access_key(account.account_id, "alice")
    for is_active in (False, False, True):
        await identity.set_access_key_status(account.account_id, "alice", key.access_key_id, is_active)
        caller = identity.caller(key.access_key_id)
        assert caller is not None
        assert caller.is_active is is_active


async def test_key_is_changed_by_its_owner_alone(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    foreign = (await identity.create_account("other"))[0].account_id
    for owner in (account_id, foreign):
        await identity.create_user(owner, "alice")
    await identity.create_user(account_id, "bob")
    key, _ = await identity.create_access_key(account_id, "alice")
    for owner, name in ((account_id, "bob"), (account_id, None), (foreign, "alice"), (foreign, None)):
        with pytest.raises(NoSuchEntity):
            await identity.delete_access_key(owner, name, key.access_key_id)
        with pytest.raises(NoSuchEntity):
            await identity.set_access_key_status(owner, name, key.access_key_id, False)
    caller = identity.caller(key.access_key_id)
    assert caller is not None
    assert caller.is_active


async def test_secret_is_nowhere_in_files_and_reprs(identity: Identity, account: Account, tmp_path: Path) -> None:
    await identity.create_user(account.account_id, "alice")
    key, secret = await identity.create_access_key(account.account_id, "alice")
    caller = identity.caller(key.access_key_id)
    assert caller is not None
    assert caller.secret_access_key == secret
    assert secret not in repr(caller) + repr(key)
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes(), file.name


async def test_files_are_readable_by_their_owner_alone(identity: Identity, account: Account, tmp_path: Path) -> None:
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert {"identity.sqlite", "identity.sqlite-wal", "activity.sqlite"} <= modes.keys()
    assert set(modes.values()) == {0o600}


async def test_wrong_master_key_is_refused_at_the_start(
    identity: Identity, account: Account, path: Path, clock: TurnableClock
) -> None:
    with pytest.raises(UnreadableIdentity, match="another master key"):
        Identity(path, Envelope([new_key()]), clock)


async def test_secret_sealed_by_another_key_makes_its_access_key_unknown(identity: Identity, account: Account) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    assert identity.caller(key) is not None
    sealed = Envelope([new_key()]).seal("secret", f"store|{key}")
    await identity._database.write(
        lambda db: db.execute("UPDATE access_key SET sealed_secret = ?, revision = revision + 1", (sealed,))
    )
    identity.refresh()
    assert identity.caller(key) is None


async def test_secret_moved_to_another_key_does_not_open(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    first = identity.access_keys(account_id, None)[0].access_key_id
    second, _ = await identity.create_access_key(account_id, None)
    await identity._database.write(
        lambda db: db.execute(
            "UPDATE access_key SET sealed_secret = (SELECT sealed_secret FROM access_key WHERE access_key_id = ?),"
            " revision = revision + 1 WHERE access_key_id = ?",
            (first, second.access_key_id),
        )
    )
    identity.refresh()
    assert identity.caller(first) is not None
    assert identity.caller(second.access_key_id) is None


async def test_rotated_master_key_opens_what_the_old_one_sealed(tmp_path: Path, clock: TurnableClock) -> None:
    old, new = new_key(), new_key()
    identity = Identity(tmp_path / "identity.sqlite", Envelope([old]), clock)
    _, key, secret = await identity.create_account("tenant")
    identity.close()
    identity = Identity(tmp_path / "identity.sqlite", Envelope([new, old]), clock)
    caller = identity.caller(key)
    identity.close()
    assert caller is not None
    assert caller.secret_access_key == secret
    with pytest.raises(EnvelopeError):
        Envelope([])


def test_unknown_key_speaks_for_nobody(identity: Identity) -> None:
    assert identity.caller("BKRYAAAAAAAAAAAAAAAA") is None
    assert identity.caller("") is None
    assert identity.access_key("BKRYAAAAAAAAAAAAAAAA") is None
