"""Accounts and their roots."""

from __future__ import annotations

import re

import pytest

from bucketry.store.identity.errors import DeleteConflict, InvalidInput, NoSuchEntity
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account


async def test_new_account_has_ids_of_its_own_and_a_root_key_that_works(identity: Identity) -> None:
    account, key_id, secret = await identity.create_account("tenant", "owner@example.com")
    assert re.fullmatch(r"[1-9][0-9]{11}", account.account_id)
    assert re.fullmatch(r"[0-9a-f]{64}", account.canonical_id)
    caller = identity.caller(key_id)
    assert caller is not None
    assert caller.is_active
    assert caller.user is None
    assert caller.account == account
    assert caller.secret_access_key == secret
    assert caller.arn == f"arn:aws:iam::{account.account_id}:root"


async def test_accounts_are_found_by_either_id_and_listed_in_order(identity: Identity) -> None:
    made = [(await identity.create_account(f"tenant {number}"))[0] for number in range(3)]
    assert sorted(identity.accounts(), key=lambda found: found.display_name) == made
    assert identity.account(made[1].account_id) == made[1]
    assert identity.account_by_canonical_id(made[2].canonical_id) == made[2]
    assert identity.account("000000000000") is None
    assert identity.account_by_canonical_id("0" * 64) is None


async def test_accounts_are_found_by_their_email(identity: Identity) -> None:
    one, _, _ = await identity.create_account("one", "Owner@example.com")
    await identity.create_account("none")
    assert identity.accounts_by_email("owner@Example.com") == [one]
    two, _, _ = await identity.create_account("two", "owner@example.com")
    assert sorted(account.display_name for account in identity.accounts_by_email("owner@example.com")) == ["one", "two"]
    assert identity.accounts_by_email("other@example.com") == []
    assert two != one


@pytest.mark.parametrize("name", ["", "x" * 51, "a\nb", "a\x00b"])
async def test_account_needs_a_printable_name(identity: Identity, name: str) -> None:
    with pytest.raises(InvalidInput):
        await identity.create_account(name)
    assert identity.accounts() == []


@pytest.mark.parametrize("email", ["nobody", "a b@example.com", "@"])
async def test_account_refuses_what_is_no_email(identity: Identity, email: str) -> None:
    with pytest.raises(InvalidInput):
        await identity.create_account("tenant", email)


async def test_deleted_account_takes_users_keys_and_policies_along(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    root_key = identity.access_keys(account_id, None)[0].access_key_id
    await identity.create_user(account_id, "alice")
    key, _ = await identity.create_access_key(account_id, "alice")
    await identity.delete_account(account_id)
    assert identity.account(account_id) is None
    assert identity.user(account_id, "alice") is None
    assert identity.caller(root_key) is None
    assert identity.caller(key.access_key_id) is None
    with pytest.raises(NoSuchEntity):
        await identity.delete_account(account_id)


async def test_account_with_a_bucket_stays(identity: Identity, account: Account) -> None:
    await identity.create_bucket("photos", "b1", account.account_id, "us-east-1", "BucketOwnerEnforced")
    with pytest.raises(DeleteConflict, match="1 bucket"):
        await identity.delete_account(account.account_id)
    await identity.delete_bucket("photos", "b1")
    await identity.delete_account(account.account_id)
    assert identity.accounts() == []
