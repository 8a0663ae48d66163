"""A rotation of the master key that dies at any step leaves all secrets open, and is finished by a repeat."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bucketry.kernel.clock import system_clock_ms
from bucketry.kernel.envelope import Envelope, derive_key
from bucketry.marketplace.domain.marketplace import make_marketplace
from bucketry.marketplace.records.sql import SqlRecords
from bucketry.serve import key_sources, rotation
from bucketry.serve.errors import ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.keyring import MARKETPLACE_RECORDS, STORE_OBJECTS
from bucketry.serve.master_keys import MasterKeys, open_keys
from bucketry.serve.settings import Settings
from bucketry.serve.store_half import open_identity
from bucketry.store.identity import sessions
from bucketry.store.identity.store import Identity
from tests.kit.marketplace import World, open_world

GRACE_SECONDS = 0.001
HOUR_MS = 3_600_000


class Died(BaseException):
    """The end of the process that rotates."""


@dataclass
class Deployment:
    """A data folder and its records, with secrets of each kind made under the first key."""

    folder: DataFolder
    world: World
    access_key_id: str
    secret: str
    binding_guid: str
    binding_secret: str
    object_seal: bytes
    ticket: sessions.Ticket
    token: str

    @contextlib.contextmanager
    def process(self, **environment: str) -> Iterator[tuple[MasterKeys, Identity]]:
        keys = open_keys(self.folder, Settings(), environment=environment)
        identity = open_identity(self.folder, keys)
        try:
            yield keys, identity
        finally:
            identity.close()

    async def rotate(self, *, with_tokens: bool = True, may_make_key: bool = True, **environment: str) -> rotation.Done:
        with self.process(**environment) as (keys, identity):
            return await rotation.rotate(
                self.folder,
                keys,
                identity,
                self.world.records,
                grace_seconds=GRACE_SECONDS,
                with_tokens=with_tokens,
                may_make_key=may_make_key,
                tell=lambda _: None,
            )

    async def check(self, **environment: str) -> None:
        """Everything opens, in a process that just began."""
        with self.process(**environment) as (keys, identity):
            await self.check_in(keys, identity)

    async def check_in(self, keys: MasterKeys, identity: Identity) -> None:
        identity.refresh()
        caller = identity.caller(self.access_key_id)
        assert caller is not None
        assert caller.secret_access_key == self.secret
        assert await self._binding_secret(keys.envelope(MARKETPLACE_RECORDS)) == self.binding_secret
        assert keys.envelope(STORE_OBJECTS).open(self.object_seal, "bucket") == "data key"
        assert identity.session_caller(self.ticket.access_key_id, self.token) is not None

    async def _binding_secret(self, envelope: Envelope) -> str:
        marketplace = make_marketplace(
            self.world.catalog, self.world.records, {"embedded": self.world.engine}, envelope, self.world.clock
        )
        binding = await marketplace.bindings.get(self.binding_guid)
        return (await marketplace.bindings.credentials(binding))["secret_access_key"]


@pytest.fixture
async def deployed(tmp_path: Path) -> AsyncIterator[Deployment]:
    folder = DataFolder(tmp_path / "data")
    folder.make()
    keys = open_keys(folder, Settings(), may_create=True, environment={})
    identity = open_identity(folder, keys)
    _, access_key_id, secret = await identity.create_account("owner", "")
    parent = identity.caller(access_key_id)
    assert parent is not None
    ticket = sessions.new_ticket(parent, 0, 1 << 60)
    token = identity.session_token(ticket)
    async with open_world(tmp_path) as world:
        marketplace = make_marketplace(
            world.catalog, world.records, {"embedded": world.engine}, keys.envelope(MARKETPLACE_RECORDS), world.clock
        )
        instance = await world.create()
        bound: Any = await marketplace.bindings.create_key(instance.guid, "key")
        yield Deployment(
            folder,
            world,
            access_key_id,
            secret,
            bound.binding.guid,
            bound.credentials["secret_access_key"],
            keys.envelope(STORE_OBJECTS).seal("data key", "bucket"),
            ticket,
            token,
        )
    identity.close()


def key_lines(deployed: Deployment) -> list[str]:
    return deployed.folder.master_key_file.read_text().split()


async def test_after_a_rotation_the_old_key_is_needed_no_more(deployed: Deployment) -> None:
    (old,) = key_lines(deployed)
    with deployed.process() as (keys, identity):  # one that runs on, and learns of each step by itself
        done = await deployed.rotate()
        await deployed.check_in(keys, identity)
    assert (done.count, done.unopened) == (2, [])
    assert key_lines(deployed) != [old]
    assert old not in deployed.folder.keyring_file.read_text()
    await deployed.check()
    deployed.folder.master_key_file.unlink()
    with pytest.raises(ServeError, match="another master key"), deployed.process(BUCKETRY_MASTER_KEY=old):
        pass


async def test_rotated_twice_objects_of_the_first_key_open(deployed: Deployment) -> None:
    await deployed.rotate()
    await deployed.rotate()
    await deployed.check()


async def test_session_tokens_can_be_ended_with_the_old_key(deployed: Deployment) -> None:
    await deployed.rotate(with_tokens=False)
    with deployed.process() as (_, identity):
        assert identity.session_caller(deployed.ticket.access_key_id, deployed.token) is None
        assert identity.caller(deployed.access_key_id) is not None


async def test_what_opens_session_tokens_goes_when_they_have_run_out(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed.rotate()
    now_ms = system_clock_ms()
    monkeypatch.setattr("bucketry.serve.master_keys.system_clock_ms", lambda: now_ms + 38 * HOUR_MS)
    with deployed.process() as (_, identity):
        assert identity.session_caller(deployed.ticket.access_key_id, deployed.token) is None


@pytest.mark.parametrize("step", range(1, 11))
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
async def test_a_death_at_any_step_loses_nothing_and_a_repeat_finishes(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch, step: int, is_done: bool
) -> None:
    (old,) = key_lines(deployed)
    taken = 0

    def dying(work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == step and not is_done:
                raise Died
            result = work(*arguments, **options)
            if taken == step:
                if not isinstance(result, Awaitable):
                    raise Died
                return _then_die(result)
            return result

        return wrapped

    with monkeypatch.context() as patched:
        for place in (rotation, key_sources):
            patched.setattr(place, "write_private", dying(place.write_private))
        patched.setattr(Identity, "reseal", dying(Identity.reseal))
        patched.setattr(SqlRecords, "replace_sealed", dying(SqlRecords.replace_sealed))
        with contextlib.suppress(Died):
            await deployed.rotate()
    assert taken == min(step, 10), "the rotation has other steps than this test knows"
    await deployed.check()
    await deployed.rotate()
    await deployed.check()
    assert len(key_lines(deployed)) == 1
    assert key_lines(deployed) != [old]
    with deployed.process() as (keys, identity):
        (use,) = await rotation.uses(keys, identity, deployed.world.records)
        assert (use.seals, use.store_secrets, use.binding_secrets) == (True, 1, 1)
        assert keys.keyring.rotating_to == ""


async def _then_die(work: Awaitable[Any]) -> None:
    await work
    raise Died


async def test_what_is_written_late_under_the_old_key_is_found(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Envelope([derive_key(bytes.fromhex(key_lines(deployed)[0]), MARKETPLACE_RECORDS)])
    pair = json.dumps(["AKIA", deployed.binding_secret])
    waits = 0

    async def late(_seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits <= 2:
            ((guid, sealed),) = await deployed.world.records.list_sealed("", 9)
            await deployed.world.records.replace_sealed([(guid, sealed, old.seal(pair, f"binding|{guid}"))])

    monkeypatch.setattr("bucketry.serve.rotation.asyncio.sleep", late)
    await deployed.rotate()
    await deployed.check()
    assert waits == 3


async def test_keys_of_the_environment_are_rotated_by_their_owner(deployed: Deployment) -> None:
    (old,) = key_lines(deployed)
    deployed.folder.master_key_file.unlink()
    new = "ab" * 32
    with pytest.raises(rotation.NothingToRotate, match="the new key and the old one behind it"):
        await deployed.rotate(BUCKETRY_MASTER_KEY=old)
    both = f"{new} {old}"
    await deployed.check(BUCKETRY_MASTER_KEY=f"{old} {new}")
    await deployed.check(BUCKETRY_MASTER_KEY=both)
    assert (await deployed.rotate(BUCKETRY_MASTER_KEY=both)).count == 2
    await deployed.check(BUCKETRY_MASTER_KEY=new)
    assert not deployed.folder.master_key_file.exists()


async def test_no_key_is_made_where_others_would_not_have_it(deployed: Deployment) -> None:
    (old,) = key_lines(deployed)
    with pytest.raises(rotation.NothingToRotate, match="need the new key before this one"):
        await deployed.rotate(may_make_key=False)
    deployed.folder.master_key_file.write_text("ab" * 32 + f"\n{old}\n")
    assert (await deployed.rotate(may_make_key=False)).count == 2
    await deployed.check()
    assert key_lines(deployed) == ["ab" * 32]


async def test_a_secret_that_no_key_opens_is_told_and_left(deployed: Deployment) -> None:
    (sealed,) = [sealed for guid, sealed in await deployed.world.records.list_sealed("", 9)]
    foreign = Envelope([b"f" * 32]).seal("s", "c")
    await deployed.world.records.replace_sealed([(deployed.binding_guid, sealed, foreign)])
    done = await deployed.rotate()
    assert done.unopened == [f"binding {deployed.binding_guid}"]
    assert await deployed.world.records.list_sealed("", 9) == [(deployed.binding_guid, foreign)]
    with deployed.process() as (keys, identity):
        known, missing = await rotation.uses(keys, identity, deployed.world.records)
        assert (known.store_secrets, known.binding_secrets) == (1, 0)
        assert (missing.name, missing.binding_secrets) == ("", 1)
