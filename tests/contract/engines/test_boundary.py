"""A permissions boundary that is set when there are users already: what docs/aws.md says of them, and its commands."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import BucketSettings, Permissions, Rights
from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.engines.aws import AwsAccount, Login, make_aws_engine
from tests.kit.aws import ACCOUNT, Bounded, document, make_bounded
from tests.kit.programs import require
from tests.kit.store import Store


@dataclass
class Later:
    """`before`: the engine as it was, without a boundary and with an administrator's key; `since`: as it is now."""

    place: Bounded
    before: AwsAccount
    since: AwsAccount


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    """An account of its own: the commands are about all users in it."""
    store = Store(tmp_path_factory.mktemp("boundary"))
    yield make_bounded(store)
    assert store.stop() == 0


@pytest.fixture
async def later(place: Bounded) -> AsyncIterator[Later]:
    login = Login(place.root.access_key_id, place.root.secret_access_key)
    before = make_aws_engine(name="before", region="us-east-1", logins=[login], endpoint_url=place.url)
    assert isinstance(before, AwsAccount)
    made = Later(place, before, place.engine())
    yield made
    await made.before.close()
    await made.since.close()


async def test_users_from_before_are_revoked_but_their_rights_stay(later: Later) -> None:
    bucket, guid = later.before.bucket_name(ids.guid()), ids.guid()
    await later.before.create_bucket(bucket, BucketSettings())
    await later.before.grant(guid, [bucket], Rights(), {})
    with pytest.raises(EngineUnavailable, match="AccessDenied"):
        await later.since.restrict(guid, [bucket], Rights(Permissions.READ_ONLY))
    found = await later.since.find_identity(guid, [bucket], Rights())
    assert found is not None
    assert found.has_rights
    await later.since.revoke(guid)
    assert await later.since.find_identity(guid, [bucket], Rights()) is None


async def test_the_commands_of_the_page_bring_them_within_the_boundary(later: Later) -> None:
    url, root = later.place.url, later.place.root
    bucket, guid = later.before.bucket_name(ids.guid()), ids.guid()
    await later.before.create_bucket(bucket, BucketSettings())
    key = await later.before.grant(guid, [bucket], Rights(), {})
    await asyncio.to_thread(run_commands_of_the_page, later.place)
    iam = client("iam", url, root.access_key_id, root.secret_access_key)
    user = iam.get_user(UserName=later.since.identity_name(guid))["User"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == later.place.boundary
    await later.since.restrict(guid, [bucket], Rights(Permissions.READ_ONLY))
    client("s3", url, key.access_key_id, key.secret_access_key).list_objects_v2(Bucket=bucket)
    await later.since.revoke(guid)


def run_commands_of_the_page(place: Bounded) -> None:
    """As the administrator of the account."""
    script = document("boundary", "sh").replace(ACCOUNT, place.boundary.split(":")[4])
    environment = {
        "PATH": f"{Path(require('aws')).parent}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": place.root.access_key_id,
        "AWS_SECRET_ACCESS_KEY": place.root.secret_access_key,
        "AWS_ENDPOINT_URL": place.url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], env=environment, check=True, timeout=120)


def client(service: str, url: str, access_key_id: str, secret_access_key: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(proxies={}),
    )
