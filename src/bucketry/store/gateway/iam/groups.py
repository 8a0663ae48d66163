"""Groups and their members: CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup, AddUserToGroup,
RemoveUserFromGroup, ListGroupsForUser.
"""

from __future__ import annotations

from bucketry.store.gateway.iam import entities
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.entities import exact_name
from bucketry.store.gateway.iam.operations import Call, IamOperation, listed, page_of
from bucketry.store.gateway.iam.users import user_fields
from bucketry.store.identity.holders import GROUP, USER
from bucketry.store.identity.types import Group
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds


def group_fields(group: Group) -> str:
    return xml.elements(
        [
            ("Path", group.path),
            ("GroupName", group.name),
            ("GroupId", group.group_id),
            ("Arn", group.arn),
            ("CreateDate", iso8601_seconds(group.created_ms)),
        ]
    )


async def _create(call: Call) -> str:
    group = await call.identity.groups.create(
        call.account_id,
        call.parameters.text("GroupName", rules.GROUP_NAME),
        call.parameters.optional("Path", rules.PATH) or "/",
    )
    return xml.wrap("Group", group_fields(group))


async def _get(call: Call) -> str:
    group = entities.require(call, GROUP)
    assert isinstance(group, Group)
    size = call.parameters.page_size()
    marker = call.parameters.marker(1)
    members = call.identity.groups.members(call.account_id, group.name, marker[0] if marker else None, size + 1)
    shown = members[:size]
    goes_on = rules.next_marker(shown[-1].name) if len(members) > size else None
    return xml.wrap("Group", group_fields(group)) + listed("Users", map(user_fields, shown), goes_on)


async def _list(call: Call) -> str:
    size = call.parameters.page_size()
    marker = call.parameters.marker(1)
    after = marker[0] if marker else None
    found = call.identity.groups.page(call.account_id, entities.path_prefix(call), after, size + 1)
    shown = found[:size]
    goes_on = rules.next_marker(shown[-1].name) if len(found) > size else None
    return listed("Groups", map(group_fields, shown), goes_on)


async def _update(call: Call) -> None:
    await call.identity.groups.update(
        call.account_id,
        exact_name(call, GROUP),
        call.parameters.optional("NewGroupName", rules.GROUP_NAME),
        call.parameters.optional("NewPath", rules.PATH),
    )


async def _delete(call: Call) -> None:
    await call.identity.groups.delete(call.account_id, exact_name(call, GROUP))


async def _add(call: Call) -> None:
    await call.identity.groups.add(call.account_id, exact_name(call, GROUP), exact_name(call, USER))


async def _remove(call: Call) -> None:
    await call.identity.groups.remove(call.account_id, exact_name(call, GROUP), exact_name(call, USER))


async def _of_user(call: Call) -> str:
    groups = call.identity.groups.of_user(call.account_id, exact_name(call, USER))
    return page_of(call, "Groups", [(group.name.casefold(), group_fields(group)) for group in groups])


_NAMED = entities.named(GROUP)
OPERATIONS = (
    IamOperation("CreateGroup", "iam:CreateGroup", entities.new_arn(GROUP, rules.GROUP_NAME), _create),
    IamOperation("GetGroup", "iam:GetGroup", _NAMED, _get),
    IamOperation("ListGroups", "iam:ListGroups", entities.list_arn(GROUP), _list),
    IamOperation("UpdateGroup", "iam:UpdateGroup", entities.both_arns(GROUP, rules.GROUP_NAME), _update),
    IamOperation("DeleteGroup", "iam:DeleteGroup", _NAMED, _delete),
    IamOperation("AddUserToGroup", "iam:AddUserToGroup", _NAMED, _add),
    IamOperation("RemoveUserFromGroup", "iam:RemoveUserFromGroup", _NAMED, _remove),
    IamOperation("ListGroupsForUser", "iam:ListGroupsForUser", entities.named(USER), _of_user),
)
