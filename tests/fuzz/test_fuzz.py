"""Two minutes of fuzzing altogether in CI, a few seconds elsewhere; each run goes on where no run was before."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import random
from pathlib import Path

import pytest

from bucketry.store import s3
from bucketry.store.s3 import xml
from tests.fuzz.parsers import DOCUMENTS, PARSERS
from tests.fuzz.target import Found, Target, fuzz
from tests.fuzz.wire import MESSAGES
from tests.fuzz.world import living

TARGETS = (*PARSERS, MESSAGES)
LIVE = 2  # targets of a running server
SECONDS = (120 if os.environ.get("CI") else 8) / (len(TARGETS) + LIVE)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_clients_send_is_answered_or_refused(target: Target) -> None:
    assert fuzz(target, SECONDS, random.randrange(10**9)) > 0


def test_a_server_stands_what_comes(tmp_path: Path) -> None:
    with living(tmp_path) as world:
        targets = world.targets()
        assert len(targets) == LIVE
        for target in targets:
            assert fuzz(target, SECONDS, random.randrange(10**9)) > 0
            world.check_alive()


def test_every_parser_of_documents_is_fuzzed() -> None:
    """In store/s3 what takes a body is a function whose first argument is called so."""
    fuzzed = {getattr(parse, "func", parse) for parse in DOCUMENTS}
    found = set()
    for module in pkgutil.iter_modules(s3.__path__):
        for name, value in vars(importlib.import_module(f"{s3.__name__}.{module.name}")).items():
            if name.startswith("parse") and inspect.isfunction(value) and value is not xml.parse:
                first = next(iter(inspect.signature(value).parameters.values()), None)
                if first is not None and first.name == "body":
                    found.add(value)
    assert found == fuzzed


def test_a_failing_input_is_named_and_reduced() -> None:
    def check(data: bytes) -> None:
        if b"\xff" in data:
            raise ValueError("no")

    with pytest.raises(Found, match=r"seed 1, input \d+: ValueError: no\nb'\\xff'"):
        fuzz(Target("made up", check, [b"some valid input"]), 20, 1)
