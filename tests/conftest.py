"""Fixtures that every room shares: one real server for a worker's run, and fresh ones where a test needs its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.ceph import Cluster, cluster
from tests.kit.postgres import Postgres, postgres
from tests.kit.server import Server

# Hypothesis looks for something new in each run, also under CI=true where its own profile repeats the same examples for
# ever, and says how to repeat what failed. It measures no time: on a busy machine that is the neighbours'.
settings.register_profile(
    "searching",
    settings.get_profile("default"),
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("searching")

# A run in the background of a script ignores Ctrl-C, and so would every program that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for many tests; each makes instances and buckets of its own. Its store must be sound at the end."""
    running = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield running
    running.fsck()
    assert running.stop() == 0


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """A PostgreSQL for many tests; each makes databases of its own."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The Ceph cluster of a run, with one OSD: all its workers share it."""
    base = tmp_path_factory.getbasetemp()
    with cluster((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ceph") as running:
        yield running


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Make servers of a test's own: `fresh_server("--flag", workers=1)`; sound and stopped at the end."""
    made: list[Server] = []

    def make(*flags: str, **options: object) -> Server:
        server = Server(tmp_path / f"data{len(made)}", *flags, **options)  # type: ignore[arg-type]  # they are those of Server
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.kill()
        if (server.data / "identity.sqlite").exists():
            server.fsck_after_kill()
