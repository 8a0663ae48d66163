"""The power fails at every sync: what was answered is there whole, what was not is whole or absent, nothing is left.

One story runs through every kind of change. Before each sync the disk is looked at as a power cut would leave it: with
all that was not synced gone, and with a random part of it written, pages torn and names in any order.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bucketry.store.disk import checkpoint
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.files import Files
from bucketry.store.disk.store import Disk
from tests.faults.calls import note_changes
from tests.faults.conftest import Filled
from tests.faults.machine import Image, write_out
from tests.faults.operations import (
    BUCKETS,
    CHANGES,
    UPKEEP,
    Operation,
    State,
    at_once,
    empty_bucket,
    expect_sound,
    observe,
    open_with,
    removing,
    rest,
)
from tests.faults.seam import Seam, SeamFiles
from tests.unit.store.disk.objects import OTHER, OTHER_ID, open_disk

REMOVALS = ("delete", "hide", "abort", "expire", "forget")
# In this order each finds what it needs; the garbage run, the recovery of another process and a rest come in between.
STORY: dict[str, Operation] = {
    **{name: operation for name, operation in CHANGES.items() if not name.startswith(REMOVALS)},
    **UPKEEP,
    "rest": rest,
    **{name: operation for name, operation in CHANGES.items() if name.startswith(REMOVALS)},
    "more garbage": UPKEEP["garbage"],
    "empty bucket": empty_bucket,
    "remove emptied bucket": removing(OTHER, OTHER_ID),
}


# What the seam leaves to the system: it changes nothing on the disk that must last.
NO_CHANGE = {"allocate", "space", "size", "link_count", "start_writeback", "try_lock", "unlock", "unpin", "find_pin"}


READS = {"close", "damaged", "check"}  # of the disk as a whole


@dataclass
class Cut:
    """The disk after a power cut, when so many operations had been answered."""

    image: Image
    answered: int
    during: str


class Cutter:
    """Takes the disk as it is at each sync."""

    def __init__(self, seam: Seam, chance: random.Random) -> None:
        self.cuts: list[Cut] = []
        self.answered = 0
        self.during = ""
        self._seam = seam
        self._chance = chance
        self._answered_at_cut = -1
        seam.on_call = self._at

    def _at(self, kind: str) -> None:
        if kind != "sync":
            return
        with self._seam.lock:
            # What is synced changes with a sync alone, so one cut after each is enough; torn ones come before.
            chances = [self._chance] if self._answered_at_cut == self.answered else [None, self._chance]
            self._answered_at_cut = self.answered
            self.cuts += [Cut(self._seam.machine.cut(chance), self.answered, self.during) for chance in chances]


async def tell(
    source: Path, root: Path, story: dict[str, Operation], chance: random.Random
) -> tuple[Cutter, list[State]]:
    """Run the story; the cuts, and the state after each operation."""
    shutil.copytree(source, root)
    seam = Seam(root)
    disk = open_with(root, seam.files, seam.name)
    states = [await observe(disk)]
    cutter = Cutter(seam, chance)
    for name, operation in story.items():
        cutter.during = name
        await operation(disk)
        cutter.answered += 1
        states.append(await observe(disk))
        with seam.lock:
            cutter.cuts.append(Cut(seam.machine.cut(), cutter.answered, f"after {name}"))
    await disk.close()
    seam.unregister()
    return cutter, states


async def expect_after(cut: Cut, root: Path, is_expected: Callable[[State], bool]) -> None:
    write_out(cut.image, root)
    disk = open_disk(root)
    # The identity store knows a bucket once it was answered, and until its removal was asked for.
    known = [name for name in BUCKETS if (root / "buckets" / ".".join(name)).exists()]
    await disk.recover(known)
    state = await observe(disk)
    assert is_expected(state), (cut.during, state)
    await expect_sound(disk, root)
    assert await observe(disk) == state
    await disk.close()


@pytest.mark.slow
@pytest.mark.parametrize("pages", [1000, 2], ids=["", "checkpoints"])
def test_power_cut_at_every_sync(
    filled: Filled, quick_folder: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    monkeypatch.setattr(checkpoint, "PAGES", pages)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    cutter, states = asyncio.run(tell(filled.clean, quick_folder / "data", STORY, random.Random(seed)))
    assert len(cutter.cuts) > 2 * len(STORY)
    for number, cut in enumerate(cutter.cuts):
        allowed = states[cut.answered : cut.answered + (1 if cut.during.startswith("after") else 2)]
        asyncio.run(expect_after(cut, quick_folder / f"cut{number}", lambda state, allowed=allowed: state in allowed))
        shutil.rmtree(quick_folder / f"cut{number}")


@pytest.mark.slow
def test_power_cut_among_several_clients(filled: Filled, quick_folder: Path) -> None:
    """Each of several puts at the same time is there whole or not at all, whatever became of the others."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    story = {"together": at_once}
    cutter, (before, after) = asyncio.run(tell(filled.clean, quick_folder / "data", story, random.Random(seed)))
    known = [*before["photos"]["versions"], *after["photos"]["versions"]]

    def is_expected(state: State) -> bool:
        found = state["photos"]["versions"]
        return all(version in known for version in found) and all(
            version in found for version in before["photos"]["versions"]
        )

    for number, cut in enumerate(cutter.cuts):
        if cut.during.startswith("after"):
            asyncio.run(expect_after(cut, quick_folder / f"cut{number}", lambda state: state == after))
        else:
            asyncio.run(expect_after(cut, quick_folder / f"cut{number}", is_expected))


def test_every_call_to_the_disk_can_fail_here() -> None:
    calls = {name for name, value in vars(Files).items() if inspect.isfunction(value)}
    assert calls - set(vars(SeamFiles)) == NO_CHANGE


def test_every_change_of_a_bucket_and_of_the_disk_is_in_the_story(
    filled: Filled, quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, asked = note_changes(monkeypatch, [("", Bucket), ("", Disk)], READS)
    asyncio.run(tell(filled.clean, quick_folder / "data", STORY, random.Random(0)))
    assert asked == changes
