"""s3cmd, path style, Signature V4."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.kit.files import MEBIBYTE, noise, tree_of, write_tree
from tests.kit.owner import Owner
from tests.kit.programs import require
from tests.kit.server import run_program

S3cmd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def s3cmd(owner: Owner, home: Path, tmp_path: Path) -> S3cmd:
    config = home / ".s3cfg"
    config.write_text(
        f"""[default]
access_key = {owner.access_key_id}
secret_key = {owner.secret_access_key}
host_base = {owner.address}
host_bucket = {owner.address}
bucket_location = {owner.region}
use_https = False
max_retries = 1
"""
    )

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [require("s3cmd"), "--config", str(config), "--no-progress", *arguments]
        return run_program(command, check=check, environment=owner.environment(home), cwd=tmp_path)

    return run


def test_put_get_and_del(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(noise(70_000))

    s3cmd("put", "sent", f"s3://{bucket}/a folder/sent+1")
    s3cmd("get", f"s3://{bucket}/a folder/sent+1", "got")
    assert (tmp_path / "got").read_bytes() == noise(70_000)

    s3cmd("del", f"s3://{bucket}/a folder/sent+1")
    assert s3cmd("ls", "--recursive", f"s3://{bucket}").stdout == ""


def test_buckets_are_made_listed_and_removed(s3cmd: S3cmd, bucket: str) -> None:
    s3cmd("mb", f"s3://{bucket}-made")
    assert f"s3://{bucket}-made\n" in s3cmd("ls").stdout

    s3cmd("rb", f"s3://{bucket}-made")
    assert f"s3://{bucket}-made\n" not in s3cmd("ls").stdout


def test_ls_shows_folders_and_sizes(s3cmd: S3cmd, owner: Owner, bucket: str) -> None:
    owner.s3.put_object(Bucket=bucket, Key="folder/inside", Body=b"x")
    owner.s3.put_object(Bucket=bucket, Key="top", Body=b"12345")

    listed = s3cmd("ls", f"s3://{bucket}").stdout

    assert re.search(rf"DIR\s+s3://{bucket}/folder/\n", listed)
    assert re.search(rf"\s5\s+s3://{bucket}/top\n", listed)
    assert "inside" not in listed


def test_sync_both_ways_with_deletions(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    s3cmd("sync", "source/", f"s3://{bucket}/tree/")
    (source / "readme.txt").unlink()
    (source / "new").write_bytes(b"new")

    s3cmd("sync", "--delete-removed", "source/", f"s3://{bucket}/tree/")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/stale").write_bytes(b"stale")
    s3cmd("sync", "--delete-removed", f"s3://{bucket}/tree/", "mirror/")

    assert tree_of(tmp_path / "mirror") == tree_of(source)


def test_put_in_parts(s3cmd: S3cmd, owner: Owner, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(noise(12 * MEBIBYTE + 5))

    s3cmd("put", "--multipart-chunk-size-mb", "5", "large", f"s3://{bucket}/large")

    assert owner.s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    s3cmd("get", f"s3://{bucket}/large", "got")
    assert (tmp_path / "got").read_bytes() == (tmp_path / "large").read_bytes()


def test_cp_and_mv_within_the_store(s3cmd: S3cmd, owner: Owner, bucket: str) -> None:
    owner.s3.put_object(Bucket=bucket, Key="one", Body=b"content")

    s3cmd("cp", f"s3://{bucket}/one", f"s3://{bucket}/two")
    s3cmd("mv", f"s3://{bucket}/two", f"s3://{bucket}/three")

    held = {item["Key"] for item in owner.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert held == {"one", "three"}


def test_info_of_an_object_and_a_bucket(s3cmd: S3cmd, owner: Owner, bucket: str) -> None:
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello", ContentType="text/x-word")

    told = s3cmd("info", f"s3://{bucket}/word").stdout
    assert "File size: 5" in told
    assert "MIME type: text/x-word" in told
    assert "5d41402abc4b2a76b9719d911017c592" in told

    assert f"Location:  {owner.region}" in s3cmd("info", f"s3://{bucket}").stdout


def test_policy_is_set_shown_and_removed(s3cmd: S3cmd, owner: Owner, bucket: str, tmp_path: Path) -> None:
    owner.s3.delete_public_access_block(Bucket=bucket)
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello")
    resource = f"arn:aws:s3:::{bucket}/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
    (tmp_path / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    fetch = [require("curl"), "-sS", f"{owner.endpoint}/{bucket}/word"]
    assert "AccessDenied" in run_program(fetch).stdout

    s3cmd("setpolicy", "policy.json", f"s3://{bucket}")
    assert run_program(fetch).stdout == "hello"
    assert "s3:GetObject" in s3cmd("info", f"s3://{bucket}").stdout

    s3cmd("delpolicy", f"s3://{bucket}")
    assert "AccessDenied" in run_program(fetch).stdout


def test_cors_is_set_and_removed(s3cmd: S3cmd, owner: Owner, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "cors.xml").write_text(
        "<CORSConfiguration><CORSRule><AllowedOrigin>https://example.com</AllowedOrigin>"
        "<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>"
    )

    s3cmd("setcors", "cors.xml", f"s3://{bucket}")
    assert owner.s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.com"]}
    ]

    s3cmd("delcors", f"s3://{bucket}")
    assert "NoSuchCORSConfiguration" in refusal(lambda: owner.s3.get_bucket_cors(Bucket=bucket))


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return str(raised.value)
