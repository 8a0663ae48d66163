"""Two minutes of fuzzing altogether in CI, a few seconds elsewhere; each run goes on where no run was before."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fuzz.parsers import PARSERS
from tests.fuzz.target import Found, Target, fuzz
from tests.fuzz.wire import MESSAGES
from tests.fuzz.world import living

TARGETS = (*PARSERS, MESSAGES)
SECONDS = (120 if os.environ.get("CI") else 8) / (len(TARGETS) + 1)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_clients_send_is_answered_or_refused(target: Target) -> None:
    assert fuzz(target, SECONDS, random.randrange(10**9)) > 0


def test_a_server_stands_what_comes(tmp_path: Path) -> None:
    with living(tmp_path) as world:
        assert fuzz(world.target(), SECONDS, random.randrange(10**9)) > 0
        world.check_alive()


def test_a_failing_input_is_named_and_reduced() -> None:
    def check(data: bytes) -> None:
        if b"\xff" in data:
            raise ValueError("no")

    with pytest.raises(Found, match=r"seed 1, input \d+: ValueError: no\nb'\\xff'"):
        fuzz(Target("made up", check, [b"some valid input"]), 20, 1)
