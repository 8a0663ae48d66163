"""Users: CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser, TagUser, UntagUser, ListUserTags."""

from __future__ import annotations

from bucketry.store.gateway.iam import errors
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.operations import Call, IamOperation, listed, page_of
from bucketry.store.identity.types import Account, User
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds


def user_arn(call: Call, name: str) -> str:
    """The ARN of a user of the caller's account; one that doesn't exist has no path."""
    user = call.find_user(name)
    return user.arn if user else f"arn:aws:iam::{call.account_id}:user/{name}"


def named_user(call: Call) -> tuple[str, ...]:
    """The resource of operations that must name a user."""
    return (user_arn(call, call.parameters.text("UserName", rules.USER_NAME)),)


def own_or_named_user(call: Call) -> tuple[str, ...]:
    """The resource of operations that are about the caller itself where they name nobody."""
    name = call.parameters.optional("UserName", rules.USER_NAME)
    if name is not None:
        return (user_arn(call, name),)
    if call.caller.user is not None:
        call.resource_tags = call.caller.user.tags
    return (call.caller.arn,)


def user_name(call: Call) -> str:
    """The user that an operation names."""
    return call.parameters.text("UserName", rules.USER_NAME)


def own_or_named(call: Call) -> str | None:
    """The user that an operation is about: the one it names, or the caller; None: the account's root."""
    name = call.parameters.optional("UserName", rules.USER_NAME)
    if name is not None:
        return name
    return call.caller.user.name if call.caller.user else None


def tag_members(tags: dict[str, str]) -> list[str]:
    """Tags as members of a list, in the order they were set."""
    return [xml.elements([("Key", key), ("Value", value)]) for key, value in tags.items()]


def _fields(user: User) -> str:
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
    tags = tag_members(dict(user.tags))
    return _fields(user) + (xml.wrap("Tags", (xml.wrap("member", tag) for tag in tags)) if tags else "")


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


def _new_arn(call: Call) -> tuple[str, ...]:
    path = call.parameters.optional("Path", rules.PATH) or "/"
    return (f"arn:aws:iam::{call.account_id}:user{path}{call.parameters.text('UserName', rules.NEW_USER_NAME)}",)


async def _create(call: Call) -> str:
    if call.parameters.raw("PermissionsBoundary") is not None:
        raise errors.NotImplemented("Permissions boundaries are not implemented: create the user without one.")
    user = await call.identity.create_user(
        call.account_id,
        call.parameters.text("UserName", rules.NEW_USER_NAME),
        call.parameters.optional("Path", rules.PATH) or "/",
        call.parameters.tags(),
    )
    return xml.wrap("User", _whole(user))


async def _get(call: Call) -> str:
    name = own_or_named(call)
    if name is None:
        return xml.wrap("User", _root(call.caller.account))
    user = call.find_user(name)
    if user is None:
        raise errors.NoSuchEntity(f"The user with name {name} cannot be found.")
    return xml.wrap("User", _whole(user))


def _list_arn(call: Call) -> tuple[str, ...]:
    prefix = call.parameters.optional("PathPrefix", rules.PATH_PREFIX) or "/"
    return (f"arn:aws:iam::{call.account_id}:user{prefix}",)


async def _list(call: Call) -> str:
    prefix = call.parameters.optional("PathPrefix", rules.PATH_PREFIX) or "/"
    size = call.parameters.page_size()
    marker = call.parameters.marker(2)
    after = (marker[0], marker[1]) if marker else None
    found = call.identity.users(call.account_id, prefix, after, size + 1)
    shown = found[:size]
    goes_on = rules.next_marker(shown[-1].path, shown[-1].name) if len(found) > size else None
    return listed("Users", map(_fields, shown), goes_on)


def _both_arns(call: Call) -> tuple[str, ...]:
    """Moving a user needs the right on what it is and on what it becomes."""
    name = user_name(call)
    user = call.find_user(name)
    new_name = call.parameters.optional("NewUserName", rules.NEW_USER_NAME) or name
    new_path = call.parameters.optional("NewPath", rules.PATH) or (user.path if user else "/")
    old = user.arn if user else f"arn:aws:iam::{call.account_id}:user/{name}"
    new = f"arn:aws:iam::{call.account_id}:user{new_path}{new_name}"
    return (old,) if new == old else (old, new)


async def _update(call: Call) -> None:
    await call.identity.update_user(
        call.account_id,
        user_name(call),
        call.parameters.optional("NewUserName", rules.NEW_USER_NAME),
        call.parameters.optional("NewPath", rules.PATH),
    )


async def _delete(call: Call) -> None:
    await call.identity.delete_user(call.account_id, user_name(call))


async def _tag(call: Call) -> None:
    if not call.parameters.has_list("Tags"):
        raise errors.ValidationError(
            "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"
        )
    await call.identity.tag_user(call.account_id, user_name(call), call.parameters.tags())


async def _untag(call: Call) -> None:
    await call.identity.untag_user(call.account_id, user_name(call), call.parameters.tag_keys())


async def _list_tags(call: Call) -> str:
    name = user_name(call)
    user = call.find_user(name)
    if user is None:
        raise errors.NoSuchEntity(f"The user with name {name} cannot be found.")
    return page_of(call, "Tags", zip(user.tags, tag_members(dict(user.tags)), strict=True))


OPERATIONS = (
    IamOperation("CreateUser", "iam:CreateUser", _new_arn, _create),
    IamOperation("GetUser", "iam:GetUser", own_or_named_user, _get),
    IamOperation("ListUsers", "iam:ListUsers", _list_arn, _list),
    IamOperation("UpdateUser", "iam:UpdateUser", _both_arns, _update),
    IamOperation("DeleteUser", "iam:DeleteUser", named_user, _delete),
    IamOperation("TagUser", "iam:TagUser", named_user, _tag),
    IamOperation("UntagUser", "iam:UntagUser", named_user, _untag),
    IamOperation("ListUserTags", "iam:ListUserTags", named_user, _list_tags),
)
