"""A disk without room: writes are refused, reads and deletes go on, and all works again when there is room."""

from __future__ import annotations

import contextlib
import os
import time
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


def take_all(path: Path) -> None:
    """Take the disk to its last byte, as a log beside the store might."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, bytes(4096))
    finally:
        os.close(descriptor)
    assert os.statvfs(path).f_bavail == 0


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
    insist(client.put_object, Bucket=BUCKET, Key="again", Body=bytes(5 * MIB))


def insist(action: Any, **arguments: Any) -> None:
    """Ask again until there is room."""
    deadline = time.monotonic() + 30
    while True:
        try:
            action(**arguments)
            return
        except ClientError:
            assert time.monotonic() < deadline, "no room comes back"
            time.sleep(0.1)


@pytest.mark.slow
def test_deletes_and_revocations_go_on_where_others_take_the_last_byte(server: Server) -> None:
    client, iam = server.client(), server.client("iam")
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="little", Body=b"x")  # gives nothing back to the disk when it goes
    client.put_object(Bucket=BUCKET, Key="large", Body=bytes(MIB))
    server.run("create-service", "s3", "basic", "ordered")
    server.run("create-service-key", "ordered", "key")
    disk = server.data.parent
    take_all(disk / "log")
    insist(client.delete_object, Bucket=BUCKET, Key="little")
    iam.create_user(UserName="during")
    server.run("delete-service-key", "ordered", "key", "-f")
    assert "what was kept for deletes is given up" in server.log.read_text()

    take_all(disk / "another-log")  # all that was kept, too: what can't be done says why
    tags = {"TagSet": [{"Key": "a", "Value": "v" * 200}]}
    assert _refused(client.put_bucket_tagging, Bucket=BUCKET, Tagging=tags) == (507, "InsufficientStorage")
    assert _refused(iam.create_user, UserName="refused") == (500, "ServiceFailure")
    ordering = server.run("create-service-key", "ordered", "another", check=False)
    assert (ordering.returncode, "no room on the disk" in ordering.stderr) == (1, True)
    assert client.get_object(Bucket=BUCKET, Key="large")["Body"].read() == bytes(MIB)
    assert "Traceback" not in server.log.read_text()

    for name in ("log", "another-log"):
        (disk / name).unlink()
    client.delete_object(Bucket=BUCKET, Key="large")
    insist(client.put_object, Bucket=BUCKET, Key="again", Body=bytes(5 * MIB))
    server.run("create-service-key", "ordered", "another")
    deadline = time.monotonic() + 30
    while not (server.data / "last-room").exists():
        assert time.monotonic() < deadline, "the last room is not kept again"
        time.sleep(0.1)


def _refused(action: Any, **arguments: Any) -> tuple[int, str]:
    """(status, code)."""
    with pytest.raises(ClientError) as refused:
        action(**arguments)
    return refused.value.response["ResponseMetadata"]["HTTPStatusCode"], refused.value.response["Error"]["Code"]
