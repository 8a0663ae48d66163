"""Temporary credentials for tests of calls: by GetSessionToken, by roles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.kit.store import Key, Store


def key_of(answer: Mapping[str, Any]) -> Key:
    """The credentials in an answer of STS."""
    made = answer["Credentials"]
    return Key(made["AccessKeyId"], made["SecretAccessKey"], session_token=made["SessionToken"])


def session_of(store: Store, parent: Key, seconds: int = 3600) -> Key:
    """GetSessionToken by the holder of a key."""
    return key_of(store.client(parent, "sts").get_session_token(DurationSeconds=seconds))


def trust(*principals: str, **condition: Any) -> str:
    """A trust policy of these ARNs or accounts."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": list(principals)},
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_role(
    store: Store, name: str, trusted: str, policy: Mapping[str, Any] | None = None, account: Key | None = None
) -> str:
    """A new role of account one (or of `account`), with an inline policy; its ARN."""
    iam = store.client(account or store.one, "iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    if policy is not None:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
    return arn


def assume(store: Store, by: Key, arn: str, name: str = "visit", **parameters: Any) -> Key:
    """AssumeRole by the holder of a key."""
    return key_of(store.client(by, "sts").assume_role(RoleArn=arn, RoleSessionName=name, **parameters))
