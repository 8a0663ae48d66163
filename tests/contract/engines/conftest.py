"""Engines that exist. Each test runs over each: moto's server stands for AWS, beside the embedded store and Ceph.

Moto checks no permissions. So the engine for AWS is driven over the store, too (`bounded`), by an identity that may do
what docs/aws.md says and nothing else.

An engine's fixture gives `EngineUnderTest`: the engine, and root clients to look behind it with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketSettings
from bucketry.marketplace.domain.turns import Turns
from bucketry.marketplace.engines.aws import AwsAccount, Login, make_aws_engine
from bucketry.marketplace.engines.ceph import CephEngine
from bucketry.marketplace.engines.embedded import make_embedded_engine
from bucketry.marketplace.engines.s3_iam import S3IamEngine
from tests.kit.aws import Bounded, make_bounded
from tests.kit.ceph import Cluster
from tests.kit.store import Store


@dataclass
class EngineUnderTest:
    """`is_enforcing`: whether it checks permissions; moto does not. `boundary`: what users have to be bounded by.
    `cluster`: the one under a Ceph engine."""

    engine: S3IamEngine | CephEngine
    url: str
    root: AccessKey
    is_enforcing: bool
    boundary: str = ""
    cluster: Cluster | None = None

    @property
    def is_ceph(self) -> bool:
        return self.cluster is not None

    def s3(self, key: AccessKey | None = None) -> Any:
        return self._client("s3", key or self.root)

    def iam(self) -> Any:
        return self._client("iam", self.root)

    def _client(self, service: str, key: AccessKey) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )

    def bucket(self) -> str:
        """The name of a new instance's bucket."""
        return self.engine.bucket_name(ids.guid())

    async def buckets(self, count: int) -> list[str]:
        """New buckets that are there."""
        made = [self.bucket() for _ in range(count)]
        for bucket in made:
            await self.engine.create_bucket(bucket, BucketSettings())
        return made


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def moto(moto_url: str) -> tuple[str, AccessKey]:
    return moto_url, AccessKey("root", "secret")


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, AccessKey]]:
    store = Store(tmp_path_factory.mktemp("store"))
    yield store.url, AccessKey(store.one.access_key_id, store.one.secret_access_key)
    assert store.stop() == 0


@pytest.fixture(scope="session")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    store = Store(tmp_path_factory.mktemp("aws"))
    yield make_bounded(store)
    assert store.stop() == 0


# Where an engine is asked: at the server's own address, or at that of something before it.
Way = Callable[[str], str]


def straight(url: str) -> str:
    return url


def _of_moto(request: pytest.FixtureRequest, way: Way = straight) -> EngineUnderTest:
    url, root = request.getfixturevalue("moto")
    engine = make_aws_engine(
        name="tested",
        region="us-east-1",
        logins=[Login(root.access_key_id, root.secret_access_key)],
        endpoint_url=way(url),
        key_wait_s=5,
    )
    assert isinstance(engine, AwsAccount)
    return EngineUnderTest(engine, url, root, is_enforcing=False)


def _of_store(request: pytest.FixtureRequest, way: Way = straight) -> EngineUnderTest:
    url, root = request.getfixturevalue("embedded")
    engine = make_embedded_engine(
        name="tested",
        endpoint_url=way(url),
        public_url="https://s3.example:9000/",
        region="us-east-1",
        access_key_id=root.access_key_id,
        secret_access_key=root.secret_access_key,
        website_domain="web.example",
        website_port=9001,
    )
    return EngineUnderTest(engine, url, root, is_enforcing=True)


def _of_bounded(request: pytest.FixtureRequest, way: Way = straight) -> EngineUnderTest:
    place: Bounded = request.getfixturevalue("bounded")
    engine = replace(place, url=way(place.url)).engine()
    return EngineUnderTest(engine, place.url, place.root, is_enforcing=True, boundary=place.boundary)


def _of_ceph(request: pytest.FixtureRequest, way: Way = straight) -> EngineUnderTest:
    return on_ceph(request.getfixturevalue("ceph"), way=way)


def on_ceph(cluster: Cluster, turns: Turns | None = None, way: Way = straight) -> EngineUnderTest:
    """`turns`: those of several engines for the same gateway."""
    engine = CephEngine(
        name="tested",
        endpoint_url=way(cluster.url),
        access_key_id=cluster.access_key_id,
        secret_access_key=cluster.secret_access_key,
        website_host=cluster.website_host,
        turns=turns,
    )
    return EngineUnderTest(engine, cluster.url, cluster.key, is_enforcing=True, cluster=cluster)


ENGINES = {"aws": _of_moto, "embedded": _of_store, "bounded": _of_bounded, "ceph": _of_ceph}


@pytest.fixture(params=ENGINES)
async def under_test(request: pytest.FixtureRequest) -> AsyncIterator[EngineUnderTest]:
    made = ENGINES[request.param](request)
    yield made
    await made.engine.close()
