"""What another broker made on an engine that speaks S3 and IAM: found, and revoked when its time comes. Blocking.

Such a broker gives each binding a user with a managed policy of its own, attached to it (or an inline one). Nothing is
changed by looking; only revoke() removes, and of policies only those that are the user's alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

from bucketry.marketplace.domain.adoption_ports import (
    AdoptingEngine,
    ForeignBucket,
    ForeignIdentity,
    ForeignInventory,
)
from bucketry.marketplace.engines import identities, inspecting
from bucketry.marketplace.engines.connection import Connection, code_of

T = TypeVar("T")

_BUCKET_ARN = re.compile(r"arn:[a-z-]+:s3:::([^/*?]+)")
_NOT_OURS = ("404", "NoSuchBucket", "403", "AccessDenied", "301", "PermanentRedirect")
_ROUNDS = 3


def bucket(connection: Connection, name: str) -> ForeignBucket | None:
    """The bucket as it is; None: there is none here, or it is another account's or region's."""
    from botocore.exceptions import ClientError

    s3 = connection.s3
    with connection.doing("reading the bucket"):
        try:
            s3.head_bucket(Bucket=name)
        except ClientError as error:
            if code_of(error) in _NOT_OURS:
                return None
            raise
        controls = inspecting.document(s3.get_bucket_ownership_controls, name) or {}
        rules = controls.get("OwnershipControls", {}).get("Rules", [])
        policy = inspecting.document(s3.get_bucket_policy, name)
        is_public = policy is not None and any(map(_opens, _statements(policy["Policy"])))
        return ForeignBucket(is_public, rules[0].get("ObjectOwnership") if rules else None)


def _opens(statement: dict[str, Any]) -> bool:
    """Whether anyone may read objects by it."""
    anyone = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    actions = statement.get("Action", [])
    actions = [actions] if isinstance(actions, str) else actions
    return statement.get("Effect") == "Allow" and anyone and bool({"s3:GetObject", "s3:*", "*"} & set(actions))


def _statements(document: Any) -> list[dict[str, Any]]:
    read = json.loads(unquote(document)) if isinstance(document, str) else document
    found = read.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


def user(connection: Connection, name: str) -> ForeignIdentity | None:
    """The user, its active keys, and the buckets that its own policies name; None if there is none."""
    from botocore.exceptions import ClientError

    iam = connection.iam
    with connection.doing("reading the credentials"):
        try:
            keys = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
            documents = list(_documents(iam, name))
        except ClientError as error:
            if code_of(error) == "NoSuchEntity":
                return None
            raise
    resources = [
        resource
        for document in documents
        for statement in _statements(document)
        if statement.get("Effect") == "Allow"
        for resource in _listed(statement.get("Resource", []))
    ]
    reached = [found[1] for resource in resources if (found := _BUCKET_ARN.match(resource))]
    active = tuple(key["AccessKeyId"] for key in keys if key["Status"] == "Active")
    return ForeignIdentity(active, frozenset(reached))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _documents(iam: Any, name: str) -> Iterator[Any]:
    for policy in _attached(iam, name):
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        yield iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
    for inline in _inline(iam, name):
        yield iam.get_user_policy(UserName=name, PolicyName=inline)["PolicyDocument"]


def _attached(iam: Any, name: str) -> list[Any]:
    pages = iam.get_paginator("list_attached_user_policies").paginate(UserName=name)
    return [policy for page in pages for policy in page["AttachedPolicies"]]


def _inline(iam: Any, name: str) -> list[str]:
    pages = iam.get_paginator("list_user_policies").paginate(UserName=name)
    return [policy for page in pages for policy in page["PolicyNames"]]


def inventory(connection: Connection, bucket_prefix: str, user_prefix: str, iam_path: str) -> ForeignInventory:
    """All buckets and users that such a broker may have made, by their names."""
    users = inspecting.users(connection, iam_path)
    return ForeignInventory(
        frozenset(inspecting.buckets(connection, bucket_prefix)),
        frozenset(name for name in users if name.startswith(user_prefix)),
    )


def revoke(connection: Connection, name: str, binding_guid: str) -> None:
    """Remove the user's keys first, then its policies, groups and itself. Policies that don't bear the binding's id are
    others' too, and only detached."""
    from botocore.exceptions import ClientError

    iam = connection.iam
    with connection.doing("revoking the credentials"):
        if identities.keys_of(connection, name) is None:
            return
        arn = iam.get_user(UserName=name)["User"]["Arn"]
        for round_ in range(_ROUNDS):
            identities.delete_all_keys(connection, name)
            own = {arn.replace(":user/", ":policy/", 1)}  # of a try that broke off when it was detached only
            for policy in _attached(iam, name):
                identities.if_there(iam.detach_user_policy, UserName=name, PolicyArn=policy["PolicyArn"])
                own.add(policy["PolicyArn"])
            for policy_arn in own:
                if policy_arn.endswith(binding_guid):
                    _delete_policy(iam, policy_arn)
            for inline in _inline(iam, name):
                identities.if_there(iam.delete_user_policy, UserName=name, PolicyName=inline)
            for group in iam.list_groups_for_user(UserName=name)["Groups"]:
                identities.if_there(iam.remove_user_from_group, UserName=name, GroupName=group["GroupName"])
            try:
                identities.if_there(iam.delete_user, UserName=name)
                break
            except ClientError as error:
                if code_of(error) != "DeleteConflict" or round_ == _ROUNDS - 1:
                    raise


def _delete_policy(iam: Any, policy_arn: str) -> None:
    from botocore.exceptions import ClientError

    try:
        for version in iam.list_policy_versions(PolicyArn=policy_arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                identities.if_there(iam.delete_policy_version, PolicyArn=policy_arn, VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=policy_arn)
    except ClientError as error:
        if code_of(error) not in ("NoSuchEntity", "DeleteConflict"):  # gone, or attached to another user too
            raise


class Adopting:
    """adoption_ports.AdoptingEngine, of an engine with one connection."""

    _connection: Connection

    async def find_foreign_bucket(self, bucket_name: str) -> ForeignBucket | None:
        return await self._connection.run(bucket, self._connection, bucket_name)

    async def find_foreign_identity(self, identity: str) -> ForeignIdentity | None:
        return await self._connection.run(user, self._connection, identity)

    async def foreign_inventory(self, bucket_prefix: str, user_prefix: str, iam_path: str) -> ForeignInventory:
        return await self._connection.run(inventory, self._connection, bucket_prefix, user_prefix, iam_path)

    async def revoke_foreign(self, identity: str, binding_guid: str) -> None:
        await self._connection.run(revoke, self._connection, identity, binding_guid)


class AdoptingSeveral:
    """The same of several accounts as one engine."""

    accounts: Sequence[AdoptingEngine]

    async def find_foreign_bucket(self, bucket_name: str) -> ForeignBucket | None:
        return await _first(account.find_foreign_bucket(bucket_name) for account in self.accounts)

    async def find_foreign_identity(self, identity: str) -> ForeignIdentity | None:
        return await _first(account.find_foreign_identity(identity) for account in self.accounts)

    async def foreign_inventory(self, bucket_prefix: str, user_prefix: str, iam_path: str) -> ForeignInventory:
        found = [await account.foreign_inventory(bucket_prefix, user_prefix, iam_path) for account in self.accounts]
        return ForeignInventory(
            frozenset().union(*(one.buckets for one in found)), frozenset().union(*(one.identities for one in found))
        )

    async def revoke_foreign(self, identity: str, binding_guid: str) -> None:
        for account in self.accounts:
            await account.revoke_foreign(identity, binding_guid)


async def _first(answers: Iterable[Awaitable[T | None]]) -> T | None:
    for answer in answers:
        if (found := await answer) is not None:
            return found
    return None
