"""The identity of a binding by the IAM API: a user under a path, its policy, its access key. All block.

The policy is an inline one where it fits, since an account may have few managed ones; else a managed one with the
user's name and path. A user has one or the other, for its whole life. The user is made first and removed last, so what
belongs to it is found by it after a crash at any line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bucketry.marketplace.domain.engine_ports import AccessKey, Fence, unfenced
from bucketry.marketplace.domain.record_ports import HoldLost
from bucketry.marketplace.engines.connection import Connection, code_of
from bucketry.marketplace.engines.rights import INLINE_POLICY_CHARACTERS

POLICY_NAME = "bucketry"
_NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]")  # IAM User Guide, "Tagging IAM resources"
_TAG_CHARACTERS = 256
_REVOKE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """What an identity is called. `boundary`: the ARN of the policy that bounds it; "": none."""

    user: str
    path: str
    boundary: str = ""


def grant(
    connection: Connection, who: Identity, policy: str, labels: Mapping[str, str], fence: Fence = unfenced
) -> AccessKey:
    """Make the user, its rights, its key, in this order: no key is ever without its limits."""
    from botocore.exceptions import ClientError

    tags: Any = [{"Key": key, "Value": _NOT_IN_TAGS.sub("_", value)[:_TAG_CHARACTERS]} for key, value in labels.items()]
    boundary = {"PermissionsBoundary": who.boundary} if who.boundary else {}
    with connection.doing("making the credentials"):
        iam = connection.iam
        try:
            user = iam.create_user(UserName=who.user, Path=who.path, Tags=tags, **boundary)["User"]
        except ClientError as error:
            if code_of(error) != "EntityAlreadyExists":
                raise
            _delete_keys(connection, who.user, fence=fence)  # of a try that broke off; nobody was given them
            user = iam.get_user(UserName=who.user)["User"]
        # Who was just made may not be known everywhere yet.
        if len(policy) <= INLINE_POLICY_CHARACTERS:
            _put_inline(connection, who.user, policy)
        else:
            _put_managed(connection, who, _policy_arn(user["Arn"]), policy)

        def make() -> Any:
            fence()
            return iam.create_access_key(UserName=who.user)

        answer = connection.patiently(make, _is_missing)
        made = answer["AccessKey"]
        if answer["ResponseMetadata"].get("RetryAttempts"):  # what was asked before may have made another
            try:
                _delete_keys(connection, who.user, made["AccessKeyId"], fence)
            except HoldLost:
                if_there(iam.delete_access_key, UserName=who.user, AccessKeyId=made["AccessKeyId"])
                raise
        return AccessKey(made["AccessKeyId"], made["SecretAccessKey"])


def restrict(connection: Connection, who: Identity, policy: str) -> None:
    """Replace the user's rights, in the kind of policy that it has."""
    from botocore.exceptions import ClientError

    with connection.doing("changing the rights of credentials"):
        iam = connection.iam
        try:
            managed = managed_policy(connection, who.user)
            if managed is not None:
                _put_version(connection, managed, policy)
                if_there(iam.delete_user_policy, UserName=who.user, PolicyName=POLICY_NAME)
            elif len(policy) <= INLINE_POLICY_CHARACTERS:
                iam.put_user_policy(UserName=who.user, PolicyName=POLICY_NAME, PolicyDocument=policy)
            else:
                arn = iam.get_user(UserName=who.user)["User"]["Arn"]
                _put_managed(connection, who, _policy_arn(arn), policy)
        except ClientError as error:
            if not _is_missing(error):
                raise


def managed_policy(connection: Connection, user: str) -> str | None:
    """The ARN of the user's own managed policy, if it has that kind."""
    attached = connection.iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    return next((held["PolicyArn"] for held in attached if held["PolicyName"] == user), None)


def revoke(connection: Connection, user: str) -> None:
    """Remove keys, rights, user. Repeated where something was added to the user in between."""

    def once() -> None:
        if not _delete_keys(connection, user):
            return
        if not if_there(connection.iam.delete_user_policy, UserName=user, PolicyName=POLICY_NAME):
            _delete_managed(connection, user)
        if_there(connection.iam.delete_user, UserName=user)

    with connection.doing("revoking the credentials"):
        connection.patiently(once, lambda error: code_of(error) == "DeleteConflict", _REVOKE_ROUNDS)


def _put_inline(connection: Connection, user: str, policy: str) -> None:
    call = connection.iam.put_user_policy
    connection.patiently(lambda: call(UserName=user, PolicyName=POLICY_NAME, PolicyDocument=policy), _is_missing)


def _put_managed(connection: Connection, who: Identity, arn: str, policy: str) -> None:
    from botocore.exceptions import ClientError

    iam = connection.iam
    try:
        iam.create_policy(PolicyName=who.user, Path=who.path, PolicyDocument=policy)
    except ClientError as error:
        if code_of(error) != "EntityAlreadyExists":
            raise
        _put_version(connection, arn, policy)
    connection.patiently(lambda: iam.attach_user_policy(UserName=who.user, PolicyArn=arn), _is_missing)


def _put_version(connection: Connection, arn: str, policy: str) -> None:
    """Make `policy` what the managed policy says. There may be five versions, and nobody needs the old ones."""
    _delete_old_versions(connection, arn)
    connection.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy, SetAsDefault=True)


def _delete_old_versions(connection: Connection, arn: str) -> None:
    for version in connection.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            if_there(connection.iam.delete_policy_version, PolicyArn=arn, VersionId=version["VersionId"])


def _delete_managed(connection: Connection, user: str) -> None:
    """Detach and delete the user's own managed policy, if there are both."""
    from botocore.exceptions import ClientError

    iam = connection.iam
    try:
        arn = _policy_arn(iam.get_user(UserName=user)["User"]["Arn"])
        if_there(iam.detach_user_policy, UserName=user, PolicyArn=arn)
        _delete_old_versions(connection, arn)
    except ClientError as error:
        if not _is_missing(error):
            raise
        return
    if_there(iam.delete_policy, PolicyArn=arn)


def _policy_arn(user_arn: str) -> str:
    """`arn:aws:iam::123456789012:user/path/name` → the policy of the same path and name."""
    return user_arn.replace(":user/", ":policy/", 1)


def keys_of(connection: Connection, user: str) -> list[str] | None:
    """The ids of a user's keys; None if there is no such user."""
    from botocore.exceptions import ClientError

    try:
        keys = connection.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]  # at most two, so one page
    except ClientError as error:
        if not _is_missing(error):
            raise
        return None
    return [key["AccessKeyId"] for key in keys]


def delete_keys(connection: Connection, user: str, but: str) -> None:
    """Remove the user's keys, all but one."""
    with connection.doing("revoking keys of credentials"):
        _delete_keys(connection, user, but)


def drop_key(connection: Connection, user: str, access_key_id: str) -> None:
    """Remove a key of the user, if it is there."""
    with connection.doing("revoking a key of credentials"):
        if access_key_id in (keys_of(connection, user) or ()):  # deleting of a user that is gone may be denied
            if_there(connection.iam.delete_access_key, UserName=user, AccessKeyId=access_key_id)


def delete_all_keys(connection: Connection, user: str) -> None:
    """Remove the user's keys."""
    _delete_keys(connection, user)


def _delete_keys(connection: Connection, user: str, but: str = "", fence: Fence = unfenced) -> bool:
    """Whether there is such a user. What is made after the fence was asked is never removed."""
    keys = keys_of(connection, user)
    if keys:
        fence()
    for key in keys or ():
        if key != but:
            if_there(connection.iam.delete_access_key, UserName=user, AccessKeyId=key)
    return keys is not None


def if_there(call: Callable[..., object], **arguments: str) -> bool:
    """Whether it was there."""
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as error:
        if not _is_missing(error):
            raise
        return False
    return True


def _is_missing(error: Exception) -> bool:
    return code_of(error) == "NoSuchEntity"
