"""Access keys: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

Without UserName they are about the caller: a user's own keys, or those of the account's root.
"""

from __future__ import annotations

from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.entities import arn_of
from bucketry.store.gateway.iam.errors import NoSuchEntity
from bucketry.store.gateway.iam.operations import Call, IamOperation, page_of
from bucketry.store.gateway.iam.users import own_or_named, own_or_named_user
from bucketry.store.identity.holders import USER
from bucketry.store.identity.types import AccessKey
from bucketry.store.s3 import xml
from bucketry.store.s3.dates import iso8601_seconds

_NEVER = "N/A"  # what AWS says of a key that was not used yet


def _fields(key: AccessKey, secret: str | None = None) -> str:
    return xml.elements(
        [
            ("UserName", key.user_name),
            ("AccessKeyId", key.access_key_id),
            ("Status", "Active" if key.is_active else "Inactive"),
            ("SecretAccessKey", secret),
            ("CreateDate", iso8601_seconds(key.created_ms)),
        ]
    )


async def _create(call: Call) -> str:
    key, secret = await call.identity.create_access_key(call.account_id, own_or_named(call))
    return xml.wrap("AccessKey", _fields(key, secret))


async def _list(call: Call) -> str:
    keys = call.identity.access_keys(call.account_id, own_or_named(call))
    members = [(f"{key.created_ms:016d} {key.access_key_id}", _fields(key)) for key in keys]
    return page_of(call, "AccessKeyMetadata", members)


async def _update(call: Call) -> None:
    key_id = call.parameters.text("AccessKeyId", rules.ACCESS_KEY_ID)
    is_active = call.parameters.choice("Status", ("Active", "Inactive")) == "Active"
    await call.identity.set_access_key_status(call.account_id, own_or_named(call), key_id, is_active)


async def _delete(call: Call) -> None:
    key_id = call.parameters.text("AccessKeyId", rules.ACCESS_KEY_ID)
    await call.identity.delete_access_key(call.account_id, own_or_named(call), key_id)


def _own_key(call: Call) -> AccessKey | None:
    """The key that is asked about, if it belongs to the caller's account: another's is as good as none."""
    key = call.identity.access_key(call.parameters.text("AccessKeyId", rules.ACCESS_KEY_ID))
    return key if key is not None and key.account_id == call.account_id else None


def _key_owner(call: Call) -> tuple[str, ...]:
    key = _own_key(call)
    if key is None:
        return (f"access key {call.parameters.text('AccessKeyId', rules.ACCESS_KEY_ID)}",)
    return (call.caller.account.arn if key.user_name is None else arn_of(call, USER, key.user_name),)


async def _last_used(call: Call) -> str:
    key = _own_key(call)
    if key is None:
        name = call.parameters.text("AccessKeyId", rules.ACCESS_KEY_ID)
        raise NoSuchEntity(f"The Access Key with id {name} cannot be found.")
    use = await call.identity.key_last_use(key.access_key_id)
    fields = [
        ("LastUsedDate", iso8601_seconds(use.used_ms) if use else None),
        ("ServiceName", use.service if use else _NEVER),
        ("Region", use.region if use else _NEVER),
    ]
    return xml.elements([("UserName", key.user_name)]) + xml.wrap("AccessKeyLastUsed", xml.elements(fields))


OPERATIONS = (
    IamOperation("CreateAccessKey", "iam:CreateAccessKey", own_or_named_user, _create),
    IamOperation("ListAccessKeys", "iam:ListAccessKeys", own_or_named_user, _list),
    IamOperation("UpdateAccessKey", "iam:UpdateAccessKey", own_or_named_user, _update),
    IamOperation("DeleteAccessKey", "iam:DeleteAccessKey", own_or_named_user, _delete),
    IamOperation("GetAccessKeyLastUsed", "iam:GetAccessKeyLastUsed", _key_owner, _last_used),
)
