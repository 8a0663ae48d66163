"""An account of their own for the programs of a run, and a bucket of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.owner import Owner
from tests.kit.server import Server


@pytest.fixture(scope="session")
def owner(server: Server) -> Owner:
    return Owner.of(server, "clients")


@pytest.fixture
def bucket(owner: Owner) -> str:
    return owner.create_bucket()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a program finds its settings: nothing but what the test puts there."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder
