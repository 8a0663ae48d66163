"""The AWS command line: `aws s3`, `aws s3api`, `aws iam`, `aws sts`, with its defaults."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.kit.certificates import tls_config
from tests.kit.files import MEBIBYTE, digest, noise, sparse, tree_of, write_tree
from tests.kit.owner import Owner
from tests.kit.programs import require
from tests.kit.server import Server, run_program

Aws = Callable[..., subprocess.CompletedProcess[str]]


def aws_of(owner: Owner, home: Path, **more: str) -> Aws:
    """`aws ARGUMENTS…` in the folder beside `home`, as `owner`; `as_key` for another key."""

    def run(
        *arguments: str, check: bool = True, as_key: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        environment = {**owner.environment(home, **more), **(as_key or {})}
        command = [require("aws"), *arguments]
        return run_program(command, check=check, environment=environment, cwd=home.parent, **options)

    return run


@pytest.fixture
def aws(owner: Owner, home: Path) -> Aws:
    return aws_of(owner, home)


def answered(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


def keys_in(owner: Owner, bucket: str) -> set[str]:
    return {item["Key"] for item in owner.s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_cp_up_and_down(aws: Aws, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "mylocalfile").write_bytes(noise(100_000))

    aws("s3", "cp", "./mylocalfile", f"s3://{bucket}/")
    aws("s3", "cp", f"s3://{bucket}/mylocalfile", "./copy")

    assert digest(tmp_path / "copy") == digest(tmp_path / "mylocalfile")
    assert " 100000 mylocalfile" in aws("s3", "ls", f"s3://{bucket}").stdout


def test_cp_from_stdin_and_to_stdout(aws: Aws, bucket: str) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/note", input="from a pipe\n")

    assert aws("s3", "cp", f"s3://{bucket}/note", "-").stdout == "from a pipe\n"


def test_cp_recursive_takes_a_whole_tree(aws: Aws, bucket: str, tmp_path: Path) -> None:
    sent = write_tree(tmp_path / "sent")

    aws("s3", "cp", "--recursive", "sent", f"s3://{bucket}/tree")
    aws("s3", "cp", "--recursive", f"s3://{bucket}/tree", "got")

    assert tree_of(tmp_path / "got") == tree_of(sent)


def test_many_small_and_empty_files_at_once(aws: Aws, owner: Owner, bucket: str, tmp_path: Path) -> None:
    """Empty files too ask for 100 Continue, and their connections then carry the next file."""
    many = {f"{number:03}": b"x" * (number % 3) for number in range(120)}
    write_tree(tmp_path / "many", **many)

    aws("s3", "cp", "--recursive", "--only-show-errors", "many", f"s3://{bucket}")

    assert many.keys() <= keys_in(owner, bucket)


def test_sync_up_removes_and_replaces(aws: Aws, owner: Owner, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    aws("s3", "sync", "source", f"s3://{bucket}")
    assert keys_in(owner, bucket) == set(tree_of(source))
    assert aws("s3", "sync", "source", f"s3://{bucket}").stdout == ""

    (source / "readme.txt").unlink()
    (source / "deep/er/est/leaf.bin").write_bytes(b"longer or shorter than before")
    said = aws("s3", "sync", "--delete", "source", f"s3://{bucket}").stdout

    assert "delete: s3://" in said
    assert keys_in(owner, bucket) == set(tree_of(source))
    assert owner.s3.head_object(Bucket=bucket, Key="deep/er/est/leaf.bin")["ContentLength"] == 29


def test_sync_down_removes_what_the_bucket_lacks(aws: Aws, owner: Owner, bucket: str, tmp_path: Path) -> None:
    for key in ("a.txt", "b/c.txt"):
        owner.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "stale.txt").write_bytes(b"stale")

    aws("s3", "sync", "--delete", f"s3://{bucket}", "mirror")

    assert {file.relative_to(mirror).as_posix(): file.read_text() for file in mirror.rglob("*.txt")} == {
        "a.txt": "a.txt",
        "b/c.txt": "b/c.txt",
    }


def test_mv_and_rm_recursive(aws: Aws, owner: Owner, bucket: str, tmp_path: Path) -> None:
    write_tree(tmp_path / "tree")

    aws("s3", "mv", "--recursive", "tree", f"s3://{bucket}/here")
    assert tree_of(tmp_path / "tree") == {}
    held = keys_in(owner, bucket)

    aws("s3", "mv", "--recursive", f"s3://{bucket}/here", f"s3://{bucket}/there")
    assert keys_in(owner, bucket) == {key.replace("here/", "there/", 1) for key in held}

    aws("s3", "rm", "--recursive", f"s3://{bucket}/there")
    assert keys_in(owner, bucket) == set()


@pytest.mark.slow
def test_mb_and_rb(aws: Aws, bucket: str) -> None:
    made = f"{bucket}-made"
    aws("s3", "mb", f"s3://{made}")
    assert made in aws("s3", "ls").stdout
    aws("s3", "cp", "-", f"s3://{made}/file", input="x")

    refused = aws("s3", "rb", f"s3://{made}", check=False)
    assert refused.returncode == 1
    assert "BucketNotEmpty" in refused.stderr

    aws("s3", "rb", "--force", f"s3://{made}")
    assert made not in aws("s3", "ls").stdout


def test_presigned_url_serves_without_credentials(aws: Aws, home: Path, bucket: str) -> None:
    sign_v4 = home / ".aws/config"  # its first version presigns by Signature V2 in us-east-1 unless told
    sign_v4.parent.mkdir()
    sign_v4.write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    aws("s3", "cp", "-", f"s3://{bucket}/a b", input="for a friend")
    url = aws("s3", "presign", f"s3://{bucket}/a b", "--expires-in", "300").stdout.strip()
    curl = [require("curl"), "-sS", "-w", "\n%{http_code}"]

    assert run_program([*curl, url]).stdout == "for a friend\n200"
    assert run_program([*curl, url.split("?")[0]]).stdout.endswith("\n403")
    assert "SignatureDoesNotMatch" in run_program([*curl, url.replace("a%20b", "a%20c")]).stdout


def test_cors_rules_come_back_as_given(aws: Aws, bucket: str, tmp_path: Path) -> None:
    rules = {
        "CORSRules": [
            {
                "AllowedOrigins": ["https://www.example.com", "https://*.example.org"],
                "AllowedMethods": ["GET", "PUT"],
                "AllowedHeaders": ["*"],
                "ExposeHeaders": ["ETag"],
                "MaxAgeSeconds": 600,
            }
        ]
    }
    (tmp_path / "cors.json").write_text(json.dumps(rules))

    aws("s3api", "put-bucket-cors", "--bucket", bucket, "--cors-configuration", "file://cors.json")
    assert answered(aws("s3api", "get-bucket-cors", "--bucket", bucket)) == rules

    aws("s3api", "delete-bucket-cors", "--bucket", bucket)
    gone = aws("s3api", "get-bucket-cors", "--bucket", bucket, check=False)
    assert "NoSuchCORSConfiguration" in gone.stderr


def test_object_tags(aws: Aws, bucket: str) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/tagged", input="x")
    tagging = {"TagSet": [{"Key": "colour", "Value": "light blue"}, {"Key": "größe", "Value": "a/b+c"}]}
    named = ["--bucket", bucket, "--key", "tagged"]

    aws("s3api", "put-object-tagging", *named, "--tagging", json.dumps(tagging))
    read = answered(aws("s3api", "get-object-tagging", *named))["TagSet"]

    assert sorted(read, key=str) == sorted(tagging["TagSet"], key=str)
    assert answered(aws("s3api", "head-object", *named))["TagCount"] == 2


@pytest.mark.slow
def test_a_gibibyte_in_parts_leaves_the_workers_small(
    aws: Aws, server: Server, owner: Owner, bucket: str, tmp_path: Path
) -> None:
    sent = sparse(tmp_path / "sent", 1024 * MEBIBYTE)
    before = {pid: memory_mib(pid, "VmRSS") for pid in server.workers()}

    aws("s3", "cp", "--no-progress", "sent", f"s3://{bucket}/large", timeout=240)
    aws("s3", "cp", "--no-progress", f"s3://{bucket}/large", "got", timeout=240)

    assert digest(tmp_path / "got") == digest(sent)
    (tmp_path / "got").unlink()
    head = owner.s3.head_object(Bucket=bucket, Key="large")
    assert head["ContentLength"] == 1024 * MEBIBYTE
    assert head["ETag"].endswith('-128"')
    grown = {pid: memory_mib(pid, "VmHWM") - before[pid] for pid in server.workers()}
    assert max(grown.values()) < 48, grown  # less than the parts that are under way at a time
    owner.s3.delete_object(Bucket=bucket, Key="large")


def memory_mib(pid: int, field: str) -> int:
    """VmRSS: what a process holds now; VmHWM: the most it ever held. MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) // 1024
    raise AssertionError(f"no {field} of process {pid}")


@pytest.mark.slow
def test_default_checksums_travel_as_trailers_over_tls(
    fresh_server: Callable[..., Server], tmp_path: Path, home: Path
) -> None:
    config, certificate = tls_config(tmp_path)
    owner = Owner.of(fresh_server("--config", str(config)), "tls")
    aws = aws_of(owner, home, AWS_CA_BUNDLE=str(certificate))
    (tmp_path / "sent").write_bytes(noise(300_000))
    aws("s3", "mb", "s3://trailers")

    debug = aws("s3", "cp", "--debug", "sent", "s3://trailers/single").stderr
    assert "STREAMING-UNSIGNED-PAYLOAD-TRAILER" in debug
    (tmp_path / "sent-parts").write_bytes(noise(17 * MEBIBYTE))
    aws("s3", "cp", "sent-parts", "s3://trailers/parts")

    head = ["s3api", "head-object", "--bucket", "trailers", "--checksum-mode", "ENABLED", "--key"]
    single, parts = answered(aws(*head, "single")), answered(aws(*head, "parts"))
    assert {"ChecksumCRC64NVME", "ChecksumCRC32"} & set(single)
    assert single["ChecksumType"] == "FULL_OBJECT"
    assert {"ChecksumCRC64NVME", "ChecksumCRC32"} & set(parts)
    aws("s3", "cp", "s3://trailers/parts", "got-parts")
    assert digest(tmp_path / "got-parts") == digest(tmp_path / "sent-parts")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_asked_for_checksums_are_kept(aws: Aws, bucket: str, tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "sent").write_bytes(noise(50_000))
    named = ["--bucket", bucket, "--key", "sent"]

    put = answered(aws("s3api", "put-object", *named, "--body", "sent", "--checksum-algorithm", algorithm))
    got = answered(aws("s3api", "get-object", *named, "--checksum-mode", "ENABLED", "got"))

    assert put[f"Checksum{algorithm}"] == got[f"Checksum{algorithm}"]
    assert digest(tmp_path / "got") == digest(tmp_path / "sent")


def test_a_wrong_checksum_is_refused(aws: Aws, owner: Owner, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"some bytes")
    named = ["--bucket", bucket, "--key", "sent", "--body", "sent"]

    wrong = ["--checksum-crc64-nvme", "AAAAAAAAAAA="]
    refused = aws("s3api", "put-object", *named, *wrong, check=False)

    assert refused.returncode != 0
    assert "BadDigest" in refused.stderr
    assert keys_in(owner, bucket) == set()


def test_ranges_and_pages(aws: Aws, owner: Owner, bucket: str, tmp_path: Path) -> None:
    for number in range(5):
        owner.s3.put_object(Bucket=bucket, Key=f"key-{number}", Body=b"0123456789")

    aws("s3api", "get-object", "--bucket", bucket, "--key", "key-0", "--range", "bytes=-3", "tail")
    assert (tmp_path / "tail").read_bytes() == b"789"

    listing = ["s3api", "list-objects-v2", "--bucket", bucket, "--page-size", "2", "--query", "Contents[].Key"]
    assert json.loads(aws(*listing).stdout) == [f"key-{number}" for number in range(5)]


@pytest.mark.slow
def test_iam_user_does_what_its_policy_says_until_its_key_goes(aws: Aws, bucket: str) -> None:
    user = ["--user-name", f"reader-{bucket}"]
    aws("s3", "cp", "-", f"s3://{bucket}/word", input="hello")
    created = answered(aws("iam", "create-user", *user, "--path", "/clients/"))["User"]
    assert created["Arn"].endswith(f":user/clients/reader-{bucket}")
    key = answered(aws("iam", "create-access-key", *user))["AccessKey"]
    as_reader = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    assert "AccessDenied" in aws("s3api", "list-objects", "--bucket", bucket, as_key=as_reader, check=False).stderr

    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policy = [*user, "--policy-name", "read"]
    aws("iam", "put-user-policy", *policy, "--policy-document", json.dumps(document))
    assert answered(aws("iam", "get-user-policy", *policy))["PolicyDocument"] == document
    assert answered(aws("iam", "list-user-policies", *user))["PolicyNames"] == ["read"]
    assert aws("s3", "cp", f"s3://{bucket}/word", "-", as_key=as_reader).stdout == "hello"
    refused = aws("s3", "cp", "-", f"s3://{bucket}/other", input="x", as_key=as_reader, check=False)
    assert "AccessDenied" in refused.stderr
    who = answered(aws("sts", "get-caller-identity", as_key=as_reader))
    assert who["Arn"] == created["Arn"]
    assert who["UserId"] == created["UserId"]

    aws("iam", "update-access-key", *user, "--access-key-id", key["AccessKeyId"], "--status", "Inactive")
    refused = aws("s3", "cp", f"s3://{bucket}/word", "-", as_key=as_reader, check=False)
    assert refused.returncode != 0
    listed = answered(aws("iam", "list-access-keys", *user))["AccessKeyMetadata"]
    assert [(entry["AccessKeyId"], entry["Status"]) for entry in listed] == [(key["AccessKeyId"], "Inactive")]

    conflict = aws("iam", "delete-user", *user, check=False)
    assert "DeleteConflict" in conflict.stderr
    aws("iam", "delete-access-key", *user, "--access-key-id", key["AccessKeyId"])
    aws("iam", "delete-user-policy", *policy)
    aws("iam", "delete-user", *user)
    assert user[1] not in aws("iam", "list-users").stdout


def test_sts_names_the_root(aws: Aws, owner: Owner) -> None:
    who = answered(aws("sts", "get-caller-identity"))

    assert who["Account"] == owner.credentials["account_id"]
    assert who["Arn"] == f"arn:aws:iam::{who['Account']}:root"
