"""Inline and managed policies, and what of them reaches a caller."""

from __future__ import annotations

import json

import pytest

from bucketry.store.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
)
from bucketry.store.identity.holders import USER
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account, Caller

from .clock import allow


@pytest.fixture
async def key(identity: Identity, account: Account) -> str:
    """The access key of the user alice."""
    await identity.create_user(account.account_id, "alice")
    return (await identity.create_access_key(account.account_id, "alice"))[0].access_key_id


def _caller(identity: Identity, key: str) -> Caller:
    caller = identity.caller(key)
    assert caller is not None
    return caller


async def test_inline_policy_is_kept_as_given_and_replaced_by_name(
    identity: Identity, account: Account, key: str
) -> None:
    account_id = account.account_id
    text = json.dumps(json.loads(allow()), indent=4)
    await identity.policies.put_inline(USER, account_id, "alice", "main", text)
    assert identity.policies.inline(USER, account_id, "alice", "main") == text
    await identity.policies.put_inline(USER, account_id, "alice", "main", allow("s3:PutObject"))
    await identity.policies.put_inline(USER, account_id, "alice", "also", allow())
    assert [name for name, _ in identity.policies.all_inline(USER, account_id, "alice")] == ["also", "main"]
    assert len(_caller(identity, key).policies) == 2
    await identity.policies.delete_inline(USER, account_id, "alice", "also")
    assert len(_caller(identity, key).policies) == 1
    with pytest.raises(NoSuchEntity):
        identity.policies.inline(USER, account_id, "alice", "also")
    with pytest.raises(NoSuchEntity):
        await identity.policies.delete_inline(USER, account_id, "alice", "also")


@pytest.mark.parametrize("document", ["", "{", "[]", '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}'])
async def test_policy_that_cannot_be_read_is_not_set(
    identity: Identity, account: Account, key: str, document: str
) -> None:
    with pytest.raises(MalformedPolicyDocument):
        await identity.policies.put_inline(USER, account.account_id, "alice", "main", document)
    with pytest.raises(MalformedPolicyDocument):
        await identity.policies.create(account.account_id, "main", document)
    assert identity.policies.all_inline(USER, account.account_id, "alice") == []
    assert identity.policies.page(account.account_id) == []


async def test_inline_policies_of_a_user_share_2048_characters(identity: Identity, account: Account, key: str) -> None:
    account_id = account.account_id
    long = allow(resource="arn:aws:s3:::photos/" + "x" * 1200)
    await identity.policies.put_inline(
        USER, account_id, "alice", "first", long + " " * 2000
    )  # white space doesn't count
    await identity.policies.put_inline(USER, account_id, "alice", "first", long)
    with pytest.raises(LimitExceeded, match="2048"):
        await identity.policies.put_inline(USER, account_id, "alice", "second", long)


async def test_stored_policy_that_cannot_be_read_stands_as_none(identity: Identity, account: Account, key: str) -> None:
    account_id = account.account_id
    await identity.policies.put_inline(USER, account_id, "alice", "main", allow())
    policy = await identity.policies.create(account_id, "shared", allow())
    await identity.policies.attach(USER, account_id, "alice", policy.arn)
    for table in ("user_policy", "policy_version"):
        await identity._database.write(lambda db, table=table: db.execute(f"UPDATE {table} SET document = '[[[['"))
    await identity.tag_user(account_id, "alice", {"a": "b"})
    assert list(_caller(identity, key).policies) == [None, None]


async def test_attachment_without_its_version_denies(identity: Identity, account: Account, key: str) -> None:
    policy = await identity.policies.create(account.account_id, "shared", allow())
    await identity.policies.attach(USER, account.account_id, "alice", policy.arn)
    await identity._database.write(lambda db: db.execute("DELETE FROM policy_version"))
    await identity.tag_user(account.account_id, "alice", {"a": "b"})
    assert list(_caller(identity, key).policies) == [None]


async def test_managed_policy_lives_from_creation_over_attachment_to_deletion(
    identity: Identity, account: Account, key: str
) -> None:
    account_id = account.account_id
    policy = await identity.policies.create(account_id, "shared", allow(), "/team/", "for all", {"a": "b"})
    assert policy.arn == f"arn:aws:iam::{account_id}:policy/team/shared"
    assert identity.policies.find(account_id, policy.arn) == policy
    [version] = identity.policies.versions(account_id, policy.arn)
    assert (version.version_id, version.document, version.is_default) == ("v1", allow(), True)
    for _ in range(2):  # attaching again is no error
        await identity.policies.attach(USER, account_id, "alice", policy.arn)
    assert identity.policies.find(account_id, policy.arn).attachment_count == 1
    assert [found.arn for found in identity.policies.attached(USER, account_id, "alice")] == [policy.arn]
    assert [name for name, _, _ in identity.policies.names_with(USER, account_id, policy.arn)] == ["alice"]
    assert len(_caller(identity, key).policies) == 1
    with pytest.raises(DeleteConflict):
        await identity.policies.delete(account_id, policy.arn)
    await identity.policies.detach(USER, account_id, "alice", policy.arn)
    assert len(_caller(identity, key).policies) == 0
    with pytest.raises(NoSuchEntity):
        await identity.policies.detach(USER, account_id, "alice", policy.arn)
    await identity.policies.delete(account_id, policy.arn)
    with pytest.raises(NoSuchEntity):
        identity.policies.find(account_id, policy.arn)


async def test_policy_is_found_by_its_whole_arn_only(identity: Identity, account: Account) -> None:
    account_id = account.account_id
    await identity.policies.create(account_id, "shared", allow(), "/team/")
    with pytest.raises(EntityAlreadyExists):
        await identity.policies.create(account_id, "Shared", allow())
    foreign = (await identity.create_account("other"))[0].account_id
    for arn in (
        f"arn:aws:iam::{account_id}:policy/shared",
        f"arn:aws:iam::{account_id}:policy/team/SHARED",
        f"arn:aws:iam::{account_id}:user/team/shared",
        f"arn:aws:iam::{foreign}:policy/team/shared",
        "arn:aws:iam::aws:policy/AmazonS3NoAccess",
        "",
    ):
        with pytest.raises(NoSuchEntity):
            identity.policies.find(account_id, arn)
    with pytest.raises(NoSuchEntity):
        identity.policies.find(foreign, f"arn:aws:iam::{account_id}:policy/team/shared")


async def test_eleventh_attachment_is_refused(identity: Identity, account: Account, key: str) -> None:
    arns = [(await identity.policies.create(account.account_id, f"p{number}", allow())).arn for number in range(11)]
    for arn in arns[:10]:
        await identity.policies.attach(USER, account.account_id, "alice", arn)
    with pytest.raises(LimitExceeded, match="PoliciesPerUser: 10"):
        await identity.policies.attach(USER, account.account_id, "alice", arns[10])


async def test_policies_are_listed_by_path_and_use(identity: Identity, account: Account, key: str) -> None:
    account_id = account.account_id
    for number in range(5):
        await identity.policies.create(account_id, f"p{number}", allow(), "/b/" if number % 2 else "/a/")
    await identity.policies.attach(USER, account_id, "alice", f"arn:aws:iam::{account_id}:policy/b/p3")
    assert [policy.name for policy in identity.policies.page(account_id)] == ["p0", "p2", "p4", "p1", "p3"]
    assert [policy.name for policy in identity.policies.page(account_id, "/", ("/a/", "p2"), 2)] == ["p4", "p1"]
    assert [policy.name for policy in identity.policies.page(account_id, "/b/")] == ["p1", "p3"]
    assert [policy.name for policy in identity.policies.page(account_id, only_attached=True)] == ["p3"]
