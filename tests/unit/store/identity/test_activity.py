"""Times of last use: kept apart from what requests depend on."""

from __future__ import annotations

from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account, KeyUse

from .clock import TurnableClock
from .conftest import Open


async def test_use_is_known_at_once_here_and_elsewhere_after_it_was_written(
    identity: Identity, other: Identity, account: Account, clock: TurnableClock
) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    assert await identity.key_last_use(key) is None
    identity.note_key_use(key, "s3", "us-east-1")
    use = KeyUse(clock.now_ms, "s3", "us-east-1")
    assert await identity.key_last_use(key) == use
    assert await other.key_last_use(key) is None
    identity._activity.flush_soon()
    assert await identity.key_last_use(key) == use  # asked behind the writing, in the same thread
    assert await other.key_last_use(key) == use


async def test_noting_a_use_leaves_every_cache_alone(identity: Identity, other: Identity, account: Account) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    other.refresh()
    version, moment = other._moment, other._callers.moment
    identity.note_key_use(key, "s3", "us-east-1")
    identity._activity.flush_soon()
    await identity.key_last_use(key)
    other.refresh()
    assert (other._moment, other._callers.moment) == (version, moment)


async def test_later_use_wins_whoever_writes_first(
    identity: Identity, other: Identity, account: Account, clock: TurnableClock
) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    identity.note_key_use(key, "s3", "early")
    clock.now_ms += 1000
    other.note_key_use(key, "iam", "late")
    other._activity.flush_soon()
    await other.key_last_use(key)
    identity._activity.flush_soon()
    for one in (identity, other):
        assert await one.key_last_use(key) == KeyUse(clock.now_ms, "iam", "late")


async def test_closing_writes_what_was_noted(identity: Identity, open_identity: Open, account: Account) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    closing = open_identity()
    closing.note_key_use(key, "s3", "us-east-1")
    closing.close()
    assert await identity.key_last_use(key) is not None


async def test_deleted_key_leaves_no_time_of_use(identity: Identity, account: Account) -> None:
    key = identity.access_keys(account.account_id, None)[0].access_key_id
    identity.note_key_use(key, "s3", "us-east-1")
    identity._activity.flush_soon()
    identity.note_key_use(key, "s3", "us-east-1")
    await identity.delete_access_key(account.account_id, None, key)
    assert await identity.key_last_use(key) is None
