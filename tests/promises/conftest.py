"""A customer of the shared server for each test, and one for a whole module where orders need not be apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.customer import Customer
from tests.kit.server import Server


@pytest.fixture
def customer(server: Server, tmp_path: Path) -> Customer:
    return Customer.of(server, tmp_path / "home")


@pytest.fixture(scope="module")
def shared(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """For tests that only look, or that order under names of their own."""
    return Customer.of(server, tmp_path_factory.mktemp("shared") / "home")
