"""Every change of the identity store on a disk that fails any call once, and on one whose power fails at any sync."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.store.identity.errors import IdentityUnwritable
from bucketry.store.identity.holders import GROUP, USER
from bucketry.store.identity.store import Identity
from tests.faults.calls import note_changes
from tests.faults.machine import Image, write_out
from tests.faults.seam import FAULTS, Fault, Seam

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ENVELOPE = Envelope([bytes(32)])
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
PARTS = ("policies", "groups", "roles")
# What changes nothing of the store's; and what seals anew, of which the tests of the master key's rotation are.
NO_CHANGE = {"key_last_use", "reseal"}

Change = Callable[[Identity, str], Awaitable[Any]]


def arn(account: str) -> str:
    return f"arn:aws:iam::{account}:policy/managed"


def key_of(identity: Identity, account: str) -> str:
    return identity.access_keys(account, "alice")[0].access_key_id


# In this order each finds what it needs.
CHANGES: dict[str, Change] = {
    "create account": lambda identity, _: identity.create_account("another"),
    "create user": lambda identity, a: identity.create_user(a, "alice"),
    "move user": lambda identity, a: identity.update_user(a, "alice", None, "/staff/"),
    "tag user": lambda identity, a: identity.tag_user(a, "alice", {"a": "b", "c": "d"}),
    "untag user": lambda identity, a: identity.untag_user(a, "alice", ["a"]),
    "create key": lambda identity, a: identity.create_access_key(a, "alice"),
    "switch key off": lambda identity, a: identity.set_access_key_status(a, "alice", key_of(identity, a), False),
    "put policy": lambda identity, a: identity.policies.put_inline(USER, a, "alice", "inline", POLICY),
    "create policy": lambda identity, a: identity.policies.create(a, "managed", POLICY),
    "create version": lambda identity, a: identity.policies.create_version(a, arn(a), POLICY, is_default=False),
    "default version": lambda identity, a: identity.policies.set_default_version(a, arn(a), "v2"),
    "delete version": lambda identity, a: identity.policies.delete_version(a, arn(a), "v1"),
    "tag policy": lambda identity, a: identity.policies.tag(a, arn(a), {"a": "b", "c": "d"}),
    "untag policy": lambda identity, a: identity.policies.untag(a, arn(a), ["a"]),
    "attach policy": lambda identity, a: identity.policies.attach(USER, a, "alice", arn(a)),
    "set boundary": lambda identity, a: identity.policies.set_boundary(USER, a, "alice", arn(a)),
    "create group": lambda identity, a: identity.groups.create(a, "group"),
    "move group": lambda identity, a: identity.groups.update(a, "group", None, "/groups/"),
    "put policy of group": lambda identity, a: identity.policies.put_inline(GROUP, a, "group", "inline", POLICY),
    "add to group": lambda identity, a: identity.groups.add(a, "group", "alice"),
    "create role": lambda identity, a: identity.roles.create(a, "role", TRUST),
    "trust": lambda identity, a: identity.roles.set_trust(a, "role", TRUST.replace("Allow", "Deny")),
    "describe role": lambda identity, a: identity.roles.update(a, "role", "described", 7200),
    "tag role": lambda identity, a: identity.roles.tag(a, "role", {"a": "b", "c": "d"}),
    "untag role": lambda identity, a: identity.roles.untag(a, "role", ["a"]),
    "create bucket": lambda identity, a: identity.create_bucket(
        "photos", "0123456789abcdef", a, "us-east-1", "BucketOwnerEnforced"
    ),
    "set bucket": lambda identity, _: identity.set_bucket_setting("photos", "cors", "<CORSConfiguration/>"),
    "delete bucket": lambda identity, _: identity.delete_bucket("photos", "0123456789abcdef"),
    "delete role": lambda identity, a: identity.roles.delete(a, "role"),
    "take from group": lambda identity, a: identity.groups.remove(a, "group", "alice"),
    "delete policy of group": lambda identity, a: identity.policies.delete_inline(GROUP, a, "group", "inline"),
    "delete group": lambda identity, a: identity.groups.delete(a, "group"),
    "remove boundary": lambda identity, a: identity.policies.set_boundary(USER, a, "alice", None),
    "detach policy": lambda identity, a: identity.policies.detach(USER, a, "alice", arn(a)),
    "delete policy": lambda identity, a: identity.policies.delete(a, arn(a)),
    "delete inline policy": lambda identity, a: identity.policies.delete_inline(USER, a, "alice", "inline"),
    "revoke key": lambda identity, a: identity.delete_access_key(a, "alice", key_of(identity, a)),
    "delete user": lambda identity, a: identity.delete_user(a, "alice"),
    "delete account": lambda identity, a: identity.delete_account(a),
}


def clock_ms() -> int:
    return 1_700_000_000_000


def open_identity(root: Path, vfs: str | None = None) -> Identity:
    return Identity(root / "identity.sqlite", ENVELOPE, clock_ms, vfs=vfs)


def observe(identity: Identity) -> dict[str, list[Any]]:
    """Every row there is; and every key speaks for somebody."""
    for account in identity.accounts():
        owners = [None, *(user.name for user in identity.users(account.account_id))]
        keys = [key for owner in owners for key in identity.access_keys(account.account_id, owner)]
        assert all(identity.caller(key.access_key_id) is not None for key in keys)
    reader = identity._reader
    tables = [name for (name,) in reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {name: sorted(map(repr, reader.execute(f'SELECT * FROM "{name}"'))) for name in tables}


async def live(root: Path, chance: random.Random) -> tuple[list[tuple[Image, int]], list[Any]]:
    """All changes, one after the other: the disk as a cut leaves it, with how many were answered; and the states."""
    root.mkdir()
    seam = Seam(root)
    identity = open_identity(root, seam.name)
    account, *_ = await identity.create_account("tenant")
    states = [observe(identity)]
    cuts: list[tuple[Image, int]] = []

    def cut(kind: str) -> None:
        if kind == "sync":
            cuts.extend((seam.machine.cut(how), len(states) - 1) for how in (None, chance))

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
    assert all(one != other for one, other in itertools.pairwise(states))
    for number, (image, answered) in enumerate(cuts):
        identity = open_identity(write_out(image, quick_folder / f"cut{number}"))
        assert observe(identity) in states[answered : answered + 2], number
        identity.close()


async def fail_all(root: Path, fault: Fault) -> dict[str, int]:
    """All changes, each tried with one call after the other failing until none is left to fail: how often it failed."""
    root.mkdir()
    seam = Seam(root)
    identity = open_identity(root, seam.name)
    account, *_ = await identity.create_account("tenant")
    failed = dict.fromkeys(CHANGES, 0)
    for name, change in CHANGES.items():
        before = observe(identity)
        while True:
            seam.fail(failed[name], fault)
            try:
                await change(identity, account.account_id)
                break
            except IdentityUnwritable:
                failed[name] += 1
                assert failed[name] < 100
                seam.mend()
                identity.refresh()
                assert observe(identity) == before, (name, seam.failed)
        seam.mend()
        seen = observe(identity)
        assert seen != before
        after = open_identity(write_out(seam.machine.cut(), root.with_name(f"cut after {name}")))
        assert observe(after) == seen, name
        after.close()
    identity.close()
    seam.unregister()
    return failed


@pytest.mark.parametrize(
    "fault", sorted({fault for kind in ("write", "sync") for fault in FAULTS[kind]}, key=str), ids=str
)
def test_any_call_that_fails_leaves_the_change_undone(quick_folder: Path, fault: Fault) -> None:
    failed = asyncio.run(fail_all(quick_folder / "data", fault))
    assert all(count > 1 for count in failed.values()), failed


def test_every_change_of_identities_is_among_these(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = open_identity(quick_folder)
    kinds = [("", type(identity)), *((f"{part}.", type(getattr(identity, part))) for part in PARTS)]
    identity.close()
    changes, asked = note_changes(monkeypatch, kinds, NO_CHANGE)
    asyncio.run(live(quick_folder / "data", random.Random(0)))
    assert asked == changes
