"""Policies as boto3's IAM client sees them: documents come back as they were set."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from bucketry.store.identity.aws_policies import NAMES
from bucketry.store.identity.holders import USER
from bucketry.store.identity.types import Account

from .api import Api, Client, allow

_ODD = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::photos/${aws:username}/a b%20+&<>é*",
        },
    },
    ensure_ascii=False,
)


@pytest.fixture
async def alice(iam: Client) -> str:
    await iam.create_user(UserName="alice")
    return "alice"


async def test_inline_policy_comes_back_as_it_was_set(api: Api, iam: Client, account: Account, alice: str) -> None:
    for document in (allow(), _ODD):
        await iam.put_user_policy(UserName=alice, PolicyName="main", PolicyDocument=document)
        found = await iam.get_user_policy(UserName=alice, PolicyName="main")
        assert (found["UserName"], found["PolicyName"]) == (alice, "main")
        assert found["PolicyDocument"] == json.loads(document)
        assert api.identity.policies.inline(USER, account.account_id, alice, "main") == document
    assert (await iam.list_user_policies(UserName=alice))["PolicyNames"] == ["main"]
    await iam.delete_user_policy(UserName=alice, PolicyName="main")
    assert (await iam.list_user_policies(UserName=alice))["PolicyNames"] == []
    for call in (iam.get_user_policy, iam.delete_user_policy):
        with pytest.raises(iam.exceptions.NoSuchEntityException, match="The user policy with name main"):
            await call(UserName=alice, PolicyName="main")


async def test_document_travels_percent_encoded(api: Api, root_key: tuple[str, str], iam: Client, alice: str) -> None:
    await iam.put_user_policy(UserName=alice, PolicyName="main", PolicyDocument=_ODD)
    form = f"Action=GetUserPolicy&Version=2010-05-08&UserName={alice}&PolicyName=main"
    response = await api.post(form.encode(), root_key[0])
    assert isinstance(response.body, bytes)
    assert b"<PolicyDocument>%7B%22Version%22%3A%20%222012-10-17%22%2C" in response.body
    assert b"photos%2F%24%7Baws%3Ausername%7D%2F" in response.body
    assert b"a%20b%2520%2B%26%3C%3E%C3%A9%2A" in response.body


async def test_names_of_inline_policies_are_listed_in_pages(iam: Client, alice: str) -> None:
    for name in ("c", "a", "b"):
        await iam.put_user_policy(UserName=alice, PolicyName=name, PolicyDocument=allow())
    pages = await iam.pages("list_user_policies", "PolicyNames", UserName=alice, PaginationConfig={"PageSize": 2})
    assert pages == [["a", "b"], ["c"]]


@pytest.mark.parametrize("document", ["{", "{}", '{"Statement":[{"Effect":"Allow","Action":"s3:*"}]}'])
async def test_malformed_policy_is_refused(iam: Client, alice: str, document: str) -> None:
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        await iam.put_user_policy(UserName=alice, PolicyName="main", PolicyDocument=document)
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        await iam.create_policy(PolicyName="main", PolicyDocument=document)


async def test_policies_have_sizes(iam: Client, alice: str) -> None:
    with pytest.raises(iam.exceptions.LimitExceededException):
        await iam.put_user_policy(
            UserName=alice, PolicyName="main", PolicyDocument=allow(resource="arn:aws:s3:::b/" + "x" * 2048)
        )
    with pytest.raises(iam.exceptions.LimitExceededException):
        await iam.create_policy(PolicyName="main", PolicyDocument=allow(resource="arn:aws:s3:::b/" + "x" * 6144))


async def test_managed_policy_is_created_read_attached_and_deleted(iam: Client, account: Account, alice: str) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    policy = (
        await iam.create_policy(
            PolicyName="shared", Path="/team/", PolicyDocument=_ODD, Description="for <all>", Tags=tags
        )
    )["Policy"]
    arn = policy["Arn"]
    assert arn == f"arn:aws:iam::{account.account_id}:policy/team/shared"
    assert (policy["DefaultVersionId"], policy["AttachmentCount"], policy["IsAttachable"]) == ("v1", 0, True)
    assert (policy["Description"], policy["Tags"]) == ("for <all>", tags)
    assert (await iam.get_policy(PolicyArn=arn))["Policy"] == policy
    version = (await iam.get_policy_version(PolicyArn=arn, VersionId="v1"))["PolicyVersion"]
    assert (version["Document"], version["IsDefaultVersion"]) == (json.loads(_ODD), True)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.get_policy_version(PolicyArn=arn, VersionId="v2")
    [listed] = (await iam.list_policy_versions(PolicyArn=arn))["Versions"]
    assert (listed["VersionId"], "Document" in listed) == ("v1", False)
    await iam.attach_user_policy(UserName=alice, PolicyArn=arn)
    attached = (await iam.list_attached_user_policies(UserName=alice))["AttachedPolicies"]
    assert attached == [{"PolicyName": "shared", "PolicyArn": arn}]
    assert (await iam.get_policy(PolicyArn=arn))["Policy"]["AttachmentCount"] == 1
    entities = await iam.list_entities_for_policy(PolicyArn=arn)
    assert [user["UserName"] for user in entities["PolicyUsers"]] == [alice]
    assert (entities["PolicyGroups"], entities["PolicyRoles"]) == ([], [])
    with pytest.raises(iam.exceptions.DeleteConflictException):
        await iam.delete_policy(PolicyArn=arn)
    await iam.detach_user_policy(UserName=alice, PolicyArn=arn)
    await iam.delete_policy(PolicyArn=arn)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.get_policy(PolicyArn=arn)


async def test_attachments_are_filtered_by_path(iam: Client, alice: str) -> None:
    arns = {}
    for path in ("/", "/team/"):
        name = "p" + path.replace("/", "-")
        created = await iam.create_policy(PolicyName=name, Path=path, PolicyDocument=allow())
        arns[path] = created["Policy"]["Arn"]
        await iam.attach_user_policy(UserName=alice, PolicyArn=arns[path])
    found = await iam.list_attached_user_policies(UserName=alice, PathPrefix="/team/")
    assert [policy["PolicyArn"] for policy in found["AttachedPolicies"]] == [arns["/team/"]]
    pages = await iam.pages(
        "list_attached_user_policies", "AttachedPolicies", UserName=alice, PaginationConfig={"PageSize": 1}
    )
    assert {page[0]["PolicyArn"] for page in pages} == set(arns.values())
    assert [len(page) for page in pages] == [1, 1]


async def test_entities_are_listed_in_pages_and_by_kind(iam: Client) -> None:
    arn = (await iam.create_policy(PolicyName="shared", PolicyDocument=allow()))["Policy"]["Arn"]
    for number in range(3):
        await iam.create_user(UserName=f"u{number}", Path="/a/" if number else "/")
        await iam.attach_user_policy(UserName=f"u{number}", PolicyArn=arn)
    pages = await iam.pages("list_entities_for_policy", "PolicyUsers", PolicyArn=arn, PaginationConfig={"PageSize": 2})
    assert [[user["UserName"] for user in page] for page in pages] == [["u0", "u1"], ["u2"]]
    found = await iam.list_entities_for_policy(PolicyArn=arn, PathPrefix="/a/")
    assert [user["UserName"] for user in found["PolicyUsers"]] == ["u1", "u2"]
    assert (await iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role"))["PolicyUsers"] == []


async def test_policies_are_listed_by_scope_use_and_page(iam: Client, alice: str) -> None:
    arns = [
        (await iam.create_policy(PolicyName=f"p{number}", PolicyDocument=allow()))["Policy"]["Arn"]
        for number in range(3)
    ]
    await iam.attach_user_policy(UserName=alice, PolicyArn=arns[1])
    pages = await iam.pages("list_policies", "Policies", PaginationConfig={"PageSize": 2})
    known = [f"arn:aws:iam::aws:policy/{name}" for name in NAMES]
    listed = [policy["Arn"] for page in pages for policy in page]
    assert (listed, {len(page) for page in pages[:-1]}) == ([*known, *arns], {2})
    local = await iam.pages("list_policies", "Policies", Scope="Local", PaginationConfig={"PageSize": 2})
    assert [[policy["Arn"] for policy in page] for page in local] == [arns[:2], arns[2:]]
    used = await iam.list_policies(OnlyAttached=True, Scope="Local")
    assert [policy["Arn"] for policy in used["Policies"]] == [arns[1]]
    assert [policy["Arn"] for policy in (await iam.list_policies(Scope="AWS"))["Policies"]] == known
    assert (await iam.list_policies(PolicyUsageFilter="PermissionsBoundary"))["Policies"] == []
    await iam.put_user_permissions_boundary(UserName=alice, PermissionsBoundary=arns[2])
    bounding = (await iam.list_policies(PolicyUsageFilter="PermissionsBoundary"))["Policies"]
    assert [(policy["Arn"], policy["PermissionsBoundaryUsageCount"]) for policy in bounding] == [(arns[2], 1)]


async def test_policy_of_aws_is_read_and_attached_but_never_changed(iam: Client, alice: str) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    await iam.attach_user_policy(UserName=alice, PolicyArn=arn)
    policy = (await iam.get_policy(PolicyArn=arn))["Policy"]
    assert (policy["PolicyName"], policy["AttachmentCount"]) == ("AmazonS3FullAccess", 1)
    document = (await iam.get_policy_version(PolicyArn=arn, VersionId="v1"))["PolicyVersion"]["Document"]
    assert document["Statement"] == [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]
    entities = await iam.list_entities_for_policy(PolicyArn=arn)
    assert [user["UserName"] for user in entities["PolicyUsers"]] == [alice]
    for call, parameters in (
        (iam.delete_policy, {}),
        (iam.create_policy_version, {"PolicyDocument": allow()}),
        (iam.tag_policy, {"Tags": [{"Key": "a", "Value": "b"}]}),
    ):
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            await call(PolicyArn=arn, **parameters)


async def test_unknown_policy_of_aws_is_not_there(iam: Client, alice: str) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonEC2FullAccess"
    for call in (iam.get_policy, iam.list_entities_for_policy):
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            await call(PolicyArn=arn)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        await iam.attach_user_policy(UserName=alice, PolicyArn=arn)


async def test_names_and_documents_outside_their_rules_are_refused(
    api: Api, root_key: tuple[str, str], iam: Client, alice: str
) -> None:
    lenient = api.client(root_key, validates=False)
    for name in ("", "a b", "x" * 129, "a/b"):
        with pytest.raises(ClientError, match="ValidationError"):
            await lenient.put_user_policy(UserName=alice, PolicyName=name, PolicyDocument=allow())
    for document in ("", "\x00", "世"):
        with pytest.raises(ClientError, match="ValidationError"):
            await lenient.put_user_policy(UserName=alice, PolicyName="main", PolicyDocument=document)
    with pytest.raises(ClientError, match="ValidationError"):
        await lenient.create_policy(PolicyName="main", Path="/a b/", PolicyDocument=allow())
