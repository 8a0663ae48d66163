"""AWS without AWS: the store, whose policies are enforced, driven by an identity with the policy of docs/aws.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bucketry.marketplace.domain.engine_ports import AccessKey
from bucketry.marketplace.engines.aws import AwsAccount, Login, make_aws_engine
from tests.kit.store import Store

_PAGE = Path(__file__).parents[2] / "docs/aws.md"
ACCOUNT = "123456789012"  # stands for the operator's


def document(name: str, kind: str = "json") -> str:
    """A policy of docs/aws.md, as it stands there: `policy` or `boundary`; or, of kind `sh`, commands."""
    found = re.search(rf"^( *)```{kind} {name}\n(.*?)^\1```", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/aws.md has no {kind} {name}"
    return found[2]


def actions() -> set[str]:
    """All that the policy of docs/aws.md allows."""
    statements: list[dict[str, Any]] = json.loads(document("policy"))["Statement"]
    listed = [statement["Action"] for statement in statements]
    return {action for one in listed for action in ([one] if isinstance(one, str) else one)}


@dataclass
class Bounded:
    """The account, its root, and bucketry's own key in it."""

    url: str
    root: AccessKey
    own: AccessKey
    boundary: str

    def engine(self) -> AwsAccount:
        made = make_aws_engine(
            name="tested",
            region="us-east-1",
            logins=[Login(self.own.access_key_id, self.own.secret_access_key)],
            permissions_boundary=self.boundary,
            endpoint_url=self.url,
            key_wait_s=5,
        )
        assert isinstance(made, AwsAccount)
        return made


def make_bounded(store: Store) -> Bounded:
    """Set an account of the store up as the page says."""
    iam: Any = boto3.client(
        "iam",
        endpoint_url=store.url,
        region_name="us-east-1",
        aws_access_key_id=store.one.access_key_id,
        aws_secret_access_key=store.one.secret_access_key,
        config=Config(proxies={}),
    )
    policy = document("policy").replace(ACCOUNT, store.one.account_id)
    boundary = iam.create_policy(PolicyName="bucketry-boundary", PolicyDocument=document("boundary"))["Policy"]["Arn"]
    attached = iam.create_policy(PolicyName="bucketry-own", PolicyDocument=policy)["Policy"]["Arn"]
    iam.create_user(UserName="bucketry")
    iam.attach_user_policy(UserName="bucketry", PolicyArn=attached)
    key = iam.create_access_key(UserName="bucketry")["AccessKey"]
    return Bounded(
        store.url,
        AccessKey(store.one.access_key_id, store.one.secret_access_key),
        AccessKey(key["AccessKeyId"], key["SecretAccessKey"]),
        boundary,
    )
