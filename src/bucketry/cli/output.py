"""What commands print: data on stdout (tables, JSON), messages and progress on stderr.

Names and messages come from a server, so control characters are taken out before they reach a terminal. Colour (bold
headers, nothing more) only where stdout is a terminal and `NO_COLOR` is not set (https://no-color.org).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLUMN_GAP = "   "


def printable(value: object) -> str:
    """`value` as one line of text that can't steer a terminal."""
    return _CONTROL.sub(" ", str(value))


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    if stream is sys.stderr:
        stream.flush()


def unended(text: str) -> None:
    """Text on stderr that goes on in the same line: a question, a dot."""
    sys.stdout.flush()
    _write(sys.stderr, printable(text))


def message(text: str = "") -> None:
    """A line for the person, on stderr."""
    sys.stdout.flush()
    _write(sys.stderr, printable(text) + "\n")


def ok() -> None:
    """The word that cf ends a successful change with."""
    message("OK")


def data(text: str) -> None:
    """A line of data, on stdout, as it is."""
    _write(sys.stdout, text + "\n")


def json_data(value: object) -> None:
    """`value` as indented JSON, on stdout."""
    data(json.dumps(value, indent=2, ensure_ascii=False))


def bold_wanted() -> bool:
    """Whether stdout is a terminal that may show bold text."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows under headers in columns, as cf's tables look: three spaces between columns, none at the end."""
    lines = [[printable(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    bold = bold_wanted()
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        text = _COLUMN_GAP.join(cells).rstrip()
        data(f"\x1b[1m{text}\x1b[0m" if bold and number == 0 else text)


def pairs(values: Mapping[str, object], indent: str = "") -> None:
    """`name:   value` lines with the values in one column."""
    width = max(len(name) for name in values) + 1
    for name, value in values.items():
        data(f"{indent}{(name + ':').ljust(width)}{_COLUMN_GAP}{printable(value)}".rstrip())


def listing(
    as_json: bool,
    items: Sequence[Mapping[str, Any]],
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    empty: str,
) -> None:
    """A list: JSON if asked for, else a table, else the sentence that there is nothing."""
    if as_json:
        json_data(list(items))
    elif rows:
        table(headers, rows)
    else:
        message(empty)


def size(size_bytes: int) -> str:
    """`size_bytes` for people, in binary units: 512 B, 1.5 KiB, 20 GiB."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    text = f"{amount:.0f}" if unit == "B" or amount >= 100 else f"{amount:.1f}".removesuffix(".0")
    return f"{text} {unit}"


class Progress:
    """A line on stderr that is rewritten on a terminal; elsewhere a line now and then, so that logs stay short."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._width = 0

    def show(self, text: str, *, milestone: bool = False) -> None:
        """Show how far it is; off a terminal only a `milestone` is written."""
        text = printable(text)
        if self._live:
            _write(sys.stderr, "\r" + text.ljust(self._width))
            self._width = len(text)
        elif milestone:
            _write(sys.stderr, text + "\n")

    def end(self) -> None:
        """Leave the line."""
        if self._live and self._width:
            _write(sys.stderr, "\n")
            self._width = 0
