"""A machine of a Ceph cluster lost under load: what a binding was answered is there, and orders go on."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from tests.kit.ceph import Cluster, cluster
from tests.kit.customer import Customer
from tests.kit.files import noise
from tests.kit.server import Server, boto_client

pytestmark = pytest.mark.slow

WRITERS = 3
SIZES = (10, 20_000, 1_000_000)
BEFORE, AFTER = 20, 40  # answers, of all writers


@pytest.fixture(scope="module")
def three_osds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("three"), osds=3) as running:
        yield running


@pytest.fixture
def customer(three_osds: Cluster, tmp_path: Path) -> Iterator[Customer]:
    environment = {
        "BUCKETRY_ENGINES__CEPH__KIND": "ceph",
        "BUCKETRY_ENGINES__CEPH__ENDPOINT": three_osds.url,
        "BUCKETRY_ENGINES__CEPH__ACCESS_KEY_ID": three_osds.access_key_id,
        "BUCKETRY_ENGINES__CEPH__SECRET_ACCESS_KEY": three_osds.secret_access_key,
    }
    server = Server(tmp_path / "data", workers=1, environment=environment).start()
    yield Customer.of(server, tmp_path / "home")
    assert server.stop() == 0


class Writers:
    """Clients of a binding that remember what was answered with success."""

    def __init__(self, key: dict[str, Any]) -> None:
        self.key = key
        self.answered: dict[str, str] = {}
        self._stop = threading.Event()
        self._more = threading.Condition()

    def write(self, number: int) -> None:
        s3 = client(self.key)
        turn = 0
        while not self._stop.is_set():
            turn += 1
            name, content = f"{number}/{turn}", noise(SIZES[turn % len(SIZES)], seed=turn)
            try:
                s3.put_object(Bucket=self.key["bucket"], Key=name, Body=content)
            except (ClientError, BotoCoreError, HTTPClientError):
                continue  # not answered with success
            with self._more:
                self.answered[name] = hashlib.sha256(content).hexdigest()
                self._more.notify_all()

    def wait_for(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.answered) >= count, 120), "the writers make no progress"

    def stop(self) -> None:
        self._stop.set()


def client(key: dict[str, Any]) -> Any:
    return boto_client("s3", key, {"s3_endpoint": key["endpoint_url"], "region": key["region"]})


def test_a_killed_osd_costs_nothing_that_was_answered(three_osds: Cluster, customer: Customer) -> None:
    key = customer.key(customer.order())
    writers = Writers(key)
    with ThreadPoolExecutor(WRITERS) as pool:
        jobs = [pool.submit(writers.write, number) for number in range(WRITERS)]
        try:
            writers.wait_for(BEFORE)
            os.kill(three_osds.osd_pids[0], signal.SIGKILL)
            writers.wait_for(BEFORE + AFTER)
            later = customer.order()
            other = customer.key(later)
            client(other).put_object(Bucket=other["bucket"], Key="a", Body=b"1")
            customer.ok("delete-service-key", later, "key", "-f")
        finally:
            writers.stop()
        for job in jobs:
            job.result()
    s3 = client(key)
    for name, digest in writers.answered.items():
        body = s3.get_object(Bucket=key["bucket"], Key=name)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == digest, name
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client(other).get_object(Bucket=other["bucket"], Key="a")
