"""Roles, as far as assuming them goes: CreateRole, GetRole, ListRoles, UpdateRole, UpdateAssumeRolePolicy, DeleteRole,
TagRole, UntagRole, ListRoleTags.
"""

from __future__ import annotations

from urllib.parse import quote

from bucketry.store.gateway.iam import entities
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.entities import exact_name
from bucketry.store.gateway.iam.operations import Call, IamOperation, listed, page_of
from bucketry.store.identity.holders import ROLE
from bucketry.store.identity.types import Role
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds

LEAST_SESSION_S, MOST_SESSION_S = 3600, 43_200  # CreateRole: MaxSessionDuration


def role_fields(role: Role) -> str:
    return xml.elements(
        [
            ("Path", role.path),
            ("RoleName", role.name),
            ("RoleId", role.role_id),
            ("Arn", role.arn),
            ("CreateDate", iso8601_seconds(role.created_ms)),
            ("AssumeRolePolicyDocument", quote(role.trust, safe="")),
            ("Description", role.description or None),
            ("MaxSessionDuration", role.max_session_s),
        ]
    )


def _whole(role: Role) -> str:
    return role_fields(role) + entities.boundary_element(role.boundary) + entities.tags_element(role.tags)


async def _create(call: Call) -> str:
    role = await call.identity.roles.create(
        call.account_id,
        call.parameters.text("RoleName", rules.ROLE_NAME),
        call.parameters.text("AssumeRolePolicyDocument", rules.DOCUMENT),
        call.parameters.optional("Path", rules.PATH) or "/",
        description=call.parameters.optional("Description", rules.DESCRIPTION) or "",
        max_session_s=call.parameters.number("MaxSessionDuration", LEAST_SESSION_S, MOST_SESSION_S) or LEAST_SESSION_S,
        tags=call.parameters.tags(),
        boundary=call.parameters.optional("PermissionsBoundary", rules.ARN),
    )
    return xml.wrap("Role", _whole(role))


def _require(call: Call) -> Role:
    role = entities.require(call, ROLE)
    assert isinstance(role, Role)
    return role


async def _get(call: Call) -> str:
    return xml.wrap("Role", _whole(_require(call)))


async def _list(call: Call) -> str:
    size = call.parameters.page_size()
    marker = call.parameters.marker(1)
    after = marker[0] if marker else None
    found = call.identity.roles.page(call.account_id, entities.path_prefix(call), after, size + 1)
    shown = found[:size]
    goes_on = rules.next_marker(shown[-1].name) if len(found) > size else None
    return listed("Roles", map(role_fields, shown), goes_on)


async def _update(call: Call) -> str:
    await call.identity.roles.update(
        call.account_id,
        exact_name(call, ROLE),
        call.parameters.optional("Description", rules.DESCRIPTION),
        call.parameters.number("MaxSessionDuration", LEAST_SESSION_S, MOST_SESSION_S),
    )
    return ""


async def _set_trust(call: Call) -> None:
    document = call.parameters.text("PolicyDocument", rules.DOCUMENT)
    await call.identity.roles.set_trust(call.account_id, exact_name(call, ROLE), document)


async def _delete(call: Call) -> None:
    await call.identity.roles.delete(call.account_id, exact_name(call, ROLE))


async def _tag(call: Call) -> None:
    call.parameters.require_list("Tags")
    await call.identity.roles.tag(call.account_id, exact_name(call, ROLE), call.parameters.tags())


async def _untag(call: Call) -> None:
    await call.identity.roles.untag(call.account_id, exact_name(call, ROLE), call.parameters.tag_keys())


async def _list_tags(call: Call) -> str:
    role = _require(call)
    return page_of(call, "Tags", zip(role.tags, entities.tag_members(role.tags), strict=True))


_NAMED = entities.named(ROLE)
OPERATIONS = (
    IamOperation("CreateRole", "iam:CreateRole", entities.new_arn(ROLE, rules.ROLE_NAME), _create),
    IamOperation("GetRole", "iam:GetRole", _NAMED, _get),
    IamOperation("ListRoles", "iam:ListRoles", entities.list_arn(ROLE), _list),
    IamOperation("UpdateRole", "iam:UpdateRole", _NAMED, _update),
    IamOperation("UpdateAssumeRolePolicy", "iam:UpdateAssumeRolePolicy", _NAMED, _set_trust),
    IamOperation("DeleteRole", "iam:DeleteRole", _NAMED, _delete),
    IamOperation("TagRole", "iam:TagRole", _NAMED, _tag),
    IamOperation("UntagRole", "iam:UntagRole", _NAMED, _untag),
    IamOperation("ListRoleTags", "iam:ListRoleTags", _NAMED, _list_tags),
)
