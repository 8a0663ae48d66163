"""What an S3 and IAM engine holds, and how it differs from what was ordered. Blocking; changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from bucketry.marketplace.domain.engine_ports import BucketSettings, IdentityFound
from bucketry.marketplace.engines import identities, rights
from bucketry.marketplace.engines.buckets import BLOCKED, GONE, UNBLOCKED
from bucketry.marketplace.engines.connection import Connection, code_of

PAGE = 1000
_NOT_SET = (
    "NoSuchBucketPolicy",
    "NoSuchCORSConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchWebsiteConfiguration",
    "OwnershipControlsNotFoundError",
)


def buckets(connection: Connection, prefix: str) -> list[str]:
    """The names of the account's buckets that begin with `prefix`; engines that know no prefix tell all."""
    with connection.doing("listing the buckets"):
        pages = connection.s3.get_paginator("list_buckets").paginate(Prefix=prefix, PaginationConfig={"PageSize": PAGE})
        names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", [])]
        return [name for name in names if name.startswith(prefix)]


def users(connection: Connection, path: str) -> list[str]:
    """The names of the users under a path."""
    with connection.doing("listing the credentials"):
        pages = connection.iam.get_paginator("list_users").paginate(
            PathPrefix=path, PaginationConfig={"PageSize": PAGE}
        )
        return [user["UserName"] for page in pages for user in page["Users"]]


def deviations(connection: Connection, bucket: str, settings: BucketSettings, partition: str) -> list[str] | None:
    """See Engine.deviations."""
    from botocore.exceptions import ClientError

    s3 = connection.s3
    with connection.doing("reading the bucket's settings"):
        try:
            s3.head_bucket(Bucket=bucket)
            found = {
                "public": _is_as_open(connection, bucket, settings.is_public, partition),
                "object_ownership": _has_ownership(connection, bucket, settings.object_ownership),
                "cors": alike(settings.cors, document(s3.get_bucket_cors, bucket)),
                "website": alike(settings.website, document(s3.get_bucket_website, bucket)),
            }
        except ClientError as error:
            if code_of(error) in GONE:
                return None
            raise
    return [name for name, is_so in found.items() if not is_so]


def _is_as_open(connection: Connection, bucket: str, is_public: bool, partition: str) -> bool:
    """Whether policy and block are as buckets.configure leaves them."""
    s3 = connection.s3
    policy = document(s3.get_bucket_policy, bucket)
    wanted = json.loads(rights.of_public_bucket(bucket, partition)) if is_public else None
    block = document(s3.get_public_access_block, bucket) or {}
    is_blocked = block.get("PublicAccessBlockConfiguration") == (UNBLOCKED if is_public else BLOCKED)
    return is_blocked and (json.loads(policy["Policy"]) if policy else None) == wanted


def _has_ownership(connection: Connection, bucket: str, wanted: str | None) -> bool:
    if wanted is None:
        return True  # whatever was the engine's default when it was made
    controls = document(connection.s3.get_bucket_ownership_controls, bucket) or {}
    rules = controls.get("OwnershipControls", {}).get("Rules", [])
    return [rule.get("ObjectOwnership") for rule in rules] == [wanted]


def document(call: Callable[..., Any], bucket: str) -> dict[str, Any] | None:
    """What a GET of a setting says; None where none is set."""
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = call(Bucket=bucket)
    except ClientError as error:
        if code_of(error) not in _NOT_SET:
            raise
        return None
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def alike(one: Any, other: Any) -> bool:
    """Whether two documents say the same."""
    return bool(_without_nothing(one) == _without_nothing(other))


def _without_nothing(value: Any) -> Any:
    """A document without its empty lists and fields, which some engines tell and some leave out."""
    if isinstance(value, dict):
        pruned = {name: _without_nothing(inner) for name, inner in value.items()}
        return {name: inner for name, inner in pruned.items() if inner not in (None, [], {}, "")}
    if isinstance(value, list | tuple):
        return [_without_nothing(inner) for inner in value]
    return value


def user(connection: Connection, name: str, policy: str) -> IdentityFound | None:
    """See Engine.find_identity. Other policies and groups would be rights beyond those of the binding."""
    with connection.doing("reading the credentials"):
        keys = identities.keys_of(connection, name)
        if keys is None:
            return None
        return IdentityFound(tuple(keys), _has_policy_alone(connection, name, json.loads(policy)))


def _has_policy_alone(connection: Connection, name: str, wanted: Any) -> bool:
    from botocore.exceptions import ClientError

    iam = connection.iam
    try:
        inline = iam.list_user_policies(UserName=name)["PolicyNames"]
        attached = [held["PolicyArn"] for held in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]]
        if iam.list_groups_for_user(UserName=name)["Groups"]:
            return False
        found: Any
        if inline == [identities.POLICY_NAME] and not attached:
            found = iam.get_user_policy(UserName=name, PolicyName=identities.POLICY_NAME)["PolicyDocument"]
        elif not inline and len(attached) == 1 and attached[0].endswith(f"/{name}"):
            version = iam.get_policy(PolicyArn=attached[0])["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=attached[0], VersionId=version)["PolicyVersion"]["Document"]
        else:
            return False
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
        return False
    return bool((json.loads(unquote(found)) if isinstance(found, str) else found) == wanted)


def labels(connection: Connection, name: str) -> dict[str, str]:
    """The tags of a user; {} if there is none."""
    from botocore.exceptions import ClientError

    with connection.doing("reading the labels of credentials"):
        try:
            pages = connection.iam.get_paginator("list_user_tags").paginate(UserName=name)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except ClientError as error:
            if code_of(error) != "NoSuchEntity":
                raise
            return {}
