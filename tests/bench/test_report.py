"""What the runner makes of figures: ratios, marks, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench.cells import Cell, Measure, Outcome, Run, Unit
from bench.flame import _anonymous
from bench.load import _read
from bench.pages import write_between
from bench.report import MISS, Result, Whole, table
from bench.servers import Measured

from bench import __main__ as runner


def result(own: float, peer: float | None, unit: Unit = "/s", floor: float | None = None, **cell: Any) -> Result:
    outcomes = {"own": [Outcome(own, unit, cell.pop("own_p99", 1.0), cell.pop("errors", 0))]}
    if peer is not None:
        outcomes["peer"] = [Outcome(peer, unit, cell.pop("peer_p99", 1.0))]
    made = Result(Cell(cell.pop("name", "it"), lambda run, server: Outcome(0, "/s"), **cell), outcomes, floor)
    made.judge()
    return made


def test_a_ratio_above_one_is_better_for_rates_and_for_times() -> None:
    assert result(30, 10).ratio() == 3
    assert result(10, 30, "ms").ratio() == 3
    assert result(10, None).ratio() is None
    assert result(10, 0).ratio() is None


def test_medians_over_the_rounds_count() -> None:
    made = result(1, 1)
    made.outcomes["own"] = [Outcome(value, "/s", value) for value in (1.0, 100.0, 3.0)]
    assert (made.value("own"), made.p99_ms("own")) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("made", "miss"),
    [
        (result(29, 10, ratio=3), "2.90 of the peer, not 3"),
        (result(30, 10, ratio=3), None),
        (result(10, 10, most_p99_ms=50, own_p99=50), "p99 50 ms, not below 50"),
        (result(10, 10, most_p99_ms=50, own_p99=49), None),
        (result(51, 100, "ms", most_ms=50), "51 ms, not below 50"),
        (result(49, 100, "ms", most_ms=50), None),
        (result(10, 10, p99_as_peer=True, own_p99=2), "p99 2.0 ms, the peer's 1.0"),
        (result(10, 10, p99_as_peer=True), None),
        (result(79, 10, "MB/s", floor=100, floor_share=0.8), "0.79 of the disk, not 0.8"),
        (result(80, 10, "MB/s", floor=100, floor_share=0.8), None),
        (result(10, 10, errors=3), "3 errors"),
        (result(0, 10), "no answer within the time"),
    ],
)
def test_what_misses_its_target_is_told(made: Result, miss: str | None) -> None:
    assert made.misses == ([miss] if miss else [])
    assert (MISS in made.row()) == bool(miss)


def test_a_cell_may_be_bound_to_another() -> None:
    for share, misses in ((0.91, []), (0.89, ["0.89 of “one key”, not 0.9"])):
        many = result(80, 10, name="many", beside="one key")
        many.misses.clear()
        many.shares = {"own": [share, 0.1, 2.0], "peer": [1.0, 1.0, 1.0]}
        many.judge()
        assert many.misses == misses
        assert f"| 8.00, {share}" in many.row()
        assert f"of “one key” own {share}, peer 1.00" in many.line()


def test_cells_that_are_bound_are_measured_in_turn_and_drift_favours_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    speed, asked = 1000.0, []

    def drifting(name: str, factor: float) -> Measure:
        def measure(_run: Run, server: Measured) -> Outcome:
            nonlocal speed
            speed *= 0.9  # from one measurement to the next
            asked.append((name, server.name))
            return Outcome(speed * factor, "/s")

        return measure

    one, many = Cell("one", drifting("one", 1)), Cell("many", drifting("many", 0.95), beside="one")
    monkeypatch.setattr(runner, "CELLS", (one, many))
    server = Measured(Path("unused"))
    made = runner.measure(Run(Path("unused")), many, [server], 3)
    assert [name for name, _ in asked[1:]] == ["one", "many", "many", "one"] * 3
    assert made.share("") == pytest.approx(0.95, rel=0.01)
    assert len(made.outcomes[""]) == 6


def test_the_table_has_a_row_each_and_lists_the_misses() -> None:
    rows = [result(30, 10, ratio=3, name="good"), result(10, 10, ratio=3, name="bad")]
    wholes = [Whole("memory", {"own": 250.0, "peer": 400.0}, "MB", 200.0), Whole("ready", {"own": 0.5}, "s", 2.0)]
    lines = table(rows, wholes, ["own", "peer"], "On a machine.").splitlines()
    cells = {line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")}
    assert [name for name in cells if MISS in cells[name]] == ["bad", "memory"]
    assert {line.count("|") for line in lines if line.startswith("|")} == {11}
    assert lines[-2:] == ["* bad: 1.00 of the peer, not 3", "* memory: above 200 MB"]


def test_a_table_is_written_between_its_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- z -->\nafter\n")
    for text in ("new\n", "newer"):
        write_between(page, ("<!-- a -->", "<!-- z -->"), text)
        assert page.read_text() == f"before\n<!-- a -->\n{text.rstrip()}\n<!-- z -->\nafter\n"
    with pytest.raises(SystemExit, match="no lines"):
        write_between(page, ("<!-- b -->", "<!-- z -->"), "text")


def test_what_wrk_says_is_read() -> None:
    said = """
  Thread Stats   Avg      Stdev     Max   +/- Stdev
  Latency Distribution
     50%  520.00us
     99%    1.20s
  1234 requests in 2.00s, 40.00MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:    617.00
Transfer/sec:     20.00MB
"""
    rate = _read(said)
    assert (rate.per_second, rate.requests, rate.errors) == (617.0, 1234, 15)
    assert (rate.p50_ms, rate.p99_ms) == (0.52, 1200.0)
    assert rate.mb_per_second == pytest.approx(20.97, abs=0.01)


def test_a_flame_graph_names_nobodys_folders() -> None:
    command = "&quot;/home/x/bin/python3 bucketry serve --data /tmp/y"
    svg = (
        '<text id="title" x="5">/home/x/py-spy record --output /tmp/z.svg</text>'
        f"<title>process 12:{command}&quot; (7 samples, 63.04%)</title><text>process 12:{command[:30]}..</text>"
    )
    assert _anonymous(svg) == (
        '<text id="title" x="5">bucketry under GET 1 KiB</text>'
        "<title>process 12 (7 samples, 63.04%)</title><text>process 12</text>"
    )
