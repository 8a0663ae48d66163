"""The master key of a server: from elsewhere, and rotated while orders and requests go on."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.broker import Broker
from tests.kit.postgres import postgres
from tests.kit.programs import bucketry
from tests.kit.secrets import leaked
from tests.kit.server import LISTEN, Server, as_engine, run_program

KEY, OTHER = "ab" * 32, "0d" * 32
FreshServer = Callable[..., Server]
GRACE = ("--grace", "1")


class Load:
    """What goes on meanwhile: each action again and again in a thread; the first failure is kept."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.failures: list[str] = []
        self.rounds: dict[str, int] = {}

    def repeat(self, name: str, action: Callable[[], None]) -> None:
        def run() -> None:
            while not self._stop.is_set():
                try:
                    action()
                except Exception as problem:
                    self.failures.append(f"{name}: {type(problem).__name__}: {problem}")
                    return
                self.rounds[name] = self.rounds.get(name, 0) + 1

        self.rounds[name] = 0
        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def await_rounds(self, more: int) -> None:
        """Until each action was done so often again, or failed."""
        aims = {name: count + more for name, count in self.rounds.items()}
        deadline = time.monotonic() + 60
        while not self.failures and any(self.rounds[name] < aim for name, aim in aims.items()):
            assert time.monotonic() < deadline, self.rounds
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@contextmanager
def under_load(load: Load) -> Any:
    try:
        yield load
    finally:
        load.stop()


class Orders:
    """An instance on the broker's side, and its bindings."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.broker = Broker(server)
        (service,) = self.broker.ask("GET", "/catalog").body["services"]
        self.ids = {"service_id": service["id"], "plan_id": service["plans"][0]["id"]}
        self.path = "/service_instances/rotated"
        order = {**self.ids, "organization_guid": "o", "space_guid": "s"}
        assert self.broker.ask("PUT", self.path, order).status == 201
        self.query = "&".join(f"{name}={value}" for name, value in self.ids.items())

    def bind(self, guid: str) -> dict[str, str]:
        answer = self.broker.ask("PUT", f"{self.path}/service_bindings/{guid}", self.ids)
        assert answer.status == 201, answer
        return pair_of(answer.body["credentials"])

    def fetch(self, guid: str) -> dict[str, str]:
        answer = self.broker.ask("GET", f"{self.path}/service_bindings/{guid}")
        assert answer.status == 200, answer
        return pair_of(answer.body["credentials"])

    def unbind(self, guid: str) -> None:
        answer = self.broker.ask("DELETE", f"{self.path}/service_bindings/{guid}?{self.query}")
        assert answer.status == 200, answer


def pair_of(credentials: dict[str, Any]) -> dict[str, str]:
    """What stays of credentials when a server comes back at another port."""
    return {name: credentials[name] for name in ("access_key_id", "secret_access_key", "bucket")}


def status(server: Server) -> dict[str, Any]:
    return dict(json.loads(server.run("rotate-master-key", "--status", "-o", "json").stdout))


@pytest.mark.slow
def test_nothing_fails_while_the_key_is_rotated_and_the_old_one_is_needed_no_more(
    fresh_server: FreshServer,
) -> None:
    server = fresh_server(workers=2)
    old = (server.data / "master.key").read_text().strip()
    orders = Orders(server)
    first = orders.bind("first")
    client = server.client(credentials=first)
    bucket = first["bucket"]
    body = bytes(range(256)) * 3000
    client.put_object(Bucket=bucket, Key="before", Body=body, ServerSideEncryption="AES256")
    client.put_object(Bucket=bucket, Key="small", Body=b"small", ServerSideEncryption="AES256")
    numbers = itertools.count()
    session = session_client(server)

    def bind_and_use() -> None:
        guid = f"b{next(numbers)}"
        made = orders.bind(guid)
        server.client(credentials=made).put_object(Bucket=bucket, Key=guid, Body=b"x")
        assert orders.fetch(guid) == made
        orders.unbind(guid)

    def write_and_read_encrypted() -> None:
        client.put_object(Bucket=bucket, Key="during", Body=body, ServerSideEncryption="AES256")
        for key in ("during", "before"):
            assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == body

    def ask_with_old_credentials() -> None:
        assert orders.fetch("first") == first
        assert client.get_object(Bucket=bucket, Key="small")["Body"].read() == b"small"
        session.list_buckets()

    with under_load(Load()) as load:
        load.repeat("binds", bind_and_use)
        load.repeat("encrypted", write_and_read_encrypted)
        load.repeat("old credentials", ask_with_old_credentials)
        load.await_rounds(2)
        for _ in range(2):
            server.run("rotate-master-key", *GRACE)
            load.await_rounds(3)
    assert load.failures == []
    (use,) = status(server)["keys"]
    assert use["seals"]
    (new,) = (server.data / "master.key").read_text().split()
    assert new != old
    assert old not in "".join(path.read_text() for path in server.data.glob("*.json"))

    kept = orders.bind("kept")
    server.kill()
    server.start()  # of the old key nothing is left, not even in memory
    again = server.client(credentials=first)
    assert again.get_object(Bucket=bucket, Key="before")["Body"].read() == body
    assert [orders.fetch("first"), orders.fetch("kept")] == [first, kept]
    assert not leaked(old, server.data), "the old key lies in the folder no more"
    for shown in (server.run("fsck").stdout, server.run("rotate-master-key", "--status").stdout):
        assert new not in shown


def session_client(server: Server) -> Any:
    """One by temporary credentials, whose token is sealed under the key of now."""
    import boto3

    made = server.client("sts").get_session_token(DurationSeconds=3600)["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=server.admin["s3_endpoint"],
        region_name="us-east-1",
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )


def refused(server: Server, data: Path, **environment: str) -> str:
    """The one line with which `serve` ends."""
    command = [bucketry(), "serve", "--data", str(data), *LISTEN]
    done = run_program(command, check=False, environment={**server.cli_environment(), **environment}, timeout=60)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    return line


def test_a_key_of_the_environment_serves_shows_nowhere_and_must_be_the_one(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    server = fresh_server(workers=1, environment={"BUCKETRY_MASTER_KEY": KEY})
    orders = Orders(server)
    made = orders.bind("b")
    assert not (server.data / "master.key").exists()
    shown = run_program(["ps", "axww", "-o", "args"]).stdout
    shown += (server.data / "admin.json").read_text() + server.log.read_text()
    assert KEY not in shown
    assert status(server)["source"] == "BUCKETRY_MASTER_KEY"
    server.stop()
    line = refused(server, server.data, BUCKETRY_MASTER_KEY=OTHER)
    assert "another master key" in line
    assert OTHER not in line
    assert "is no master key" in refused(server, server.data, BUCKETRY_MASTER_KEY="short")
    beside = tmp_path / "beside"  # orders of another server, such as in a database that several share
    beside.mkdir()
    shutil.copy(server.data / "marketplace.sqlite", beside)
    assert "another master key" in refused(server, beside, BUCKETRY_MASTER_KEY=OTHER)
    server.start()
    assert orders.fetch("b") == made


@contextmanager
def started(server: Server) -> Any:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_a_key_by_a_command_is_rotated_by_sighup_alone(tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.write_text(KEY)
    config = tmp_path / "bucketry.toml"
    reading = f"{sys.executable} -c 'print(open(\\\"{vault}\\\").read())'"
    config.write_text(f'[secrets]\nmaster_key_command = "{reading}"\n')
    server = Server(tmp_path / "data", "--config", str(config), workers=1)
    with_config = ("--config", str(config), *GRACE)
    with started(server):
        orders = Orders(server)
        first = orders.bind("first")
        for text in (f"{KEY} {OTHER}", f"{OTHER} {KEY}"):
            vault.write_text(text)
            hang_up(server)
            orders.bind(f"under-{text[:2]}")
        server.run("rotate-master-key", *with_config)
        vault.write_text(OTHER)
        hang_up(server)
        assert orders.fetch("first") == first
        orders.bind("last")
    with started(server):
        assert orders.fetch("first") == first
        assert KEY not in server.log.read_text()


@pytest.mark.slow
def test_servers_that_share_a_database_are_rotated_by_their_key_files(
    fresh_server: FreshServer, server: Server
) -> None:
    with postgres() as database:
        engine = as_engine("shared", server, server.create_account("rotated"))
        shared = {"BUCKETRY_DATABASE__URL": database.create(), **engine}
        servers = [fresh_server(workers=1, environment=shared)]
        old = (servers[0].data / "master.key").read_text().strip()
        files = [servers[0].data / "master.key", servers[0].data.with_name("data1") / "master.key"]
        files[1].parent.mkdir(mode=0o700)
        files[1].write_text(old)
        servers.append(fresh_server(workers=1, environment=shared))
        orders = Orders(servers[0])
        first = orders.bind("first")
        brokers = itertools.cycle([Broker(server) for server in servers])
        numbers = itertools.count()

        def bind_here_and_fetch_there() -> None:
            guid = f"s{next(numbers)}"
            orders.broker = next(brokers)
            made = orders.bind(guid)
            orders.broker = next(brokers)
            assert orders.fetch(guid) == made
            assert orders.fetch("first") == first
            orders.broker = next(brokers)
            orders.unbind(guid)

        refused = servers[0].run("rotate-master-key", *GRACE, check=False)
        assert (refused.returncode, "need the new key" in refused.stderr) == (5, True)
        with under_load(Load()) as load:
            load.repeat("orders", bind_here_and_fetch_there)
            load.await_rounds(1)
            for text in (f"{old} {OTHER}", f"{OTHER} {old}"):
                for file in files:
                    file.write_text(text)
                    load.await_rounds(1)
            for server in servers:
                server.run("rotate-master-key", *GRACE)
            load.await_rounds(2)
        assert load.failures == []
        assert [file.read_text().split() for file in files] == [[OTHER], [OTHER]]
        for server in servers:
            server.stop()
            server.fsck()
            server.start()
            orders.broker = Broker(server)
            assert orders.fetch("first") == first
            server.stop()


def hang_up(server: Server) -> None:
    """SIGHUP; until each worker said that it read the key again."""
    before = server.log.read_text().count(READ_AGAIN)
    deadline = time.monotonic() + 20
    os.kill(server.pid, signal.SIGHUP)
    while server.log.read_text().count(READ_AGAIN) < before + 3:
        assert time.monotonic() < deadline, server.log.read_text()[-2000:]
        time.sleep(0.02)


READ_AGAIN = "the master key was read again"


@pytest.mark.slow
def test_a_snapshot_made_before_opens_with_the_key_in_it(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(workers=1)
    orders = Orders(server)
    made = orders.bind("b")
    server.run("snapshot", str(tmp_path / "before"))
    server.run("rotate-master-key", *GRACE)
    server.run("snapshot", str(tmp_path / "after"))
    for name in ("before", "after"):
        with started(Server(tmp_path / name, workers=1)) as restored:
            orders.broker = Broker(restored)
            assert orders.fetch("b") == made
