"""Who may do what: every operation, asked by anonymous, strangers, users without and with the right, and the root."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from bucketry.store.gateway.iam_api import OPERATIONS
from bucketry.store.identity.holders import GROUP, ROLE, USER
from bucketry.store.identity.types import Account

from .api import Api, Client, allow, new_user

TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
)
_STS = ("GetCallerIdentity", "GetSessionToken", "AssumeRole")
_OWN = {"CreateUser", "ListUsers", "CreatePolicy", "ListPolicies", "CreateGroup", "ListGroups", "CreateRole"}
_OWN |= {"ListRoles", "GetAccountSummary", "GetAccountAuthorizationDetails", "ListAccountAliases"}
_OWN |= {"SimulateCustomPolicy", "ListOpenIDConnectProviders", "ListSAMLProviders"}
# Enough for each operation to be asked; the user alice, the group crew, the role deputy and the policy shared exist.
FORMS: dict[str, dict[str, str]] = {
    "CreateUser": {"UserName": "new"},
    "GetUser": {"UserName": "alice"},
    "ListUsers": {},
    "UpdateUser": {"UserName": "alice", "NewPath": "/moved/"},
    "DeleteUser": {"UserName": "alice"},
    "TagUser": {"UserName": "alice", "Tags.member.1.Key": "k", "Tags.member.1.Value": "v"},
    "UntagUser": {"UserName": "alice", "TagKeys.member.1": "k"},
    "ListUserTags": {"UserName": "alice"},
    "CreateAccessKey": {"UserName": "alice"},
    "ListAccessKeys": {"UserName": "alice"},
    "UpdateAccessKey": {"UserName": "alice", "AccessKeyId": "KEY", "Status": "Inactive"},
    "DeleteAccessKey": {"UserName": "alice", "AccessKeyId": "KEY"},
    "GetAccessKeyLastUsed": {"AccessKeyId": "KEY"},
    "PutUserPolicy": {"UserName": "alice", "PolicyName": "p", "PolicyDocument": allow()},
    "GetUserPolicy": {"UserName": "alice", "PolicyName": "main"},
    "ListUserPolicies": {"UserName": "alice"},
    "DeleteUserPolicy": {"UserName": "alice", "PolicyName": "main"},
    "CreatePolicy": {"PolicyName": "p", "PolicyDocument": allow()},
    "GetPolicy": {"PolicyArn": "ARN"},
    "GetPolicyVersion": {"PolicyArn": "ARN", "VersionId": "v1"},
    "ListPolicies": {},
    "ListPolicyVersions": {"PolicyArn": "ARN"},
    "DeletePolicy": {"PolicyArn": "ARN"},
    "AttachUserPolicy": {"UserName": "alice", "PolicyArn": "ARN"},
    "DetachUserPolicy": {"UserName": "alice", "PolicyArn": "ARN"},
    "ListAttachedUserPolicies": {"UserName": "alice"},
    "ListEntitiesForPolicy": {"PolicyArn": "ARN"},
    "TagPolicy": {"PolicyArn": "ARN", "Tags.member.1.Key": "k", "Tags.member.1.Value": "v"},
    "UntagPolicy": {"PolicyArn": "ARN", "TagKeys.member.1": "k"},
    "ListPolicyTags": {"PolicyArn": "ARN"},
    "CreatePolicyVersion": {"PolicyArn": "ARN", "PolicyDocument": allow(), "SetAsDefault": "true"},
    "SetDefaultPolicyVersion": {"PolicyArn": "ARN", "VersionId": "v1"},
    "DeletePolicyVersion": {"PolicyArn": "ARN", "VersionId": "v2"},
    "PutUserPermissionsBoundary": {"UserName": "alice", "PermissionsBoundary": "ARN"},
    "DeleteUserPermissionsBoundary": {"UserName": "alice"},
    "CreateGroup": {"GroupName": "new"},
    "GetGroup": {"GroupName": "crew"},
    "ListGroups": {},
    "UpdateGroup": {"GroupName": "crew", "NewGroupName": "band"},
    "DeleteGroup": {"GroupName": "crew"},
    "AddUserToGroup": {"GroupName": "crew", "UserName": "alice"},
    "RemoveUserFromGroup": {"GroupName": "crew", "UserName": "alice"},
    "ListGroupsForUser": {"UserName": "alice"},
    "PutGroupPolicy": {"GroupName": "crew", "PolicyName": "p", "PolicyDocument": allow()},
    "GetGroupPolicy": {"GroupName": "crew", "PolicyName": "main"},
    "ListGroupPolicies": {"GroupName": "crew"},
    "DeleteGroupPolicy": {"GroupName": "crew", "PolicyName": "main"},
    "AttachGroupPolicy": {"GroupName": "crew", "PolicyArn": "ARN"},
    "DetachGroupPolicy": {"GroupName": "crew", "PolicyArn": "ARN"},
    "ListAttachedGroupPolicies": {"GroupName": "crew"},
    "CreateRole": {"RoleName": "new", "AssumeRolePolicyDocument": TRUST},
    "GetRole": {"RoleName": "deputy"},
    "ListRoles": {},
    "UpdateRole": {"RoleName": "deputy", "MaxSessionDuration": "7200"},
    "UpdateAssumeRolePolicy": {"RoleName": "deputy", "PolicyDocument": TRUST},
    "DeleteRole": {"RoleName": "deputy"},
    "TagRole": {"RoleName": "deputy", "Tags.member.1.Key": "k", "Tags.member.1.Value": "v"},
    "UntagRole": {"RoleName": "deputy", "TagKeys.member.1": "k"},
    "ListRoleTags": {"RoleName": "deputy"},
    "PutRolePolicy": {"RoleName": "deputy", "PolicyName": "p", "PolicyDocument": allow()},
    "GetRolePolicy": {"RoleName": "deputy", "PolicyName": "main"},
    "ListRolePolicies": {"RoleName": "deputy"},
    "DeleteRolePolicy": {"RoleName": "deputy", "PolicyName": "main"},
    "AttachRolePolicy": {"RoleName": "deputy", "PolicyArn": "ARN"},
    "DetachRolePolicy": {"RoleName": "deputy", "PolicyArn": "ARN"},
    "ListAttachedRolePolicies": {"RoleName": "deputy"},
    "PutRolePermissionsBoundary": {"RoleName": "deputy", "PermissionsBoundary": "ARN"},
    "DeleteRolePermissionsBoundary": {"RoleName": "deputy"},
    "GetAccountSummary": {},
    "GetAccountAuthorizationDetails": {},
    "ListAccountAliases": {},
    "ListOpenIDConnectProviders": {},
    "ListSAMLProviders": {},
    "ListInstanceProfilesForRole": {"RoleName": "deputy"},
    "ListMFADevices": {"UserName": "alice"},
    "ListSigningCertificates": {"UserName": "alice"},
    "ListSSHPublicKeys": {"UserName": "alice"},
    "ListServiceSpecificCredentials": {"UserName": "alice"},
    "SimulatePrincipalPolicy": {"PolicySourceArn": "ALICE", "ActionNames.member.1": "s3:GetObject"},
    "SimulateCustomPolicy": {"PolicyInputList.member.1": allow(), "ActionNames.member.1": "s3:GetObject"},
    "GetSessionToken": {},
    "AssumeRole": {"RoleArn": "ROLE", "RoleSessionName": "visit"},
    "GetCallerIdentity": {},
}
_NAMES = [operation.name for operation in OPERATIONS]
_GUARDED = [operation.name for operation in OPERATIONS if operation.action is not None]


class _Scene:
    """An account with the user alice, her key, and the policy shared."""

    def __init__(self, api: Api, account: Account, key: str, arn: str) -> None:
        self.api, self.account, self.key, self.arn = api, account, key, arn

    async def ask(self, name: str, key_id: str | None) -> tuple[int, str, str]:
        """Status, error code and message of an operation asked by the holder of a key."""
        service, version = ("sts", "2011-06-15") if name in _STS else ("iam", "2010-05-08")
        prefix = f"arn:aws:iam::{self.account.account_id}"
        filled = {
            "KEY": self.key,
            "ARN": self.arn,
            "ALICE": f"{prefix}:user/alice",
            "ROLE": f"{prefix}:role/deputy",
        }
        form = {field: filled.get(value, value) for field, value in FORMS[name].items()}
        body = urlencode({"Action": name, "Version": version, **form}).encode()
        response = await self.api.post(body, key_id, service)
        assert isinstance(response.body, bytes)
        code = re.search(rb"<Code>(.*?)</Code>", response.body)
        message = re.search(rb"<Message>(.*?)</Message>", response.body)
        return response.status, code[1].decode() if code else "", message[1].decode() if message else ""


@pytest.fixture
async def scene(api: Api, account: Account) -> _Scene:
    key, _ = await new_user(api, account, "alice", allow())
    policy = await api.identity.policies.create(account.account_id, "shared", allow())
    await api.identity.policies.create_version(account.account_id, policy.arn, allow(), is_default=False)
    await api.identity.create_user(account.account_id, "clerk")
    await api.identity.groups.create(account.account_id, "crew")
    await api.identity.roles.create(account.account_id, "deputy", TRUST)
    for kind, holder in ((GROUP, "crew"), (ROLE, "deputy")):
        await api.identity.policies.put_inline(kind, account.account_id, holder, "main", allow())
    return _Scene(api, account, key, policy.arn)


async def _clerk(scene: _Scene, policy: str | None) -> str:
    account_id = scene.account.account_id
    if policy is not None:
        await scene.api.identity.policies.put_inline(USER, account_id, "clerk", "main", policy)
    return (await scene.api.identity.create_access_key(account_id, "clerk"))[0].access_key_id


def test_every_operation_is_asked_here() -> None:
    assert set(FORMS) == set(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
async def test_anonymous_may_nothing(scene: _Scene, name: str) -> None:
    assert (await scene.ask(name, None))[:2] == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize("name", _NAMES)
async def test_inactive_key_may_nothing(scene: _Scene, root_key: tuple[str, str], name: str) -> None:
    await scene.api.identity.set_access_key_status(scene.account.account_id, None, root_key[0], False)
    assert (await scene.ask(name, root_key[0]))[:2] == (403, "InvalidClientTokenId")


@pytest.mark.parametrize("name", _GUARDED)
async def test_user_without_the_right_is_denied_and_told_what_was_missing(scene: _Scene, name: str) -> None:
    others = [f"iam:{other}" for other in _GUARDED if other != name]
    for policy in (None, allow("s3:*"), allow(others)):
        key = await _clerk(scene, policy)
        status, code, message = await scene.ask(name, key)
        assert (status, code) == (403, "AccessDenied")
        who = f"User: arn:aws:iam::{scene.account.account_id}:user/clerk"
        assert message.startswith(f"{who} is not authorized to perform: iam:{name} on resource: ")
        await scene.api.identity.delete_access_key(scene.account.account_id, "clerk", key)


@pytest.mark.parametrize("name", _GUARDED)
async def test_user_with_the_right_is_not_denied(scene: _Scene, name: str) -> None:
    status, code, _ = await scene.ask(name, await _clerk(scene, allow(f"iam:{name}")))
    assert code != "AccessDenied"
    assert status == 200 or code in ("DeleteConflict", "NoSuchEntity")
    if not name.startswith(("Delete", "Detach", "Remove")):
        assert status == 200


@pytest.mark.parametrize("name", _GUARDED)
async def test_explicit_deny_and_unreadable_policy_win(scene: _Scene, name: str) -> None:
    account_id = scene.account.account_id
    key = await _clerk(scene, allow("iam:*"))
    deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": f"iam:{name}", "Resource": "*"}}
    await scene.api.identity.policies.put_inline(USER, account_id, "clerk", "deny", json.dumps(deny))
    status, code, message = await scene.ask(name, key)
    assert (status, code) == (403, "AccessDenied")
    assert message.endswith("with an explicit deny in an identity-based policy")
    await scene.api.identity.policies.delete_inline(USER, account_id, "clerk", "deny")
    await scene.api.identity._database.write(
        lambda db: db.execute("UPDATE user_policy SET document = '{' WHERE name = 'main'")
    )
    await scene.api.identity.tag_user(account_id, "clerk", {"a": "b"})
    assert (await scene.ask(name, key))[:2] == (403, "AccessDenied")


@pytest.mark.parametrize("name", _GUARDED)
async def test_root_of_another_account_reaches_nothing_here(scene: _Scene, name: str) -> None:
    _, stranger, _ = await scene.api.identity.create_account("other")
    before = await _state(scene)
    status, code, _ = await scene.ask(name, stranger)
    if name in _OWN:
        assert status == 200  # in its own account
    else:
        assert code in ("AccessDenied", "NoSuchEntity")
    assert await _state(scene) == before


async def _state(scene: _Scene) -> list[Any]:
    identity, account_id = scene.api.identity, scene.account.account_id
    users, groups, roles = identity.users(account_id), identity.groups, identity.roles
    return [
        users,
        [(group, groups.members(account_id, group.name)) for group in groups.page(account_id)],
        roles.page(account_id),
        [identity.policies.all_inline(ROLE, account_id, role.name) for role in roles.page(account_id)],
        identity.policies.names_with(USER, account_id, scene.arn),
        [identity.access_keys(account_id, user.name) for user in users],
        [identity.policies.all_inline(USER, account_id, user.name) for user in users],
        identity.policies.page(account_id),
    ]


@pytest.mark.parametrize("name", _GUARDED)
async def test_root_may_everything_in_its_account(scene: _Scene, root_key: tuple[str, str], name: str) -> None:
    _, code, _ = await scene.ask(name, root_key[0])
    assert code in ("", "DeleteConflict", "NoSuchEntity")


async def test_caller_identity_cannot_be_denied(scene: _Scene, root_key: tuple[str, str]) -> None:
    deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
    key = await _clerk(scene, json.dumps(deny))
    for asking in (key, root_key[0]):
        assert (await scene.ask("GetCallerIdentity", asking))[0] == 200


async def test_right_on_one_path_does_not_reach_another(api: Api, account: Account) -> None:
    prefix = f"arn:aws:iam::{account.account_id}:user/apps/*"
    client = api.client(await new_user(api, account, "broker", allow("iam:*", prefix)))
    await client.create_user(UserName="one", Path="/apps/")
    await client.create_access_key(UserName="one")
    await api.identity.create_user(account.account_id, "boss")
    for call, parameters in (
        (client.create_user, {"UserName": "two"}),
        (client.create_user, {"UserName": "two", "Path": "/other/"}),
        (client.create_access_key, {"UserName": "boss"}),
        (client.create_access_key, {"UserName": "nobody"}),
        (client.create_access_key, {}),
        (client.put_user_policy, {"UserName": "broker", "PolicyName": "p", "PolicyDocument": allow()}),
        (client.update_user, {"UserName": "one", "NewPath": "/other/"}),
        (client.update_user, {"UserName": "boss", "NewPath": "/apps/"}),
    ):
        with pytest.raises(ClientError) as caught:
            await call(**parameters)
        assert caught.value.response["Error"]["Code"] == "AccessDenied", parameters
    await client.update_user(UserName="one", NewPath="/apps/inner/")


async def test_conditions_see_tags_policies_and_the_caller(api: Api, account: Account) -> None:
    policy = await api.identity.policies.create(account.account_id, "fine", allow())
    wrong = await api.identity.policies.create(account.account_id, "wrong", allow())
    statements: list[dict[str, Any]] = [
        {"Action": "iam:CreateUser", "Condition": {"StringEquals": {"aws:RequestTag/Team": "red"}}},
        {
            "Action": "iam:DeleteUser",
            "Condition": {"StringEquals": {"iam:ResourceTag/Team": "${aws:PrincipalTag/Team}"}},
        },
        {"Action": "iam:AttachUserPolicy", "Condition": {"ArnEquals": {"iam:PolicyARN": policy.arn}}},
        {"Action": "iam:TagUser", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["Cost"]}}},
        {"Action": "iam:ListUsers", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
        {"Action": "iam:ListPolicies", "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}},
    ]
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements],
    }
    client = api.client(await new_user(api, account, "clerk", json.dumps(document), Team="red"))
    await client.create_user(UserName="one", Tags=[{"Key": "Team", "Value": "red"}])
    await client.attach_user_policy(UserName="one", PolicyArn=policy.arn)
    await client.tag_user(UserName="one", Tags=[{"Key": "Cost", "Value": "1"}])
    await client.list_users()
    await api.identity.create_user(account.account_id, "blue", tags={"Team": "blue"})
    for call, parameters in (
        (client.create_user, {"UserName": "two", "Tags": [{"Key": "Team", "Value": "blue"}]}),
        (client.create_user, {"UserName": "two"}),
        (client.attach_user_policy, {"UserName": "one", "PolicyArn": wrong.arn}),
        (client.tag_user, {"UserName": "one", "Tags": [{"Key": "Team", "Value": "blue"}]}),
        (client.delete_user, {"UserName": "blue"}),
        (client.list_policies, {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            await call(**parameters)
    await api.identity.policies.detach(USER, account.account_id, "one", policy.arn)
    await client.delete_user(UserName="one")


@pytest.mark.parametrize(
    ("condition", "added"),
    [
        ({"iam:PermissionsBoundary": "ARN"}, {"PermissionsBoundary": "ARN"}),
        ({"iam:PolicyARN": "ARN"}, {"PolicyArn": "ARN"}),
        ({"aws:RequestTag/Team": "red"}, {"Tags.member.1.Key": "Team", "Tags.member.1.Value": "red"}),
        ({"aws:TagKeys": "Team"}, {"Tags.member.1.Key": "Team", "Tags.member.1.Value": "red"}),
        ({"aws:TagKeys": "Team"}, {"TagKeys.member.1": "Team"}),
    ],
)
async def test_parameter_that_is_not_obeyed_opens_nothing(
    scene: _Scene, condition: dict[str, str], added: dict[str, str]
) -> None:
    """Whoever may write policies of bounded users alone, say, writes none of others by saying so."""

    def filled(given: dict[str, str]) -> dict[str, str]:
        return {name: scene.arn if value == "ARN" else value for name, value in given.items()}

    statement = {
        "Effect": "Allow",
        "Action": "iam:*",
        "Resource": "*",
        "Condition": {"StringEquals": filled(condition)},
    }
    key = await _clerk(scene, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    form = {"Action": "PutUserPolicy", "Version": "2010-05-08", **FORMS["PutUserPolicy"], **filled(added)}
    response = await scene.api.post(urlencode(form).encode(), key, "iam")
    assert (response.status, b"<Code>AccessDenied</Code>" in response.body) == (403, True)


async def test_policy_of_another_account_is_denied_even_to_a_root(api: Api, iam: Client) -> None:
    other = (await api.identity.create_account("other"))[0]
    policy = await api.identity.policies.create(other.account_id, "theirs", allow())
    await iam.create_user(UserName="alice")
    for call, parameters in (
        (iam.get_policy, {}),
        (iam.delete_policy, {}),
        (iam.attach_user_policy, {"UserName": "alice"}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            await call(PolicyArn=policy.arn, **parameters)
