"""Two replicas on one PostgreSQL, one killed under load: nothing is lost or doubled, the other goes on alone."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from bucketry.marketplace.engines import names
from tests.kit.broker import Broker, BrokerReply
from tests.kit.postgres import Postgres
from tests.kit.server import Server, as_engine, boto_client

PLATFORMS = 6
PATIENCE_SECONDS = 90.0
UNFINISHED = """
    SELECT count(*) FROM instances LEFT JOIN bindings ON bindings.instance_guid = instances.guid
    WHERE instances.state != 'ready' OR bindings.state != 'ready'
       OR instances.held_until_ms > extract(epoch FROM clock_timestamp()) * 1000
"""  # a hold of the dead one on what is ready runs out by itself


@dataclass
class Replicas:
    """Both, and the account of a store of its own that both have as their engine."""

    one: Server
    other: Server
    engine: Server
    account: dict[str, str]
    database: str

    def client(self, service: str) -> Any:
        return boto_client(service, self.account, self.engine.admin)


@pytest.fixture
def replicas(postgresql: Postgres, server: Server, fresh_server: Callable[..., Server]) -> Iterator[Replicas]:
    account, database = server.create_account("replicas"), postgresql.create()
    environment = {"BUCKETRY_DATABASE__URL": database, **as_engine("shared", server, account)}
    one = fresh_server(workers=1, environment=environment)
    other = one.data.with_name("other")
    other.mkdir(mode=0o700)
    for name in ("master.key", "admin.json"):  # as docs/operations.md says
        shutil.copy2(one.data / name, other / name)
    second = Server(other, workers=1, environment=environment).start()
    try:
        yield Replicas(one, second, server, account, database)
    finally:
        second.kill()


@dataclass
class Platform:
    """Orders, binds, unbinds and deletes by turns at either replica; repeats at the other what was not answered."""

    brokers: list[Broker]
    plan: dict[str, str]
    chance: random.Random
    stop: threading.Event
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)  # binding → its credentials
    instances: dict[str, str] = field(default_factory=dict)  # binding → instance
    deleted: list[str] = field(default_factory=list)
    abandoned: int = 0
    cycles: int = 0

    def run(self) -> None:
        while not self.stop.is_set():
            self._cycle()
            self.cycles += 1

    def _cycle(self) -> None:
        instance, binding = str(uuid.uuid4()), str(uuid.uuid4())
        of_instance = f"/service_instances/{instance}"
        of_binding = f"{of_instance}/service_bindings/{binding}"
        query = f"?service_id={self.plan['service_id']}&plan_id={self.plan['plan_id']}"
        order = {**self.plan, "organization_guid": "org", "space_guid": "space"}
        bind = {**self.plan, "bind_resource": {"app_guid": "app"}}
        if self._ask("PUT", of_instance, order, (200, 201)) is None:
            return
        bound = self._ask("PUT", of_binding, bind, (200, 201))
        if bound is None:
            return
        if self.chance.random() < 0.3:
            self.kept[binding] = bound.body["credentials"]
            self.instances[binding] = instance
            return
        if self._ask("DELETE", of_binding + query, None, (200, 410)) is None:
            return
        if self._ask("DELETE", of_instance + query, None, (200, 410)) is not None:
            self.deleted.append(instance)

    def _ask(self, method: str, path: str, body: object, expected: tuple[int, ...]) -> BrokerReply | None:
        """The answer at last; None where the platform has lost its interest, as one that dies itself does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for turn in itertools.count():
            broker = self.chance.choice(self.brokers) if not turn else self.brokers[turn % 2]
            try:
                reply = broker.ask(method, path, body)
            except OSError:
                if not turn and self.chance.random() < 0.5:
                    self.abandoned += 1
                    return None
                continue
            if reply.status in expected:
                return reply
            assert reply.body.get("error") == "ConcurrencyError", (reply.status, reply.body)
            assert time.monotonic() < deadline, "the order does not come to an end"
        raise AssertionError("the loop has no end")


def plan_of(broker: Broker) -> dict[str, str]:
    service = broker.ask("GET", "/catalog").body["services"][0]
    return {"service_id": service["id"], "plan_id": service["plans"][0]["id"]}


def await_finished(database: str) -> None:
    """Return once no order is unfinished and nobody works on any."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            (left,) = connection.execute(UNFINISHED).fetchone() or (None,)
            if left == 0:
                return
            assert time.monotonic() < deadline, f"{left} orders are left unfinished"
            time.sleep(0.2)


@pytest.mark.slow
def test_replica_killed_under_load_loses_and_doubles_nothing(replicas: Replicas) -> None:
    brokers = [Broker(replicas.one), Broker(replicas.other)]
    plan, stop = plan_of(brokers[1]), threading.Event()
    platforms = [Platform(brokers, plan, random.Random(number), stop) for number in range(PLATFORMS)]
    with ThreadPoolExecutor(PLATFORMS) as pool:
        jobs = [pool.submit(platform.run) for platform in platforms]
        await_cycles(platforms, jobs, 15)
        replicas.one.kill()
        await_cycles(platforms, jobs, sum(p.cycles for p in platforms) + 2 * PLATFORMS)
        stop.set()
        for job in jobs:
            job.result()
    await_finished(replicas.database)

    kept = {binding: pair for platform in platforms for binding, pair in platform.kept.items()}
    assert kept
    instances = {binding: instance for platform in platforms for binding, instance in platform.instances.items()}
    for binding, pair in kept.items():
        told = brokers[1].ask("GET", f"/service_instances/{instances[binding]}/service_bindings/{binding}")
        assert (told.status, told.body["credentials"]) == (200, pair)
        client = boto_client("s3", pair, replicas.engine.admin)
        client.put_object(Bucket=pair["bucket"], Key="key", Body=b"mine")
        assert client.get_object(Bucket=pair["bucket"], Key="key")["Body"].read() == b"mine"
    for platform in platforms:
        for instance in platform.deleted:
            assert brokers[1].ask("GET", f"/service_instances/{instance}").status == 404
    check_engine(replicas)


def await_cycles(platforms: list[Platform], jobs: list[Any], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(platform.cycles for platform in platforms) < count:
        for job in jobs:
            if job.done():
                job.result()
        assert time.monotonic() < deadline, "the platforms make no progress"
        time.sleep(0.02)


def check_engine(replicas: Replicas) -> None:
    """The engine holds a bucket for each instance and a user with one key for each binding, and nothing else."""
    with psycopg.connect(replicas.database) as connection:
        buckets = {row[0] for row in connection.execute("SELECT bucket FROM instances")}
        bindings = {row[0] for row in connection.execute("SELECT guid FROM bindings")}
    held = {bucket["Name"] for bucket in replicas.client("s3").list_buckets()["Buckets"]}
    assert held == buckets
    iam = replicas.client("iam")
    users = [user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]]
    assert sorted(users) == sorted(names.from_id("bucketry-", binding) for binding in bindings)
    for user in users:
        assert len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 1
