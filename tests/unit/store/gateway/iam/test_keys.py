"""Access keys as boto3's IAM client sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from bucketry.store.identity.types import Account

from .api import Api, Client, allow, new_user


async def test_key_is_created_switched_off_and_deleted(api: Api, iam: Client) -> None:
    await iam.create_user(UserName="alice")
    key = (await iam.create_access_key(UserName="alice"))["AccessKey"]
    assert (key["UserName"], key["Status"], len(key["SecretAccessKey"])) == ("alice", "Active", 40)
    caller = api.identity.caller(key["AccessKeyId"])
    assert caller is not None
    assert caller.secret_access_key == key["SecretAccessKey"]
    [listed] = (await iam.list_access_keys(UserName="alice"))["AccessKeyMetadata"]
    del key["SecretAccessKey"]
    assert listed == key
    await iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    [listed] = (await iam.list_access_keys(UserName="alice"))["AccessKeyMetadata"]
    assert listed["Status"] == "Inactive"
    await iam.delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    assert (await iam.list_access_keys(UserName="alice"))["AccessKeyMetadata"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    assert api.identity.caller(key["AccessKeyId"]) is None


async def test_third_key_is_refused(iam: Client) -> None:
    await iam.create_user(UserName="alice")
    for _ in range(2):
        await iam.create_access_key(UserName="alice")
    with pytest.raises(iam.exceptions.LimitExceededException, match="AccessKeysPerUser: 2"):
        await iam.create_access_key(UserName="alice")


async def test_without_a_name_the_keys_are_the_callers(
    api: Api, iam: Client, account: Account, root_key: tuple[str, str]
) -> None:
    key = await new_user(api, account, "alice", allow("iam:*", f"arn:aws:iam::{account.account_id}:user/alice"))
    alice = api.client(key)
    made = (await alice.create_access_key())["AccessKey"]
    assert made["UserName"] == "alice"
    listed = (await alice.list_access_keys())["AccessKeyMetadata"]
    assert {found["AccessKeyId"] for found in listed} == {key[0], made["AccessKeyId"]}
    await alice.delete_access_key(AccessKeyId=made["AccessKeyId"])
    await iam.create_access_key()
    roots = (await iam.list_access_keys())["AccessKeyMetadata"]
    assert len(roots) == 2
    assert root_key[0] in {found["AccessKeyId"] for found in roots}
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.update_access_key(AccessKeyId=key[0], Status="Inactive")  # alice's, not the root's


async def test_caller_can_take_its_own_key_away(api: Api, account: Account) -> None:
    alice = api.client(key := await new_user(api, account, "alice", allow("iam:*")))
    await alice.delete_access_key(AccessKeyId=key[0])
    with pytest.raises(ClientError) as caught:
        await alice.list_access_keys()
    assert caught.value.response["Error"]["Code"] == "MissingAuthenticationToken"


async def test_last_use_is_told_to_the_own_account_only(api: Api, iam: Client, account: Account) -> None:
    key, _ = await new_user(api, account, "alice")
    never = await iam.get_access_key_last_used(AccessKeyId=key)
    assert never["UserName"] == "alice"
    assert never["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    api.identity.note_key_use(key, "s3", "us-east-1")
    used = (await iam.get_access_key_last_used(AccessKeyId=key))["AccessKeyLastUsed"]
    assert used == {"LastUsedDate": datetime(2026, 1, 1, tzinfo=UTC), "ServiceName": "s3", "Region": "us-east-1"}
    _, foreign, secret = await api.identity.create_account("other")
    stranger = api.client((foreign, secret))
    for name in (key, "BKRYAAAAAAAAAAAAAAAA"):
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            await stranger.get_access_key_last_used(AccessKeyId=name)


async def test_keys_are_listed_in_pages(iam: Client) -> None:
    await iam.create_user(UserName="alice")
    made = {(await iam.create_access_key(UserName="alice"))["AccessKey"]["AccessKeyId"] for _ in range(2)}
    pages = await iam.pages("list_access_keys", "AccessKeyMetadata", UserName="alice", PaginationConfig={"PageSize": 1})
    assert [len(page) for page in pages] == [1, 1]
    assert {page[0]["AccessKeyId"] for page in pages} == made


@pytest.mark.parametrize("status", ["active", "Expired", "", "Inactive "])
async def test_unknown_status_is_refused(api: Api, root_key: tuple[str, str], status: str) -> None:
    lenient = api.client(root_key, validates=False)
    with pytest.raises(ClientError, match=r"enum value set: \[Active, Inactive\]"):
        await lenient.update_access_key(AccessKeyId=root_key[0], Status=status)
