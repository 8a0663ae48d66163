"""Policies of users: inline (Put-, Get-, List-, DeleteUserPolicy), managed (Create-, Get-, List-, DeletePolicy and
versions), and attachments (Attach-, DetachUserPolicy, ListAttachedUserPolicies, ListEntitiesForPolicy).

Documents in answers are percent-encoded (RFC 3986), as AWS sends them and SDKs decode them.
"""

from __future__ import annotations

from urllib.parse import quote

from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.errors import NoSuchEntity
from bucketry.store.gateway.iam.operations import Call, IamOperation, listed, page_of
from bucketry.store.gateway.iam.users import named_user, tag_members, user_name
from bucketry.store.identity.types import ManagedPolicy, PolicyVersion
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds

_USAGES = ("PermissionsPolicy", "PermissionsBoundary")
_ENTITIES = ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")


def _encoded(document: str) -> str:
    return quote(document, safe="")


# --- inline


def _policy_name(call: Call) -> str:
    return call.parameters.text("PolicyName", rules.POLICY_NAME)


def _document(call: Call) -> str:
    return call.parameters.text("PolicyDocument", rules.DOCUMENT)


async def _put_inline(call: Call) -> None:
    await call.identity.put_user_policy(call.account_id, user_name(call), _policy_name(call), _document(call))


async def _get_inline(call: Call) -> str:
    user, name = user_name(call), _policy_name(call)
    document = call.identity.user_policy(call.account_id, user, name)
    return xml.elements([("UserName", user), ("PolicyName", name), ("PolicyDocument", _encoded(document))])


async def _list_inline(call: Call) -> str:
    names = call.identity.user_policy_names(call.account_id, user_name(call))
    return page_of(call, "PolicyNames", [(name, xml.escape(name)) for name in names])


async def _delete_inline(call: Call) -> None:
    await call.identity.delete_user_policy(call.account_id, user_name(call), _policy_name(call))


# --- managed


def _arn(call: Call) -> str:
    return call.parameters.text("PolicyArn", rules.ARN)


def _named_policy(call: Call) -> tuple[str, ...]:
    return (_arn(call),)


def _fields(policy: ManagedPolicy, *, with_description: bool = False) -> str:
    head: list[tuple[str, str | int | bool | None]] = [
        ("PolicyName", policy.name),
        ("PolicyId", policy.policy_id),
        ("Arn", policy.arn),
        ("Path", policy.path),
        ("DefaultVersionId", policy.default_version),
        ("AttachmentCount", policy.attachment_count),
        ("PermissionsBoundaryUsageCount", 0),
        ("IsAttachable", True),
        ("Description", policy.description if with_description and policy.description else None),
        ("CreateDate", iso8601_seconds(policy.created_ms)),
        ("UpdateDate", iso8601_seconds(policy.updated_ms)),
    ]
    return xml.elements(head)


def _whole(policy: ManagedPolicy) -> str:
    tags = tag_members(dict(policy.tags))
    marked = xml.wrap("Tags", (xml.wrap("member", tag) for tag in tags)) if tags else ""
    return xml.wrap("Policy", _fields(policy, with_description=True) + marked)


def _path(call: Call) -> str:
    return call.parameters.optional("Path", rules.POLICY_PATH) or "/"


def _new_arn(call: Call) -> tuple[str, ...]:
    return (f"arn:aws:iam::{call.account_id}:policy{_path(call)}{_policy_name(call)}",)


async def _create(call: Call) -> str:
    policy = await call.identity.create_policy(
        call.account_id,
        _policy_name(call),
        _document(call),
        _path(call),
        call.parameters.optional("Description", rules.DESCRIPTION) or "",
        call.parameters.tags(),
    )
    return _whole(policy)


async def _get(call: Call) -> str:
    return _whole(call.identity.policy(call.account_id, _arn(call)))


def _prefix(call: Call) -> str:
    return call.parameters.optional("PathPrefix", rules.POLICY_PATH) or "/"


def _list_resource(call: Call) -> tuple[str, ...]:
    # Not an ARN, as AWS words it: ListPolicies can't be granted on less than everything.
    return (f"policy path {_prefix(call)}",)


async def _list(call: Call) -> str:
    scope = call.parameters.choice("Scope", ("All", "AWS", "Local"), "All")
    usage = call.parameters.choice("PolicyUsageFilter", _USAGES, "PermissionsPolicy")
    only_attached = call.parameters.choice("OnlyAttached", ("true", "false"), "false") == "true"
    size = call.parameters.page_size()
    marker = call.parameters.marker(2)
    if scope == "AWS" or usage == "PermissionsBoundary":
        return listed("Policies", [], None)  # there are no policies of AWS's own here, and no boundaries
    after = (marker[0], marker[1]) if marker else None
    found = call.identity.policies(call.account_id, _prefix(call), after, size + 1, only_attached)
    shown = found[:size]
    goes_on = rules.next_marker(shown[-1].path, shown[-1].name) if len(found) > size else None
    return listed("Policies", map(_fields, shown), goes_on)


async def _delete(call: Call) -> None:
    await call.identity.delete_policy(call.account_id, _arn(call))


def _version(version: PolicyVersion, *, with_document: bool) -> str:
    return xml.elements(
        [
            ("Document", _encoded(version.document) if with_document else None),
            ("VersionId", version.version_id),
            ("IsDefaultVersion", version.is_default),
            ("CreateDate", iso8601_seconds(version.created_ms)),
        ]
    )


async def _get_version(call: Call) -> str:
    wanted = call.parameters.text("VersionId", rules.VERSION_ID)
    for version in call.identity.policy_versions(call.account_id, _arn(call)):
        if version.version_id == wanted:
            return xml.wrap("PolicyVersion", _version(version, with_document=True))
    raise NoSuchEntity(f"Policy {_arn(call)} version {wanted} does not exist or is not attachable.")


async def _list_versions(call: Call) -> str:
    versions = call.identity.policy_versions(call.account_id, _arn(call))
    members = [(f"{position:06d}", _version(version, with_document=False)) for position, version in enumerate(versions)]
    return page_of(call, "Versions", members)


# --- attachments


async def _attach(call: Call) -> None:
    await call.identity.attach_user_policy(call.account_id, user_name(call), _arn(call))


async def _detach(call: Call) -> None:
    await call.identity.detach_user_policy(call.account_id, user_name(call), _arn(call))


async def _list_attached(call: Call) -> str:
    prefix = _prefix(call)
    members = [
        (policy.name, xml.elements([("PolicyName", policy.name), ("PolicyArn", policy.arn)]))
        for policy in call.identity.attached_policies(call.account_id, user_name(call))
        if policy.path.startswith(prefix)
    ]
    return page_of(call, "AttachedPolicies", members)


async def _list_entities(call: Call) -> str:
    entity = call.parameters.choice("EntityFilter", _ENTITIES, "User")
    usage = call.parameters.choice("PolicyUsageFilter", _USAGES, "PermissionsPolicy")
    prefix = call.parameters.optional("PathPrefix", rules.PATH_PREFIX) or "/"
    size = call.parameters.page_size()
    marker = call.parameters.marker(1)
    after = int(marker[0]) if marker and marker[0].isdecimal() else 0
    found = call.identity.users_of_policy(call.account_id, _arn(call), prefix, after, size + 1)
    if entity != "User" or usage != "PermissionsPolicy":
        found = []  # users are all there is, and policies bound nobody here
    shown = found[:size]
    goes_on = rules.next_marker(str(shown[-1][0])) if len(found) > size else None
    members = [xml.elements([("UserName", user.name), ("UserId", user.user_id)]) for _, user in shown]
    return "<PolicyGroups/><PolicyRoles/>" + listed("PolicyUsers", members, goes_on)


OPERATIONS = (
    IamOperation("PutUserPolicy", "iam:PutUserPolicy", named_user, _put_inline),
    IamOperation("GetUserPolicy", "iam:GetUserPolicy", named_user, _get_inline),
    IamOperation("ListUserPolicies", "iam:ListUserPolicies", named_user, _list_inline),
    IamOperation("DeleteUserPolicy", "iam:DeleteUserPolicy", named_user, _delete_inline),
    IamOperation("CreatePolicy", "iam:CreatePolicy", _new_arn, _create),
    IamOperation("GetPolicy", "iam:GetPolicy", _named_policy, _get),
    IamOperation("GetPolicyVersion", "iam:GetPolicyVersion", _named_policy, _get_version),
    IamOperation("ListPolicies", "iam:ListPolicies", _list_resource, _list),
    IamOperation("ListPolicyVersions", "iam:ListPolicyVersions", _named_policy, _list_versions),
    IamOperation("DeletePolicy", "iam:DeletePolicy", _named_policy, _delete),
    IamOperation("AttachUserPolicy", "iam:AttachUserPolicy", named_user, _attach),
    IamOperation("DetachUserPolicy", "iam:DetachUserPolicy", named_user, _detach),
    IamOperation("ListAttachedUserPolicies", "iam:ListAttachedUserPolicies", named_user, _list_attached),
    IamOperation("ListEntitiesForPolicy", "iam:ListEntitiesForPolicy", _named_policy, _list_entities),
)
