"""Users: names, paths, tags, listing."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketry.kernel.envelope import Envelope, new_key
from bucketry.store.identity.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from bucketry.store.identity.holders import USER
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account

from .clock import TurnableClock, allow

NAMES = st.text(string.ascii_letters + string.digits + "_+=,.@-%", min_size=1, max_size=64)
PATHS = st.lists(st.text("ab-_%", min_size=1, max_size=4), max_size=3).map(
    lambda parts: "/" + "".join(part + "/" for part in parts)
)


async def test_user_is_made_and_found_with_path_and_tags(identity: Identity, account: Account) -> None:
    user = await identity.create_user(account.account_id, "alice", "/apps/", {"Team": "red"})
    assert user.arn == f"arn:aws:iam::{account.account_id}:user/apps/alice"
    assert user.user_id.startswith("AIDA")
    assert len(user.user_id) == 21
    assert identity.user(account.account_id, "alice") == user


async def test_names_differ_by_more_than_case_are_found_in_any_and_changed_as_spelt(
    identity: Identity, account: Account
) -> None:
    await identity.create_user(account.account_id, "alice")
    with pytest.raises(EntityAlreadyExists, match="User with name ALICE already exists"):
        await identity.create_user(account.account_id, "ALICE")
    found = identity.user(account.account_id, "ALICE")
    assert found is not None
    assert found.name == "alice"
    with pytest.raises(NoSuchEntity):
        await identity.delete_user(account.account_id, "ALICE")


async def test_accounts_do_not_share_names(identity: Identity, account: Account) -> None:
    other = (await identity.create_account("other"))[0]
    await identity.create_user(account.account_id, "alice")
    await identity.create_user(other.account_id, "alice")
    await identity.delete_user(other.account_id, "alice")
    assert identity.user(account.account_id, "alice") is not None


async def test_user_of_no_account_is_refused(identity: Identity) -> None:
    with pytest.raises(NoSuchEntity):
        await identity.create_user("123456789012", "alice")


async def test_user_moves_with_keys_and_policies(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    await identity.create_user(account_id, "alice", "/a/")
    key, _ = await identity.create_access_key(account_id, "alice")
    await identity.policies.put_inline(USER, account_id, "alice", "main", allow())
    before = identity.caller(key.access_key_id)
    moved = await identity.update_user(account_id, "alice", "bob", "/b/")
    assert (moved.name, moved.path) == ("bob", "/b/")
    after = identity.caller(key.access_key_id)
    assert before is not None
    assert after is not None
    assert after.arn == f"arn:aws:iam::{account_id}:user/b/bob"
    assert len(after.policies) == 1
    assert identity.user(account_id, "alice") is None


async def test_user_takes_no_name_in_use_but_may_change_its_own_case(identity: Identity, account: Account) -> None:
    await identity.create_user(account.account_id, "alice")
    await identity.create_user(account.account_id, "bob")
    with pytest.raises(EntityAlreadyExists):
        await identity.update_user(account.account_id, "bob", "Alice")
    assert (await identity.update_user(account.account_id, "alice", "Alice")).name == "Alice"


async def test_user_with_keys_or_policies_is_not_deleted(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    await identity.create_user(account_id, "alice")
    key, _ = await identity.create_access_key(account_id, "alice")
    with pytest.raises(DeleteConflict, match="access keys"):
        await identity.delete_user(account_id, "alice")
    await identity.delete_access_key(account_id, "alice", key.access_key_id)
    await identity.policies.put_inline(USER, account_id, "alice", "main", allow())
    with pytest.raises(DeleteConflict, match="delete policies"):
        await identity.delete_user(account_id, "alice")
    await identity.policies.delete_inline(USER, account_id, "alice", "main")
    policy = await identity.policies.create(account_id, "shared", allow())
    await identity.policies.attach(USER, account_id, "alice", policy.arn)
    with pytest.raises(DeleteConflict, match="detach"):
        await identity.delete_user(account_id, "alice")
    await identity.policies.detach(USER, account_id, "alice", policy.arn)
    await identity.delete_user(account_id, "alice")
    assert identity.user(account_id, "alice") is None


async def test_tag_replaces_one_that_differs_in_case_only(identity: Identity, account: Account) -> None:
    await identity.create_user(account.account_id, "alice", tags={"Team": "red", "Cost": "1"})
    await identity.tag_user(account.account_id, "alice", {"team": "blue"})
    user = identity.user(account.account_id, "alice")
    assert user is not None
    assert user.tags == {"Cost": "1", "team": "blue"}
    await identity.untag_user(account.account_id, "alice", ["TEAM", "unknown"])
    user = identity.user(account.account_id, "alice")
    assert user is not None
    assert user.tags == {"Cost": "1"}


async def test_fifty_first_tag_is_refused_and_none_of_its_request_stays(identity: Identity, account: Account) -> None:
    await identity.create_user(account.account_id, "alice", tags={f"k{number}": "" for number in range(49)})
    with pytest.raises(LimitExceeded, match="50"):
        await identity.tag_user(account.account_id, "alice", {"a": "", "b": ""})
    user = identity.user(account.account_id, "alice")
    assert user is not None
    assert len(user.tags) == 49


async def test_pages_of_users_join_to_the_whole_in_order(identity: Identity, account: Account) -> None:
    for number in range(7):
        await identity.create_user(account.account_id, f"u{number}", "/b/" if number % 2 else "/a/")
    found: list[str] = []
    after: str | None = None
    while page := identity.users(account.account_id, "/", after, 2):
        found += [user.name for user in page]
        after = page[-1].name
    assert found == [f"u{number}" for number in range(7)]
    assert [user.name for user in identity.users(account.account_id, "/b")] == ["u1", "u3", "u5"]
    assert identity.users(account.account_id, "/c/") == []


@settings(max_examples=25, deadline=None)
@given(wanted=st.dictionaries(NAMES, PATHS, max_size=6), prefix=PATHS)
async def test_any_name_and_path_is_found_again_and_listed_by_prefix(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, str], prefix: str
) -> None:
    folder: Path = tmp_path_factory.mktemp("names")
    identity = Identity(folder / "identity.sqlite", Envelope([new_key()]), TurnableClock())
    try:
        account_id = (await identity.create_account("tenant"))[0].account_id
        made: dict[str, str] = {}
        for name, path in wanted.items():
            if name.casefold() in {taken.casefold() for taken in made}:
                with pytest.raises(EntityAlreadyExists):
                    await identity.create_user(account_id, name, path)
            else:
                await identity.create_user(account_id, name, path)
                made[name] = path
        for name, path in made.items():
            found = identity.user(account_id, name)
            assert found is not None
            assert (found.name, found.path) == (name, path)
        expected = sorted((name for name, path in made.items() if path.startswith(prefix)), key=str.casefold)
        assert [user.name for user in identity.users(account_id, prefix)] == expected
    finally:
        identity.close()
