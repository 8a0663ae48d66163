"""Proving an engine: each promise that is not kept is named, and nothing is left in any case."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bucketry.marketplace.domain.engine_ports import AccessKey, BucketAddress
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.domain.probing import Proof, Reply, probe
from tests.kit.memory_engine import MemoryEngine

DENIED = Reply("AccessDenied")


@dataclass
class MemoryVisitor:
    """Uses a memory engine as its settings allow; `lies` are the promises that it does not keep."""

    engine: MemoryEngine
    lies: set[str] = field(default_factory=set)
    bodies: dict[str, bytes] = field(default_factory=dict)

    async def write(self, address: BucketAddress, key: AccessKey | None, name: str, body: bytes) -> Reply:
        if "no writing" in self.lies or not self._is_known(key):
            return DENIED
        self.bodies[address.bucket] = b"other" if "other bytes" in self.lies else body
        self.engine.fill(address.bucket, 0 if "not counted" in self.lies else 1)
        return Reply()

    async def read(self, address: BucketAddress, key: AccessKey | None, name: str) -> Reply:
        is_public = self.engine.buckets[address.bucket].settings.is_public
        if "never public" in self.lies:
            is_public = False
        if "never closed" in self.lies and is_public:
            self.lies.add("open")
        is_open = is_public or "open" in self.lies
        is_known = self._is_known(key) or (key is not None and "never revoked" in self.lies)
        if not is_known and f"busy to {'the revoked' if key else 'strangers'}" in self.lies:
            return Reply("SlowDown")
        return Reply(body=self.bodies[address.bucket]) if is_known or (key is None and is_open) else DENIED

    async def list(self, address: BucketAddress, key: AccessKey | None) -> Reply:
        is_public = self.engine.buckets[address.bucket].settings.is_public
        return Reply() if is_public and "public lists" in self.lies else DENIED

    def _is_known(self, key: AccessKey | None) -> bool:
        return key is not None and key in [held.key for held in self.engine.keys.values()]


async def proofs(engine: MemoryEngine, *lies: str, public: bool = True) -> list[Proof]:
    return [proof async for proof in probe(engine, MemoryVisitor(engine, set(lies)), public, patience_s=0.3)]


async def test_an_engine_that_keeps_all_is_proven_and_left_as_it_was() -> None:
    engine = MemoryEngine()
    assert [proof.problem for proof in await proofs(engine)] == [""] * 6
    assert len(await proofs(engine, public=False)) == 5
    assert engine.buckets == engine.keys == {}


@pytest.mark.parametrize(
    ("lie", "step", "problem"),
    [
        ("no writing", "a key is made", "the new key is refused, also after 0.3 seconds (AccessDenied)"),
        ("other bytes", "a key is made", "could not be read again (other bytes)"),
        ("not counted", "a key is made", "counts 0 objects"),
        ("open", "a stranger is refused", "open to strangers"),
        ("busy to strangers", "a stranger is refused", "a stranger is not refused, but answered SlowDown"),
        ("never public", "a public bucket", "nobody can read"),
        ("public lists", "a public bucket", "can be listed"),
        ("never closed", "a public bucket", "stays public"),
        ("never revoked", "a key that is revoked", "a revoked key is not refused"),
        (
            "busy to the revoked",
            "a key that is revoked",
            "a revoked key is not refused, also after 0.3 seconds (SlowDown)",
        ),
    ],
)
async def test_a_promise_that_is_not_kept_is_named(lie: str, step: str, problem: str) -> None:
    engine = MemoryEngine()
    *_, failed, cleared = await proofs(engine, lie)
    assert failed.what.startswith(step)
    assert problem in failed.problem
    assert failed.mend
    assert cleared == Proof("all is removed again")
    assert engine.buckets == engine.keys == {}


@pytest.mark.parametrize("method", ["create_bucket", "configure", "grant", "revoke"])
async def test_what_the_engine_says_is_told_with_its_notes(method: str) -> None:
    engine, error = MemoryEngine(), EngineUnavailable("It does not answer.")
    error.add_note("It said why.")
    engine.failures[method] = error
    *_, failed, cleared = await proofs(engine)
    assert failed.problem == "It does not answer. It said why."
    assert cleared.problem == ""
    assert engine.buckets == engine.keys == {}


async def test_what_is_left_is_named() -> None:
    engine = MemoryEngine()
    engine.failures["empty_bucket"] = EngineRefused("No.")
    *_, cleared = await proofs(engine)
    (bucket,) = engine.buckets
    assert cleared.problem == f"bucket {bucket} may be left: No."
    assert "by hand" in cleared.mend


async def test_who_stops_in_the_middle_leaves_nothing() -> None:
    engine = MemoryEngine()
    steps = probe(engine, MemoryVisitor(engine), True)
    await anext(steps)
    await anext(steps)
    assert engine.buckets
    assert engine.keys
    await steps.aclose()
    assert engine.buckets == engine.keys == {}


async def test_a_change_that_takes_its_time_is_waited_for() -> None:
    engine = MemoryEngine()
    visitor = MemoryVisitor(engine, {"no writing"})

    class Late(MemoryVisitor):
        async def write(self, address: BucketAddress, key: AccessKey | None, name: str, body: bytes) -> Reply:
            reply = await super().write(address, key, name, body)
            self.lies.discard("no writing")
            return reply

    late = Late(engine, visitor.lies)
    assert not [proof async for proof in probe(engine, late, False, patience_s=5) if proof.problem]
