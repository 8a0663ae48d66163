"""The pages say what the code does."""

from __future__ import annotations

import re

import msgspec
import pytest

from bucketry.serve.engine_settings import KINDS, AwsAccount
from bucketry.serve.settings import SECTIONS
from tests.docs.generate import PAGES, ROOT
from tests.docs.settings_page import MEANINGS, OF_ENGINES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_makes(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name](), f"run `make docs`: {name} is out of date"


def test_settings_are_described_once_each() -> None:
    known = {f"{name}.{field.name}" for name, kind in SECTIONS.items() for field in msgspec.structs.fields(kind)}
    assert set(MEANINGS) == known
    of_engines = {"account": AwsAccount, **KINDS}
    keys = {(kind, field.name) for kind, made in of_engines.items() for field in msgspec.structs.fields(made)}
    assert {key if key in OF_ENGINES else f"{kind}.{key}" for kind, key in keys} == set(OF_ENGINES)


def test_links_between_pages_lead_somewhere() -> None:
    dead = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)} → {target}")
    assert dead == []


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name.split("-")[0] for path in (ROOT / "docs/decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))
    assert all(re.fullmatch(r"\d{4}", number) for number in numbers)


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)[0].split())
    described = set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
    assert targets == described
