"""Users: CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser, TagUser, UntagUser, ListUserTags."""

from __future__ import annotations

from bucketry.store.gateway.iam import entities, errors
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.entities import exact_name
from bucketry.store.gateway.iam.operations import Call, IamOperation, listed, page_of
from bucketry.store.identity.holders import USER
from bucketry.store.identity.types import Account, User
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds


def own_or_named_user(call: Call) -> tuple[str, ...]:
    """The resource of operations that are about the caller itself where they name nobody."""
    name = call.parameters.optional("UserName", rules.USER_NAME)
    if name is not None:
        return (entities.arn_of(call, USER, name),)
    if call.caller.user is not None:
        call.resource_tags, call.boundary = call.caller.user.tags, call.caller.user.boundary
    return (call.caller.arn,)


def own_or_named(call: Call) -> str | None:
    """The user that an operation is about: the one it names, or the caller; None: the account's root."""
    if call.parameters.raw("UserName") is not None:
        return exact_name(call, USER)
    if call.caller.role is not None:
        raise errors.ValidationError("Must specify userName when calling with non-User credentials")
    return call.caller.user.name if call.caller.user else None


def user_fields(user: User) -> str:
    return xml.elements(
        [
            ("Path", user.path),
            ("UserName", user.name),
            ("UserId", user.user_id),
            ("Arn", user.arn),
            ("CreateDate", iso8601_seconds(user.created_ms)),
        ]
    )


def _whole(user: User) -> str:
    return user_fields(user) + entities.boundary_element(user.boundary) + entities.tags_element(user.tags)


def _root(account: Account) -> str:
    """The root as AWS shows it: its id is the account's, and it has no name."""
    return xml.elements(
        [
            ("Path", "/"),
            ("UserId", account.account_id),
            ("Arn", account.arn),
            ("CreateDate", iso8601_seconds(account.created_ms)),
        ]
    )


async def _create(call: Call) -> str:
    user = await call.identity.create_user(
        call.account_id,
        call.parameters.text("UserName", rules.NEW_USER_NAME),
        call.parameters.optional("Path", rules.PATH) or "/",
        call.parameters.tags(),
        call.parameters.optional("PermissionsBoundary", rules.ARN),
    )
    return xml.wrap("User", _whole(user))


async def _get(call: Call) -> str:
    name = own_or_named(call)
    if name is None:
        return xml.wrap("User", _root(call.caller.account))
    user = call.identity.user(call.account_id, name)
    if user is None:
        raise errors.NoSuchEntity(f"The user with name {name} cannot be found.")
    return xml.wrap("User", _whole(user))


async def _list(call: Call) -> str:
    size = call.parameters.page_size()
    marker = call.parameters.marker(1)
    after = marker[0] if marker else None
    found = call.identity.users(call.account_id, entities.path_prefix(call), after, size + 1)
    shown = found[:size]
    goes_on = rules.next_marker(shown[-1].name) if len(found) > size else None
    return listed("Users", map(user_fields, shown), goes_on)


async def _update(call: Call) -> None:
    await call.identity.update_user(
        call.account_id,
        exact_name(call, USER),
        call.parameters.optional("NewUserName", rules.NEW_USER_NAME),
        call.parameters.optional("NewPath", rules.PATH),
    )


async def _delete(call: Call) -> None:
    await call.identity.delete_user(call.account_id, exact_name(call, USER))


async def _tag(call: Call) -> None:
    call.parameters.require_list("Tags")
    await call.identity.tag_user(call.account_id, exact_name(call, USER), call.parameters.tags())


async def _untag(call: Call) -> None:
    await call.identity.untag_user(call.account_id, exact_name(call, USER), call.parameters.tag_keys())


async def _list_tags(call: Call) -> str:
    user = entities.require(call, USER)
    assert isinstance(user, User)
    return page_of(call, "Tags", zip(user.tags, entities.tag_members(user.tags), strict=True))


_NAMED = entities.named(USER)
_NEW = entities.new_arn(USER, rules.NEW_USER_NAME)
OPERATIONS = (
    IamOperation("CreateUser", "iam:CreateUser", _NEW, _create),
    IamOperation("GetUser", "iam:GetUser", own_or_named_user, _get),
    IamOperation("ListUsers", "iam:ListUsers", entities.list_arn(USER), _list),
    IamOperation("UpdateUser", "iam:UpdateUser", entities.both_arns(USER, rules.NEW_USER_NAME), _update),
    IamOperation("DeleteUser", "iam:DeleteUser", _NAMED, _delete),
    IamOperation("TagUser", "iam:TagUser", _NAMED, _tag),
    IamOperation("UntagUser", "iam:UntagUser", _NAMED, _untag),
    IamOperation("ListUserTags", "iam:ListUserTags", _NAMED, _list_tags),
)
