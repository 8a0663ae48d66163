"""Several accounts as one engine, each enforced by the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketNotEmpty, BucketSettings, Rights, Usage
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines.accounts import SeveralAccounts
from bucketry.marketplace.engines.aws import Login, make_aws_engine
from bucketry.marketplace.engines.connection import LimitReached
from tests.kit.store import Store

PRIVATE = BucketSettings()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("accounts"))
    yield made
    assert made.stop() == 0


@dataclass
class Two:
    """An engine with two accounts of a store."""

    store: Store
    engine: SeveralAccounts

    def again(self, *secrets: str) -> SeveralAccounts:
        """The engine of another process."""
        keys = (self.store.one, self.store.two)
        logins = [Login(key.access_key_id, key.secret_access_key) for key in keys]
        for number, secret in enumerate(secrets):
            logins[number] = replace(logins[number], secret_access_key=secret)
        made = make_aws_engine(name="aws", region="us-east-1", logins=logins, endpoint_url=self.store.url, key_wait_s=5)
        assert isinstance(made, SeveralAccounts)
        return made

    async def bucket(self, account: int) -> str:
        """A bucket in the first or second account."""
        bucket = self.engine.bucket_name(ids.guid())
        await self.engine.accounts[account].create_bucket(bucket, PRIVATE)
        return bucket

    def s3(self, key: Any) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.store.url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )

    def owner(self, bucket: str) -> int:
        """In which account the bucket is."""
        names = [
            {b["Name"] for b in self.s3(key).list_buckets()["Buckets"]} for key in (self.store.one, self.store.two)
        ]
        (found,) = [number for number, held in enumerate(names) if bucket in held]
        return found


@pytest.fixture
async def two(store: Store) -> AsyncIterator[Two]:
    made = Two(store, None)  # type: ignore[arg-type]  # it makes its own
    made.engine = made.again()
    yield made
    await made.engine.close()


def fill_up(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first account have as many buckets as it may."""

    async def refuse(bucket: str, settings: BucketSettings) -> None:
        raise LimitReached("full: TooManyBuckets", "TooManyBuckets")

    monkeypatch.setattr(two.engine.accounts[0], "create_bucket", refuse)


async def test_buckets_go_to_the_first_account_with_room(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = (two.engine.bucket_name(ids.guid()) for _ in range(2))
    await two.engine.create_bucket(before, PRIVATE)
    fill_up(two, monkeypatch)
    await two.engine.create_bucket(after, PRIVATE)
    assert (two.owner(before), two.owner(after)) == (0, 1)


async def test_an_account_that_is_nearly_full_comes_last(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_nearly_full() -> bool:
        return True

    monkeypatch.setattr(two.engine.accounts[0], "is_nearly_full", is_nearly_full)
    bucket = two.engine.bucket_name(ids.guid())
    await two.engine.create_bucket(bucket, PRIVATE)
    assert two.owner(bucket) == 1


async def test_where_all_are_full_it_is_told(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_up(two, monkeypatch)
    monkeypatch.setattr(two.engine.accounts[1], "create_bucket", two.engine.accounts[0].create_bucket)
    with pytest.raises(EngineRefused, match="TooManyBuckets"):
        await two.engine.create_bucket(two.engine.bucket_name(ids.guid()), PRIVATE)


async def test_an_order_that_broke_off_goes_on_where_it_began(two: Two) -> None:
    bucket = await two.bucket(1)  # the first was full then; it has room again
    other_process = two.again()
    await other_process.create_bucket(bucket, PRIVATE)
    assert two.owner(bucket) == 1
    await other_process.configure(bucket, BucketSettings(is_public=True), since=None)
    assert await other_process.deviations(bucket, BucketSettings(is_public=True)) == []
    await other_process.close()


@pytest.mark.parametrize("account", [0, 1])
async def test_everything_is_done_where_the_bucket_lives(two: Two, account: int) -> None:
    engine, guid = two.engine, ids.guid()
    bucket = await two.bucket(account)
    key = await engine.grant(guid, [bucket], Rights(), {"bucketry:instance": "i"})
    two.s3(key).put_object(Bucket=bucket, Key="a", Body=b"12345")
    assert await engine.usage(bucket) == Usage(1, 5, 0)
    found = await engine.find_identity(guid, [bucket], Rights())
    assert found is not None
    assert found.has_rights
    name = engine.identity_name(guid)
    assert await engine.labels_of(name) == {"bucketry:instance": "i"}
    inventory = await engine.inventory()
    assert bucket in inventory.buckets
    assert name in inventory.identities
    with pytest.raises(BucketNotEmpty):
        await engine.delete_bucket(bucket)
    assert [step.objects async for step in engine.empty_bucket(bucket)] == [1]
    await engine.restrict(guid, [bucket], Rights(prefix="in/"))
    with pytest.raises(ClientError, match="AccessDenied"):
        two.s3(key).put_object(Bucket=bucket, Key="a")
    await engine.keep_key(guid, key.access_key_id)
    await engine.revoke(guid)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        two.s3(key).list_objects_v2(Bucket=bucket)
    await engine.delete_bucket(bucket)
    assert await engine.deviations(bucket, PRIVATE) is None


async def test_a_key_for_buckets_of_two_accounts_is_refused(two: Two) -> None:
    guid, buckets = ids.guid(), [await two.bucket(0), await two.bucket(1)]
    with pytest.raises(EngineRefused, match="another account of engine aws"):
        await two.engine.grant(guid, buckets, Rights(), {})
    assert await two.engine.find_identity(guid, buckets, Rights()) is None


async def test_a_bucket_that_may_be_in_an_account_that_does_not_answer_is_made_nowhere_else(two: Two) -> None:
    broken, bucket = two.again("wrong-secret"), two.engine.bucket_name(ids.guid())
    with pytest.raises(EngineUnavailable, match="Account 1 of engine aws"):
        await broken.create_bucket(bucket, PRIVATE)
    assert await two.engine.deviations(bucket, PRIVATE) is None
    elsewhere = await two.bucket(1)
    await broken.configure(elsewhere, BucketSettings(is_public=True), since=None)  # that one is found
    await broken.close()


async def test_a_revocation_reaches_the_others_where_one_account_does_not_answer(two: Two) -> None:
    guid, bucket = ids.guid(), await two.bucket(1)
    key: AccessKey = await two.engine.grant(guid, [bucket], Rights(), {})
    broken = two.again("wrong-secret")
    with pytest.raises(EngineUnavailable):
        await broken.revoke(guid)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        two.s3(key).list_objects_v2(Bucket=bucket)
    await broken.close()
