"""docs/security.md: every hole names tests that are there, by file and function."""

from __future__ import annotations

import re

import pytest

from tests.docs.generate import ROOT

PAGE = (ROOT / "docs/security.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)


def test_all_holes_are_listed() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 21))


@pytest.mark.parametrize(("number", "tests"), [(row[0], row[3]) for row in ROWS])
def test_each_hole_has_tests_that_are_there(number: str, tests: str) -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", tests)
    assert len(named) == tests.count("`") // 2 > 0
    for file, function in named:
        text = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^(?:async )?def {function or 'test_'}", text, re.MULTILINE), f"{file}::{function}"


def test_each_test_of_a_hole_is_named() -> None:
    text = (ROOT / "tests/s3/test_holes.py").read_text()
    for function in re.findall(r"^def (test_\w+)", text, re.MULTILINE):
        assert f"s3/test_holes.py::{function}`" in PAGE, function
