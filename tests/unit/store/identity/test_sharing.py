"""Several processes on the same files: what one changes the others see at their next request, and nothing is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from bucketry.kernel.envelope import Envelope, new_key
from bucketry.store.identity.errors import UnreadableIdentity
from bucketry.store.identity.holders import USER
from bucketry.store.identity.schema import MIGRATIONS
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account

from .clock import TurnableClock, allow
from .conftest import Open

_WRITER = """
import asyncio, sys
from pathlib import Path
from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import Envelope
from bucketry.store.identity.store import Identity

async def main():
    identity = Identity(Path(sys.argv[1]), Envelope([bytes.fromhex(sys.argv[2])]), system_clock_ms)
    number = 0
    while number < int(sys.argv[5]):
        name = f"{sys.argv[4]}{number}"
        await identity.create_user(sys.argv[3], name)
        _, secret = await identity.create_access_key(sys.argv[3], name)
        print(name, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_key_revoked_in_one_process_is_dead_in_the_other_at_its_next_request(
    identity: Identity, other: Identity, account: Account
) -> None:
    await identity.create_user(account.account_id, "alice")
    key, secret = await identity.create_access_key(account.account_id, "alice")
    other.refresh()
    seen = other.caller(key.access_key_id)
    assert seen is not None
    assert seen.secret_access_key == secret
    await identity.set_access_key_status(account.account_id, "alice", key.access_key_id, False)
    other.refresh()
    seen = other.caller(key.access_key_id)
    assert seen is not None
    assert not seen.is_active
    await identity.delete_access_key(account.account_id, "alice", key.access_key_id)
    assert identity.caller(key.access_key_id) is None
    other.refresh()
    assert other.caller(key.access_key_id) is None


async def test_policy_changed_in_one_process_counts_in_the_other(
    identity: Identity, other: Identity, account: Account
) -> None:
    account_id = account.account_id
    await identity.create_user(account_id, "alice")
    key, _ = await identity.create_access_key(account_id, "alice")
    policy = await identity.policies.create(account_id, "shared", allow())
    steps = [
        (lambda: identity.policies.put_inline(USER, account_id, "alice", "main", allow()), 1),
        (lambda: identity.policies.attach(USER, account_id, "alice", policy.arn), 2),
        (lambda: identity.policies.delete_inline(USER, account_id, "alice", "main"), 1),
        (lambda: identity.policies.detach(USER, account_id, "alice", policy.arn), 0),
    ]
    for change, expected in steps:
        await change()
        other.refresh()
        caller = other.caller(key.access_key_id)
        assert caller is not None
        assert len(caller.policies) == expected


async def test_bucket_changed_in_one_process_is_changed_in_the_other(
    identity: Identity, other: Identity, account: Account
) -> None:
    await identity.create_bucket("photos", "b1", account.account_id, "us-east-1", "ObjectWriter")
    other.refresh()
    assert other.bucket("photos") is not None
    await identity.set_bucket_setting("photos", "cors", "<CORS/>")
    other.refresh()
    seen = other.bucket("photos")
    assert seen is not None
    assert seen.cors == "<CORS/>"
    await identity.delete_bucket("photos", "b1")
    await identity.create_bucket("photos", "b2", account.account_id, "us-east-1", "ObjectWriter")
    other.refresh()
    seen = other.bucket("photos")
    assert seen is not None
    assert (seen.bucket_id, seen.cors) == ("b2", None)


async def test_change_of_one_leaves_what_is_cached_of_the_others(
    identity: Identity, other: Identity, account: Account
) -> None:
    keys = []
    for name in ("alice", "bob"):
        await identity.create_user(account.account_id, name)
        keys.append((await identity.create_access_key(account.account_id, name))[0].access_key_id)
    await identity.create_bucket("photos", "b1", account.account_id, "us-east-1", "ObjectWriter")
    other.refresh()
    alice, bob, bucket = other.caller(keys[0]), other.caller(keys[1]), other.bucket("photos")
    await identity.tag_user(account.account_id, "alice", {"a": "b"})
    other.refresh()
    assert other.caller(keys[0]) is not alice
    assert other.caller(keys[1]) is bob
    assert other.bucket("photos") is bucket


async def test_a_request_keeps_what_it_began_with(identity: Identity, other: Identity, account: Account) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    other.refresh()
    before = other.caller(key)
    await identity.set_access_key_status(account.account_id, None, key, False)
    assert other.caller(key) is before  # no refresh yet
    other.refresh()
    assert other.caller(key) is not before


async def test_deleted_account_is_gone_in_the_other(identity: Identity, other: Identity, account: Account) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    other.refresh()
    assert other.caller(key) is not None
    await identity.delete_account(account.account_id)
    other.refresh()
    assert other.caller(key) is None


async def test_writers_of_two_processes_lose_nothing(path: Path, clock: TurnableClock) -> None:
    master = new_key()
    identity = Identity(path, Envelope([master]), clock)
    account, *_ = await identity.create_account("tenant")
    arguments = [sys.executable, "-c", _WRITER, str(path), master.hex(), account.account_id]
    writers = [
        await asyncio.create_subprocess_exec(*arguments, name, "40", stdout=subprocess.DEVNULL) for name in ("a", "b")
    ]
    for number in range(40):
        await identity.create_user(account.account_id, f"c{number}")
    assert [await writer.wait() for writer in writers] == [0, 0]
    names = {user.name for user in identity.users(account.account_id, limit=1000)}
    identity.close()
    assert names == {f"{writer}{number}" for writer in "abc" for number in range(40)}


async def test_what_was_answered_survives_a_killed_writer(path: Path, clock: TurnableClock) -> None:
    master = new_key()
    identity = Identity(path, Envelope([master]), clock)
    account, *_ = await identity.create_account("tenant")
    arguments = [sys.executable, "-c", _WRITER, str(path), master.hex(), account.account_id, "k", "1000000"]
    writer = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    answered = [(await writer.stdout.readline()).decode().strip() for _ in range(30)]
    writer.kill()
    answered += (await writer.stdout.read()).decode().split("\n")[:-1]
    await writer.wait()
    for name in answered:
        [key] = identity.access_keys(account.account_id, name)
        assert identity.caller(key.access_key_id) is not None
    await identity.create_user(account.account_id, "after")  # the dead one's lock is gone with it
    identity.close()
    assert apsw.Connection(str(path)).pragma("integrity_check") == "ok"


def test_opening_twice_at_once_makes_one_database(path: Path, envelope: Envelope, open_identity: Open) -> None:
    first, second = open_identity(), open_identity()
    assert first.accounts() == second.accounts() == []


def test_newer_format_is_refused_in_clear_words(
    identity: Identity, path: Path, envelope: Envelope, clock: TurnableClock
) -> None:
    identity.close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", len(MIGRATIONS) + 1)
    connection.close()
    with pytest.raises(UnreadableIdentity, match="newer bucketry"):
        Identity(path, envelope, clock)
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", len(MIGRATIONS))
    connection.close()


def test_database_of_another_program_is_left_alone(path: Path, envelope: Envelope, clock: TurnableClock) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(UnreadableIdentity, match="another program"):
        Identity(path, envelope, clock)
    assert apsw.Connection(str(path)).execute("SELECT name FROM sqlite_schema").fetchall() == [("recipes",)]


def test_file_that_is_no_database_is_refused(path: Path, envelope: Envelope, clock: TurnableClock) -> None:
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 100)
    with pytest.raises(UnreadableIdentity, match="not a database"):
        Identity(path, envelope, clock)
