"""Identities on real files: one, and a second one on the same file, as another process has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bucketry.kernel.envelope import Envelope, new_key
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account

from .clock import TurnableClock

Open = Callable[[], Identity]


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock()


@pytest.fixture
def envelope() -> Envelope:
    return Envelope([new_key()])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "identity.sqlite"


@pytest.fixture
def open_identity(path: Path, envelope: Envelope, clock: TurnableClock) -> Iterator[Open]:
    """Open the same files once more; closed after the test."""
    opened: list[Identity] = []

    def open_once_more() -> Identity:
        opened.append(Identity(path, envelope, clock))
        return opened[-1]

    yield open_once_more
    for identity in opened:
        identity.close()


@pytest.fixture
def identity(open_identity: Open) -> Identity:
    return open_identity()


@pytest.fixture
def other(identity: Identity, open_identity: Open) -> Identity:
    """Another process's identity, as far as SQLite and the lock file can tell."""
    return open_identity()


@pytest.fixture
async def account(identity: Identity) -> Account:
    return (await identity.create_account("tenant", "owner@example.com"))[0]
