"""A rebuild that any call to the disk stops, or a power cut: the bucket is as it was, or another rebuild makes it so.

The index that is made anew is sound, and much of it lies in its WAL: who asks for a rebuild without need loses nothing.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw

from bucketry.store.disk.files import Files
from bucketry.store.disk.rebuild import is_damaged, rebuild
from tests.faults.conftest import Filled
from tests.faults.machine import Image, write_out
from tests.faults.operations import ID, KNOWN, NAME, State, expect_sound, observe
from tests.faults.seam import FAULTS, Seam
from tests.unit.store.disk.objects import open_disk


async def look(root: Path) -> State:
    disk = open_disk(root)
    state = await observe(disk, only=KNOWN)
    await expect_sound(disk, root)
    await disk.close()
    return state


def state_of(root: Path, scratch: Path) -> State:
    """What a copy shows: a look at the original would bring its WAL into the database."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(root, scratch)
    return asyncio.run(look(scratch))


def folder_in(root: Path) -> Path:
    return root / "buckets" / f"{NAME}.{ID}"


def expect_nothing_lost(root: Path, before: State, scratch: Path) -> None:
    """Whoever opens the bucket finds all of it or no index, and a rebuild brings all back, also once more."""
    if (folder_in(root) / "index.sqlite").exists():
        assert state_of(root, scratch) == before
    else:
        assert is_damaged(folder_in(root), Files())
    for number in range(2):
        rebuild(folder_in(root), Files(), is_versioned=True, now_ms=number)
        assert state_of(root, scratch) == before
    left = {path.name for path in folder_in(root).iterdir()}
    assert not {name for name in left if "replaced" in name or name == ".rebuild"}
    assert len([name for name in left if name.startswith("index.sqlite.damaged-") and "-wal" not in name]) >= 2


def run(source: Path, root: Path, prepare: Callable[[Seam], None]) -> Seam:
    """Rebuild a copy, on a disk that was prepared to go wrong."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(source, root)
    seam = Seam(root)
    prepare(seam)
    try:
        rebuild(folder_in(root), seam.files, is_versioned=True, now_ms=9, vfs=seam.name)
    except (OSError, apsw.Error):
        assert seam.failed
    finally:
        seam.unregister()
    return seam


def test_rebuild_with_any_call_failing_loses_nothing(filled: Filled, quick_folder: Path) -> None:
    source, root, scratch = filled.unclean, quick_folder / "data", quick_folder / "scratch"
    before = state_of(source, scratch)
    calls = list(run(source, root, lambda seam: None).calls)
    failures = [(at, fault) for at, kind in enumerate(calls) for fault in FAULTS[kind][:1]]
    late = len(failures) - 25  # where the new index takes the old one's place
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    for at, fault in random.Random(seed).sample(failures[:late], 15) + failures[late:]:
        run(source, root, lambda seam, at=at, fault=fault: seam.fail(at, fault))
        expect_nothing_lost(root, before, scratch)


def test_power_cut_at_every_sync_of_a_rebuild_loses_nothing(filled: Filled, quick_folder: Path) -> None:
    source, scratch = filled.unclean, quick_folder / "scratch"
    before = state_of(source, scratch)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    images: list[Image] = []

    def watch(seam: Seam) -> None:
        def cut(kind: str) -> None:
            if kind == "sync":
                images.extend(seam.machine.cut(how) for how in (None, chance, chance))

        seam.on_call = cut

    seam = run(source, quick_folder / "data", watch)
    images.append(seam.machine.cut())
    for number, image in enumerate(images):
        root = write_out(image, quick_folder / f"cut{number}")
        expect_nothing_lost(root, before, scratch)
        shutil.rmtree(root)
    assert len(images) > 15
