"""Damage on the disk of a real server: refused, named, kept to its bucket, and mended as far as can be."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.server import Server

MIB = 1 << 20
BODIES = {"inline": b"i" * 1000, "shared": b"s" * 50_000, "single": b"l" * 6 * MIB}


def fill(server: Server, bucket: str) -> Any:
    client = server.client()
    client.create_bucket(Bucket=bucket)
    for key, body in BODIES.items():
        client.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"of": key}, Tagging="a=b")
    return client


def folder_of(server: Server, bucket: str) -> Path:
    (found,) = (server.data / "buckets").glob(f"{bucket}.*")
    return found


def fsck(server: Server, *flags: str) -> subprocess.CompletedProcess[str]:
    return server.run("fsck", *flags, check=False)


def code_of(action: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        action(**arguments)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def flip(path: Path, find: bytes) -> None:
    """Damage one byte in the middle of the first place where a file has these bytes."""
    content = path.read_bytes()
    at = content.index(find) + len(find) // 2
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([content[at] ^ 1]))


def test_damaged_bytes_are_refused_and_named(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    client = fill(server, "rotten-bucket")
    server.stop()  # so that the index is one file
    folder = folder_of(server, "rotten-bucket")
    flip(folder / "index.sqlite", b"i" * 1000)
    for path in (folder / "segments").iterdir():
        flip(path, b"l" * 5000 if path.name.startswith("s") else b"s" * 5000)
    server.start()
    client = server.client()
    for key in BODIES:
        assert code_of(client.get_object, Bucket="rotten-bucket", Key=key)[0] == "InternalError"
    assert client.list_objects_v2(Bucket="rotten-bucket")["KeyCount"] == 3
    found = fsck(server, "--deep")
    assert found.returncode == 1
    for key in BODIES:
        assert f": {key}: " in found.stdout
    for key, body in BODIES.items():
        client.put_object(Bucket="rotten-bucket", Key=key, Body=body)
        assert client.get_object(Bucket="rotten-bucket", Key=key)["Body"].read() == body


@pytest.mark.slow
def test_damaged_index_stops_its_bucket_alone_and_is_rebuilt(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    for bucket in ("damaged-bucket", "lost-bucket", "sound-bucket"):
        fill(server, bucket)
    server.stop()
    index = folder_of(server, "damaged-bucket") / "index.sqlite"
    index.write_bytes(b"\0" * 8192 + index.read_bytes()[8192:])
    (folder_of(server, "lost-bucket") / "index.sqlite").unlink()
    server.start()
    assert server.log.read_text().count("a bucket can't be read") == 2
    client = server.client()
    for action, arguments in (
        (client.get_object, {"Key": "shared"}),
        (client.list_objects_v2, {}),
        (client.put_object, {"Key": "new", "Body": b"x"}),
        (client.delete_object, {"Key": "shared"}),
        (client.delete_bucket, {}),
    ):
        for bucket in ("damaged-bucket", "lost-bucket"):
            code, message = code_of(action, Bucket=bucket, **arguments)
            assert (code, "can't be read" in message) == ("InternalError", True)
    for key, body in BODIES.items():
        assert client.get_object(Bucket="sound-bucket", Key=key)["Body"].read() == body
    client.put_object(Bucket="sound-bucket", Key="new", Body=b"x")
    assert "Traceback" not in server.log.read_text()

    refused = fsck(server, "--rebuild")
    assert (refused.returncode, "Stop it" in refused.stderr) == (5, True)
    server.stop()
    rebuilt = fsck(server, "--rebuild", "--deep")
    assert rebuilt.returncode == 1  # something is lost, and said so
    for bucket in ("damaged-bucket", "lost-bucket"):
        assert f"bucket {bucket}: the index was made anew, with 2 object(s)" in rebuilt.stderr
    assert "Objects of up to 16 KiB" in rebuilt.stderr
    assert "sound-bucket" not in rebuilt.stderr
    assert fsck(server, "--rebuild", "--deep").returncode == 0
    server.start()
    client = server.client()
    for bucket in ("damaged-bucket", "lost-bucket"):
        listed = client.list_objects_v2(Bucket=bucket)["Contents"]
        assert [entry["Key"] for entry in listed] == ["shared", "single"]
        for key in ("shared", "single"):
            found = client.get_object(Bucket=bucket, Key=key)
            assert (found["Body"].read(), found["Metadata"]) == (BODIES[key], {"of": key})
            tags = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
            assert tags == [{"Key": "a", "Value": "b"}]
