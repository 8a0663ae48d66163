"""Versions of managed policies, permissions boundaries, and tags of policies and roles."""

from __future__ import annotations

import json

import apsw
import pytest
from botocore.exceptions import ClientError

from bucketry.store.identity.types import Account

from .api import Api, Client, allow, new_user


async def test_five_versions_with_numbers_that_are_never_used_again(iam: Client) -> None:
    arn = (await iam.create_policy(PolicyName="shared", PolicyDocument=allow("s3:GetObject")))["Policy"]["Arn"]
    for number in range(2, 6):
        made = (await iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:*")))["PolicyVersion"]
        assert (made["VersionId"], made["IsDefaultVersion"]) == (f"v{number}", False)
    with pytest.raises(iam.exceptions.LimitExceededException):
        await iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow())
    await iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    made = (await iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow(), SetAsDefault=True))["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v6", True)
    listed = (await iam.list_policy_versions(PolicyArn=arn))["Versions"]
    assert [version["VersionId"] for version in listed] == ["v6", "v4", "v3", "v2", "v1"]
    assert (await iam.get_policy(PolicyArn=arn))["Policy"]["DefaultVersionId"] == "v6"


async def test_default_version_and_policy_with_versions_are_not_deleted(iam: Client) -> None:
    arn = (await iam.create_policy(PolicyName="shared", PolicyDocument=allow()))["Policy"]["Arn"]
    await iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow())
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_policy(PolicyArn=arn)
    for version in ("v9", "v99999999999999999999"):
        for call in (iam.set_default_policy_version, iam.delete_policy_version, iam.get_policy_version):
            with pytest.raises(iam.exceptions.NoSuchEntityException):
                await call(PolicyArn=arn, VersionId=version)
    await iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    await iam.delete_policy(PolicyArn=arn)


async def test_version_that_cannot_be_read_is_not_made(iam: Client) -> None:
    arn = (await iam.create_policy(PolicyName="shared", PolicyDocument=allow()))["Policy"]["Arn"]
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        await iam.create_policy_version(PolicyArn=arn, PolicyDocument="{}", SetAsDefault=True)
    assert (await iam.get_policy(PolicyArn=arn))["Policy"]["DefaultVersionId"] == "v1"


async def test_boundary_bounds_what_the_policies_allow(api: Api, iam: Client, account: Account) -> None:
    client = api.client(await new_user(api, account, "alice", allow("iam:*")))
    arn = (await iam.create_policy(PolicyName="bound", PolicyDocument=allow("iam:ListUsers")))["Policy"]["Arn"]
    await iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    boundary = (await iam.get_user(UserName="alice"))["User"]["PermissionsBoundary"]
    assert boundary == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    await client.list_users()
    with pytest.raises(ClientError, match="AccessDenied"):
        await client.list_groups()
    await iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("iam:ListGroups"), SetAsDefault=True)
    await client.list_groups()
    with pytest.raises(ClientError, match="AccessDenied"):
        await client.list_users()
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    await iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_policy(PolicyArn=arn)
    await iam.delete_user_permissions_boundary(UserName="alice")
    await client.list_users()
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.delete_user_permissions_boundary(UserName="alice")
    await iam.delete_policy(PolicyArn=arn)


async def test_boundary_alone_grants_nothing(api: Api, iam: Client, account: Account) -> None:
    client = api.client(await new_user(api, account, "alice"))
    await iam.put_user_permissions_boundary(
        UserName="alice", PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        await client.list_users()


async def test_boundary_that_is_lost_or_broken_denies_all(api: Api, iam: Client, account: Account) -> None:
    client = api.client(await new_user(api, account, "alice", allow("iam:*")))
    arn = (await iam.create_policy(PolicyName="bound", PolicyDocument=allow("iam:*")))["Policy"]["Arn"]
    await iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    await client.list_users()
    for statement in (
        "UPDATE policy_version SET document = '{'",
        "DELETE FROM policy_version",
        "DELETE FROM managed_policy",
    ):

        def spoil(db: apsw.Connection, text: str = statement) -> None:
            db.execute(text)

        await api.identity._database.write(spoil)
        await api.identity.tag_user(account.account_id, "alice", {"a": statement[:6]})  # what was kept is read again
        with pytest.raises(ClientError, match="AccessDenied"):
            await client.list_users()


async def test_user_is_made_with_a_boundary_where_a_policy_asks_for_it(api: Api, iam: Client, account: Account) -> None:
    arn = (await iam.create_policy(PolicyName="bound", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    condition = {"StringEquals": {"iam:PermissionsBoundary": arn}}
    statements = [
        {
            "Effect": "Allow",
            "Action": ["iam:CreateUser", "iam:PutUserPolicy", "iam:DeleteUserPermissionsBoundary"],
            "Resource": "*",
            "Condition": condition,
        },
        {"Effect": "Deny", "Action": "iam:DeleteUserPermissionsBoundary", "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    clerk = api.client(await new_user(api, account, "clerk", document))
    await iam.create_user(UserName="free")
    for call, parameters in (
        (clerk.create_user, {"UserName": "bob"}),
        (clerk.create_user, {"UserName": "bob", "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        (clerk.put_user_policy, {"UserName": "free", "PolicyName": "p", "PolicyDocument": allow()}),
        (clerk.delete_user_permissions_boundary, {"UserName": "free"}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            await call(**parameters)
    made = (await clerk.create_user(UserName="bob", PermissionsBoundary=arn))["User"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    await clerk.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=allow())


async def test_boundary_that_is_not_there_is_refused(iam: Client) -> None:
    await iam.create_user(UserName="alice")
    for arn in ("arn:aws:iam::aws:policy/Nothing", "arn:aws:iam::123456789012:policy/theirs"):
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            await iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            await iam.create_user(UserName="bob", PermissionsBoundary=arn)


async def test_policies_have_tags(iam: Client) -> None:
    tag = {"Key": "Team", "Value": "red"}
    arn = (await iam.create_policy(PolicyName="p", PolicyDocument=allow(), Tags=[tag]))["Policy"]["Arn"]
    await iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "team", "Value": "blue"}, {"Key": "b", "Value": ""}])
    assert (await iam.list_policy_tags(PolicyArn=arn))["Tags"] == [
        {"Key": "b", "Value": ""},
        {"Key": "team", "Value": "blue"},
    ]
    await iam.untag_policy(PolicyArn=arn, TagKeys=["TEAM"])
    assert (await iam.list_policy_tags(PolicyArn=arn))["Tags"] == [{"Key": "b", "Value": ""}]
