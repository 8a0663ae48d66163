"""Proving an engine by a bucket that is used from outside: each real one, by S3 requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import AccessKey, BucketAddress
from bucketry.marketplace.domain.probing import Reply, probe
from bucketry.marketplace.engines.visiting import S3Visitor
from tests.contract.engines.conftest import EngineUnderTest


class Visitor(S3Visitor):
    """One that reaches the engine where it is, whatever credentials name."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def write(self, address: BucketAddress, key: AccessKey | None, name: str, body: bytes) -> Reply:
        return await super().write(replace(address, endpoint_url=self._url), key, name, body)

    async def read(self, address: BucketAddress, key: AccessKey | None, name: str) -> Reply:
        return await super().read(replace(address, endpoint_url=self._url), key, name)

    async def list(self, address: BucketAddress, key: AccessKey | None) -> Reply:
        return await super().list(replace(address, endpoint_url=self._url), key)


async def test_an_engine_is_proven_and_left_as_it_was(
    under_test: EngineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    guids, new_guid = [], ids.guid

    def noted_guid() -> str:
        guids.append(new_guid())
        return guids[-1]

    monkeypatch.setattr(ids, "guid", noted_guid)
    engine, visitor = under_test.engine, Visitor(under_test.url)
    found = [proof async for proof in probe(engine, visitor, True)]
    visitor.close()
    wrong = {proof.what: proof.problem for proof in found if proof.problem}
    # Moto lets everyone in, and that is noticed.
    assert wrong == (
        {} if under_test.is_enforcing else {"a stranger is refused": "a private bucket is open to strangers"}
    )
    # Others may use the engine at the same time: what is theirs comes and goes.
    left = await engine.inventory()
    assert guids
    assert not left.buckets & {engine.bucket_name(guid) for guid in guids}
    assert not left.identities & {engine.identity_name(guid) for guid in guids}
