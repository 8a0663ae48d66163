"""Two servers on one Ceph gateway and one set of records: neither undoes what the other writes into a policy."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, Permissions, Rights
from bucketry.marketplace.engines import ceph_policy
from bucketry.marketplace.engines.ceph import CephEngine
from bucketry.marketplace.records.sql import open_records
from tests.contract.engines.conftest import EngineUnderTest, on_ceph
from tests.kit.ceph import Cluster
from tests.kit.postgres import Postgres

Two = tuple[EngineUnderTest, EngineUnderTest]
KEYS = 8  # on each server, at once


@pytest.fixture
async def two(ceph: Cluster, postgresql: Postgres) -> AsyncIterator[Two]:
    """The engines of two servers, each with connections of its own to the records."""
    url = postgresql.create()
    records = open_records(url), open_records(url)
    made = on_ceph(ceph, records[0]), on_ceph(ceph, records[1])
    yield made
    for number, server in enumerate(made):
        await server.engine.close()
        await records[number].close()


def named(server: EngineUnderTest, bucket: str) -> dict[str, Rights]:
    """Who is let into a bucket, by the name of the user."""
    access = ceph_policy.parse(server.s3().get_bucket_policy(Bucket=bucket)["Policy"])
    return {arn.rpartition("/")[2]: rights for arn, rights in access.bindings.items()}


async def test_keys_that_are_made_limited_and_revoked_on_two_servers_lose_nothing(two: Two) -> None:
    """Each reaches a bucket of its own, too, as additional instances do: no hold on an instance keeps them apart."""
    (shared,) = await two[0].buckets(1)
    kept: dict[str, AccessKey] = {}
    limited: set[str] = set()

    async def use(server: EngineUnderTest, number: int) -> None:
        engine, guid = server.engine, ids.guid()
        own = (await server.buckets(1))[0]
        key = await engine.grant(guid, [own, shared], Rights(), {})
        if number % 4 == 0:
            await engine.revoke(guid)
            return
        kept[f"bucketry-{guid}"] = key
        if number % 4 == 1:
            await engine.restrict(guid, [shared], Rights(Permissions.READ_ONLY))
            limited.add(f"bucketry-{guid}")

    await asyncio.gather(*(use(two[number % 2], number // 2) for number in range(2 * KEYS)))
    found = named(two[0], shared)
    assert set(found) == set(kept)
    assert {name for name, rights in found.items() if rights.permissions is Permissions.READ_ONLY} == limited
    for key in kept.values():
        two[1].s3(key).list_objects_v2(Bucket=shared)


async def test_a_key_revoked_on_one_server_while_another_limits_it_is_named_nowhere(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bucket, other), guid = await two[0].buckets(2), ids.guid()
    await two[0].engine.grant(guid, [bucket, other], Rights(), {})
    assert isinstance(two[0].engine, CephEngine)
    policies, looked, go_on = two[0].engine._policies, threading.Event(), threading.Event()
    change = policies.change

    def later(*arguments: Any, **named: Any) -> None:
        looked.set()
        assert go_on.wait(60)
        change(*arguments, **named)

    monkeypatch.setattr(policies, "change", later)
    limiting = asyncio.create_task(two[0].engine.restrict(guid, [bucket], Rights(prefix="in/")))
    assert await asyncio.to_thread(looked.wait, 60)
    await two[1].engine.revoke(guid)
    go_on.set()
    await limiting
    assert two[0].cluster is not None
    assert f"bucketry-{guid}" not in json.loads(two[0].cluster.admin("user", "list"))
    assert named(two[0], bucket) == named(two[0], other) == {}
