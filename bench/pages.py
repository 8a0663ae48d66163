"""Tables in Markdown files, each between a pair of marks that stand on lines of their own."""

from __future__ import annotations

from pathlib import Path


def write_between(file: Path, marks: tuple[str, str], text: str) -> None:
    """Put `text` in place of what stands between the marks."""
    before, begin, rest = file.read_text().partition(marks[0] + "\n")
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise SystemExit(f"{file} has no lines {marks[0]} and {marks[1]} to write between")
    file.write_text(before + begin + text.rstrip("\n") + "\n" + end + after)
