"""Every call to the system that an operation makes fails once: what was answered is whole, what was refused is whole or
absent, the next try works, and a power cut afterwards takes nothing that was answered or seen."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest

from bucketry.store.disk.errors import DiskError
from tests.faults.conftest import Filled
from tests.faults.machine import write_out
from tests.faults.operations import (
    BUCKETS,
    CHANGES,
    ID,
    NAME,
    UPKEEP,
    Operation,
    State,
    expect_sound,
    observe,
    open_with,
)
from tests.faults.seam import FAULTS, Fault, Seam
from tests.unit.store.disk.objects import open_disk, put

OPERATIONS = {**CHANGES, **UPKEEP}
# There, or gone, once it was seen, and durable once it was answered.
MAY_BE_REPEATED = ("create bucket", "remove bucket")
SAMPLE = 15  # of about two thousand failures
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class World:
    """A copy of the filled store behind a seam."""

    def __init__(self, filled: Path, folder: Path) -> None:
        self.root = folder / "data"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(filled, self.root)
        self.folder = folder
        self.seam = Seam(self.root)
        self.disk = open_with(self.root, self.seam.files, self.seam.name)

    async def close(self) -> None:
        await self.disk.close()
        self.seam.unregister()


async def dry_run(filled: Path, folder: Path, operation: Operation) -> tuple[list[str], State, State]:
    """The kinds of calls that an operation makes, and the states before and after it."""
    world = World(filled, folder)
    before = await observe(open_disk(world.root))
    world.seam.calls.clear()
    await operation(world.disk)
    calls = list(world.seam.calls)
    after = await observe(world.disk)
    await world.close()
    return calls, before, after


async def fail_once(world: World, name: str, at: int, fault: Fault, before: State, after: State) -> None:
    """Run an operation with one failing call, then go on."""
    seam, disk, operation = world.seam, world.disk, OPERATIONS[name]
    seam.fail(at, fault)
    try:
        await operation(disk)
        answered = True
    except DiskError:
        answered = False
    seam.mend()
    state = await observe(disk)
    assert state == after if answered else state in (before, after)
    if not answered and (state != after or name in MAY_BE_REPEATED):
        await operation(disk)
        assert await observe(disk) == after
    await put(disk.bucket(NAME, ID), "goes on", b"answered")
    seen = await observe(disk)
    image = seam.machine.cut()
    await expect_sound(disk, world.root)
    assert await observe(disk) == seen
    await world.close()
    known = [name for name in BUCKETS if seen[name[0]] is not None]
    cut = write_out(image, world.folder / "cut")
    disk = open_disk(cut)
    await disk.recover(known)
    assert await observe(disk) == seen
    await expect_sound(disk, cut)
    await disk.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_with_any_call_failing(filled: Filled, quick_folder: Path, name: str) -> None:
    source = filled.unclean if name == "recovery" else filled.clean
    calls, before, after = asyncio.run(dry_run(source, quick_folder / "dry", OPERATIONS[name]))
    assert name in UPKEEP or before != after
    failures = [(at, fault) for at, kind in enumerate(calls) for fault in FAULTS[kind]]
    failed = set()
    for at, fault in chosen(failures):
        world = World(source, quick_folder / "run")
        try:
            asyncio.run(fail_once(world, name, at, fault, before, after))
        except BaseException as problem:
            problem.add_note(f"{name}: call {at} of {len(calls)}, {world.seam.failed}, failed by {fault}")
            raise
        failed.add(world.seam.failed)
    assert failed - {""}


def chosen(failures: list[tuple[int, Fault]]) -> list[tuple[int, Fault]]:
    """Some of them, others in each run; all where EVERY_FAULT is set."""
    if os.environ.get("EVERY_FAULT"):
        return failures
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed).sample(failures, min(SAMPLE, len(failures)))
