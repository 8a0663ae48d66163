"""Proving an engine by a bucket that is used from outside: each real one, by S3 requests."""

from __future__ import annotations

from dataclasses import replace

from bucketry.marketplace.domain.ports import AccessKey, BucketAddress
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


async def test_an_engine_is_proven_and_left_as_it_was(under_test: EngineUnderTest) -> None:
    before = await under_test.engine.inventory()
    visitor = Visitor(under_test.url)
    found = [proof async for proof in probe(under_test.engine, visitor, True)]
    visitor.close()
    wrong = {proof.what: proof.problem for proof in found if proof.problem}
    # Moto lets everyone in, and that is noticed.
    assert wrong == (
        {} if under_test.is_enforcing else {"a stranger is refused": "a private bucket is open to strangers"}
    )
    assert await under_test.engine.inventory() == before
