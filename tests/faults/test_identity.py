"""The identity store on a disk that fails any call once, and on one whose power fails at any sync."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.store.identity.errors import IdentityUnwritable
from bucketry.store.identity.holders import USER
from bucketry.store.identity.store import Identity
from tests.faults.machine import Image, write_out
from tests.faults.seam import FAULTS, Fault, Seam

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ENVELOPE = Envelope([bytes(32)])
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'

Change = Callable[[Identity, str], Awaitable[Any]]
CHANGES: dict[str, Change] = {
    "create user": lambda identity, account: identity.create_user(account, "alice"),
    "create key": lambda identity, account: identity.create_access_key(account, "alice"),
    "put policy": lambda identity, account: identity.policies.put_inline(USER, account, "alice", "inline", POLICY),
    "create bucket": lambda identity, account: identity.create_bucket(
        "photos", "0123456789abcdef", account, "us-east-1", "BucketOwnerEnforced"
    ),
    "set bucket": lambda identity, account: identity.set_bucket_setting("photos", "cors", "<CORSConfiguration/>"),
    "revoke key": lambda identity, account: identity.delete_access_key(
        account, "alice", identity.access_keys(account, "alice")[0].access_key_id
    ),
    "delete bucket": lambda identity, account: identity.delete_bucket("photos", "0123456789abcdef"),
}


def clock_ms() -> int:
    return 1_700_000_000_000


def open_identity(root: Path, vfs: str | None = None) -> Identity:
    return Identity(root / "identity.sqlite", ENVELOPE, clock_ms, vfs=vfs)


def observe(identity: Identity) -> list[Any]:
    """All that requests are judged by."""
    seen: list[Any] = []
    for account in identity.accounts():
        users = identity.users(account.account_id)
        keys = [key.access_key_id for user in users for key in identity.access_keys(account.account_id, user.name)]
        policies = [identity.policies.all_inline(USER, account.account_id, user.name) for user in users]
        buckets = [(bucket.name, identity.bucket(bucket.name)) for bucket in identity.buckets(account.account_id)]
        seen.append((account, [user.name for user in users], keys, policies, buckets))
        assert all(identity.caller(key) is not None for key in keys)
    return seen


async def live(root: Path, cut_at_syncs: random.Random | None = None) -> tuple[list[tuple[Image, int]], list[Any]]:
    """All changes, one after the other: the disk as a cut leaves it, with how many were answered; and the states."""
    root.mkdir()
    seam = Seam(root)
    identity = open_identity(root, seam.name)
    account, *_ = await identity.create_account("tenant")
    states = [observe(identity)]
    cuts: list[tuple[Image, int]] = []

    def cut(kind: str) -> None:
        if kind == "sync":
            cuts.extend((seam.machine.cut(chance), len(states) - 1) for chance in (None, cut_at_syncs))

    seam.on_call = cut
    for change in CHANGES.values():
        await change(identity, account.account_id)
        states.append(observe(identity))
        cuts.append((seam.machine.cut(), len(states) - 1))
    identity.close()
    seam.unregister()
    return cuts, states


def test_power_cut_at_every_sync_loses_no_answered_change(quick_folder: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    cuts, states = asyncio.run(live(quick_folder / "data", random.Random(seed)))
    assert len(cuts) >= 3 * len(CHANGES)
    for number, (image, answered) in enumerate(cuts):
        identity = open_identity(write_out(image, quick_folder / f"cut{number}"))
        assert observe(identity) in states[answered : answered + 2], number
        identity.close()


async def fail_once(root: Path, failing: str, at: int, fault: Fault) -> bool:
    """One change with one failing call; what follows it; and a power cut."""
    seam = Seam(root)
    identity = open_identity(root, seam.name)
    account, *_ = await identity.create_account("tenant")
    for name, change in CHANGES.items():
        before = observe(identity)
        if name == failing:
            seam.fail(at, fault)
            try:
                await change(identity, account.account_id)
            except IdentityUnwritable:
                seam.mend()
                identity.refresh()
                assert observe(identity) == before
                await change(identity, account.account_id)
            seam.mend()
        else:
            await change(identity, account.account_id)
    seen = observe(identity)
    image = seam.machine.cut()
    identity.close()
    seam.unregister()
    after = open_identity(write_out(image, root / "cut"))
    assert observe(after) == seen
    after.close()
    return bool(seam.failed)


@pytest.mark.parametrize("failing", CHANGES)
def test_any_call_that_fails_leaves_the_change_undone(quick_folder: Path, failing: str) -> None:
    runs = 0
    for kind in ("write", "sync"):
        for fault in FAULTS[kind]:
            at = 0
            while asyncio.run(fail_once(_new(quick_folder, runs), failing, at, fault)):
                at += 1
                runs += 1
                assert at < 50
            runs += 1
    assert runs > 4


def _new(folder: Path, number: int) -> Path:
    made = folder / f"run{number}"
    made.mkdir()
    return made
