"""The runners run: all of it tiny, against the server alone, and a table of every cell comes out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench.report import MARKS

from tests.kit import programs

ROOT = Path(__file__).parents[2]


def run(module: str, page: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, "--folder", str(page.parent), "--output", str(page), *options],
        cwd=ROOT, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return page.read_text()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    made = tmp_path / "page.md"
    made.write_text(
        "\n".join(["# Performance", *MARKS, "reasons", "<!-- broker: begin -->", "<!-- broker: end -->", ""])
    )
    return made


@pytest.mark.slow
def test_every_cell_is_measured_and_answered(page: Path) -> None:
    programs.require("wrk")
    from bench.__main__ import CELLS

    text = run("bench", page, "--quick", "--server", "bucketry")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert [cell.name for cell in CELLS if cell.name not in rows] == []
    assert [line for line in rows.values() if "errors" in line or "no answer" in line] == []
    assert "memory after all of that, proportional" in rows
    assert "ready with 5 buckets and 500 objects" in rows
    assert "\nreasons\n" in text


@pytest.mark.slow
def test_orders_are_measured_with_and_without_bindings_recorded(page: Path) -> None:
    cells = [("embedded", "sqlite"), ("embedded", "postgresql"), ("moto", "sqlite"), ("moto", "postgresql")]
    chosen = ("--engine", "embedded", "--engine", "moto", "--bindings", "0", "--bindings", "200", "--at-once", "2")
    text = run("bench.broker", page, "--seconds", "0.3", *chosen)
    for engine, database in cells:
        assert f"| {engine} | {database} | 0 | 2 |" in text
        assert f"| {engine} | {database} | 200 | 2 |" in text
    assert "errors" not in text
    assert text.count("catalog") == 2 * len(cells)


def test_a_cell_that_is_not_there_is_refused_with_a_list_of_those_that_are() -> None:
    from bench.__main__ import CELLS, chosen, options_of

    assert [cell.name for cell in chosen(options_of(["--only", "head 1"]))] == ["HEAD 1 KiB"]
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert {cell.beside for cell in CELLS} <= {"", *(cell.name for cell in CELLS)}
    with pytest.raises(SystemExit, match="LIST 1,000"):
        chosen(options_of(["--only", "nothing of the kind"]))
