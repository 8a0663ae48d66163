"""The table of a run: medians over the rounds, ratios, floors; what misses its target is marked and listed.

The reasons of misses are written by people, outside the marks of the table.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.cells import Cell, Outcome

MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")
MISS = "⚠"
# Whole-server figures: what bucketry may have at most.
MOST_MEMORY_MB = 200.0
MOST_READY_SECONDS = 2.0


@dataclass
class Result:
    """A measured row: outcomes by server's name, one a round, and the floor's figure. `shares`: of a cell that is bound
    to another, what it reached of that a round, the two measured one right after the other."""

    cell: Cell
    outcomes: dict[str, list[Outcome]]
    floor: float | None = None
    shares: dict[str, list[float]] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    def value(self, server: str) -> float:
        return statistics.median(outcome.value for outcome in self.outcomes[server])

    def p99_ms(self, server: str) -> float:
        return statistics.median(outcome.p99_ms for outcome in self.outcomes[server])

    def cpu_us(self, server: str) -> float:
        return statistics.median(outcome.cpu_us for outcome in self.outcomes[server])

    def errors(self, server: str) -> int:
        return sum(outcome.errors for outcome in self.outcomes[server])

    @property
    def unit(self) -> str:
        return next(iter(self.outcomes.values()))[0].unit

    def ratio(self) -> float | None:
        """How often better the first server is than the second: more of a rate, less of a time."""
        names = list(self.outcomes)
        if len(names) < 2:
            return None
        own, peer = self.value(names[0]), self.value(names[1])
        if not own or not peer:  # nothing was answered within the time
            return None
        return peer / own if self.unit == "ms" else own / peer

    def share(self, server: str) -> float | None:
        """What the row reaches of the one that it is bound to. Of shares a median, not of medians a share: the speed of
        the machine drifts from round to round."""
        shares = self.shares.get(server)
        return statistics.median(shares) if shares else None

    def judge(self) -> None:
        """Note what misses its target."""
        cell, own = self.cell, next(iter(self.outcomes))
        ratio = self.ratio()
        if ratio is not None and cell.ratio is not None and ratio < cell.ratio:
            self.misses.append(f"{ratio:.2f} of the peer, not {cell.ratio:g}")
        if cell.most_p99_ms is not None and self.p99_ms(own) >= cell.most_p99_ms:
            self.misses.append(f"p99 {self.p99_ms(own):.0f} ms, not below {cell.most_p99_ms:g}")
        if cell.most_ms is not None and self.value(own) >= cell.most_ms:
            self.misses.append(f"{self.value(own):.0f} ms, not below {cell.most_ms:g}")
        if cell.p99_as_peer and ratio is not None:
            peer = list(self.outcomes)[1]
            if self.p99_ms(own) > self.p99_ms(peer):
                self.misses.append(f"p99 {self.p99_ms(own):.1f} ms, the peer's {self.p99_ms(peer):.1f}")
        if cell.floor_share is not None and self.floor and self.value(own) < cell.floor_share * self.floor:
            self.misses.append(f"{self.value(own) / self.floor:.2f} of the disk, not {cell.floor_share:g}")
        share = self.share(own)
        if share is not None and share < cell.beside_share:
            self.misses.append(f"{share:.2f} of “{cell.beside}”, not {cell.beside_share:g}")
        if not self.value(own):
            self.misses.append("no answer within the time")
        if self.errors(own):
            self.misses.append(f"{self.errors(own)} errors")

    def figure(self, server: str) -> str:
        errors = f" ({self.errors(server)} errors)" if self.errors(server) else ""
        return shown(self.value(server), self.unit) + errors

    def line(self) -> str:
        """For the terminal, as soon as it is measured."""
        figures = [
            f"{name} {self.figure(name)} (p99 {self.p99_ms(name):.1f} ms, cpu {self.cpu_us(name):,.0f} µs)"
            for name in self.outcomes
        ]
        ratio, floor = self.ratio(), self.floor
        shares = [f"{name} {self.share(name):.2f}" for name in self.shares]
        return (
            f"{self.cell.name:44} "
            + "   ".join(figures)
            + (f"   ratio {ratio:.2f}" if ratio else "")
            + (f"   of “{self.cell.beside}” {', '.join(shares)}" if shares else "")
            + (f"   floor {shown(floor, self.unit)}" if floor else "")
        )

    def row(self) -> str:
        names, ratio = list(self.outcomes), self.ratio()
        share = self.share(names[0])
        ratios = [f"{figure:.2f}" for figure in (ratio, share) if figure]  # in the order of the targets
        mark = f" {MISS}" if self.misses else ""
        fields = [
            self.cell.name,
            self.cell.target() or "–",
            *(self.figure(name) for name in names),
            (", ".join(ratios) or "–") + mark,
            shown(self.floor, self.unit) if self.floor else "–",
            *(f"{self.p99_ms(name):.1f} ms" if self.p99_ms(name) else "–" for name in names),
            *(f"{self.cpu_us(name):,.0f} µs" for name in names),
        ]
        return f"| {' | '.join(fields)} |"


@dataclass(frozen=True, slots=True)
class Whole:
    """A figure of a whole server beside the cells: memory, time to ready."""

    name: str
    values: dict[str, float]
    unit: str
    most: float | None = None

    def row(self, columns: int) -> str:
        own = next(iter(self.values.values()))
        mark = f" {MISS}" if self.is_missed() else ""
        digits = 0 if own >= 20 else 2
        fields = [
            self.name,
            f"≤ {self.most:g} {self.unit}" if self.most is not None else "–",
            *(f"{value:,.{digits}f} {self.unit}" for value in self.values.values()),
        ]
        fields[2] += mark
        return f"| {' | '.join(fields)} |" + " |" * (columns - len(fields))

    def is_missed(self) -> bool:
        return self.most is not None and next(iter(self.values.values())) > self.most


def shown(value: float, unit: str) -> str:
    digits = 1 if unit == "ms" and value < 100 else 0
    return f"{value:,.{digits}f}{'' if unit == '/s' else ' '}{unit}"


def table(results: Sequence[Result], wholes: Sequence[Whole], names: Sequence[str], about: str) -> str:
    """The whole run in Markdown."""
    columns = ["", "target", *names, "ratio", "floor", *(f"p99 {name}" for name in names)]
    columns += [f"cpu {name}" for name in names]
    lines = [about, "", "|" + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += [result.row() for result in results]
    lines += [whole.row(len(columns)) for whole in wholes]
    missed = [f"{result.cell.name}: {'; '.join(result.misses)}" for result in results if result.misses]
    missed += [f"{whole.name}: above {whole.most:g} {whole.unit}" for whole in wholes if whole.is_missed()]
    if missed:
        lines += ["", f"{MISS} misses its target:", "", *(f"* {miss}" for miss in missed)]
    return "\n".join(lines) + "\n"
