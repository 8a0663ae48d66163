"""SERVICE contract, "Running it": how a server starts, what it makes, how it is told what to do, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.kit.programs import bucketry
from tests.kit.server import LISTEN, Server, boto_client, clean_environment, run_program

Fresh = Callable[..., Server]

IDLE = 16  # connections beside the one in flight, so that each worker has some
ADMIN_KEYS = {
    "api_url", "token", "broker_username", "broker_password", "s3_endpoint", "website_endpoint", "access_key_id",
    "secret_access_key", "region",
}  # fmt: skip


def refused(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of a `bucketry serve` that must not begin."""
    done = run_program(
        [bucketry(), "serve", *arguments], check=False, environment={**clean_environment(), **(environment or {})}
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_ready_line_and_admin_json(fresh_server: Fresh) -> None:
    server = fresh_server()
    assert server.ready_line.startswith("ready")
    assert server.ready_line.count("\n") == 1
    admin_file = server.data / "admin.json"
    assert stat.S_IMODE(admin_file.stat().st_mode) == 0o600
    assert set(server.admin) == ADMIN_KEYS
    assert all(server.admin.values())
    assert server.admin["region"] == "us-east-1"
    for key in ("s3_endpoint", "website_endpoint", "api_url"):
        assert server.admin[key].startswith("http://127.0.0.1:")


def test_everything_in_the_folder_is_private(fresh_server: Fresh) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket="some-bucket")
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    open_files = [p for p in server.data.iterdir() if p.is_file() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert open_files == []


def test_two_folders_share_no_secret(fresh_server: Fresh) -> None:
    first, second = fresh_server(), fresh_server()
    for key in ("token", "broker_password", "access_key_id", "secret_access_key"):
        assert first.admin[key] != second.admin[key]
    assert (first.data / "master.key").read_text() != (second.data / "master.key").read_text()


def test_a_second_start_keeps_credentials_and_content(fresh_server: Fresh) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket="kept-bucket")
    server.client().put_object(Bucket="kept-bucket", Key="k", Body=b"kept")
    before = server.admin
    server.restart()
    for key in ("token", "broker_password", "access_key_id", "secret_access_key"):
        assert server.admin[key] == before[key]
    assert server.client().get_object(Bucket="kept-bucket", Key="k")["Body"].read() == b"kept"


def test_a_lost_admin_json_is_made_anew_and_the_old_keys_die(fresh_server: Fresh) -> None:
    server = fresh_server()
    server.run("create-service", "s3", "basic", "survivor")
    old = server.admin
    server.stop()
    (server.data / "admin.json").unlink()
    server.start()
    assert server.admin["token"] != old["token"]
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        boto_client("s3", old, server.admin).list_buckets()
    server.run("create-service-key", "survivor", "k")


def test_a_second_server_on_the_folder_is_refused(fresh_server: Fresh) -> None:
    server = fresh_server()
    code, words = refused("--data", str(server.data), *LISTEN)
    assert code == 5
    assert str(server.data) in words
    server.client().list_buckets()


def test_an_address_in_use_is_named(fresh_server: Fresh, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, words = refused("--data", str(tmp_path / "d"), *LISTEN, "--s3-listen", address)
    assert code == 1
    assert address in words
    assert "--s3-listen" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nport = 9000\n", ["port", "[server]"]),
        ("[sever]\n", ["sever"]),
        ('[server]\nworkers = "many"\n', ["workers"]),
        ('[catalog]\nfile = "/nowhere/catalog.json"\n', ["/nowhere/catalog.json"]),
        ('[broker]\npassword_file = "/nowhere/password"\n', ["/nowhere/password"]),
        ('[server]\ntls_certificate = "/nowhere/c.pem"\ntls_key = "/nowhere/k.pem"\n', ["tls_certificate"]),
    ],
    ids=["key", "section", "value", "catalog", "password", "tls"],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "b.toml").write_text(text)
    code, said = refused("--data", str(tmp_path / "d"), "--config", str(tmp_path / "b.toml"), *LISTEN)
    assert code in (1, 2)
    for word in words:
        assert word in said


def test_settings_come_from_the_folder_the_environment_and_flags(fresh_server: Fresh) -> None:
    server = fresh_server("--workers", "1", environment={"BUCKETRY_SERVER__REGION": "eu-env-1"})
    assert server.admin["region"] == "eu-env-1"
    server.stop()
    (server.data / "bucketry.toml").write_text('[broker]\nusername = "platform"\n')
    server.start()
    assert server.admin["broker_username"] == "platform"


def test_sigterm_finishes_what_is_in_flight(fresh_server: Fresh) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket="draining")
    url = server.client().generate_presigned_url("put_object", {"Bucket": "draining", "Key": "slow"}, ExpiresIn=60)
    host, _, path = url.removeprefix("http://").partition("/")
    address, port = host.split(":")
    with contextlib.ExitStack() as opened:
        client, *idle = (
            opened.enter_context(socket.create_connection((address, int(port)), 30)) for _ in range(1 + IDLE)
        )
        for connection in idle:
            connection.sendall(f"GET /_bucketry/health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert connection.recv(4096).endswith(b"ok")
        head = f"PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 100 ")  # it was taken
        client.sendall(b"half-")
        os.kill(server.pid, signal.SIGTERM)
        for connection in idle:
            assert connection.recv(1) == b""  # its worker has the signal
        client.sendall(b"whole")
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200")
    assert server.stop() == 0
    server.start()
    assert server.client().get_object(Bucket="draining", Key="slow")["Body"].read() == b"half-whole"


def test_a_killed_parent_takes_its_workers_along_and_the_folder_is_free(fresh_server: Fresh) -> None:
    server = fresh_server()
    assert len(server.workers()) == 4  # two for the store, the marketplace, the keeper
    server.kill_parent()
    server.start()
    server.client().list_buckets()


def test_a_dead_worker_is_replaced(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    client.create_bucket(Bucket="stays-up")
    for victim in server.workers():
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while len(server.workers()) < 4 or victim in server.workers():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.client(retries={"total_max_attempts": 10}).put_object(Bucket="stays-up", Key=str(victim), Body=b"x")
    assert len(server.client(retries={"total_max_attempts": 10}).list_objects_v2(Bucket="stays-up")["Contents"]) == 4
    deadline = time.monotonic() + 20
    while server.run("services", check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_store_accounts_are_separate_owners(fresh_server: Fresh) -> None:
    server = fresh_server()
    first = server.create_account("first")
    second = server.create_account("second", "second@example.com")
    assert set(first) == {
        "account_id", "canonical_id", "display_name", "email", "access_key_id", "secret_access_key",
    }  # fmt: skip
    assert first["account_id"].isdecimal()
    assert len(first["account_id"]) == 12
    assert second["email"] == "second@example.com"
    server.client(credentials=first).create_bucket(Bucket="first-bucket")
    assert server.client(credentials=second).list_buckets()["Buckets"] == []
    with pytest.raises(ClientError, match="AccessDenied"):
        server.client(credentials=second).list_objects_v2(Bucket="first-bucket")

    listed = json.loads(server.run("store", "list-accounts", "-o", "json").stdout)
    assert {"first", "second"} <= {account["display_name"] for account in listed}
    assert first["secret_access_key"] not in json.dumps(listed)

    assert server.run("store", "delete-account", first["account_id"], "-f", check=False).returncode == 5
    server.client(credentials=first).delete_bucket(Bucket="first-bucket")
    server.run("store", "delete-account", first["account_id"], "-f")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        server.client(credentials=first).list_buckets()
    assert server.run("store", "delete-account", first["account_id"], "-f", check=False).returncode == 3


def test_the_marketplaces_own_account_cannot_be_deleted(server: Server) -> None:
    accounts = json.loads(server.run("store", "list-accounts", "-o", "json").stdout)
    own = next(account for account in accounts if account["display_name"] == "marketplace")
    done = server.run("store", "delete-account", own["account_id"], "-f", check=False)
    assert done.returncode == 5
    assert "marketplace" in done.stderr


def test_fsck_reports_a_damaged_object(fresh_server: Fresh) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket="rotten")
    server.client().put_object(Bucket="rotten", Key="fruit", Body=os.urandom(100_000))
    assert "sound" in server.fsck()
    server.stop()
    (segment,) = next((server.data / "buckets").glob("rotten.*")).joinpath("segments").iterdir()
    content = bytearray(segment.read_bytes())
    content[50_000] ^= 1
    segment.write_bytes(content)
    server.start()
    found = server.run("fsck", "--deep", check=False)
    assert found.returncode == 1
    assert "fruit" in found.stdout
    with pytest.raises(ClientError) as broken:
        server.client().get_object(Bucket="rotten", Key="fruit")
    assert broken.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    segment_bytes = bytearray(segment.read_bytes())
    segment_bytes[50_000] ^= 1
    segment.write_bytes(segment_bytes)
    assert len(server.client().get_object(Bucket="rotten", Key="fruit")["Body"].read()) == 100_000
