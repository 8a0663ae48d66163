"""Managed policies: Create-, Get-, List-, DeletePolicy, versions of them, tags, and ListEntitiesForPolicy.

AWS's own policies (identity/aws_policies.py) are listed, read and attached as on AWS.
"""

from __future__ import annotations

from urllib.parse import quote

from bucketry.store.gateway.iam import entities
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.errors import NoSuchEntity
from bucketry.store.gateway.iam.holder_policies import policy_arn, policy_name
from bucketry.store.gateway.iam.operations import Call, IamOperation, listed, page_of
from bucketry.store.identity import errors as identity_errors
from bucketry.store.identity.holders import GROUP, ROLE, USER, HolderKind
from bucketry.store.identity.types import ManagedPolicy, PolicyVersion
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds

_USAGES = ("PermissionsPolicy", "PermissionsBoundary")
_ENTITIES = ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
_AWS, _LOCAL = "a", "l"  # in markers: which part of a listing of both kinds goes on


def _named_policy(call: Call) -> tuple[str, ...]:
    arn = policy_arn(call)
    policy = None
    if arn.startswith(f"arn:aws:iam::{call.account_id}:"):
        try:
            policy = call.identity.policies.find(call.account_id, arn)
        except identity_errors.NoSuchEntity:
            policy = None
    if policy is not None:
        call.resource_tags = policy.tags
    return (arn,)


def policy_fields(policy: ManagedPolicy, *, with_description: bool = False) -> str:
    return xml.elements(
        [
            ("PolicyName", policy.name),
            ("PolicyId", policy.policy_id),
            ("Arn", policy.arn),
            ("Path", policy.path),
            ("DefaultVersionId", policy.default_version),
            ("AttachmentCount", policy.attachment_count),
            ("PermissionsBoundaryUsageCount", policy.boundary_count),
            ("IsAttachable", True),
            ("Description", policy.description if with_description and policy.description else None),
            ("CreateDate", iso8601_seconds(policy.created_ms)),
            ("UpdateDate", iso8601_seconds(policy.updated_ms)),
        ]
    )


def _whole(policy: ManagedPolicy) -> str:
    return xml.wrap("Policy", policy_fields(policy, with_description=True) + entities.tags_element(policy.tags))


def _path(call: Call) -> str:
    return call.parameters.optional("Path", rules.POLICY_PATH) or "/"


def _new_arn(call: Call) -> tuple[str, ...]:
    return (f"arn:aws:iam::{call.account_id}:policy{_path(call)}{policy_name(call)}",)


def _document(call: Call) -> str:
    return call.parameters.text("PolicyDocument", rules.DOCUMENT)


async def _create(call: Call) -> str:
    policy = await call.identity.policies.create(
        call.account_id,
        policy_name(call),
        _document(call),
        _path(call),
        call.parameters.optional("Description", rules.DESCRIPTION) or "",
        call.parameters.tags(),
    )
    return _whole(policy)


async def _get(call: Call) -> str:
    return _whole(call.identity.policies.find(call.account_id, policy_arn(call)))


def _prefix(call: Call) -> str:
    return call.parameters.optional("PathPrefix", rules.POLICY_PATH) or "/"


def _list_resource(call: Call) -> tuple[str, ...]:
    # Not an ARN, as AWS words it: ListPolicies can't be granted on less than everything.
    return (f"policy path {_prefix(call)}",)


async def _list(call: Call) -> str:
    scope = call.parameters.choice("Scope", ("All", "AWS", "Local"), "All")
    usage = call.parameters.choice("PolicyUsageFilter", (*_USAGES, ""), "")
    only_attached = call.parameters.choice("OnlyAttached", ("true", "false"), "false") == "true"
    size = call.parameters.page_size()
    part, path, name = call.parameters.marker(3) or (_AWS, "", "")
    found: list[ManagedPolicy] = []
    if scope != "Local" and part == _AWS and _prefix(call) == "/":
        of_aws = call.identity.policies.of_aws(call.account_id, only_attached=only_attached)
        found = [policy for policy in of_aws if policy.name > name]
    if scope != "AWS" and len(found) <= size:
        after = (path, name) if part == _LOCAL else None
        found += call.identity.policies.page(
            call.account_id, _prefix(call), after, size + 1 - len(found), only_attached=only_attached
        )
    shown, marker = found[:size], None
    if len(found) > size:
        last = shown[-1]
        marker = rules.next_marker(_AWS if last.account_id == "aws" else _LOCAL, last.path, last.name)
    if usage:
        shown = [policy for policy in shown if _is_used_as(policy, usage)]
    return listed("Policies", map(policy_fields, shown), marker)


def _is_used_as(policy: ManagedPolicy, usage: str) -> bool:
    return bool(policy.attachment_count if usage == "PermissionsPolicy" else policy.boundary_count)


async def _delete(call: Call) -> None:
    await call.identity.policies.delete(call.account_id, policy_arn(call))


async def _tag(call: Call) -> None:
    call.parameters.require_list("Tags")
    await call.identity.policies.tag(call.account_id, policy_arn(call), call.parameters.tags())


async def _untag(call: Call) -> None:
    await call.identity.policies.untag(call.account_id, policy_arn(call), call.parameters.tag_keys())


async def _list_tags(call: Call) -> str:
    tags = call.identity.policies.find(call.account_id, policy_arn(call)).tags
    return page_of(call, "Tags", zip(tags, entities.tag_members(tags), strict=True))


# --- versions


def version_fields(version: PolicyVersion, *, with_document: bool) -> str:
    return xml.elements(
        [
            ("Document", quote(version.document, safe="") if with_document else None),
            ("VersionId", version.version_id),
            ("IsDefaultVersion", version.is_default),
            ("CreateDate", iso8601_seconds(version.created_ms)),
        ]
    )


def _version_id(call: Call) -> str:
    return call.parameters.text("VersionId", rules.VERSION_ID)


async def _create_version(call: Call) -> str:
    is_default = call.parameters.choice("SetAsDefault", ("true", "false"), "false") == "true"
    version = await call.identity.policies.create_version(
        call.account_id, policy_arn(call), _document(call), is_default=is_default
    )
    return xml.wrap("PolicyVersion", version_fields(version, with_document=False))


async def _get_version(call: Call) -> str:
    wanted = _version_id(call)
    for version in call.identity.policies.versions(call.account_id, policy_arn(call)):
        if version.version_id == wanted:
            return xml.wrap("PolicyVersion", version_fields(version, with_document=True))
    raise NoSuchEntity(f"Policy {policy_arn(call)} version {wanted} does not exist or is not attachable.")


async def _list_versions(call: Call) -> str:
    versions = call.identity.policies.versions(call.account_id, policy_arn(call))
    members = [
        (f"{position:06d}", version_fields(version, with_document=False)) for position, version in enumerate(versions)
    ]
    return page_of(call, "Versions", members)


async def _set_default_version(call: Call) -> None:
    await call.identity.policies.set_default_version(call.account_id, policy_arn(call), _version_id(call))


async def _delete_version(call: Call) -> None:
    await call.identity.policies.delete_version(call.account_id, policy_arn(call), _version_id(call))


# --- who has it


async def _list_entities(call: Call) -> str:
    wanted = call.parameters.choice("EntityFilter", (*_ENTITIES, ""), "")
    usage = call.parameters.choice("PolicyUsageFilter", (*_USAGES, ""), "")
    prefix = call.parameters.optional("PathPrefix", rules.PATH_PREFIX) or "/"
    size = call.parameters.page_size()
    after = call.parameters.marker(2) or ("", "")
    found: list[tuple[str, str, str]] = []
    for kind in (GROUP, USER, ROLE):
        if wanted in ("", kind.title):
            found += [(kind.noun, *one) for one in _having(call, kind, prefix, usage)]
    left = [each for each in found if each[:2] > after]
    shown = left[:size]
    marker = rules.next_marker(*shown[-1][:2]) if len(left) > size else None
    lists = ""
    for kind in (GROUP, USER, ROLE):
        members = [
            xml.element(entities.field_of(kind), name) + xml.element(f"{kind.title}Id", unique_id)
            for noun, name, unique_id in shown
            if noun == kind.noun
        ]
        lists += xml.wrap(f"Policy{kind.title}s", (xml.wrap("member", member) for member in members))
    return lists + xml.elements([("IsTruncated", marker is not None), ("Marker", marker)])


def _having(call: Call, kind: HolderKind, prefix: str, usage: str) -> list[tuple[str, str]]:
    """(name, unique id) of those of a kind that have the policy, by name."""
    found: dict[str, str] = {}
    for use, as_boundary in (("PermissionsPolicy", False), ("PermissionsBoundary", True)):
        if usage in ("", use):
            for name, path, unique_id in call.identity.policies.names_with(
                kind, call.account_id, policy_arn(call), as_boundary=as_boundary
            ):
                if path.startswith(prefix):
                    found[name] = unique_id
    return sorted(found.items())


OPERATIONS = (
    IamOperation("CreatePolicy", "iam:CreatePolicy", _new_arn, _create),
    IamOperation("GetPolicy", "iam:GetPolicy", _named_policy, _get),
    IamOperation("ListPolicies", "iam:ListPolicies", _list_resource, _list),
    IamOperation("DeletePolicy", "iam:DeletePolicy", _named_policy, _delete),
    IamOperation("TagPolicy", "iam:TagPolicy", _named_policy, _tag),
    IamOperation("UntagPolicy", "iam:UntagPolicy", _named_policy, _untag),
    IamOperation("ListPolicyTags", "iam:ListPolicyTags", _named_policy, _list_tags),
    IamOperation("CreatePolicyVersion", "iam:CreatePolicyVersion", _named_policy, _create_version),
    IamOperation("GetPolicyVersion", "iam:GetPolicyVersion", _named_policy, _get_version),
    IamOperation("ListPolicyVersions", "iam:ListPolicyVersions", _named_policy, _list_versions),
    IamOperation("SetDefaultPolicyVersion", "iam:SetDefaultPolicyVersion", _named_policy, _set_default_version),
    IamOperation("DeletePolicyVersion", "iam:DeletePolicyVersion", _named_policy, _delete_version),
    IamOperation("ListEntitiesForPolicy", "iam:ListEntitiesForPolicy", _named_policy, _list_entities),
)
