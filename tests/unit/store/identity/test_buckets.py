"""Buckets: names, owners, settings, and what is cached of them."""

from __future__ import annotations

import json

import apsw
import pytest

from bucketry.store.identity.errors import BucketTaken, InvalidInput, LimitExceeded, NoSuchBucket, NoSuchEntity
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account, BucketRecord, PublicAccessBlock
from bucketry.store.s3.acl import Grant, Permission

_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"}
        ],
    }
)

_ACL = '[["AllUsers","READ"]]'


@pytest.fixture
async def bucket(identity: Identity, account: Account) -> BucketRecord:
    return await identity.create_bucket("photos", "b1", account.account_id, "us-east-1", "BucketOwnerEnforced")


def _read(identity: Identity) -> BucketRecord:
    found = identity.bucket("photos")
    assert found is not None
    return found


async def test_new_bucket_blocks_public_access_and_has_its_ownership(
    identity: Identity, account: Account, bucket: BucketRecord
) -> None:
    assert bucket == _read(identity)
    assert bucket.owner == account
    assert bucket.public_access_block == PublicAccessBlock(True, True, True, True)
    assert bucket.object_ownership == "BucketOwnerEnforced"
    assert (bucket.policy_text, bucket.policy, bucket.is_policy_broken) == (None, None, False)
    assert (bucket.cors, bucket.website, bucket.tags, dict(bucket.settings)) == (None, None, None, {})


async def test_taken_name_tells_whose_it_is(identity: Identity, account: Account, bucket: BucketRecord) -> None:
    other = (await identity.create_account("other"))[0]
    with pytest.raises(BucketTaken) as caught:
        await identity.create_bucket("photos", "b2", other.account_id, "us-east-1", "BucketOwnerEnforced")
    assert caught.value.owner == account.account_id
    assert _read(identity).bucket_id == "b1"


async def test_bucket_needs_an_account_and_room(identity: Identity, account: Account, bucket: BucketRecord) -> None:
    with pytest.raises(NoSuchEntity):
        await identity.create_bucket("other", "b2", "123456789012", "us-east-1", "ObjectWriter")
    with pytest.raises(LimitExceeded):
        await identity.create_bucket("other", "b2", account.account_id, "us-east-1", "ObjectWriter", limit=1)
    await identity.create_bucket("other", "b2", account.account_id, "us-east-1", "ObjectWriter", limit=2)


async def test_settings_are_set_read_and_removed(identity: Identity, bucket: BucketRecord) -> None:
    block = PublicAccessBlock(False, True, False, True)
    await identity.set_bucket_setting("photos", "policy", _POLICY)
    await identity.set_bucket_setting("photos", "public_access_block", block)
    await identity.set_bucket_setting("photos", "cors", "<CORS/>")
    await identity.set_bucket_setting("photos", "website", "<Website/>")
    await identity.set_bucket_setting("photos", "tags", {"b": "2", "a": "1"})
    await identity.set_bucket_setting("photos", "object_ownership", "ObjectWriter")
    await identity.set_bucket_setting("photos", "lifecycle", "<Lifecycle/>")
    found = _read(identity)
    assert (found.policy_text, found.is_policy_broken) == (_POLICY, False)
    assert found.policy is not None
    assert found.public_access_block == block
    assert (found.cors, found.website, found.object_ownership) == ("<CORS/>", "<Website/>", "ObjectWriter")
    assert list((found.tags or {}).items()) == [("b", "2"), ("a", "1")]
    assert found.settings == {"lifecycle": "<Lifecycle/>"}
    for which in ("policy", "public_access_block", "cors", "website", "tags", "object_ownership", "lifecycle"):
        await identity.set_bucket_setting("photos", which, None)
    bare = _read(identity)
    assert (bare.policy, bare.public_access_block, bare.cors, bare.website, bare.tags) == (None,) * 5
    assert (bare.object_ownership, dict(bare.settings)) == ("", {})


async def test_revision_grows_with_each_change_and_with_nothing_else(identity: Identity, bucket: BucketRecord) -> None:
    await identity.set_bucket_setting("photos", "cors", "<CORS/>")
    changed = _read(identity)
    assert changed.revision > bucket.revision
    await identity.set_bucket_setting("photos", "cors", "<CORS/>")
    await identity.set_bucket_setting("photos", "website", None)
    assert _read(identity) is changed


@pytest.mark.parametrize(
    ("which", "value"),
    [("object_ownership", "Nobody"), ("tags", "text"), ("public_access_block", "{}"), ("cors", {"a": "b"})],
)
async def test_setting_of_the_wrong_kind_is_refused(
    identity: Identity, bucket: BucketRecord, which: str, value: str | dict[str, str]
) -> None:
    with pytest.raises(InvalidInput):
        await identity.set_bucket_setting("photos", which, value)
    assert _read(identity) == bucket


async def test_setting_does_not_reach_a_bucket_that_took_the_name(
    identity: Identity, account: Account, bucket: BucketRecord
) -> None:
    await identity.delete_bucket("photos", "b1")
    with pytest.raises(NoSuchBucket):
        await identity.set_bucket_setting("photos", "policy", _POLICY)
    await identity.create_bucket("photos", "b2", account.account_id, "us-east-1", "BucketOwnerEnforced")
    with pytest.raises(NoSuchBucket):
        await identity.set_bucket_setting("photos", "policy", _POLICY, "b1")
    assert _read(identity).policy_text is None


async def test_unreadable_documents_count_as_the_strictest(identity: Identity, bucket: BucketRecord) -> None:
    await identity.set_bucket_setting("photos", "policy", _POLICY)
    await identity.set_bucket_setting("photos", "acl", _ACL)
    await identity.set_bucket_setting("photos", "tags", {"a": "b"})
    await identity.set_bucket_setting("photos", "public_access_block", PublicAccessBlock(False, False, False, False))
    await identity.set_bucket_setting("photos", "object_ownership", "ObjectWriter")

    def damage(db: apsw.Connection) -> None:
        db.execute("UPDATE bucket_setting SET document = '[1'")
        db.execute("UPDATE bucket SET revision = revision + 1")

    await identity._database.write(damage)
    identity.refresh()
    found = _read(identity)
    assert (found.policy, found.is_policy_broken) == (None, True)
    assert found.public_access_block == PublicAccessBlock()
    assert found.tags == {}
    assert found.acl == ()  # grants nothing, where none at all would be its owner's full control
    assert found.object_ownership == "BucketOwnerEnforced"


async def test_bucket_has_further_settings_from_its_first_moment(identity: Identity, account: Account) -> None:
    settings = {"acl": _ACL, "later": "x"}
    made = await identity.create_bucket("b", "b2", account.account_id, "r", "ObjectWriter", settings=settings)
    assert (made.acl, dict(made.settings)) == ((Grant("AllUsers", Permission.READ),), {"later": "x"})
    await identity.set_bucket_setting("b", "acl", None)
    found = identity.bucket("b")
    assert found is not None
    assert found.acl is None


async def test_bucket_is_deleted_by_name_and_id(identity: Identity, bucket: BucketRecord) -> None:
    assert not await identity.delete_bucket("photos", "b0")
    assert identity.bucket("photos") is not None
    assert await identity.delete_bucket("photos", "b1")
    assert identity.bucket("photos") is None
    assert not await identity.delete_bucket("photos", "b1")


async def test_settings_do_not_outlive_their_bucket(identity: Identity, account: Account, bucket: BucketRecord) -> None:
    await identity.set_bucket_setting("photos", "policy", _POLICY)
    await identity.delete_bucket("photos", "b1")
    again = await identity.create_bucket("photos", "b2", account.account_id, "us-east-1", "ObjectWriter")
    assert again.policy_text is None


async def test_buckets_are_listed_by_owner_prefix_and_page(identity: Identity, account: Account) -> None:
    other = (await identity.create_account("other"))[0]
    for number, name in enumerate(["c", "a", "b2", "b1"]):
        await identity.create_bucket(f"{name}-x", f"i{number}", account.account_id, "us-east-1", "ObjectWriter")
    await identity.create_bucket("b0-x", "i9", other.account_id, "eu-west-1", "ObjectWriter")
    mine = identity.buckets(account.account_id)
    assert [bucket.name for bucket in mine] == ["a-x", "b1-x", "b2-x", "c-x"]
    assert [bucket.name for bucket in identity.buckets(account.account_id, "b")] == ["b1-x", "b2-x"]
    assert [bucket.name for bucket in identity.buckets(account.account_id, after="b1-x", limit=1)] == ["b2-x"]
    assert [bucket.name for bucket in identity.all_buckets()] == ["a-x", "b0-x", "b1-x", "b2-x", "c-x"]
    assert [bucket.account_id for bucket in identity.all_buckets("a-x", 1)] == [other.account_id]


async def test_unknown_bucket_is_none(identity: Identity) -> None:
    assert identity.bucket("nothing") is None
