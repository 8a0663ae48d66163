"""docs/promises.md: every promise names the tests that keep it, which are there, or says that it isn't kept yet."""

from __future__ import annotations

import re

from tests.docs.generate import ROOT

PAGE = (ROOT / "docs/promises.md").read_text()
ROWS = [
    (promise, keeper)
    for promise, keeper in re.findall(r"^\| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    if (promise, keeper) != ("promise", "kept by")
]


def named(text: str) -> list[str]:
    return re.findall(r"`(\w+/[\w/]+\.py)`", text)


def test_each_promise_is_kept_by_tests_that_exist_or_not_yet() -> None:
    assert len(ROWS) > 60
    for promise, keeper in ROWS:
        files = named(keeper)
        assert files or keeper.startswith("not yet"), promise
        assert not keeper.startswith("not yet") or keeper == "not yet" or keeper.startswith("not yet ("), promise
        for name in files:
            assert (ROOT / "tests" / name).is_file(), f"{promise}: {name}"


def test_each_file_of_promises_is_named() -> None:
    kept = {name for _, keeper in ROWS for name in named(keeper)}
    there = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests/promises").glob("test_*.py")}
    assert there <= kept


def test_the_sections_are_those_of_the_contract() -> None:
    assert re.findall(r"^## (\d)\. ", PAGE, re.MULTILINE) == ["1", "2", "3", "4", "5", "6", "7"]
