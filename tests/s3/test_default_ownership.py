"""New buckets when `[store] default_object_ownership` brings ACLs back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.server import Server

PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    data: Path = tmp_path_factory.mktemp("ownership") / "data"
    server = Server(data, workers=1, environment={"BUCKETRY_STORE__DEFAULT_OBJECT_OWNERSHIP": "ObjectWriter"}).start()
    yield server.client(credentials=server.create_account("owner"))
    server.stop()


def _policy(bucket: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {**PUBLIC, "Resource": f"arn:aws:s3:::{bucket}/*"}})


def test_new_buckets_may_be_made_public(s3: Any) -> None:
    s3.create_bucket(Bucket="as-before-2023")
    rules = s3.get_bucket_ownership_controls(Bucket="as-before-2023")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "ObjectWriter"}]
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        s3.get_public_access_block(Bucket="as-before-2023")
    s3.put_bucket_policy(Bucket="as-before-2023", Policy=_policy("as-before-2023"))
    assert s3.get_bucket_policy_status(Bucket="as-before-2023")["PolicyStatus"]["IsPublic"] is True


def test_block_that_is_set_holds(s3: Any) -> None:
    s3.create_bucket(Bucket="blocked-again")
    s3.put_public_access_block(
        Bucket="blocked-again",
        PublicAccessBlockConfiguration={"BlockPublicPolicy": True, "RestrictPublicBuckets": True},
    )
    with refused("AccessDenied", 403):
        s3.put_bucket_policy(Bucket="blocked-again", Policy=_policy("blocked-again"))
