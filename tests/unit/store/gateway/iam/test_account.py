"""The account as a whole, lists of what there is none of, and simulations, as boto3's IAM client sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bucketry.store.identity.types import Account

from .api import Api, Client, allow, new_user

TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
)


@pytest.fixture
async def filled(iam: Client, api: Api, account: Account) -> str:
    """An account with two of each; the ARN of a policy."""
    for name in ("alice", "bob"):
        await new_user(api, account, name, allow("s3:GetObject"), Team="red")
        await iam.create_group(GroupName=f"{name}s")
        await iam.put_group_policy(GroupName=f"{name}s", PolicyName="list", PolicyDocument=allow("s3:ListBucket"))
        await iam.create_role(RoleName=f"for-{name}", AssumeRolePolicyDocument=TRUST)
        policy = (await iam.create_policy(PolicyName=f"of-{name}", PolicyDocument=allow("s3:Put*")))["Policy"]
    await iam.add_user_to_group(GroupName="alices", UserName="alice")
    await iam.attach_user_policy(UserName="alice", PolicyArn=policy["Arn"])
    await iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=policy["Arn"])
    await iam.attach_role_policy(RoleName="for-bob", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    arn: str = policy["Arn"]
    return arn


async def test_summary_counts_what_there_is(iam: Client, filled: str) -> None:
    summary = (await iam.get_account_summary())["SummaryMap"]
    counted = {name: summary[name] for name in ("Users", "Groups", "Roles", "Policies", "AccountAccessKeysPresent")}
    assert counted == {"Users": 2, "Groups": 2, "Roles": 2, "Policies": 2, "AccountAccessKeysPresent": 1}
    assert (summary["AccessKeysPerUserQuota"], summary["VersionsPerPolicyQuota"]) == (2, 5)


async def test_details_tell_all_in_one_page_or_several(iam: Client, filled: str) -> None:
    whole = await iam.get_account_authorization_details()
    alice = whole["UserDetailList"][0]
    assert (alice["UserName"], alice["GroupList"]) == ("alice", ["alices"])
    assert alice["UserPolicyList"][0]["PolicyDocument"] == json.loads(allow("s3:GetObject"))
    assert alice["AttachedManagedPolicies"] == [{"PolicyName": "of-bob", "PolicyArn": filled}]
    assert whole["UserDetailList"][1]["PermissionsBoundary"]["PermissionsBoundaryArn"] == filled
    assert [group["GroupName"] for group in whole["GroupDetailList"]] == ["alices", "bobs"]
    assert [role["RoleName"] for role in whole["RoleDetailList"]] == ["for-alice", "for-bob"]
    assert whole["RoleDetailList"][0]["AssumeRolePolicyDocument"] == json.loads(TRUST)
    names = [policy["PolicyName"] for policy in whole["Policies"]]
    assert names == ["of-alice", "of-bob", "AmazonS3ReadOnlyAccess"]
    assert whole["IsTruncated"] is False
    lists = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    for size in (1, 2, 3, 5):
        found: dict[str, list[Any]] = {name: [] for name in lists}
        marker: dict[str, str] = {}
        while True:
            page = await iam.get_account_authorization_details(MaxItems=size, **marker)
            assert sum(len(page[name]) for name in lists) <= size
            for name in lists:
                found[name] += page[name]
            if not page["IsTruncated"]:
                break
            marker = {"Marker": page["Marker"]}
        assert found == {name: whole[name] for name in lists}
    only = await iam.get_account_authorization_details(Filter=["Role"])
    assert [len(only[name]) for name in lists] == [0, 0, 2, 0]


async def test_lists_of_what_there_is_none_of_are_empty(iam: Client, filled: str) -> None:
    assert (await iam.list_account_aliases())["AccountAliases"] == []
    assert (await iam.list_open_id_connect_providers())["OpenIDConnectProviderList"] == []
    assert (await iam.list_saml_providers())["SAMLProviderList"] == []
    assert (await iam.list_instance_profiles_for_role(RoleName="for-bob"))["InstanceProfiles"] == []
    for call, name in (
        (iam.list_mfa_devices, "MFADevices"),
        (iam.list_signing_certificates, "Certificates"),
        (iam.list_ssh_public_keys, "SSHPublicKeys"),
        (iam.list_service_specific_credentials, "ServiceSpecificCredentials"),
    ):
        assert (await call(UserName="alice"))[name] == []
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            await call(UserName="nobody")


async def _decisions(call: Any, **parameters: Any) -> dict[str, str]:
    results = (await call(**parameters))["EvaluationResults"]
    return {result["EvalActionName"]: result["EvalDecision"] for result in results}


async def test_simulation_decides_as_requests_are_decided(iam: Client, account: Account, filled: str) -> None:
    prefix = f"arn:aws:iam::{account.account_id}"
    actions = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"]
    decided = await _decisions(
        iam.simulate_principal_policy, PolicySourceArn=f"{prefix}:user/alice", ActionNames=actions
    )
    assert list(decided.values()) == ["allowed", "allowed", "allowed", "implicitDeny"]
    decided = await _decisions(iam.simulate_principal_policy, PolicySourceArn=f"{prefix}:user/bob", ActionNames=actions)
    assert set(decided.values()) == {"implicitDeny"}  # the boundary allows nothing of what the policy allows
    decided = await _decisions(
        iam.simulate_principal_policy, PolicySourceArn=f"{prefix}:role/for-bob", ActionNames=actions
    )
    assert list(decided.values()) == ["allowed", "implicitDeny", "allowed", "implicitDeny"]
    deny = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    decided = await _decisions(
        iam.simulate_principal_policy,
        PolicySourceArn=f"{prefix}:group/alices",
        ActionNames=actions[2:],
        PolicyInputList=[deny],
    )
    assert set(decided.values()) == {"explicitDeny"}
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.simulate_principal_policy(PolicySourceArn=f"{prefix}:user/nobody", ActionNames=actions)


async def test_simulation_of_given_policies_with_a_context(iam: Client) -> None:
    policy = allow("s3:ListBucket", "arn:aws:s3:::b", StringEquals={"s3:prefix": "a/"})
    asked = {
        "PolicyInputList": [policy],
        "ActionNames": ["s3:ListBucket"],
        "ResourceArns": ["arn:aws:s3:::b", "arn:aws:s3:::c"],
    }
    entry = {"ContextKeyName": "s3:prefix", "ContextKeyValues": ["a/"], "ContextKeyType": "string"}
    results = (await iam.simulate_custom_policy(**asked, ContextEntries=[entry]))["EvaluationResults"]
    assert [(each["EvalResourceName"], each["EvalDecision"]) for each in results] == [
        ("arn:aws:s3:::b", "allowed"),
        ("arn:aws:s3:::c", "implicitDeny"),
    ]
    assert results[0]["MatchedStatements"] == [{"SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "none"}]
    results = (await iam.simulate_custom_policy(**asked))["EvaluationResults"]
    assert [(each["EvalDecision"], each["MissingContextValues"]) for each in results] == [
        ("implicitDeny", ["s3:prefix"])
    ] * 2
    pages = await iam.pages("simulate_custom_policy", "EvaluationResults", **asked, PaginationConfig={"PageSize": 1})
    assert [len(page) for page in pages] == [1, 1]
    with pytest.raises(ClientError, match="InvalidInput"):
        await iam.simulate_custom_policy(PolicyInputList=["{}"], ActionNames=["s3:GetObject"])
    bounded = await iam.simulate_custom_policy(
        PolicyInputList=[allow("s3:*")],
        PermissionsBoundaryPolicyInputList=[allow("s3:GetObject")],
        ActionNames=["s3:PutObject"],
    )
    [result] = bounded["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
