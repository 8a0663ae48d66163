"""Whether an engine does what the marketplace promises: proven by a bucket that is made, used and removed.

It works through the port alone, so it is the same for every engine; a visitor, given by who asks, plays the customer.
Nothing is left behind, whatever fails on the way; where even that can't be, it is said what is left.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import (
    AccessKey,
    BucketAddress,
    BucketNotEmpty,
    BucketSettings,
    Engine,
    Rights,
)
from bucketry.marketplace.domain.errors import DomainError

_OBJECT = "check-config"
_PRIVATE, _PUBLIC = BucketSettings(), BucketSettings(is_public=True)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "403"})  # any other error proves nothing
_LOGS = "look into the engine's own logs"
_OPENED = "find out what before the engine, or in its account, lets strangers in"


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was tried. `problem` "" where it held; `mend` says what to do where it did not."""

    what: str
    problem: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a visitor got: an error code, "" for none, and what was read."""

    code: str = ""
    body: bytes = b""

    @property
    def is_refusal(self) -> bool:
        return self.code in _REFUSALS


class Visitor(Protocol):
    """Who uses a bucket from outside, with a key or, None, as a stranger. Raises EngineUnavailable, unless it is
    answered; an answer is never an error."""

    async def write(self, address: BucketAddress, key: AccessKey | None, name: str, body: bytes) -> Reply: ...
    async def read(self, address: BucketAddress, key: AccessKey | None, name: str) -> Reply: ...
    async def list(self, address: BucketAddress, key: AccessKey | None) -> Reply: ...


class _Failed(Exception):
    """A proof that did not hold."""

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.mend = mend


async def probe(
    engine: Engine, visitor: Visitor, is_public_offered: bool, patience_s: float = 30.0
) -> AsyncGenerator[Proof]:
    """Prove an engine, step by step; after one that failed only the clearing up follows. `patience_s`: how long an
    engine may take until a change counts everywhere."""
    address = engine.address(engine.bucket_name(ids.guid()))
    probing = _Probing(engine, visitor, address, ids.guid(), patience_s)
    steps = [
        ("a bucket is made", probing.make),
        ("a key is made, and it writes and reads", probing.use),
        ("a stranger is refused", probing.refuse_strangers),
        ("a key that is revoked is refused", probing.revoke),
    ]
    if is_public_offered:
        steps.insert(3, ("a public bucket is read by anyone and listed by nobody, and can be closed", probing.open))
    try:
        for what, step in steps:
            proof = await _try(what, step)
            yield proof
            if proof.problem:
                break
    finally:
        cleared = await _try("all is removed again", probing.clear)
    yield cleared


async def _try(what: str, step: Callable[[], Awaitable[None]]) -> Proof:
    try:
        await step()
    except _Failed as failed:
        return Proof(what, str(failed), failed.mend)
    except DomainError as error:
        # What the engine said to operators alone is in the notes.
        said = " ".join([str(error), *getattr(error, "__notes__", ())])
        return Proof(what, said, "see its settings in [engines], and what bucketry's own identity may do there")
    return Proof(what)


def _check_refused(reply: Reply, otherwise: str) -> None:
    """Raises _Failed where a stranger was let in, or not even refused."""
    if not reply.code:
        raise _Failed(otherwise, _OPENED)
    if not reply.is_refusal:
        raise _Failed(f"a stranger is not refused, but answered {reply.code}", _LOGS)


@dataclass(slots=True)
class _Probing:
    engine: Engine
    visitor: Visitor
    address: BucketAddress
    binding: str
    patience_s: float
    key: AccessKey | None = None
    is_granting: bool = False

    @property
    def bucket(self) -> str:
        return self.address.bucket

    async def make(self) -> None:
        await self.engine.create_bucket(self.bucket, _PRIVATE)
        await self.engine.configure(self.bucket, _PRIVATE, since=None)

    async def use(self) -> None:
        body, self.is_granting = secrets.token_bytes(64), True
        key = await self.engine.grant(self.binding, [self.bucket], Rights(), {"bucketry:binding": self.binding})
        self.key = key
        await self._until(
            lambda reply: not reply.code,
            lambda: self.visitor.write(self.address, key, _OBJECT, body),
            "what is written with the new key is refused",
            "see whether a policy above the account denies what keys may do",
        )
        reply = await self.visitor.read(self.address, key, _OBJECT)
        if reply.code or reply.body != body:
            raise _Failed(f"what was written could not be read again ({reply.code or 'other bytes'})", _LOGS)
        usage = await self.engine.usage(self.bucket)
        if usage.objects != 1:
            raise _Failed(f"the engine counts {usage.objects} objects where there is one", _LOGS)

    async def refuse_strangers(self) -> None:
        for ask in (self._read_as_stranger, self._list_as_stranger):
            _check_refused(await ask(), "a private bucket is open to strangers")

    async def open(self) -> None:
        await self.engine.configure(self.bucket, _PUBLIC, since=_PRIVATE)
        await self._until(
            lambda reply: not reply.code,
            self._read_as_stranger,
            "nobody can read in the bucket of a public plan",
            _LOGS,
        )
        _check_refused(await self._list_as_stranger(), "a public bucket can be listed by strangers")
        await self.engine.configure(self.bucket, _PRIVATE, since=_PUBLIC)
        await self._until(
            lambda reply: reply.is_refusal, self._read_as_stranger, "a bucket that was closed stays public", _OPENED
        )

    async def revoke(self) -> None:
        await self.engine.revoke(self.binding)
        await self._until(
            lambda reply: reply.is_refusal,
            lambda: self.visitor.read(self.address, self.key, _OBJECT),
            "a revoked key is not refused",
            _LOGS,
        )

    async def _read_as_stranger(self) -> Reply:
        return await self.visitor.read(self.address, None, _OBJECT)

    async def _list_as_stranger(self) -> Reply:
        return await self.visitor.list(self.address, None)

    async def _until(
        self, is_wanted: Callable[[Reply], bool], ask: Callable[[], Awaitable[Reply]], otherwise: str, mend: str
    ) -> None:
        """Ask until it is as wanted, since changes take their time on some engines. _Failed after that."""
        deadline, pause_s = time.monotonic() + self.patience_s, _FIRST_PAUSE_S
        while not is_wanted(reply := await ask()):
            if time.monotonic() + pause_s > deadline:
                said = f" ({reply.code})" if reply.code else ""
                raise _Failed(f"{otherwise}, also after {self.patience_s:g} seconds{said}", mend)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def clear(self) -> None:
        """Whatever was made, in the reverse order."""
        left: list[str] = []
        if self.is_granting:
            try:
                await self.engine.revoke(self.binding)
            except DomainError as error:
                left.append(f"identity {self.engine.identity_name(self.binding)} may be left: {error}")
        try:
            async for _ in self.engine.empty_bucket(self.bucket):
                pass
            await self.engine.delete_bucket(self.bucket)
        except DomainError as error:
            left.append(f"bucket {self.bucket} may be left: {error}")
        except BucketNotEmpty:
            left.append(f"bucket {self.bucket} is left, since it holds something again")
        if left:
            raise _Failed(" ".join(left), "remove by hand what is left")
