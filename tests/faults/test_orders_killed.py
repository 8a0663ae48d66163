"""The marketplace's process is killed while the store works for it; platforms repeat their orders, or undo them.

The store's identities are locked from outside, so that all orders are recorded and wait in the middle of their first
change of the store when the marketplace dies. What it had asked for still happens, after its death.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest
from botocore.exceptions import ClientError

from bench import fill
from bucketry.kernel import ids
from tests.kit.broker import Broker, BrokerReply
from tests.kit.server import Server

Fresh = Callable[..., Server]
KINDS = ("provision", "bind", "rotate", "unbind", "update", "deprovision")
LONGEST_S = 60.0
AT_ONCE = 50
OBJECTS = 30_000


@dataclass
class Customer:
    """One instance, with the bindings that its order needs, and that order as a platform gives it."""

    broker: Broker
    kind: str
    service: str
    plans: dict[str, str]

    def __post_init__(self) -> None:
        self.instance, self.first, self.second = f"/service_instances/{ids.guid()}", ids.guid(), ids.guid()
        self.had: dict[str, Any] = {}
        if self.kind != "provision":
            assert self._provision().status == 201
        if self.kind != "provision" and self.kind != "bind":
            self.had = self._bind(self.first).body["credentials"]

    def ask(self) -> BrokerReply:
        match self.kind:
            case "provision":
                return self._provision()
            case "bind":
                return self._bind(self.first)
            case "rotate":
                return self._bind(self.second, predecessor_binding_id=self.first)
            case "unbind":
                return self._delete(f"{self.instance}/service_bindings/{self.first}")
            case "update":
                change = {"service_id": self.service, "plan_id": self.plans["basic-public"]}
                return self.broker.ask("PATCH", self.instance, change)
            case _:
                return self._delete(self.instance)

    def undo(self) -> BrokerReply:
        """As platforms mitigate orphans."""
        if self.kind == "provision":
            return self._delete(self.instance)
        guid = self.first if self.kind == "bind" else self.second
        return self._delete(f"{self.instance}/service_bindings/{guid}")

    def _provision(self) -> BrokerReply:
        order = {
            "service_id": self.service,
            "plan_id": self.plans["basic"],
            "organization_guid": "org",
            "space_guid": "space",
        }
        return self.broker.ask("PUT", self.instance, order)

    def _bind(self, guid: str, **more: str) -> BrokerReply:
        order = {"service_id": self.service, "plan_id": self.plans["basic"], **more}
        return self.broker.ask("PUT", f"{self.instance}/service_bindings/{guid}", order)

    def _delete(self, path: str) -> BrokerReply:
        return self.broker.ask("DELETE", f"{path}?service_id={self.service}&plan_id={self.plans['basic']}")


def customers(server: Server, kinds: Sequence[str] = KINDS) -> list[Customer]:
    broker = Broker(server)
    (service,) = broker.ask("GET", "/catalog").body["services"]
    plans = {plan["name"]: plan["id"] for plan in service["plans"]}
    return [Customer(broker, kind, service["id"], plans) for kind in kinds]


@contextmanager
def identities_locked(server: Server) -> Iterator[None]:
    """Whatever changes the store's identities or buckets waits meanwhile."""
    descriptor = os.open(server.data / "identity.sqlite.lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def unfinished(server: Server) -> int:
    """How many orders are recorded and under way."""
    connection = apsw.Connection(str(server.data / "marketplace.sqlite"), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(10_000)
        counts = [
            connection.execute(f"SELECT count(*) FROM {table} WHERE state != 'ready'").get
            for table in ("instances", "bindings")
        ]
        return sum(int(str(count)) for count in counts)
    finally:
        connection.close()


def marketplace_process(server: Server) -> int:
    """The worker that has the orders' database open."""
    for number in server.workers():
        for link in Path(f"/proc/{number}/fd").iterdir():
            try:
                if link.readlink().name == "marketplace.sqlite":
                    return number
            except OSError:
                continue
    raise AssertionError("no worker has the orders open")


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def answers(server: Server) -> bool:
    try:
        return Broker(server).ask("GET", "/catalog").status == 200
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("follow_up", ["repeat", "undo", "keeper"])
def test_orders_in_the_middle_of_a_kill_end_clearly(fresh_server: Fresh, follow_up: str) -> None:
    server = fresh_server(workers=1)
    all_ = customers(server)
    with ThreadPoolExecutor(len(all_)) as threads:
        with identities_locked(server):
            under_way: list[Future[BrokerReply]] = [threads.submit(customer.ask) for customer in all_]
            until(lambda: unfinished(server) == len(all_))
            os.kill(marketplace_process(server), signal.SIGKILL)
            for broken in under_way:
                assert isinstance(broken.exception(LONGEST_S), OSError | http.client.HTTPException)
        until(lambda: answers(server))
        if follow_up == "repeat":
            for customer, reply in zip(all_, threads.map(Customer.ask, all_), strict=True):
                done = (200, 410) if customer.kind in ("unbind", "deprovision") else (200, 201)
                assert reply.status in done, (customer.kind, reply)
                check_done(server, customer, reply)
        elif follow_up == "undo":
            orphans = [customer for customer in all_ if customer.kind in ("provision", "bind", "rotate")]
            for customer, reply in zip(orphans, threads.map(Customer.undo, orphans), strict=True):
                assert reply.status in (200, 410), (customer.kind, reply)
    until(lambda: unfinished(server) == 0)
    found = server.run("reconcile", "-o", "json", check=False)
    assert (found.returncode, json.loads(found.stdout)) == (0, []), found.stderr
    for customer in all_:
        if customer.had and customer.kind not in ("unbind", "deprovision"):
            server.client(credentials=customer.had).list_objects_v2(Bucket=customer.had["bucket"])


def check_done(server: Server, customer: Customer, reply: BrokerReply) -> None:
    """What a repeated order gives is what is there."""
    if customer.kind in ("bind", "rotate"):
        key = reply.body["credentials"]
        server.client(credentials=key).list_objects_v2(Bucket=key["bucket"])
        assert customer.ask().body["credentials"] == key
    if customer.kind in ("unbind", "deprovision"):
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            server.client(credentials=customer.had).list_objects_v2(Bucket=customer.had["bucket"])


@pytest.mark.slow
def test_a_sandbox_that_a_kill_left_half_emptied_is_emptied_to_its_end(fresh_server: Fresh) -> None:
    """By asynchronous deprovision alone; the platform, which got no answer, orders it again and follows it."""
    server = fresh_server(workers=1)
    (customer,) = customers(server, ["bind"])
    broker, path = customer.broker, customer.instance.replace("/service_instances/", "/service_instances/s-")
    sandbox = customer.plans["basic-sandbox"]
    ids_ = {"service_id": customer.service, "plan_id": sandbox}
    assert broker.ask("PUT", path, {**ids_, "organization_guid": "o", "space_guid": "s"}).status == 201
    key = broker.ask("PUT", f"{path}/service_bindings/b", ids_).body["credentials"]
    bucket, root = key["bucket"], server.client()
    fill.put_objects(
        server.data, [(bucket, fill.bucket_id_of(server.data, bucket))], OBJECTS, b"1", fill.account_of(server.data)
    )
    query = f"service_id={customer.service}&plan_id={sandbox}"
    refused = broker.ask("DELETE", f"{path}?{query}")
    assert (refused.status, refused.body["error"]) == (422, "AsyncRequired")
    server.client(credentials=key).head_bucket(Bucket=bucket)

    def left() -> int:
        return int(root.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-rgw-object-count"])

    with ThreadPoolExecutor(1) as threads:
        broken = threads.submit(broker.ask, "DELETE", f"{path}?{query}&accepts_incomplete=true")
        until(lambda: left() < OBJECTS)
        os.kill(marketplace_process(server), signal.SIGKILL)
        assert isinstance(broken.exception(LONGEST_S), OSError | http.client.HTTPException)
    assert left() > 0, "it was too quick to be broken off"
    until(lambda: answers(server))
    again = broker.ask("DELETE", f"{path}?{query}&accepts_incomplete=true")
    assert again.status in (202, 200, 410)  # the server that went on with it may be done by then
    polled = f"{path}/last_operation"
    until(lambda: broker.ask("GET", polled).body["state"] != "in progress")
    assert broker.ask("GET", polled).body == {"state": "succeeded", "description": "delete succeeded"}
    assert broker.ask("DELETE", f"{path}?{query}&accepts_incomplete=true").status == 410
    with pytest.raises(ClientError, match="404"):
        root.head_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match="403"):
        server.client(credentials=key).head_bucket(Bucket=bucket)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "winner", "others"),
    [
        ("provision", 201, {200, 422}),
        ("bind", 201, {200, 422}),
        ("unbind", 200, {410, 422}),
        ("deprovision", 200, {410, 422}),
    ],
)
def test_of_many_identical_orders_at_once_one_wins(server: Server, kind: str, winner: int, others: set[int]) -> None:
    (customer,) = customers(server, [kind])
    start = threading.Barrier(AT_ONCE)

    def ask(_: int) -> BrokerReply:
        start.wait()
        return customer.ask()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        replies = list(threads.map(ask, range(AT_ONCE)))
    statuses = [reply.status for reply in replies]
    assert statuses.count(winner) == 1
    assert set(statuses) <= {winner} | others
    given = {reply.body["credentials"]["uri"] for reply in replies if "credentials" in reply.body}
    assert len(given) == (kind == "bind")
