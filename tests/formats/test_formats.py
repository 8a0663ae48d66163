"""Data folders of every format that was ever written open in this one and are whole; newer ones are refused."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.formats import sample
from tests.kit.programs import bucketry
from tests.kit.server import Server, run_program

SAMPLES = sample.samples()


def test_the_present_format_has_a_sample(tmp_path: Path) -> None:
    newest = sample.formats_of(sample.unpack(SAMPLES[-1], tmp_path))
    assert newest == sample.present_formats(), "run `python -m tests.formats.sample` and commit what it writes"


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    server = Server(sample.unpack(request.param, tmp_path))
    server.start()
    yield server
    server.stop()
    server.fsck()


def body_of(client: Any, **arguments: Any) -> bytes:
    body: bytes = client.get_object(**arguments)["Body"].read()
    return body


@pytest.mark.slow
@pytest.mark.parametrize("opened", SAMPLES, indirect=True, ids=lambda path: path.name)
def test_folder_of_a_format_opens_and_is_whole(opened: Server) -> None:
    client = opened.client()
    expected = {**sample.OBJECTS, "parts": b"".join(sample.PARTS), "copy": sample.OBJECTS["single"]}
    listed = client.list_objects_v2(Bucket=sample.BUCKET)["Contents"]
    assert {entry["Key"] for entry in listed} == set(expected)
    for key, body in expected.items():
        assert body_of(client, Bucket=sample.BUCKET, Key=key) == body
    head = client.head_object(Bucket=sample.BUCKET, Key="inline")
    assert head["Metadata"] == {"of": "sample"}
    tags = client.get_object_tagging(Bucket=sample.BUCKET, Key="inline")["TagSet"]
    assert tags == [{"Key": "colour", "Value": "blue"}]

    (upload,) = client.list_multipart_uploads(Bucket=sample.BUCKET)["Uploads"]
    named = {"Bucket": sample.BUCKET, "Key": "open", "UploadId": upload["UploadId"]}
    (part,) = client.list_parts(**named)["Parts"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(**named, MultipartUpload=parts)
    assert body_of(client, Bucket=sample.BUCKET, Key="open") == sample.OPEN_PART

    versions = client.list_object_versions(Bucket=sample.VERSIONED)
    assert len(versions["DeleteMarkers"]) == 1
    kept = [body_of(client, Bucket=sample.VERSIONED, Key="key", VersionId=v["VersionId"]) for v in versions["Versions"]]
    assert kept == [b"version 2", b"version 1", b"version 0"]

    with urllib.request.urlopen(f"{opened.admin['s3_endpoint']}/{sample.BUCKET}/inline", timeout=10) as public:
        assert public.read() == sample.OBJECTS["inline"]
    assert opened.client("iam").list_user_policies(UserName="reader")["PolicyNames"] == ["all"]
    assert sample.ORDER in opened.run("services").stdout
    assert '"access_key_id"' in opened.run("service-key", sample.ORDER, "key", "--json").stdout
    opened.run("create-service-key", sample.ORDER, "another")


NEWER = {
    "identity.sqlite": "PRAGMA user_version = 999",
    "marketplace.sqlite": "UPDATE alembic_version SET version_num = '9999'",
}


@pytest.mark.parametrize("name", NEWER)
def test_newer_format_is_refused_in_clear_words_and_left_alone(tmp_path: Path, name: str) -> None:
    data = sample.unpack(SAMPLES[-1], tmp_path)
    connection = apsw.Connection(str(data / name))
    connection.execute(NEWER[name])
    connection.close()
    before = (data / name).read_bytes()
    server = Server(data)
    command = [bucketry(), "serve", "--data", str(data), *server._flags]
    refused = run_program(command, check=False, environment=server.cli_environment(), timeout=60)
    assert refused.returncode == 1
    assert name in refused.stderr
    assert "newer bucketry" in refused.stderr
    for command in ("fsck", "reconcile") if name == "identity.sqlite" else ("reconcile",):
        told = server.run(command, check=False).stderr
        assert "newer bucketry" in told, command
        assert "Unexpected" not in told, command
    assert (data / name).read_bytes() == before


def test_bucket_of_a_newer_format_is_refused_and_the_others_served(tmp_path: Path) -> None:
    data = sample.unpack(SAMPLES[-1], tmp_path)
    index = next((data / "buckets").glob(f"{sample.VERSIONED}.*")) / "index.sqlite"
    connection = apsw.Connection(str(index))
    connection.execute("UPDATE meta SET value = 999 WHERE name = 'format'")
    connection.close()
    server = Server(data)
    server.start()
    try:
        client = server.client()
        with pytest.raises(client.exceptions.ClientError, match="can't be read"):
            client.get_object(Bucket=sample.VERSIONED, Key="key")
        assert body_of(client, Bucket=sample.BUCKET, Key="inline") == sample.OBJECTS["inline"]
        assert "has format 999, this bucketry knows formats up to" in server.log.read_text()
    finally:
        server.stop()


def test_second_server_on_a_folder_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    try:
        command = [bucketry(), "serve", "--data", str(server.data), *server._flags]
        refused = run_program(command, check=False, environment=server.cli_environment(), timeout=60)
        assert (refused.returncode, "Another bucketry serves" in refused.stderr) == (5, True)
        server.client().list_buckets()
    finally:
        server.stop()
