"""Groups as boto3's IAM client sees them, and what their policies give their members."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from bucketry.store.identity.types import Account

from .api import Api, Client, allow, new_user


async def test_group_is_made_read_moved_and_deleted(iam: Client, account: Account) -> None:
    group = (await iam.create_group(GroupName="Crew", Path="/a/"))["Group"]
    assert group["Arn"] == f"arn:aws:iam::{account.account_id}:group/a/Crew"
    assert group["GroupId"].startswith("AGPA")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        await iam.create_group(GroupName="crew")
    assert (await iam.get_group(GroupName="crew"))["Group"] == group
    await iam.update_group(GroupName="crew", NewGroupName="band", NewPath="/b/")
    moved = (await iam.get_group(GroupName="band"))["Group"]
    assert (moved["Arn"], moved["GroupId"]) == (f"arn:aws:iam::{account.account_id}:group/b/band", group["GroupId"])
    await iam.delete_group(GroupName="band")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.get_group(GroupName="band")


async def test_groups_and_members_are_listed_in_pages(iam: Client) -> None:
    for name in ("b", "C", "a"):
        await iam.create_group(GroupName=name, Path=f"/{name}/")
        await iam.create_user(UserName=name)
        await iam.add_user_to_group(GroupName="b" if name == "b" else name, UserName=name)
    for name in ("C", "a"):
        await iam.add_user_to_group(GroupName="b", UserName=name)
    pages = await iam.pages("list_groups", "Groups", PaginationConfig={"PageSize": 2})
    assert [[group["GroupName"] for group in page] for page in pages] == [["a", "b"], ["C"]]
    pages = await iam.pages("get_group", "Users", GroupName="b", PaginationConfig={"PageSize": 2})
    assert [[user["UserName"] for user in page] for page in pages] == [["a", "b"], ["C"]]
    found = await iam.list_groups_for_user(UserName="a")
    assert [group["GroupName"] for group in found["Groups"]] == ["a", "b"]
    assert [group["GroupName"] for group in (await iam.list_groups(PathPrefix="/C"))["Groups"]] == ["C"]


async def test_members_have_the_policies_of_their_group_at_once_and_no_longer(
    api: Api, iam: Client, account: Account
) -> None:
    key = await new_user(api, account, "alice")
    client = api.client(key)
    policy = (await iam.create_policy(PolicyName="shared", PolicyDocument=allow("iam:ListUsers")))["Policy"]
    await iam.create_group(GroupName="crew")
    await iam.add_user_to_group(GroupName="crew", UserName="alice")

    async def may(call: str = "list_users") -> bool:
        try:
            await getattr(client, call)()
        except ClientError as error:
            return str(error.response["Error"]["Code"]) != "AccessDenied"
        return True

    assert not await may()
    await iam.put_group_policy(GroupName="crew", PolicyName="main", PolicyDocument=allow("iam:ListUsers"))
    assert await may()
    await iam.delete_group_policy(GroupName="crew", PolicyName="main")
    assert not await may()
    await iam.attach_group_policy(GroupName="crew", PolicyArn=policy["Arn"])
    assert await may()
    await iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=allow("iam:ListGroups"), SetAsDefault=True)
    assert not await may()
    assert await may("list_groups")
    await iam.set_default_policy_version(PolicyArn=policy["Arn"], VersionId="v1")
    assert await may()
    await iam.remove_user_from_group(GroupName="crew", UserName="alice")
    assert not await may()


async def test_group_with_members_or_policies_and_user_in_a_group_are_not_deleted(iam: Client) -> None:
    await iam.create_group(GroupName="crew")
    await iam.create_user(UserName="alice")
    await iam.add_user_to_group(GroupName="crew", UserName="alice")
    await iam.put_group_policy(GroupName="crew", PolicyName="main", PolicyDocument=allow())
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_user(UserName="alice")
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_group(GroupName="crew")
    await iam.remove_user_from_group(GroupName="crew", UserName="alice")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.remove_user_from_group(GroupName="crew", UserName="alice")
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_group(GroupName="crew")
    await iam.delete_group_policy(GroupName="crew", PolicyName="main")
    await iam.delete_group(GroupName="crew")
    await iam.delete_user(UserName="alice")


async def test_user_is_in_ten_groups_at_most(iam: Client) -> None:
    await iam.create_user(UserName="alice")
    for number in range(11):
        await iam.create_group(GroupName=f"g{number}")
        if number < 10:
            await iam.add_user_to_group(GroupName=f"g{number}", UserName="alice")
    await iam.add_user_to_group(GroupName="g0", UserName="alice")  # again is fine
    with pytest.raises(iam.exceptions.LimitExceededException):
        await iam.add_user_to_group(GroupName="g10", UserName="alice")
