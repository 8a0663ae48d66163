"""Which changes there are, read off the code, and which of them a test asks for: none that is new can be forgotten."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable

import pytest


def note_changes(
    monkeypatch: pytest.MonkeyPatch, kinds: Iterable[tuple[str, type]], but: Container[str]
) -> tuple[set[str], set[str]]:
    """The public coroutine functions of classes, each after its prefix, `but` for those; and a set in which each of
    them is noted once it is called."""
    there: set[str] = set()
    asked: set[str] = set()

    def noting(name: str, change: Callable[..., object]) -> Callable[..., object]:
        def run(*given: object, **named: object) -> object:
            asked.add(name)
            return change(*given, **named)

        return run

    for prefix, kind in kinds:
        for name, value in list(vars(kind).items()):
            if inspect.iscoroutinefunction(value) and not name.startswith("_") and name not in but:
                there.add(prefix + name)
                monkeypatch.setattr(kind, name, noting(prefix + name, value))
    return there, asked
