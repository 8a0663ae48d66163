"""The store that fault tests begin with, made once and copied for each test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bucketry.store.disk import writing
from tests.faults import operations


@pytest.fixture(scope="module")
def small_singles() -> Iterator[None]:
    """Objects get segments of their own at a size that costs little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SINGLE_BYTES", operations.SINGLE_BYTES)
        yield


@dataclass(frozen=True)
class Filled:
    """The same store, closed and as a crash left it."""

    clean: Path
    unclean: Path


@contextlib.contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder where a sync costs nothing, if the system has one: thousands are made here, and modelled besides."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def filled(small_singles: None) -> Iterator[Filled]:
    with folder_in_memory() as folder:
        yield fill(folder)


def fill(folder: Path) -> Filled:
    made = Filled(folder / "clean", folder / "unclean")
    asyncio.run(operations.fill(made.clean, made.unclean))
    return made
