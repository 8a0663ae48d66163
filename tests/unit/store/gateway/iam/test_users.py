"""Users as boto3's IAM client sees them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from bucketry.store.identity.types import Account

from .api import REQUEST_ID, Api, Client, allow, new_user


async def test_user_is_created_read_moved_and_deleted(iam: Client, account: Account) -> None:
    tags = [{"Key": "Team", "Value": "red"}, {"Key": "cost center", "Value": ""}]
    created = await iam.create_user(UserName="alice", Path="/apps/", Tags=tags)
    assert created["ResponseMetadata"]["RequestId"] == REQUEST_ID
    user = created["User"]
    assert user["Arn"] == f"arn:aws:iam::{account.account_id}:user/apps/alice"
    assert user["CreateDate"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert user["Tags"] == tags
    assert len(user["UserId"]) == 21
    assert (await iam.get_user(UserName="alice"))["User"] == user
    await iam.update_user(UserName="alice", NewUserName="bob", NewPath="/")
    moved = (await iam.get_user(UserName="bob"))["User"]
    assert (moved["Arn"], moved["UserId"]) == (f"arn:aws:iam::{account.account_id}:user/bob", user["UserId"])
    await iam.delete_user(UserName="bob")
    with pytest.raises(iam.exceptions.NoSuchEntityException, match="The user with name bob cannot be found"):
        await iam.get_user(UserName="bob")


async def test_get_user_without_a_name_is_about_the_caller(api: Api, iam: Client, account: Account) -> None:
    root = (await iam.get_user())["User"]
    assert (root["UserId"], root["Arn"]) == (account.account_id, account.arn)
    assert root["CreateDate"] == datetime(2026, 1, 1, tzinfo=UTC)
    key = await new_user(api, account, "alice", '{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}')
    assert (await api.client(key).get_user())["User"]["UserName"] == "alice"


async def test_taken_name_and_missing_user_have_their_errors(iam: Client) -> None:
    await iam.create_user(UserName="alice")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException) as caught:
        await iam.create_user(UserName="Alice")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    for call in (iam.delete_user, iam.list_user_tags):
        with pytest.raises(iam.exceptions.NoSuchEntityException) as caught:
            await call(UserName="nobody")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


async def test_user_with_a_key_is_not_deleted(iam: Client) -> None:
    await iam.create_user(UserName="alice")
    await iam.create_access_key(UserName="alice")
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_user(UserName="alice")


async def test_users_are_listed_in_pages_and_by_path(iam: Client) -> None:
    for number in range(5):
        await iam.create_user(UserName=f"u{number}", Path="/b/" if number % 2 else "/a/")
    pages = await iam.pages("list_users", "Users", PaginationConfig={"PageSize": 2})
    assert [[user["UserName"] for user in page] for page in pages] == [["u0", "u1"], ["u2", "u3"], ["u4"]]
    found = await iam.list_users(PathPrefix="/b/")
    assert [user["UserName"] for user in found["Users"]] == ["u1", "u3"]
    assert found["IsTruncated"] is False
    assert "Marker" not in found
    assert (await iam.list_users(PathPrefix="/c/"))["Users"] == []


async def test_name_is_found_in_any_case_and_kept_as_it_was_spelt(iam: Client) -> None:
    user = (await iam.create_user(UserName="Alice"))["User"]
    assert (await iam.get_user(UserName="aLICE"))["User"] == user
    await iam.put_user_policy(UserName="ALICE", PolicyName="main", PolicyDocument=allow())
    assert (await iam.list_user_policies(UserName="alice"))["PolicyNames"] == ["main"]
    await iam.delete_user_policy(UserName="alice", PolicyName="main")
    await iam.delete_user(UserName="alice")
    assert (await iam.list_users())["Users"] == []


async def test_no_spelling_of_a_name_dodges_a_policy(api: Api, iam: Client, account: Account) -> None:
    await iam.create_user(UserName="alice")
    arn = f"arn:aws:iam::{account.account_id}:user/alice"
    deny = {"Effect": "Deny", "Action": "*", "Resource": arn}
    document = {"Version": "2012-10-17", "Statement": [json.loads(allow("iam:*"))["Statement"][0], deny]}
    clerk = api.client(await new_user(api, account, "clerk", json.dumps(document)))
    for name in ("alice", "ALICE", "Alice"):
        with pytest.raises(ClientError, match="AccessDenied"):
            await clerk.create_access_key(UserName=name)
    only = {"Effect": "Allow", "Action": "iam:*", "Resource": f"{arn[:-5]}ALICE"}
    document = {"Version": "2012-10-17", "Statement": [only]}
    other = api.client(await new_user(api, account, "other", json.dumps(document)))
    for name in ("alice", "ALICE"):
        with pytest.raises(ClientError, match="AccessDenied"):
            await other.create_access_key(UserName=name)


async def test_tags_are_set_listed_and_removed(iam: Client) -> None:
    await iam.create_user(UserName="alice", Tags=[{"Key": "a", "Value": "1"}])
    await iam.tag_user(UserName="alice", Tags=[{"Key": "b", "Value": "2"}, {"Key": "A", "Value": "3"}])
    pages = await iam.pages("list_user_tags", "Tags", UserName="alice", PaginationConfig={"PageSize": 1})
    assert pages == [[{"Key": "A", "Value": "3"}], [{"Key": "b", "Value": "2"}]]
    await iam.untag_user(UserName="alice", TagKeys=["a"])
    assert (await iam.list_user_tags(UserName="alice"))["Tags"] == [{"Key": "b", "Value": "2"}]


async def test_tags_have_limits(iam: Client) -> None:
    many = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
    with pytest.raises(iam.exceptions.LimitExceededException):
        await iam.create_user(UserName="alice", Tags=many)
    await iam.create_user(UserName="alice", Tags=many[:50])
    with pytest.raises(iam.exceptions.LimitExceededException):
        await iam.tag_user(UserName="alice", Tags=many[50:])


@pytest.mark.parametrize(
    "tag",
    [
        {"Key": "", "Value": "x"},
        {"Key": "k" * 129, "Value": "x"},
        {"Key": "k", "Value": "v" * 257},
        {"Key": "k", "Value": "tab\t"},
        {"Key": "k!", "Value": ""},
        {"Key": "aws:k", "Value": ""},
    ],
)
async def test_tag_outside_its_rules_is_refused(
    api: Api, root_key: tuple[str, str], iam: Client, tag: dict[str, str]
) -> None:
    lenient = api.client(root_key, validates=False)
    with pytest.raises(ClientError) as caught:
        await lenient.create_user(UserName="alice", Tags=[tag])
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert (await iam.list_users())["Users"] == []


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "ä", "a\n", "<b>", "a*"])
async def test_name_outside_its_rules_is_refused(api: Api, root_key: tuple[str, str], name: str) -> None:
    lenient = api.client(root_key, validates=False)
    with pytest.raises(ClientError) as caught:
        await lenient.create_user(UserName=name)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationError"
    assert "at 'userName' failed to satisfy constraint" in error["Message"]


@pytest.mark.parametrize("path", ["", "a/", "/a", "/a b/", "/" + "x" * 511 + "/", "/ü/"])
async def test_path_outside_its_rules_is_refused(api: Api, root_key: tuple[str, str], path: str) -> None:
    lenient = api.client(root_key, validates=False)
    with pytest.raises(ClientError, match="ValidationError"):
        await lenient.create_user(UserName="alice", Path=path)


async def test_longest_name_and_path_are_taken(iam: Client) -> None:
    path = "/" + "x" * 510 + "/"
    for name in ("x" * 64, "_+=,.@-"):
        assert (await iam.create_user(UserName=name, Path=path))["User"]["Path"] == path
    pages = await iam.pages("list_users", "Users", PaginationConfig={"PageSize": 1})
    assert len(pages) == 2


@pytest.mark.parametrize("size", ["0", "1001", "x", "-1", "", "1.5"])
async def test_page_size_outside_its_rules_is_refused(api: Api, root_key: tuple[str, str], size: str) -> None:
    response = await api.post(f"Action=ListUsers&Version=2010-05-08&MaxItems={size}".encode(), root_key[0])
    assert response.status == 400
    assert isinstance(response.body, bytes)
    assert b"<Code>ValidationError</Code>" in response.body


@pytest.mark.parametrize("marker", ["x", "!!!!", "AAAA", ""])
async def test_made_up_marker_is_refused(api: Api, root_key: tuple[str, str], marker: str) -> None:
    response = await api.post(f"Action=ListUsers&Version=2010-05-08&Marker={marker}".encode(), root_key[0])
    assert response.status == 400
