"""A disk without room: writes are refused, reads and deletes go on, and all works again when there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.server import Server
from tests.kit.small_disk import mounted

BUCKET = "full-bucket"
MIB = 1 << 20
DISK_BYTES = 160 * MIB
FILLINGS = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with mounted(tmp_path / "disk", DISK_BYTES) as disk:
        server = Server(disk / "data", environment={"BUCKETRY_STORE__GARBAGE_SECONDS": "1"})
        server.log = tmp_path / "log"
        server.start()
        try:
            yield server
            server.fsck()
        finally:
            server.kill()


def refusal(client: Any, action: Any, **arguments: Any) -> tuple[int, str]:
    """(status, code) of a request that must be refused. What garbage runs and checkpoints give back meanwhile is
    filled again: then the request is made once more."""
    for _ in range(FILLINGS):
        try:
            action(**arguments)
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        for size in (200_000, 10_000, 100):
            fill(client, size, f"again-{os.urandom(4).hex()}")
    raise AssertionError(f"it was granted {FILLINGS} times")


def fill(client: Any, size: int, prefix: str) -> int:
    """Put objects until one is refused: how many there are."""
    for number in range(100_000):
        try:
            client.put_object(Bucket=BUCKET, Key=f"{prefix}/{number}", Body=os.urandom(size))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 507:
                raise
            return number
    raise AssertionError("the disk takes everything")


@pytest.mark.slow
def test_full_disk_refuses_writes_and_nothing_else(server: Server) -> None:
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    client.create_bucket(Bucket="other-bucket")
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="upload")["UploadId"]
    small = 20
    for number in range(small):
        client.put_object(Bucket=BUCKET, Key=f"small/{number}", Body=os.urandom(10_000))
    assert fill(client, 6 * MIB, "large") > 5
    fill(client, 200_000, "middle")
    fill(client, 10_000, "little")

    for refused in (
        refusal(client, client.put_object, Bucket=BUCKET, Key="more", Body=bytes(100)),
        refusal(client, client.put_object, Bucket="other-bucket", Key="more", Body=bytes(100)),
        refusal(
            client, client.upload_part, Bucket=BUCKET, Key="upload", UploadId=upload, PartNumber=1, Body=bytes(100)
        ),
        refusal(client, client.create_bucket, Bucket="another-bucket"),
        refusal(client, client.copy_object, Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/small/0"),
        refusal(client, client.create_multipart_upload, Bucket=BUCKET, Key="upload"),
    ):
        assert refused == (507, "InsufficientStorage")
    said = server.log.read_text()
    assert "no room on the disk" in said
    assert "Traceback" not in said

    assert len(client.get_object(Bucket=BUCKET, Key="large/0")["Body"].read()) == 6 * MIB
    assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 5
    client.delete_object(Bucket=BUCKET, Key="large/0")
    keys = [{"Key": f"small/{number}"} for number in range(small)]
    for at in range(0, small, 1000):
        assert "Errors" not in client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys[at : at + 1000]})
    client.abort_multipart_upload(Bucket=BUCKET, Key="upload", UploadId=upload)
    server.run("service-keys", "nothing", check=False)  # the marketplace answers too

    _await_room(client)
    assert client.get_object(Bucket=BUCKET, Key="again")["Body"].read() == bytes(5 * MIB)


def _await_room(client: Any) -> None:
    """Put what the deletes made room for: the garbage run gives it back within its interval."""
    import time

    deadline = time.monotonic() + 30
    while True:
        try:
            client.put_object(Bucket=BUCKET, Key="again", Body=bytes(5 * MIB))
            return
        except ClientError:
            assert time.monotonic() < deadline, "no room comes back"
            time.sleep(0.1)
