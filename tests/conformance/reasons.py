"""Why tests of the suite fail: reasons.toml, by name or pattern."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

KINDS = {
    "ours": "the store is wrong or does not have it yet",
    "ceph": "the test asks for Ceph's own behaviour, AWS's documentation for another",
    "test": "the test sends or reads something else than it means to",
    "scope": "out of scope",
}
REASONS_FILE = Path(__file__).with_name("reasons.toml")


@dataclass(frozen=True, slots=True)
class Reason:
    """`kind` is one of KINDS; `text` says what differs, for the reader of the table."""

    kind: str
    text: str
    tests: tuple[str, ...]


class Reasons:
    """The reasons of a file: tables `[[reason]]` with `kind`, `text` and `tests` (names, or patterns with *)."""

    def __init__(self, path: Path = REASONS_FILE) -> None:
        tables = tomllib.loads(path.read_text())["reason"]
        self.all = tuple(Reason(table["kind"], table["text"], tuple(table["tests"])) for table in tables)

    def of(self, name: str) -> Reason | None:
        """The reason for a test by its very name, else by the first pattern that fits."""
        for reason in self.all:
            if name in reason.tests:
                return reason
        for reason in self.all:
            if any(fnmatchcase(name, pattern) for pattern in reason.tests):
                return reason
        return None

    def unused(self, failed: set[str]) -> list[str]:
        """Names and patterns that no failure needs."""
        return [
            pattern
            for reason in self.all
            for pattern in reason.tests
            if not any(fnmatchcase(name, pattern) for name in failed)
        ]
