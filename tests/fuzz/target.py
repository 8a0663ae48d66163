"""What is fuzzed: a name, inputs to begin with, and what must hold of every input."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.mutate import mutated, reduced


@dataclass(frozen=True)
class Target:
    """`check` raises what it did not expect; what it expects it keeps to itself."""

    name: str
    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()


class Found(AssertionError):
    """An input that a target does not stand."""


def fuzz(target: Target, seconds: float, seed: int) -> int:
    """Check mutated inputs for `seconds`; how many. Found: the shortest failing one and how to make it again."""
    for data in target.seeds:
        _check(target, data, f"{target.name}: one of its seeds")
    chance = random.Random(f"{target.name} {seed}")
    ends = time.monotonic() + seconds
    count = 0
    while time.monotonic() < ends:
        count += 1
        _check(target, mutated(chance, target.seeds, target.words), f"{target.name}: seed {seed}, input {count}")
    return count


def _check(target: Target, data: bytes, name: str) -> None:
    try:
        target.check(data)
    except Exception as problem:
        kind = type(problem)
        short = reduced(data, lambda shorter: _fails(target, shorter, kind))
        raise Found(f"{name}: {kind.__name__}: {problem}\n{short!r}") from problem


def _fails(target: Target, data: bytes, kind: type[Exception]) -> bool:
    try:
        target.check(data)
    except Exception as problem:
        return type(problem) is kind
    return False
