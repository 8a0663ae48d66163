"""A served store carries out lifecycle rules by itself; with short days within seconds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.kit.server import Server

PATIENCE_SECONDS = 30


def wait_until_empty(s3: Any, bucket: str) -> None:
    """Ask until nothing is listed under `gone/`: the store tells nobody when the clock did its work."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while s3.list_objects_v2(Bucket=bucket, Prefix="gone/")["KeyCount"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_keeper_lets_objects_expire(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", workers=1, environment={"BUCKETRY_STORE__LIFECYCLE_DAY_SECONDS": "1"}).start()
    try:
        account = server.create_account("owner")
        s3 = server.client("s3", account)
        s3.create_bucket(Bucket="rules")
        rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "gone/"}, "Expiration": {"Days": 1}}
        s3.put_bucket_lifecycle_configuration(Bucket="rules", LifecycleConfiguration={"Rules": [rule]})
        for key in ("gone/1", "kept/1"):
            s3.put_object(Bucket="rules", Key=key, Body=b"data")
        wait_until_empty(s3, "rules")
        assert s3.get_object(Bucket="rules", Key="kept/1")["Body"].read() == b"data"
    finally:
        server.stop()
