"""Processes killed under load, one of them or all at once: what was answered is there whole, and the store is sound."""

from __future__ import annotations

import hashlib
import os
import signal
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.faults.load import MixedLoad
from tests.kit.server import Server

CLIENTS = 4  # of a mixed load
BUCKET = "killed-bucket"


def contents(server: Server) -> dict[str, str]:
    """Every key with the SHA-256 of what it holds."""
    client = server.client()
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            body = client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
            assert len(body) == entry["Size"]
            found[entry["Key"]] = hashlib.sha256(body).hexdigest()
    return found


@pytest.mark.slow
def test_every_answered_change_survives_kill_9_of_all(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket=BUCKET)
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    earlier: MixedLoad | None = None
    for answers in (20, 60, 100):
        load = MixedLoad(server, BUCKET, seed + answers, until_failure=True)
        if earlier is not None:
            load.go_on_from(earlier)
        with load:
            load.await_answers(answers)
            server.kill()
        assert load.failed <= CLIENTS
        server.start()
        load.expect(contents(server))
        server.fsck()
        earlier = load


REPLACED_SECONDS = 1.0  # once, at least: a pause would be in each, the neighbours on a busy machine are not
PATIENCE_SECONDS = 30.0
TIDY_SECONDS = 20.0


def await_sound(server: Server) -> None:
    """What dead workers left goes with the next garbage run; then nothing is wrong."""
    deadline = time.monotonic() + TIDY_SECONDS
    while server.run("fsck", check=False).returncode:
        assert time.monotonic() < deadline, server.fsck()
    server.fsck()


def kill_one(server: Server, victim: int) -> tuple[int, float]:
    """Kill one process: the one in its place, and after how many seconds it was there."""
    others = set(server.workers()) - {victim}
    os.kill(victim, signal.SIGKILL)
    begun = time.monotonic()
    while True:
        now = set(server.workers())
        if new := now - others - {victim}:
            assert others <= now, "another process died, too"
            return new.pop(), time.monotonic() - begun
        assert time.monotonic() < begun + PATIENCE_SECONDS, "the dead process was not replaced"


def is_well(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def test_a_server_whose_only_worker_is_killed_answers_within_a_second(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server(workers=1)
    url = f"{server.admin['s3_endpoint']}/_bucketry/health"
    _, victim, _ = sorted(server.workers())  # the marketplace's is started first, then the store's
    seconds = []
    for _ in range(3):
        others = set(server.workers()) - {victim}
        os.kill(victim, signal.SIGKILL)
        begun = time.monotonic()
        while not is_well(url):  # the dying one may have taken the connection
            assert time.monotonic() < begun + PATIENCE_SECONDS
        seconds.append(time.monotonic() - begun)
        (victim,) = set(server.workers()) - others
    assert min(seconds) < REPLACED_SECONDS, seconds


@pytest.mark.slow
def test_death_of_any_one_process_costs_no_more_than_its_requests(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server(workers=2, environment={"BUCKETRY_STORE__GARBAGE_SECONDS": "1"})
    roles = dict(zip(("marketplace", "store", "store ", "keeper"), sorted(server.workers()), strict=True))
    server.client().create_bucket(Bucket=BUCKET)
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    took: dict[str, list[float]] = {role: [] for role in roles}
    with MixedLoad(server, BUCKET, seed) as load:
        load.await_answers(20)
        for _ in range(2):
            for role, victim in list(roles.items()):
                roles[role], seconds = kill_one(server, victim)
                took[role].append(seconds)
                load.await_answers(15)
                said = server.log.read_text().splitlines()[-200:]
                assert any("a worker died" in line and role.strip() in line for line in said)
    assert all(min(seconds) < REPLACED_SECONDS for seconds in took.values()), took
    assert load.kinds == {"put", "multipart", "copy", "delete", "list"}
    assert load.failed <= 4 * 4  # what was under way in a store process when it died
    load.expect(contents(server))
    server.run("marketplace")
    await_sound(server)
    server.kill_parent()
    server.start()
    load.expect(contents(server))


@pytest.mark.slow
def test_death_of_the_parent_under_load_loses_nothing(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    server.client().create_bucket(Bucket=BUCKET)
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    with MixedLoad(server, BUCKET, seed, until_failure=True) as load:
        load.await_answers(60)
        server.kill_parent()
    assert load.failed <= CLIENTS
    server.start()
    load.expect(contents(server))
    server.fsck()
