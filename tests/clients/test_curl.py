"""curl signs by itself (--aws-sigv4). Older ones leave x-amz-content-sha256 out, so it is given as a header."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.files import noise
from tests.kit.owner import Owner
from tests.kit.programs import require
from tests.kit.server import run_program

Curl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def curl(owner: Owner, tmp_path: Path) -> Curl:
    """`curl(path, *arguments)`, signed by the owner."""

    def run(path: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        signing = [
            "--aws-sigv4",
            f"aws:amz:{owner.region}:s3",
            "-u",
            f"{owner.access_key_id}:{owner.secret_access_key}",
        ]
        unsigned_body = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
        command = [
            require("curl"),
            "-sS",
            "--fail-with-body",
            *signing,
            *unsigned_body,
            *arguments,
            owner.endpoint + path,
        ]
        return run_program(command, check=check, cwd=tmp_path)

    return run


def test_puts_and_gets_a_file(curl: Curl, bucket: str, tmp_path: Path) -> None:
    content = noise(300_000)
    (tmp_path / "sent.bin").write_bytes(content)

    curl(f"/{bucket}/folder/sent.bin", "-T", "sent.bin", "-H", "Content-Type: application/x-noise")
    curl(f"/{bucket}/folder/sent.bin", "-o", "got.bin")

    assert (tmp_path / "got.bin").read_bytes() == content


def test_head_tells_size_type_and_etag(curl: Curl, bucket: str) -> None:
    curl(f"/{bucket}/word", "-X", "PUT", "-H", "Content-Type: text/x-word", "--data-binary", "hello")

    answer = curl(f"/{bucket}/word", "--head").stdout

    assert "HTTP/1.1 200" in answer
    assert "Content-Length: 5" in answer
    assert "Content-Type: text/x-word" in answer
    assert 'ETag: "5d41402abc4b2a76b9719d911017c592"' in answer


def test_range_answers_that_part(curl: Curl, bucket: str) -> None:
    curl(f"/{bucket}/digits", "-X", "PUT", "--data-binary", "0123456789")

    answer = curl(f"/{bucket}/digits", "-r", "2-4", "-i").stdout

    assert "HTTP/1.1 206" in answer
    assert "Content-Range: bytes 2-4/10" in answer
    assert answer.endswith("\n\n234")


def test_listing_by_prefix_and_delimiter(curl: Curl, bucket: str) -> None:
    for key in ("a/1", "a/2", "b"):
        curl(f"/{bucket}/{key}", "-X", "PUT", "--data-binary", "x")

    answer = curl(f"/{bucket}?delimiter=%2F&list-type=2").stdout

    assert "<Key>b</Key>" in answer
    assert "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>" in answer
    assert "<Key>a/1</Key>" not in answer


def test_deleted_object_is_gone(curl: Curl, bucket: str) -> None:
    curl(f"/{bucket}/word", "-X", "PUT", "--data-binary", "hello")

    assert "HTTP/1.1 204" in curl(f"/{bucket}/word", "-X", "DELETE", "-i").stdout

    answer = curl(f"/{bucket}/word", check=False)
    assert answer.returncode == 22
    assert "<Code>NoSuchKey</Code>" in answer.stdout


def test_wrong_secret_and_no_signature_are_refused(owner: Owner, bucket: str) -> None:
    curl, url = [require("curl"), "-sS"], f"{owner.endpoint}/{bucket}/word"
    signed = ["--aws-sigv4", f"aws:amz:{owner.region}:s3", "-u", f"{owner.access_key_id}:wrong"]

    forged = run_program([*curl, *signed, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", url]).stdout
    unsigned = run_program([*curl, url]).stdout

    assert "<Code>SignatureDoesNotMatch</Code>" in forged
    assert "<Code>AccessDenied</Code>" in unsigned


def test_bucket_is_made_and_removed(curl: Curl, bucket: str) -> None:
    curl(f"/{bucket}-b", "-X", "PUT")
    assert f"<Name>{bucket}-b</Name>" in curl("/").stdout

    curl(f"/{bucket}-b", "-X", "DELETE")
    assert f"<Name>{bucket}-b</Name>" not in curl("/").stdout
