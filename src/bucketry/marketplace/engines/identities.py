"""The identity of a binding by the IAM API: a user under a path, its inline policy, its access key. All block."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bucketry.marketplace.domain.ports import AccessKey
from bucketry.marketplace.engines.connection import Connection, code_of

POLICY_NAME = "bucketry"
_NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]")  # IAM User Guide, "Tagging IAM resources"
_TAG_CHARACTERS = 256
_REVOKE_ROUNDS = 3


def grant(connection: Connection, user: str, path: str, policy: str, labels: Mapping[str, str]) -> AccessKey:
    """Make the user, its rights, its key, in this order: no key is ever without its limits."""
    from botocore.exceptions import ClientError

    iam = connection.iam
    tags: Any = [{"Key": key, "Value": _NOT_IN_TAGS.sub("_", value)[:_TAG_CHARACTERS]} for key, value in labels.items()]
    with connection.doing("making the credentials"):
        try:
            iam.create_user(UserName=user, Path=path, Tags=tags)
        except ClientError as error:
            if code_of(error) != "EntityAlreadyExists":
                raise
            _delete_keys(connection, user)  # of a try that broke off; nobody was given them
        iam.put_user_policy(UserName=user, PolicyName=POLICY_NAME, PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return AccessKey(key["AccessKeyId"], key["SecretAccessKey"])


def restrict(connection: Connection, user: str, policy: str) -> None:
    """Replace the user's rights."""
    with connection.doing("changing the rights of credentials"):
        _if_there(connection.iam.put_user_policy, UserName=user, PolicyName=POLICY_NAME, PolicyDocument=policy)


def revoke(connection: Connection, user: str) -> None:
    """Remove keys, rights, user. Repeated where something was added to the user in between."""
    from botocore.exceptions import ClientError

    iam = connection.iam
    with connection.doing("revoking the credentials"):
        for round_ in range(_REVOKE_ROUNDS):
            _delete_keys(connection, user)
            _if_there(iam.delete_user_policy, UserName=user, PolicyName=POLICY_NAME)
            try:
                _if_there(iam.delete_user, UserName=user)
                break
            except ClientError as error:
                if code_of(error) != "DeleteConflict" or round_ == _REVOKE_ROUNDS - 1:
                    raise


def keys_of(connection: Connection, user: str) -> list[str] | None:
    """The ids of a user's keys; None if there is no such user."""
    from botocore.exceptions import ClientError

    try:
        keys = connection.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]  # at most two, so one page
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
        return None
    return [key["AccessKeyId"] for key in keys]


def delete_keys(connection: Connection, user: str, but: str) -> None:
    """Remove the user's keys, all but one."""
    with connection.doing("revoking keys of credentials"):
        _delete_keys(connection, user, but)


def _delete_keys(connection: Connection, user: str, but: str = "") -> None:
    for key in keys_of(connection, user) or ():
        if key != but:
            _if_there(connection.iam.delete_access_key, UserName=user, AccessKeyId=key)


def _if_there(call: Callable[..., object], **arguments: str) -> None:
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
